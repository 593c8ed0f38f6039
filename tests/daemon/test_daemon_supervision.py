"""What systemd hears of a daemon: ready with the first quotes and once, each state once, signs of life however long there is nothing to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from daemon_rig import Daemon

from mmd.core.messages import Tick
from mmd.daemon.inbox import Inbox
from mmd.daemon.published import View
from mmd.daemon.supervision import Supervision


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def supervision(tmp_path: Path, watchdog_s: float = 1000) -> Supervision:
    return Supervision({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(int(watchdog_s * 1_000_000))})


def heard(wire: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(wire.recv(4096).decode().replace("\n", " "))
        except BlockingIOError:
            return messages


def view(state: str, *reasons: str, mode: str | None = None, waiting: str | None = None) -> View:
    """As much of a view as the line shows."""
    rules = SimpleNamespace(symbol="ETHUSDT")
    return cast(View, SimpleNamespace(state=state, reasons=reasons, mode=mode, waiting=waiting, position=Decimal("0.2"), rules=rules))


def test_the_first_quotes_end_the_start_once(tmp_path: Path, wire: socket.socket) -> None:
    """Ready is said in the state quote and no earlier, never twice, and a state that lasts is said once."""
    watched = supervision(tmp_path)
    for each in (view("boot"), view("boot"), view("sync"), view("quote", mode="BUY"), view("quote", mode="BUY"), view("pause", "stale book", "clock"),
                 view("quote", mode="SELL"), view("quote", mode="SELL", waiting="below the minimum")):
        watched.show(each)
    assert heard(wire) == [
        "STATUS=ETHUSDT boot, position 0.2", "STATUS=ETHUSDT sync, position 0.2", "READY=1 STATUS=ETHUSDT quote BUY, position 0.2",
        "STATUS=ETHUSDT pause, position 0.2: stale book, clock", "STATUS=ETHUSDT quote SELL, position 0.2",
        "STATUS=ETHUSDT quote SELL, position 0.2: below the minimum"]


def test_the_end_is_said_once(tmp_path: Path, wire: socket.socket) -> None:
    """However many reasons there are to end."""
    watched = supervision(tmp_path)
    watched.end("SIGTERM")
    watched.end("the ledger cannot be written")
    assert heard(wire) == ["STOPPING=1 STATUS=SIGTERM"]


def test_a_reload_has_a_beginning_and_an_end(tmp_path: Path, wire: socket.socket) -> None:
    """Reloading, then ready with what came of it: at once where nothing was taken over, with the next run where something was."""
    watched = supervision(tmp_path)
    watched.show(view("quote"))
    heard(wire)
    watched.reload_begins()
    watched.reload_is_done("nothing has changed")
    first, second = heard(wire)
    assert first.startswith("RELOADING=1 MONOTONIC_USEC=") and second == "READY=1 STATUS=nothing has changed"
    watched.reload_begins()
    for state in ("stop", "boot", "pause", "quote", "quote"):
        watched.show(view(state))
    assert [message.partition(" ")[0] for message in heard(wire)] == ["RELOADING=1", "STATUS=ETHUSDT", "STATUS=ETHUSDT", "READY=1", "STATUS=ETHUSDT"]


def test_a_reload_during_the_start_does_not_end_it(tmp_path: Path, wire: socket.socket) -> None:
    """Ready is still said with the first quotes, and not with the refusal of the reload."""
    watched = supervision(tmp_path)
    watched.reload_begins()
    watched.reload_is_done("it is only just starting")
    assert heard(wire) == ["STATUS=it is only just starting"]
    watched.show(view("quote"))
    assert heard(wire) == ["READY=1 STATUS=ETHUSDT quote, position 0.2"]


def test_a_wait_shows_life_however_long_it_takes(tmp_path: Path, wire: socket.socket) -> None:
    """A wait of six quarters of the supervisor's patience gives four signs at least, and then nothing came."""
    watched = supervision(tmp_path, watchdog_s=0.4)
    watched.show(view("quote"))
    assert watched.wait(Inbox(), 0.6) is None
    assert heard(wire)[1:].count("WATCHDOG=1") >= 4


def test_an_event_ends_a_wait_at_once(tmp_path: Path) -> None:
    """What is in the inbox comes out, also with a timeout that has passed, and what is put while it waits."""
    watched, inbox = supervision(tmp_path), Inbox()
    inbox.put(Tick())
    assert watched.wait(inbox, -1.0) == Tick()
    assert watched.wait(inbox, -1.0) is None
    timer = threading.Timer(0.05, inbox.put, [Tick()])
    timer.start()
    assert watched.wait(inbox, 30.0) == Tick()
    timer.join()


def test_a_supervised_start_waits_for_the_venue(
    tmp_path: Path, wire: socket.socket, run_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the venue does not answer, it asks for more time to start, says why it waits, and ends cleanly when it is told to; by hand it ends with 75."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        path = tmp_path / "market.yaml"
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        path.write_text(f"symbol: ETHUSDT\nexchange: {{venue: custom, rest_url: '{url}', ws_url: '{url.replace('http', 'ws')}'}}\n")
        assert run_daemon("-c", path).exit_code() == 75
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        daemon = run_daemon("-c", path)
        wire.settimeout(10)
        words: list[str] = []  # read as they come, or the socket is full when the one comes that counts
        while not (any(word.startswith("STATUS=waiting: ") for word in words) and "EXTEND_TIMEOUT_USEC=1000000" in words):
            words += wire.recv(4096).decode().split("\n")
        assert "READY=1" not in words
        daemon.wait_for(" waiting ")
        assert daemon.stop() == 0
