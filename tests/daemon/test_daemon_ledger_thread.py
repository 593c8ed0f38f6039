"""The ledger thread: batches, marks and mark-outs by a clock of the test's own; and a disk that is full, read-only, slow or another's."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ledger_thread_rig import AHEAD_MS, RULES, Hands, a_clock

from mmd.core.errors import MmdError
from mmd.core.messages import Fill, Notice
from mmd.core.records import FillRecord, OrderRecord
from mmd.core.units import Side
from mmd.daemon.record import ledger_thread
from mmd.daemon.record.ledger_thread import LedgerKeeper
from mmd.ledger.entries import Entry, Noted, RunEnded, RunStarted
from mmd.ledger.opening import Identity, LedgerError
from mmd.ledger.writer import Ledger, open_ledger

IDENTITY = Identity("paper", "abc", ("USDT",))


def a_fill(trade_id: int = 1, trade_time_ms: int = AHEAD_MS + 995, **changes: Any) -> Fill:
    fill = Fill(trade_id, 70, "mmd-s1-1", Side.BUY, 250_000, 10, Decimal("0.00125"), "USDT", Decimal(0), True, trade_time_ms)
    return fill._replace(**changes)


def heard(*fills: Fill, time_ms: int = AHEAD_MS + 1_000, source: str = "stream") -> Noted:
    return Noted(time_ms, source, [FillRecord(fill, fill.client_order_id, True, 10, 500_000) for fill in fills])


class Kept:
    """A keeper on a ledger of its own, turned by hand."""

    made: ClassVar[list[Kept]] = []

    def __init__(self, path: Path, ledger: Ledger | None = None, mark_ms: int = 10_000, keep_orders_days: int = 90) -> None:
        self.path = path
        self.made.append(self)
        self.hands = Hands()
        self.failures: list[str] = []
        self.log: list[Notice] = []
        self.ledger = ledger or open_ledger(path, IDENTITY, RULES)
        self.keeper = LedgerKeeper(
            self.ledger, self.hands.published, a_clock(), mark_ms, self.failures.append, keep_orders_days, self.log.append, self.hands.now_ms
        )

    def begin(self) -> None:
        """A run has begun and its first mark is on record."""
        self.hands.show()
        self.turn(RunStarted(AHEAD_MS + 1_000, "s1", "1", False, RULES))
        self.turn(after_ms=200)

    def turn(self, *entries: Entry, after_ms: int = 0) -> None:
        self.hands.now += after_ms
        for entry in entries:
            self.keeper.put(entry)
        if not entries:
            self.keeper.put(Noted(AHEAD_MS + self.hands.now, "reconcile", ()))  # wakes it
        assert self.keeper.turn()

    def end(self) -> None:
        self.keeper.stop()
        self.keeper.run()

    def let_go(self) -> None:
        """Whatever state it is in."""
        with suppress(MmdError):
            self.ledger.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while Kept.made:
        Kept.made.pop().let_go()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "eth.ledger")


# --- marks and mark-outs


def test_a_mark_is_kept_at_every_interval(kept: Kept) -> None:
    """The newest view, at the venue's time of its drawing; none while there is nothing new to see."""
    kept.begin()
    for moment in (5_000, 4_999, 1, 10_000, 10_000):
        kept.hands.now += moment
        if kept.hands.now < 30_000:
            kept.hands.show(mid_ticks=kept.hands.now, position=Decimal("0.5"), entry_price=Decimal("10.5"), orders=(object(),))
        kept.turn()
    drawn = [AHEAD_MS + 1_000, AHEAD_MS + 11_200, AHEAD_MS + 21_200]
    assert kept.rows("SELECT time_ms FROM marks") == [(time,) for time in drawn]
    assert kept.rows("SELECT * FROM marks")[1] == (
        AHEAD_MS + 11_200, 1, 11_199 * 10**6, 11_201 * 10**6, 5 * 10**7, "10.5", "1000", "50.750", "quote", 1)  # fmt: skip


@pytest.mark.parametrize("unknown", [{"balances": {}}, None])
def test_there_is_no_mark_before_the_account_is_known(kept: Kept, unknown: dict[str, Any] | None) -> None:
    """A wallet that nobody has read yet is not an empty one; once it is known, the first mark comes soon."""
    if unknown is not None:
        kept.hands.show(**unknown)
    kept.turn(RunStarted(AHEAD_MS, "s1", "1", False, RULES))
    kept.turn(after_ms=5_000)
    assert kept.rows("SELECT * FROM marks") == []
    kept.hands.show()
    kept.turn(after_ms=250)
    assert len(kept.rows("SELECT * FROM marks")) == 1


