"""`status --watch`: what fits on a terminal of each size, and that the terminal is as it was afterwards."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from daemon_rig import Daemon, Exchange
from rich.console import Console
from status_rig import ORDER, eth_source, eth_view

from mmd.core.units import Side
from mmd.daemon.cli import main
from mmd.daemon.status.watch_panels import screen

_WAIT_S = 20.0


def picture(directory: Path, width: int, height: int, gone: tuple[str, ...] = (), **changes: Any) -> list[str]:
    """The lines that a terminal of that size would show, without colours."""
    status = json.loads(eth_source(directory, eth_view(**changes))[0].drawn().text)
    status["fills"] = [
        {"time": f"2026-01-02T03:04:{n:02}.000Z", "own": True, "side": "BUY", "price": "2500.00", "size": "0.200", "position": "0.2", "profit": "0", "fee": "0.1",
         "fee_asset": "USDT", "maker": True, "trade": str(n), "order": "mmd-s1-1"} for n in range(20)
    ]
    status["events"] = [{"time": "2026-01-02T03:04:05.000Z", "level": "WARNING", "event": f"event{n}", "text": "why=[bold]not markup[/bold]"} for n in range(20)]
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False, no_color=True)
    with console.capture() as capture:
        console.print(screen(status, gone, width, height), height=height, end="")
    return capture.get().splitlines()


def words(lines: list[str]) -> str:
    return "\n".join(lines)


def test_eighty_by_twenty_four_shows_the_essentials(tmp_path: Path) -> None:
    """State, reasons, book, position, profit, orders, rates, streams, the last fills and warnings: all in sight, no line too long."""
    lines = picture(tmp_path, 80, 24, state="pause", reasons=("stale book",), reasons_since_ms=(1,))
    text = words(lines)
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    for part in ("ETHUSDT", "PAUSE", "! stale book", "2500.90 / 2501.10", "0.150 ETH at 2500", "+0.5500 USDT",
                 "SELL  2501.50  0.200   0.050  3.100    2.0bps  1.2s  working reduce", "fees 0.3500 USDT", "10,000.50", "-/2400", "armed", "alive", "03:04:00", "event0"):
        assert part in text, (part, text)


def test_two_hundred_by_fifty_shows_everything(tmp_path: Path) -> None:
    """The ladder with our order marked in it, all fills, the events, the threads by name."""
    lines = picture(tmp_path, 200, 50)
    text = words(lines)
    assert len(lines) <= 50 and max(map(len, lines)) <= 200
    assert re.search(r"> 0\.150 +3\.100 +2501\.50 +7\.000", text), text
    for part in ("mid 2501", "0.80bps", "orders (1)", "last fills", "03:04:19", "event0", "[bold]not markup[/bold]", "warnings (0) and errors (0)", "main"):
        assert part in text, (part, text)


@pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 10), (80, 24), (100, 30), (120, 34), (200, 50), (300, 100)])
def test_any_size_can_be_drawn(tmp_path: Path, width: int, height: int) -> None:
    """Nothing is longer or higher than the terminal, with many orders too."""
    orders = tuple(ORDER._replace(client_order_id=f"mmd-s1-{n}", side=side, price_ticks=250_000 + n) for n in range(20) for side in Side)
    lines = picture(tmp_path, width, height, orders=orders, reasons=("no book yet",), reasons_since_ms=(1,))
    assert len(lines) <= height and max(map(len, lines)) <= width


def test_a_daemon_that_is_gone_is_told_above_its_last_picture(tmp_path: Path) -> None:
    """Why it does not answer, and that the rest is old; nothing else where there was never an answer."""
    text = words(picture(tmp_path, 80, 24, ("no daemon of this configuration is running", "the last run ended")))
    assert "NO ANSWER" in text and "the last run ended" in text and "is old" in text and "2500.90" in text
    console = Console(file=io.StringIO(), width=80, height=24)
    with console.capture() as capture:
        console.print(screen(None, ["nobody listens"], 80, 24))
    assert "nobody listens" in capture.get() and "q to quit" in capture.get()


def test_what_others_said_moves_no_cursor(tmp_path: Path) -> None:
    """Neither in a reason nor in what is told of a daemon that is gone."""
    for gone in ((), ("gone \x1b[2J\nand back",)):
        lines = picture(tmp_path, 80, 24, gone, state="pause", reasons=("refused: \x1b]0;title\x07",), reasons_since_ms=(1,))
        assert all(line.isprintable() for line in lines), lines
        assert "gone  [2J and back" in words(lines) if gone else "refused:  ]0;title" in words(lines)


class Terminal:
    """`mmd … status --watch` on a pseudo-terminal of its own."""

    def __init__(self, config: Path, state: Path, **environment: str) -> None:
        self.shown = b""
        master, slave = pty.openpty()
        self._master = master
        self.resize(80, 24)
        self.before = termios.tcgetattr(slave)
        given = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"STATE_DIRECTORY": str(state), "TERM": "xterm-256color"}
        self.process = subprocess.Popen([sys.executable, "-m", "mmd", "-c", str(config), "status", "--watch"], stdin=slave, stdout=slave, stderr=slave,
                                        env=given | environment, start_new_session=True)  # fmt: skip
        self._slave = slave

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def wait_for(self, pattern: bytes, since: int = 0) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not re.search(pattern, self.shown[since:], re.DOTALL):
            assert time.monotonic() < deadline, (pattern, self.shown[-3000:])
            self._read(0.1)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        """The exit code, once it has ended by itself; everything that it wrote is in `shown`."""
        deadline = time.monotonic() + _WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    @property
    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._slave) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return False
        self.shown += os.read(self._master, 1 << 16)
        return True


@pytest.fixture
def watch() -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def start(*arguments: Any, **environment: str) -> Terminal:
        made.append(Terminal(*arguments, **environment))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_it_fills_the_terminal_follows_its_size_and_gives_it_back(
    exchange: Exchange, run_daemon: Callable[..., Daemon], watch: Callable[..., Terminal], tmp_path: Path
) -> None:
    """Live figures in colour; bigger, it shows more; the daemon goes and comes; q ends it with the terminal as it was."""
    config, state = exchange.config(tmp_path), tmp_path / "state"
    terminal = watch(config, state)
    terminal.wait_for(rb"no daemon of this configuration is running")
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" placed ")
    terminal.wait_for(rb"QUOTE.*working")
    assert b"\x1b[?1049h" in terminal.shown and re.search(rb"\x1b\[[0-9;]*3[0-9]m", terminal.shown)
    assert not terminal.is_as_before, "keys come one at a time"
    seen = len(terminal.shown)
    terminal.resize(200, 50)
    terminal.wait_for(rb"last fills.*warnings \(", since=seen)
    daemon.stop()
    terminal.wait_for(rb"NO ANSWER", since=seen)
    terminal.type(b"q")
    assert terminal.end() == 0
    assert terminal.shown.endswith(b"\x1b[?25h\x1b[?1049l") and terminal.is_as_before
    assert b"Traceback" not in terminal.shown


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm"])
def test_other_ways_out_give_the_terminal_back_too(exchange: Exchange, watch: Callable[..., Terminal], tmp_path: Path, how: str) -> None:
    """Ctrl-C as the terminal sends it, SIGTERM as a supervisor does; and with NO_COLOR no colour is ever sent."""
    terminal = watch(exchange.config(tmp_path), tmp_path / "state", NO_COLOR="1")
    terminal.wait_for(rb"still asking")
    if how == "ctrl-c":
        terminal.process.send_signal(signal.SIGINT)
    else:
        terminal.process.terminate()
    assert terminal.end() == 0
    assert terminal.shown.endswith(b"\x1b[?1049l") and terminal.is_as_before and b"Traceback" not in terminal.shown
    assert not re.search(rb"\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[0-9;]*m", terminal.shown)


def test_a_dumb_terminal_is_refused(exchange: Exchange, watch: Callable[..., Terminal], tmp_path: Path) -> None:
    """There is nothing to draw on; exit code 78, the reason, and no escape code."""
    terminal = watch(exchange.config(tmp_path), tmp_path / "state", TERM="dumb")
    assert terminal.end() == 78
    assert b"--watch needs a terminal" in terminal.shown and b"\x1b" not in terminal.shown


def test_without_the_package_it_says_what_to_install(
    exchange: Exchange, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The extra is named; everything else of `status` works without it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich" or name.startswith("mmd.daemon.status.watch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    config = str(exchange.config(tmp_path))
    assert main(["-c", config, "status", "--watch"]) == 78
    assert "pip install rich" in capsys.readouterr().err
    assert main(["-c", config, "status"]) == 1


def test_watch_belongs_to_status(exchange: Exchange, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With another command it is an error of the command line."""
    assert main(["-c", str(exchange.config(tmp_path)), "check", "--watch"]) == 78
    assert "--watch is only for status" in capsys.readouterr().out
