"""The ledger thread: takes entries from a queue and writes them, one transaction for all that wait; and looks at the market itself, for marks.

When the disk does not take them trading must end, and the record waits in memory for one last attempt at the stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import NamedTuple

from mmd.core.messages import Level, Notice
from mmd.core.records import FillRecord
from mmd.core.units import Side
from mmd.daemon.logs.logbook import log_notice
from mmd.daemon.published import Published, View
from mmd.ledger.entries import Entry, Marked, MarkOut, Noted, RunEnded, RunStarted
from mmd.ledger.opening import LedgerBusy, LedgerError
from mmd.ledger.schema import MARK_OUT_S
from mmd.ledger.writer import Ledger
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.clock import VenueClock, monotonic_ms

MAX_WAITING = 100_000  # entries; some hundred megabytes at the very most
_MAX_BATCH = 5_000
_FRESH_MS = 2_000
_LIVE_MS = 1_000  # a fill that was heard of later than this has no mark-outs: they would be counted from the wrong moment
_LATE_MS = 300  # a mark-out that could not be looked at in time is none
_RETRY_MARK_MS = 200
_SWEEP_MS = 20_000
_SWEEP_ORDERS = 500  # a time: 1,500 a minute, and the venue takes 1,200
_DAY_MS = 86_400_000
_BUSY_MS = 60_000  # another program may hold the file for so long; the record waits in memory
_RETRY_MS = 200  # SQLite itself has waited five seconds before


class _Awaited(NamedTuple):
    """A fill whose mark-out is due at a monotonic time."""

    due_ms: int
    trade_id: int
    side: Side


class LedgerKeeper:
    """`put` from any thread; `failed(text)` is called once, on whichever thread finds it, when the disk does not take the record.

    A mark is kept every `mark_ms`; of orders placed more than `keep_orders_days` ago only those that filled are kept, without their transitions.
    """

    def __init__(
        self,
        ledger: Ledger,
        published: Published,
        clock: VenueClock,
        mark_ms: int,
        failed: Callable[[str], None],
        keep_orders_days: int = 90,
        log: Callable[[Notice], None] = log_notice,
        now_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._ledger = ledger
        self._published = published
        self._clock = clock
        self._mark_ms = mark_ms
        self._failed = failed
        self._keep_orders_ms = keep_orders_days * _DAY_MS
        self._log = log
        self._now_ms = now_ms
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._awaited: dict[int, deque[_Awaited]] = {after_s: deque() for after_s in MARK_OUT_S}
        self._running = False  # a run has started and not ended
        self._marked_ms: int | None = None  # when the view was drawn that the last mark shows
        self._mark_due_ms = now_ms()
        self._sweep_due_ms = self._mark_due_ms + _SWEEP_MS
        self._broken = self._told = self._overflowing = False
        self._backlog: list[Entry] = []  # what the disk did not take
        self._busy_since_ms: int | None = None

    def put(self, entry: Entry) -> None:
        """Queue an entry; never blocks."""
        if self._queue.qsize() < MAX_WAITING:
            self._queue.put(entry)
        elif not self._overflowing:
            self._overflowing = True
            self._tell(f"{self._ledger.path}: the disk does not take the record: {MAX_WAITING} entries wait to be written; look at the disk")

    def run(self, at_work: AtWork = unwatched) -> None:
        """Write until `stop`; what was put before it is still written."""
        while self.turn(at_work):
            pass
        self._close()

    def turn(self, at_work: AtWork = unwatched) -> bool:
        """Wait for what comes or is due next, and write it; False at the end. For `run`, and for tests that have no thread."""
        at_work(False)
        batch, stopping = self._take()
        at_work(True)
        now_ms = self._now_ms()
        batch = self._with_last_marks(batch)
        batch += self._mark_outs(now_ms)
        batch += self._marks(now_ms)
        if batch or self._busy_since_ms is not None:
            self._write(batch, now_ms)
        if now_ms >= self._sweep_due_ms and not self._broken and self._busy_since_ms is None:
            self._sweep(now_ms)
        return not stopping

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        self._queue.put(None)

    # --- the queue --------------------------------------------------------------------------------------------------------------------

    def _take(self) -> tuple[list[Entry], bool]:
        """What waits, at most a batch of it, or nothing where something else is due first; and whether the end was among it."""
        batch: list[Entry] = []
        try:
            entry = self._queue.get(timeout=max(0.0, (self._due_ms() - self._now_ms()) / 1000))
            while entry is not None:
                batch.append(entry)
                if len(batch) >= _MAX_BATCH:
                    return batch, False
                entry = self._queue.get_nowait()
            return batch, True
        except Empty:
            return batch, False

    def _due_ms(self) -> int:
        retry = () if self._busy_since_ms is None else (self._now_ms() + _RETRY_MS,)
        return min(self._mark_due_ms, self._sweep_due_ms, *retry, *(awaited[0].due_ms for awaited in self._awaited.values() if awaited))

    def _write(self, batch: list[Entry], now_ms: int) -> None:
        if self._broken:
            self._backlog += batch[: MAX_WAITING - len(self._backlog)]
            return
        batch = [*self._backlog, *batch]
        try:
            self._ledger.write(batch)
        except LedgerError as error:
            self._refused(batch, error, now_ms)
            return
        if self._busy_since_ms is not None:
            self._busy_since_ms, self._backlog = None, []
            self._log(Notice(Level.INFO, "ledger_free", {"file": self._ledger.path, "entries": len(batch), "does": "writes again, nothing is missing"}))
        for entry in batch:
            if isinstance(entry, Noted) and entry.source == "stream":
                self._await_mark_outs(entry, now_ms)
            elif isinstance(entry, RunStarted):
                self._running = True
            elif isinstance(entry, RunEnded):
                self._running = False

    def _refused(self, batch: list[Entry], error: LedgerError, now_ms: int) -> None:
        """Another program may hold the file for a while; anything else, or too much of that, ends the trading."""
        since_ms = now_ms if self._busy_since_ms is None else self._busy_since_ms
        if not isinstance(error, LedgerBusy) or now_ms - since_ms >= _BUSY_MS or len(batch) >= MAX_WAITING:
            self._busy_since_ms = None
            self._fail(batch, error)
            return
        if self._busy_since_ms is None:
            fields = {"why": error, "for_at_most_s": _BUSY_MS // 1000, "does": "keeps the record in memory and tries again"}
            self._log(Notice(Level.WARNING, "ledger_busy", fields))
        self._busy_since_ms, self._backlog = since_ms, batch

    def _fail(self, batch: list[Entry], error: LedgerError) -> None:
        self._broken, self._backlog = True, batch
        self._tell(str(error))

    def _tell(self, text: str) -> None:
        if not self._told:
            self._told = True
            self._failed(text)

    def _sweep(self, now_ms: int) -> None:
        self._sweep_due_ms = now_ms + _SWEEP_MS
        try:
            self._ledger.check_in_place()
            self._ledger.forget(self._clock.now_ms(now_ms) - self._keep_orders_ms, _SWEEP_ORDERS)
        except LedgerBusy:
            return  # It can wait.
        except LedgerError as error:
            self._fail([], error)

    def _close(self) -> None:
        """The last attempt where the disk had failed, and the end."""
        try:
            try:
                if self._backlog:
                    self._ledger.write(self._backlog)
                    self._log(Notice(Level.INFO, "ledger_complete", {"file": self._ledger.path, "note": "the disk took at the end what it had refused"}))
            finally:
                self._ledger.close()
        except LedgerError as error:
            does = "leaves them out; the next start reads fills and income from the venue's lists"
            self._log(Notice(Level.ERROR, "ledger_incomplete", {"entries": len(self._backlog), "why": error, "does": does}))

    # --- marks ------------------------------------------------------------------------------------------------------------------------

    def _marks(self, now_ms: int) -> list[Entry]:
        """A mark, where one is due."""
        if now_ms < self._mark_due_ms:
            return []
        marks = self._mark() if self._running else []
        self._mark_due_ms = now_ms + (self._mark_ms if marks else min(self._mark_ms, _RETRY_MARK_MS))
        return marks

    def _with_last_marks(self, batch: list[Entry]) -> list[Entry]:
        """The batch with a mark before the end of a run, which is what the run leaves."""
        if not any(isinstance(entry, RunEnded) for entry in batch):
            return batch
        running, whole = self._running, list[Entry]()
        for entry in batch:
            if isinstance(entry, RunEnded) and running:
                whole += self._mark()
            running = running or isinstance(entry, RunStarted)
            whole.append(entry)
        return whole

    def _mark(self) -> list[Entry]:
        """Where we are by the newest view; nothing before the account is known, and nothing twice."""
        view = self._published.get()
        if view is None or not view.balances or view.drawn_ms == self._marked_ms:
            return []
        self._marked_ms = view.drawn_ms
        time_ms = self._clock.now_ms(view.drawn_ms)
        prices, profit = (view.best_bid, view.best_ask, view.position, view.entry_price), view.unrealized_profit
        return [Marked(time_ms, *prices, view.balance, profit, view.state, len(view.orders))]

    def _await_mark_outs(self, entry: Noted, now_ms: int) -> None:
        heard_ms = now_ms + entry.time_ms - self._clock.now_ms(now_ms)
        for record in entry.records:
            if isinstance(record, FillRecord) and entry.time_ms - record.fill.trade_time_ms <= _LIVE_MS:
                for after_s, awaited in self._awaited.items():
                    awaited.append(_Awaited(heard_ms + after_s * 1000, record.fill.trade_id, record.fill.side))

    def _mark_outs(self, now_ms: int) -> Iterator[Entry]:
        """Those that are due, where the book can be seen."""
        view = self._published.get()
        mid = view.mid if view is not None and _is_fresh(view, now_ms) else None
        for after_s, awaited in self._awaited.items():
            while awaited and awaited[0].due_ms <= now_ms:
                due_ms, trade_id, side = awaited.popleft()
                if mid is not None and now_ms - due_ms <= _LATE_MS:
                    yield MarkOut(trade_id, side, after_s, mid)


def _is_fresh(view: View, now_ms: int) -> bool:
    return view.book_age_ms is not None and view.book_age_ms + now_ms - view.drawn_ms <= _FRESH_MS