def test_a_run_leaves_a_mark_at_its_end(kept: Kept) -> None:
    """Whenever the last one was; and none is kept while no run is on."""
    kept.begin()
    kept.hands.now += 3_000
    kept.hands.show(state="stopped")
    kept.turn(RunEnded(AHEAD_MS + 4_200, "stop", "SIGTERM"))
    kept.hands.show(mid_ticks=1)
    kept.turn(after_ms=60_000)
    assert kept.rows("SELECT state FROM marks") == [("quote",), ("stopped",)]
    assert kept.rows("SELECT ended_ms, cause, why FROM runs") == [(AHEAD_MS + 4_200, "stop", "SIGTERM")]


def test_the_mid_is_looked_at_after_a_fill(kept: Kept) -> None:
    """1, 5, 30 and 300 s after it was heard of, each in its own column."""
    kept.begin()
    kept.turn(heard(a_fill(), time_ms=AHEAD_MS + kept.hands.now))
    for number, moment in enumerate((999, 1, 3_999, 1, 24_999, 1, 269_999, 1)):
        kept.hands.now += moment
        kept.hands.show(mid_ticks=250_000 + number)
        kept.turn()
    assert kept.rows("SELECT mid, mid_1, mid_5, mid_30, mid_300 FROM fills") == [tuple(10**6 * (250_000 + number) for number in (0, 1, 3, 5, 7))]


@pytest.mark.parametrize("blind", [
    {"bids": (), "asks": ()}, {"book_age_ms": None}, {"book_age_ms": 2_001}, {"drawn_ms": 100}, "no view", "too late",
])
def test_a_book_that_cannot_be_seen_gives_no_mark_out(kept: Kept, blind: Any) -> None:
    """Stale, empty, drawn long ago by a main thread that hangs, or looked at too late: then it is unknown, and the next one is looked at."""
    kept.begin()
    kept.turn(heard(a_fill(), time_ms=AHEAD_MS + kept.hands.now))
    kept.hands.now += 4_000
    kept.hands.now -= 0 if blind == "too late" else 3_000
    kept.hands.show(**(blind if isinstance(blind, dict) else {}))
    if blind == "no view":
        kept.hands.published.say("starting anew")
    kept.turn()
    kept.hands.now += 1_000 if blind == "too late" else 4_000
    kept.hands.show()
    kept.turn()
    assert kept.rows("SELECT mid_1, mid_5 IS NOT NULL FROM fills") == [(None, 1)]


def test_a_fill_that_was_heard_of_late_has_no_mark_outs(kept: Kept) -> None:
    """A second after it, or in a list: the mid would be one of another moment."""
    kept.begin()
    now = AHEAD_MS + kept.hands.now
    kept.turn(heard(a_fill(1, now - 1_001), time_ms=now), heard(a_fill(2, now), time_ms=now, source="reconcile"), heard(a_fill(3, now - 1_000), time_ms=now))
    kept.hands.now += 1_000
    kept.hands.show()
    kept.turn()
    assert kept.rows("SELECT trade_id FROM fills WHERE mid_1 IS NOT NULL") == [(3,)]


# --- the queue


