"""The history thread: reads what no stream has told from the venue's own lists, trades and income, and puts it on record.

At the start, every hour, soon after the account was updated by something that is no order of ours (funding, a transfer), and once more at the
end where something is known to be unread. A failure is told and tried again; it never stops anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from mmd.core.errors import MmdError
from mmd.core.messages import Fill, Level, Notice
from mmd.core.rules import SymbolRules
from mmd.ledger.entries import Entry, IncomeRead, TradesRead
from mmd.ledger.writer import ReadMarks
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.clock import ClockUnset, VenueClock, monotonic_ms
from mmd.venue.endpoints import Call
from mmd.venue.history import read_income, read_trades_after
from mmd.venue.json_fields import ParseError
from mmd.venue.rest import RestClient
from mmd.venue.rest_codec import Caller, CallFailed
from mmd.venue.signing import Params

INTERVAL_S = 3600.0
SETTLE_S = 2.0  # from the event of a change to the line in the list
RETRY_S, RETRY_LIMIT_S = 5.0, 300.0
_POLL_S = 0.25  # until the run's first reading of the account is on record
# What is listed is taken for complete only up to this long ago: a line may appear late, and in front of others.
_COMPLETE_MS = 10_000
_INCOME_OVERLAP_MS = 600_000
# Pages of a long history must leave the rate limit to the trading (2400 a minute): at most 600 a minute, with 5 a page of trades, 30 of income.
_PACE_S = {Call.USER_TRADES: 0.5, Call.INCOME: 3.0}
_LAST_PAGES = 3  # of each list, at the end


class _CutShort(MmdError):
    """There was more to read than the end has time for."""


class _Paced:
    """A caller that lets `pause(call, number)` wait, or raise, before each call of a kind but its first."""

    def __init__(self, rest: Caller, pause: Callable[[Call, int], None]) -> None:
        self._rest = rest
        self._pause = pause
        self._made: dict[Call, int] = {}

    def call(self, call: Call, params: Params = ()) -> Any:
        number = self._made.get(call, 0)
        if number:
            self._pause(call, number)
        self._made[call] = number + 1
        return self._rest.call(call, params)


class HistoryReader:
    """`rest` is its own client. `read_marks` says how far the record goes (None: not known yet), `put` takes the entries."""

    def __init__(
        self,
        rest: RestClient,
        rules: SymbolRules,
        read_marks: Callable[[], ReadMarks | None],
        put: Callable[[Entry], None],
        log: Callable[[Notice], None],
        clock: VenueClock,
        interval_s: float = INTERVAL_S,
        settle_s: float = SETTLE_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._rest = rest
        self._rules = rules
        self._read_marks = read_marks
        self._put = put
        self._log = log
        self._clock = clock
        self._interval_s = interval_s
        self._settle_s = settle_s
        self._retry_s = self._first_retry_s = retry_s
        self._changed = threading.Condition()  # guards what follows; nothing blocks while holding it
        self._stopped = False
        self._due_s = time.monotonic()
        # When `hurry` last said that something is unread; None where all of it was read since. What came before the start is unread from the first.
        self._told_s: float | None = self._due_s - settle_s

    def run(self, at_work: AtWork = unwatched) -> None:
        """Read whenever it is due, until `stop`; then what is still known to be unread."""
        try:
            while self._wait():
                at_work(True)
                self._read_now()
                at_work(False)
            if self._told_s is not None:
                self._read_last()
        finally:
            self._rest.close()

    def hurry(self) -> None:
        """Something is in the lists that was not read: soon. From any thread; returns at once."""
        with self._changed:
            self._told_s = time.monotonic()
            self._due_s = min(self._due_s, self._told_s + self._settle_s)
            self._changed.notify()

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _wait(self) -> bool:
        """Until it is due; False once it is stopped."""
        with self._changed:
            while not self._stopped:
                left_s = self._due_s - time.monotonic()
                if left_s <= 0:
                    return True
                self._changed.wait(left_s)
            return False

    def _read_now(self) -> None:
        began_s = time.monotonic()
        marks = self._read_marks()
        if marks is None:
            self._put_off(_POLL_S)
            return
        try:
            self._read(marks, self._pause)
        except _CutShort:
            return
        except (CallFailed, ParseError, ClockUnset) as error:
            self._log(Notice(Level.WARNING, "history_not_read", {"why": error, "retry_in_s": f"{self._retry_s:g}"}))
            self._put_off(self._retry_s)
            self._retry_s = min(2 * self._retry_s, RETRY_LIMIT_S)
            return
        self._retry_s = self._first_retry_s
        with self._changed:
            self._due_s = began_s + self._interval_s
            if self._told_s is not None and self._told_s + self._settle_s <= began_s:
                self._told_s = None
            elif self._told_s is not None:  # it was told too late to be in this reading for certain
                self._due_s = self._told_s + self._settle_s

    def _put_off(self, for_s: float) -> None:
        with self._changed:
            self._due_s = time.monotonic() + for_s

    def _read_last(self) -> None:
        marks = self._read_marks()
        try:
            if marks is not None:
                self._read(marks, _no_more_than_a_few)
        except (CallFailed, ParseError, ClockUnset, _CutShort) as error:
            self._log(Notice(Level.WARNING, "history_not_read", {"why": error, "does": "leaves it to the next start"}))

    def _read(self, marks: ReadMarks, pause: Callable[[Call, int], None]) -> None:
        """Everything that the record lacks."""
        rest, asked_ms = _Paced(self._rest, pause), self._clock.now_ms(monotonic_ms())
        for fills in read_trades_after(rest, self._rules, marks.trades_read_to):
            self._put(TradesRead(asked_ms, self._rules, fills, _complete_to(fills, asked_ms)))
        since_ms = max(marks.from_ms, marks.income_read_to_ms - _INCOME_OVERLAP_MS)
        for lines in read_income(rest, since_ms, asked_ms):
            self._put(IncomeRead(asked_ms, lines, 0))
        self._put(IncomeRead(asked_ms, (), asked_ms))

    def _pause(self, call: Call, number: int) -> None:
        """Between two pages. Raises _CutShort where it is stopped."""
        with self._changed:
            if self._changed.wait_for(lambda: self._stopped, _PACE_S[call]):
                raise _CutShort("stopped while reading")


def _no_more_than_a_few(call: Call, number: int) -> None:
    if number >= _LAST_PAGES:
        raise _CutShort("there is too much of it to read at the end")


def _complete_to(fills: tuple[Fill, ...], asked_ms: int) -> int:
    return max((fill.trade_id for fill in fills if fill.trade_time_ms <= asked_ms - _COMPLETE_MS), default=0)
