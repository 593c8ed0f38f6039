"""A disk that is full, read-only or rotated under the daemon: trading ends cleanly or goes on, cancels go out, files are whole (FAULTS P5, P6)."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from binance.um_futures import UMFutures
from daemon_rig import SECRET, Daemon, Exchange

from mmd.core.errors import ConfigError
from mmd.core.messages import Notice
from mmd.daemon.state_directory import Halt, HaltLatch, InstanceLock
from mmd.venue.nonce import Nonces

LIVELY = "strategy: {buy_spread: 0.0001, sell_spread: 0.0001}"
UNRECORDED = f"{LIVELY}\nledger: {{file: none}}"
BUSY = "strategy: {buy_spread: 0, sell_spread: 0, levels: 3}\norders: {order_refresh_interval: 0.05, max_order_age: 1}\nreports: {prices: 0.1, balances: 0.1}"


class SmallDisk:
    """A file system of 1 MiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")

    def fill(self) -> None:
        """Leave no byte."""
        with open(self.path / "ballast", "ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def free(self) -> None:
        (self.path / "ballast").unlink()

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.path], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "disk")
    yield made
    made.unmount()


@pytest.fixture
def run(exchange: Exchange, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons on the exchange, with their state where the test wants it."""
    daemons: list[Daemon] = []

    def start(state: Path, *command: str, text: str = LIVELY) -> Daemon:
        daemons.append(Daemon("-c", exchange.config(tmp_path, text), *command, state=state))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.end()


def leave_an_order(exchange: Exchange) -> None:
    client = UMFutures("paper", SECRET, base_url=exchange.server.rest_url)
    client.new_order(symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price="2300.00", newClientOrderId="mmd-left-1")


# --- the log


def test_a_full_disk_under_the_log_stops_nothing(exchange: Exchange, run: Callable[..., Daemon], tmp_path: Path, disk: SmallDisk) -> None:
    """Trading, and the console, go on; once there is room again the file does too, and says how many lines it lacks; no line in it is torn."""
    log = disk.path / "mmd.log"
    daemon = run(tmp_path / "state", text=f"{BUSY}\nlogging: {{file: '{log}', level: debug}}")
    daemon.wait_for(r" placed ")
    disk.fill()
    seen = len(daemon.lines)
    daemon.wait_for(r".", count=60, since=seen)  # more than the page that was begun
    daemon.wait_for(r" placed | amended | cancelled ", since=len(daemon.lines))
    disk.free()
    written = log.stat().st_size
    deadline = time.monotonic() + 10
    while log.stat().st_size == written:
        assert time.monotonic() < deadline, "nothing is written although there is room"
        time.sleep(0.02)
    assert daemon.stop() == 0
    assert daemon.lines[-1].endswith("open_orders=0") and exchange.open_orders() == []
    lines = log.read_text().splitlines()
    (gap,) = [line for line in lines if " log_gap " in line]
    lost = int(gap.rpartition("=")[2])
    whole = [line for line in lines if line in set(daemon.lines)]
    assert lost > 0 and len(whole) == len(daemon.lines) - lost
    assert len(lines) - len(whole) <= 2, "beside the gap's own line, at most the one that the full disk tore"
    assert lines[-1] == daemon.lines[-1]


def test_a_log_that_never_takes_a_byte_stops_nothing(exchange: Exchange, run: Callable[..., Daemon], tmp_path: Path) -> None:
    """Every write is refused for want of room, from the first line on; it trades and ends cleanly."""
    daemon = run(tmp_path / "state", text=f"{LIVELY}\nlogging: {{file: /dev/full}}")
    daemon.wait_for(r" placed ")
    assert daemon.stop() == 0
    assert daemon.lines[-1].endswith("open_orders=0") and exchange.open_orders() == []


def test_rotation_under_load_loses_no_line(run: Callable[..., Daemon], tmp_path: Path) -> None:
    """Renamed thirty times while lines are written, with and without a new file put in its place: together the files are the console, line by line."""
    log = tmp_path / "mmd.log"
    daemon = run(tmp_path / "state", text=f"{BUSY}\nlogging: {{file: '{log}', level: debug}}")
    daemon.wait_for(r" placed ")
    for number in range(30):
        log.rename(tmp_path / f"mmd.log.{number:02}")
        if number % 3 == 0:
            log.touch()
        time.sleep(0.02 * (number % 4))
        seen = len(daemon.lines)
        daemon.wait_for(r".", since=seen)
        while not log.exists():
            time.sleep(0.001)
    assert daemon.stop() == 0
    files = [*sorted(tmp_path.glob("mmd.log.*")), log]
    assert [line for file in files for line in file.read_text().splitlines()] == daemon.lines
    assert sum(file.stat().st_size > 0 for file in files) > 20, "the daemon did not write to most of them"


# --- the state directory


def test_on_a_full_disk_it_does_not_start_to_trade_but_cancels(exchange: Exchange, run: Callable[..., Daemon], disk: SmallDisk) -> None:
    """A halt could not be latched, so `run` is refused with 78 and the reason; `cancel` and `flatten` do their work."""
    disk.fill()
    refused = run(disk.path)
    assert refused.exit_code() == 78
    assert str(disk.path) in refused.lines[-1] and "No space left on device" in refused.lines[-1], refused.lines
    leave_an_order(exchange)
    cancel = run(disk.path, "cancel")
    assert cancel.exit_code() == 0, cancel.lines
    assert exchange.open_orders() == []
    flatten = run(disk.path, "flatten")
    assert flatten.exit_code() == 0, flatten.lines
    disk.free()
    daemon = run(disk.path)
    daemon.wait_for(r" placed ")
    assert daemon.stop() == 0


def test_a_halt_is_latched_although_the_disk_has_become_full(exchange: Exchange, run: Callable[..., Daemon], disk: SmallDisk) -> None:
    """Room for it was set aside at the start: the halted daemon stays down until `resume`."""
    daemon = run(disk.path, text=UNRECORDED)
    daemon.wait_for(r" placed ")
    disk.fill()
    UMFutures("paper", SECRET, base_url=exchange.server.rest_url).change_leverage(symbol="ETHUSDT", leverage=7)
    assert daemon.exit_code() == 1
    assert exchange.open_orders() == []
    assert any(" halted " in line for line in daemon.lines), daemon.lines
    refused = run(disk.path)
    assert refused.exit_code() == 78 and "mode was changed" in refused.lines[-1]
    resumed = run(disk.path, "resume")
    assert resumed.exit_code() == 0 and "mode was changed" in resumed.lines[-1]


def test_a_clean_stop_needs_no_room(exchange: Exchange, run: Callable[..., Daemon], disk: SmallDisk) -> None:
    """With the state directory full, SIGTERM cancels, verifies and exits with 0."""
    daemon = run(disk.path, text=UNRECORDED)
    daemon.wait_for(r" placed ")
    disk.fill()
    assert daemon.stop(signal.SIGTERM) == 0
    assert daemon.lines[-1].endswith("open_orders=0") and exchange.open_orders() == []


def test_with_a_read_only_state_directory_it_is_refused_but_cancels(exchange: Exchange, run: Callable[..., Daemon], disk: SmallDisk) -> None:
    """`run` ends with 78 and names the directory; `cancel`, which a supervisor calls after every stop, needs none."""
    disk.make_read_only()
    refused = run(disk.path)
    assert refused.exit_code() == 78 and f"{disk.path}: the state directory cannot be written" in refused.lines[-1]
    leave_an_order(exchange)
    cancel = run(disk.path, "cancel")
    assert cancel.exit_code() == 0, cancel.lines
    assert "cannot be written" in cancel.lines[0] and cancel.lines[-1] == "open orders: none of ours"
    assert exchange.open_orders() == []


# --- the ledger


def test_a_ledger_that_cannot_be_written_stops_the_trading(exchange: Exchange, run: Callable[..., Daemon], tmp_path: Path, disk: SmallDisk) -> None:
    """Orders are pulled and verified, the exit code asks for another start, which is refused for as long as there is no room; then the record is whole."""
    ledger = disk.path / "market.ledger"
    text = f"strategy: {{buy_spread: 0, sell_spread: 0}}\nledger: {{file: '{ledger}', marks: 1}}"
    daemon = run(tmp_path / "state", text=text)
    daemon.wait_for(r" FILL ", count=2)
    disk.fill()
    assert daemon.exit_code() == 1
    (failed,) = [line for line in daemon.lines if " ledger_failed " in line]
    assert str(ledger) in failed and "make room on the disk" in failed and failed.endswith(" does=stops")
    assert 'why="the ledger cannot be written"' in daemon.lines[-1] and daemon.lines[-1].endswith("open_orders=0")
    assert exchange.open_orders() == []
    refused = run(tmp_path / "state", text=text)
    assert refused.exit_code() == 1
    assert "cannot_start" in refused.lines[-1] and str(ledger) in refused.lines[-1] and exchange.open_orders() == []
    disk.free()
    again = run(tmp_path / "state", text=text)
    again.wait_for(r" FILL ", count=2)
    assert again.stop() == 0
    with closing(sqlite3.connect(ledger)) as connection:
        recorded = sorted(trade_id for (trade_id,) in connection.execute("SELECT trade_id FROM fills"))
    assert recorded == exchange.trade_ids()


def test_the_lock_holds_without_room_for_the_holder_s_name(disk: SmallDisk) -> None:
    """Who holds it is a courtesy; that it is held is not."""
    disk.fill()
    lock = InstanceLock(disk.path, "ETHUSDT-x")
    with pytest.raises(ConfigError, match="by process unknown"):
        InstanceLock(disk.path, "ETHUSDT-x")
    lock.release()


def test_room_for_a_halt_is_set_aside_or_refused(disk: SmallDisk) -> None:
    """Reserved, then full: the latch reads back whole, however long the reason; full at once: refused, and nothing is left behind."""
    latch = HaltLatch(disk.path, "ETHUSDT-x")
    latch.reserve()
    disk.fill()
    latch.set(Halt("why " * 5_000, "2026-01-01T00:00:00+00:00"))
    halt = latch.read()
    assert halt is not None and halt.reason.startswith("why why") and halt.time == "2026-01-01T00:00:00+00:00"
    assert sorted(path.name for path in disk.path.iterdir()) == ["ETHUSDT-x.halt", "ballast"]
    disk.free()
    assert latch.clear()
    disk.fill()
    with pytest.raises(ConfigError, match="No space left on device"):
        latch.reserve()
    assert [path.name for path in disk.path.iterdir()] == ["ballast"]


def test_nonces_go_on_without_room(disk: SmallDisk) -> None:
    """They still grow, and it is told once that they are not kept."""
    told: list[Notice] = []
    disk.fill()
    nonces = Nonces(disk.path / "signer.nonce", told.append)
    drawn = [nonces.next(1_748_310_859_508) for _ in range(10)]
    assert drawn == sorted(set(drawn))
    assert [notice.event for notice in told] == ["nonce_not_kept"]
