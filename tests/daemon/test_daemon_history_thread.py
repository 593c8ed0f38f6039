"""The history thread: when it reads, from where, what it puts on record, and that no failure of it stops anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ledger_thread_rig import RULES

from mmd.core.messages import Lost, Notice, Unsent
from mmd.daemon.record import history_thread
from mmd.daemon.record.history_thread import HistoryReader
from mmd.ledger.entries import Entry, IncomeRead, TradesRead
from mmd.ledger.writer import ReadMarks
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.endpoints import Call
from mmd.venue.history import TRADES_PAGE
from mmd.venue.rest_codec import CallFailed
from mmd.venue.signing import Params

LONG_S = 60.0


class Script:
    """A venue with lists, and one reader of them on a thread of its own; each reading ends with an IncomeRead that has no lines."""

    def __init__(self, **timing: float) -> None:
        self.clock = VenueClock()
        now = monotonic_ms()
        self.clock.observe(now + 1_750_000_000_000, now, now)
        self.trades: list[dict[str, Any]] = []
        self.income: list[dict[str, Any]] = []
        self.asked: list[tuple[Call, dict[str, str]]] = []
        self.failures = 0  # so many calls fail first
        self.marks: ReadMarks | None = ReadMarks(10, self.now_ms() - 1_000, self.now_ms() - 2_000)
        self.entries: list[Entry] = []
        self.log: list[Notice] = []
        self.closed = False
        self._grown = threading.Condition()
        # The calls go to this object, which is no RestClient and answers like one.
        self.reader = HistoryReader(
            self, RULES, lambda: self.marks, self._put, self._log, self.clock,  # type: ignore[arg-type]
            **{"interval_s": LONG_S, "settle_s": 0.05, "retry_s": 0.02, **timing},
        )
        self.thread = threading.Thread(target=self.reader.run)

    def now_ms(self) -> int:
        return self.clock.now_ms(monotonic_ms())

    def call(self, call: Call, params: Params = ()) -> Any:
        asked = dict(params)
        with self._grown:
            self.asked.append((call, asked))
            self._grown.notify_all()
            if self.failures:
                self.failures -= 1
                raise CallFailed(call, (Unsent("no route"), Lost("timeout"))[self.failures % 2])
        if call is Call.USER_TRADES:
            return [each for each in self.trades if each["id"] >= int(asked["fromId"])][:TRADES_PAGE]
        return [each for each in self.income if int(asked["startTime"]) <= each["time"] <= int(asked["endTime"])][:1000]

    def close(self) -> None:
        self.closed = True

    def _put(self, entry: Entry) -> None:
        with self._grown:
            self.entries.append(entry)
            self._grown.notify_all()

    def _log(self, notice: Notice) -> None:
        with self._grown:
            self.log.append(notice)
            self._grown.notify_all()

    def wait(self, true: Callable[[], bool]) -> None:
        with self._grown:
            assert self._grown.wait_for(true, 10), (self.asked, self.entries, self.log)

    @property
    def readings(self) -> list[IncomeRead]:
        return [entry for entry in self.entries if isinstance(entry, IncomeRead) and not entry.lines]

    def start(self) -> Script:
        self.thread.start()
        return self

    def end(self) -> None:
        self.reader.stop()
        if self.thread.ident is not None:
            self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def make(**timing: float) -> Script:
        made.append(Script(**timing))
        return made[-1]

    yield make
    for each in made:
        each.end()


def trade(trade_id: int, time_ms: int) -> dict[str, Any]:
    return {
        "id": trade_id, "orderId": 7, "symbol": "ETHUSDT", "side": "BUY", "price": "2681.62", "qty": "0.001", "commission": "0.1",
        "commissionAsset": "USDT", "realizedPnl": "0", "maker": True, "time": time_ms,
    }  # fmt: skip


def line(time_ms: int) -> dict[str, Any]:
    return {"symbol": "", "incomeType": "TRANSFER", "income": "5", "asset": "USDT", "info": "", "time": time_ms, "tranId": "1", "tradeId": ""}


def test_at_the_start_it_reads_what_the_record_lacks(script: Any) -> None:
    """Trades after the last one read (not booked), income from a little before where it was read to, but never from before the ledger's time."""
    made = script()
    now = made.now_ms()
    made.trades = [trade(number, now - 60_000) for number in (9, 10, 11, 12)] + [trade(13, now)]
    made.income = [line(now - 1_500)]
    made.start().wait(lambda: len(made.readings) == 1)
    trades, income, end = made.entries
    assert isinstance(trades, TradesRead) and [fill.trade_id for fill in trades.fills] == [11, 12, 13] and trades.rules is RULES
    assert trades.read_to_trade_id == 12, "of what has only just happened the list may not be complete"
    assert isinstance(income, IncomeRead) and len(income.lines) == 1 and income.read_to_ms == 0
    assert now <= end.read_to_ms <= made.now_ms()
    assert made.asked[0][1]["fromId"] == "11" and made.asked[1][1]["startTime"] == str(made.marks.from_ms)