def test_what_waits_is_one_transaction(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much came while the last one was written; but never more than a bounded batch at once."""
    written: list[int] = []
    write = kept.ledger.write
    monkeypatch.setattr(kept.ledger, "write", lambda batch: (written.append(len(list(batch))), write(batch)))
    kept.turn(RunStarted(AHEAD_MS, "s1", "1", False, RULES), *(heard(a_fill(number)) for number in range(99)))
    kept.turn(*(heard(a_fill(number)) for number in range(6_000)))
    kept.turn()
    assert written[:3] == [100, 5_000, 1_001]


def test_what_was_put_before_the_stop_is_written(kept: Kept) -> None:
    """Thousands of entries, the end of the run, and then one file with nothing beside it."""
    kept.keeper.put(RunStarted(AHEAD_MS, "s1", "1", False, RULES))
    for number in range(12_000):
        kept.keeper.put(heard(a_fill(number)))
    kept.keeper.put(RunEnded(AHEAD_MS + 5, "stop", "SIGTERM"))
    kept.end()
    assert os.listdir(kept.path.parent) == [kept.path.name]
    assert kept.rows("SELECT count(*) FROM fills") == [(12_000,)] and kept.rows("SELECT cause FROM runs") == [("stop",)]
    assert kept.failures == [] and kept.log == []


def test_a_thread_writes_soon_and_ends_soon(tmp_path: Path) -> None:
    """With the real clock: an entry is on the disk within a moment, and `stop` ends the thread."""
    ledger = open_ledger(tmp_path / "eth.ledger", IDENTITY, RULES)
    keeper = LedgerKeeper(ledger, Hands().published, a_clock(), 10_000, lambda text: None)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    keeper.put(RunStarted(AHEAD_MS, "s1", "1", False, RULES))
    keeper.put(heard(a_fill()))
    deadline = time.monotonic() + 5
    reader = sqlite3.connect(tmp_path / "eth.ledger")
    while not reader.execute("SELECT * FROM fills").fetchall():
        assert time.monotonic() < deadline, "the fill was never written"
        time.sleep(0.005)
    reader.close()
    keeper.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_old_orders_are_thinned_out_while_it_runs(tmp_path: Path) -> None:
    """A little at a time, by the age that is configured."""
    kept = Kept(tmp_path / "eth.ledger", keep_orders_days=1)
    kept.begin()
    order = OrderRecord("o", 1, Side.BUY, False, "seen terminal", "done", None, 1, 1, 0)
    kept.turn(*(Noted(AHEAD_MS + number, "stream", [order._replace(client_order_id=f"o{number}")]) for number in range(700)))
    kept.turn(after_ms=86_400_000 - 1_300)
    assert kept.rows("SELECT count(*) FROM orders") == [(700,)]
    for left in (200, 0, 0):
        kept.turn(after_ms=20_000)
        assert kept.rows("SELECT count(*) FROM orders") == [(left,)]


# --- a disk that fails


class Sick:
    """A ledger whose disk can be told to fail."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.path = ledger.path
        self.error: str | None = None
        self.attempts = 0

    def write(self, entries: list[Entry]) -> None:
        self.attempts += 1
        if self.error:
            raise LedgerError(f"{self.path}: {self.error}")
        self._ledger.write(entries)

    def forget(self, before_ms: int, most: int) -> int:
        if self.error:
            raise LedgerError(f"{self.path}: {self.error}")
        return self._ledger.forget(before_ms, most)

    def check_in_place(self) -> None:
        self._ledger.check_in_place()

    def close(self) -> None:
        self._ledger.close()


@pytest.fixture
def sick(tmp_path: Path) -> tuple[Kept, Sick]:
    path = tmp_path / "eth.ledger"
    sick = Sick(open_ledger(path, IDENTITY, RULES))
    kept = Kept(path, ledger=sick)  # type: ignore[arg-type]
    kept.begin()
    return kept, sick


def test_a_disk_that_fails_is_told_once_and_not_tried_again(sick: tuple[Kept, Sick]) -> None:
    """Trading has to end; every second of trying would only hold up the end."""
    kept, disk = sick
    disk.error, before = "database or disk is full; make room", disk.attempts
    for number in range(5):
        kept.turn(heard(a_fill(number)), after_ms=10_000)
    kept.turn(after_ms=30_000)
    assert kept.failures == [f"{kept.path}: database or disk is full; make room"] and disk.attempts == before + 1


@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
def test_a_ledger_that_is_taken_away_is_noticed(kept: Kept, what: str) -> None:
    """SQLite writes on into a file that nobody will find again, without a word; trading ends instead, and what was moved holds all of it."""
    kept.begin()
    kept.turn(after_ms=30_000)
    assert kept.failures == []
    moved = kept.path.rename(kept.path.with_name("moved"))
    if what == "deleted":
        moved.unlink()
    elif what == "replaced":
        kept.path.write_bytes(moved.read_bytes())
    kept.turn(heard(a_fill()), after_ms=30_000)
    assert kept.failures == [f"{kept.path}: the ledger was moved, deleted or replaced while it is written; stop the daemon before touching it"]
    kept.end()
    if what != "deleted":
        kept.path = moved
        assert kept.rows("SELECT trade_id FROM fills") == [(1,)]


def test_what_the_disk_refused_is_tried_once_more_at_the_end(sick: tuple[Kept, Sick]) -> None:
    """In the order in which it came, with all that came since; and that it worked is said."""
    kept, disk = sick
    disk.error = "full"
    for number in range(5):
        kept.turn(heard(a_fill(number)))
    kept.keeper.put(RunEnded(AHEAD_MS + 9, "failure", "the disk is full"))
    disk.error = None
    kept.end()
    assert kept.rows("SELECT trade_id FROM fills") == [(number,) for number in range(5)] and kept.rows("SELECT cause FROM runs") == [("failure",)]
    assert [notice.event for notice in kept.log] == ["ledger_complete"]


def test_what_is_left_out_for_good_is_said(sick: tuple[Kept, Sick]) -> None:
    """With the reason, and with what the next start does about it."""
    kept, disk = sick
    disk.error = "disk I/O error"
    kept.turn(heard(a_fill()))
    kept.end()
    (notice,) = kept.log
    assert notice.event == "ledger_incomplete" and notice.fields["entries"] == 1 and "next start" in str(notice.fields["does"])


def test_a_disk_that_fails_while_thinning_is_told_too(sick: tuple[Kept, Sick]) -> None:
    """Whichever write finds it."""
    kept, disk = sick
    kept.hands.now += 20_000
    write, disk.write = disk.write, lambda entries: None  # type: ignore[method-assign, assignment]
    disk.error = "database disk image is malformed"
    kept.turn()
    disk.write = write  # type: ignore[method-assign]
    assert kept.failures == [f"{kept.path}: database disk image is malformed"]


def test_a_disk_that_hangs_is_told_by_whoever_puts(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is bounded: nothing more is taken, and it is said once."""
    monkeypatch.setattr(ledger_thread, "MAX_WAITING", 50)
    for number in range(80):
        kept.keeper.put(heard(a_fill(number)))
    assert len(kept.failures) == 1 and "50 entries wait" in kept.failures[0] and str(kept.path) in kept.failures[0]
    assert kept.keeper._queue.qsize() == 50


class SmallDisk:
    """A file system of 256 KiB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "disk")
    yield made
    subprocess.run(["umount", "-l", made.path], check=True)


def test_a_full_disk_keeps_every_acknowledged_fill(disk: SmallDisk) -> None:
    """A real one: the failure names the file and what to do, the ledger stays whole, and with room again the rest follows at the end."""
    for seed in range(3):
        path = disk.path / f"{seed}.ledger"
        kept, random_ = Kept(path), random.Random(seed)
        kept.begin()
        number = 0
        while not kept.failures:
            count = random_.randint(1, 60)
            kept.turn(*(heard(a_fill(number + each)) for each in range(count)))
            written, number = kept.rows("SELECT count(*) FROM fills")[0][0], number + count
            assert number < 20_000, "it never fills up"
        assert str(path) in kept.failures[0] and "make room on the disk" in kept.failures[0], f"seed {seed}"
        assert kept.rows("SELECT count(*), max(trade_id) FROM fills") == [(written, written - 1)] and kept.rows("PRAGMA quick_check") == [("ok",)]
        subprocess.run(["mount", "-o", "remount,size=2m", disk.path], check=True)
        kept.end()
        assert kept.rows("SELECT count(*) FROM fills") == [(number,)], f"seed {seed}"
        path.unlink()
        subprocess.run(["mount", "-o", "remount,size=256k", disk.path], check=True)


def test_a_read_only_disk_is_told(disk: SmallDisk) -> None:
    """From one moment to the next, as a kernel does that has found an error."""
    kept = Kept(disk.path / "eth.ledger")
    kept.begin()
    kept.turn(heard(a_fill()))
    done = subprocess.run(["mount", "-o", "remount,ro", disk.path], capture_output=True, text=True, check=False)
    if done.returncode:
        kept.ledger._connection.execute("PRAGMA query_only = ON")  # files that are open for writing hold the kernel off
    kept.turn(heard(a_fill(2)))
    assert len(kept.failures) == 1 and "writable for this user" in kept.failures[0], kept.failures




# --- another program holds the file


def test_a_file_that_is_held_for_a_while_loses_nothing(kept: Kept) -> None:
    """It is said once, the record waits in memory, mark-outs too; once the file is free everything is written, in its order, and that is said."""
    kept.begin()
    kept.ledger._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(kept.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(1, 4):
        kept.turn(heard(a_fill(number)), after_ms=10_000)
    assert [notice.event for notice in kept.log] == ["ledger_busy"] and kept.failures == []
    other.execute("ROLLBACK")
    kept.turn(heard(a_fill(4)), after_ms=300)
    other.close()
    assert [notice.event for notice in kept.log] == ["ledger_busy", "ledger_free"] and kept.failures == []
    with sqlite3.connect(kept.path) as connection:
        assert connection.execute("SELECT trade_id FROM fills ORDER BY heard_ms, trade_id").fetchall() == [(1,), (2,), (3,), (4,)]
    kept.end()


def test_a_file_that_stays_held_stops_the_trading(kept: Kept) -> None:
    """After a minute it is a failure like any other, told once; what waited is written at the end, if it can be."""
    kept.begin()
    kept.ledger._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(kept.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kept.turn(heard(a_fill(1)))
    kept.turn(after_ms=59_000)
    assert kept.failures == []
    kept.turn(after_ms=1_500)
    (failure,) = kept.failures
    assert "locked" in failure and "end the other program" in failure
    kept.turn(heard(a_fill(2)), after_ms=1_000)
    other.execute("ROLLBACK")
    other.close()
    kept.end()
    with sqlite3.connect(kept.path) as connection:
        assert connection.execute("SELECT trade_id FROM fills ORDER BY trade_id").fetchall() == [(1,), (2,)]
    assert len(kept.failures) == 1