def test_income_is_read_again_over_a_while(script: Any) -> None:
    """A line may be listed late."""
    made = script()
    made.marks = ReadMarks(10, made.now_ms() - 1_000, made.now_ms() - 86_400_000)
    made.start().wait(lambda: len(made.readings) == 1)
    assert made.asked[1][1]["startTime"] == str(made.marks.income_read_to_ms - 600_000)


def test_it_waits_for_the_first_reading_of_the_account(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it nobody knows where the record begins."""
    monkeypatch.setattr(history_thread, "_POLL_S", 0.01)
    made = script()
    marks, made.marks = made.marks, None
    made.start()
    time.sleep(0.1)
    assert made.asked == []
    made.marks = marks
    made.wait(lambda: len(made.readings) == 1)


def test_it_reads_at_every_interval(script: Any) -> None:
    """Whether or not anybody tells it to."""
    made = script(interval_s=0.03).start()
    made.wait(lambda: len(made.readings) >= 3)


def test_it_reads_soon_after_it_was_told(script: Any) -> None:
    """Not at once, for a list may lag; and what was told shortly before a reading began is read once more."""
    made = script(settle_s=0.15).start()
    made.wait(lambda: len(made.readings) == 1)
    began = time.monotonic()
    made.reader.hurry()
    made.wait(lambda: len(made.readings) == 2)
    assert time.monotonic() - began >= 0.15
    time.sleep(0.3)
    assert len(made.readings) == 2, "once is enough"


def test_a_failure_is_told_and_tried_again_ever_later(script: Any) -> None:
    """With the reason, never fatal; after a success the waits begin anew."""
    made = script(interval_s=0.05)
    made.failures = 4
    made.start().wait(lambda: len(made.readings) >= 1)
    made.failures = 1
    made.wait(lambda: len(made.log) == 5)
    assert [notice.event for notice in made.log] == ["history_not_read"] * 5
    assert [notice.fields["retry_in_s"] for notice in made.log] == ["0.02", "0.04", "0.08", "0.16", "0.02"]
    assert {"no route" in str(notice.fields["why"]) for notice in made.log} == {True, False}
    made.wait(lambda: made.failures == 0)
    assert made.thread.is_alive()


def test_an_answer_that_does_not_read_is_told_too(script: Any) -> None:
    """And nothing of it is put on record."""
    made = script()
    made.trades = [{"id": 99}]
    made.start().wait(lambda: bool(made.log) or len(made.readings) > 0)
    assert "is missing" in str(made.log[0].fields["why"])
    assert not any(isinstance(entry, TradesRead) for entry in made.entries)


def test_a_long_history_is_read_at_leisure(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate limit is the trading's: between two pages there is a pause, which a stop cuts short."""
    monkeypatch.setitem(history_thread._PACE_S, Call.USER_TRADES, 0.1)
    made = script()
    made.trades = [trade(100 + number, 5) for number in range(2 * TRADES_PAGE + 5)]
    began = time.monotonic()
    made.start().wait(lambda: len(made.readings) == 1)
    assert time.monotonic() - began >= 0.2 and len(made.entries) == 4
    monkeypatch.setitem(history_thread._PACE_S, Call.USER_TRADES, LONG_S)
    made.reader.hurry()
    made.wait(lambda: len(made.entries) == 5)
    began = time.monotonic()
    made.end()
    assert time.monotonic() - began < 5


def test_at_the_end_it_reads_what_is_known_to_be_unread(script: Any) -> None:
    """Told and not read yet; then the connection is let go."""
    made = script(settle_s=LONG_S).start()
    made.wait(lambda: len(made.readings) == 1)
    made.reader.hurry()
    made.end()
    assert len(made.readings) == 2 and made.closed and made.log == []


def test_a_run_that_ends_before_its_first_reading_reads_at_the_end(script: Any) -> None:
    """What an earlier run has left unrecorded is on record when this one is over, however short it was."""
    made = script(settle_s=LONG_S)
    made.trades = [trade(11, 5)]
    made.reader.stop()
    made.start().end()
    assert len(made.readings) == 1 and any(isinstance(entry, TradesRead) for entry in made.entries)


def test_at_the_end_it_reads_nothing_where_nothing_is_unread(script: Any) -> None:
    """The end is not held up for nothing."""
    made = script().start()
    made.wait(lambda: len(made.readings) == 1)
    made.end()
    assert len(made.readings) == 1 and made.closed


@pytest.mark.parametrize("trouble", ["fails", "too much", "never begun"])
def test_the_end_is_short_whatever_happens(script: Any, trouble: str) -> None:
    """One attempt and a few pages, told where they did not do; the next start reads the rest."""
    made = script(settle_s=LONG_S)
    if trouble == "never begun":
        made.marks = None
    made.start()
    if trouble != "never begun":
        made.wait(lambda: len(made.readings) == 1)
    made.reader.hurry()
    before = len(made.asked)
    if trouble == "fails":
        made.failures = 99
    else:
        made.trades = [trade(100 + number, 5) for number in range(9 * TRADES_PAGE)]
    made.end()
    assert len(made.asked) - before == {"fails": 1, "too much": 3, "never begun": 0}[trouble]
    assert [notice.fields.get("does") for notice in made.log] == ([] if trouble == "never begun" else ["leaves it to the next start"])
