"""The main thread's side of the ledger: what happened in a step, as entries on a queue. It never blocks, and it decides nothing.

Durations and replies come too often for an entry each: they are counted here, and the counts go out every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from typing import Protocol

from mmd import __version__
from mmd.core.messages import (
    AccountUpdate,
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    Depth,
    Event,
    Finished,
    Lost,
    OrderUpdate,
    Place,
    Query,
    ReadRules,
    Reconcile,
    Reconciled,
    Refusal,
    Reply,
    Stream,
    StreamUp,
    Tick,
    Unsent,
)
from mmd.core.records import Record
from mmd.core.rules import SymbolRules
from mmd.ledger.entries import Baseline, Counted, Entry, Noted, RunEnded, RunStarted, WalletRead, WalletUpdate
from mmd.venue.clock import VenueClock, monotonic_ms

FLUSH_MS = 5_000
_KINDS: dict[type, str] = {
    Place: "place", Amend: "amend", Cancel: "cancel", CancelAll: "cancel_all", Query: "query", Reconcile: "reconcile", ReadRules: "rules",
    ArmCountdown: "countdown",
}  # fmt: skip
_FAILURES: dict[type, str] = {Refusal: "refused", Lost: "lost", Unsent: "unsent"}
_ORDER_REQUESTS = (Place, Amend, Cancel, Query)


class HasRecords(Protocol):
    """What the journal needs of an engine: `records` is a list made anew by each step."""

    @property
    def records(self) -> Sequence[Record]: ...


class Journal:
    """One run at a time. `put` takes the entries; `unread` is told when the venue's lists are known to hold something that no stream tells."""

    def __init__(
        self, put: Callable[[Entry], None], clock: VenueClock, unread: Callable[[], None] = lambda: None, now_ms: Callable[[], int] = monotonic_ms
    ) -> None:
        self._put = put
        self._clock = clock
        self._unread = unread
        self._now_ms = now_ms
        self._requests: dict[tuple[str, str], int] = {}
        self._durations: dict[tuple[str, int], int] = {}
        self._flush_due_ms = 0
        self._was_read = False
        self._was_up = False

    def started(self, rules: SymbolRules, session: str, new_account: bool) -> None:
        """A run begins. `new_account`: the exchange is embedded and began afresh with this process."""
        now_ms = self._now_ms()
        self._was_read = self._was_up = False
        self._flush_due_ms = now_ms + FLUSH_MS
        self._put(RunStarted(self._clock.now_ms(now_ms), session, __version__, new_account, rules))

    def stepped(self, event: Event | None, engine: HasRecords, now_ms: int, step_us: float) -> None:
        """The engine took in `event` at `now_ms`, in `step_us` of processor time."""
        kind = type(event)
        records = engine.records
        if records:
            self._put(Noted(self._clock.now_ms(now_ms), "stream" if kind is OrderUpdate else "reconcile", records))
        if event is None or kind is Tick:
            pass
        elif isinstance(event, Depth):
            self._time("event_age", max(event.age_ms * 1000, 500))  # known in whole milliseconds, so 0 is half of one
            self._time("decision", step_us)
        else:
            self._time("decision", step_us)
            if isinstance(event, Reply):
                self._replied(event, now_ms)
            elif isinstance(event, AccountUpdate):
                self._wallet_updated(event)
            elif isinstance(event, StreamUp) and event.stream is Stream.USER:
                if self._was_up:
                    self._unread()  # whatever came while it was down
                self._was_up = True
        if now_ms >= self._flush_due_ms:
            self._flush(now_ms)

    def ended(self, finished: Finished) -> None:
        """The run is over."""
        now_ms = self._now_ms()
        self._flush(now_ms)
        self._put(RunEnded(self._clock.now_ms(now_ms), finished.cause.value, finished.reason))

    def _replied(self, reply: Reply, now_ms: int) -> None:
        outcome = _FAILURES.get(type(reply.outcome), "done")
        key = _KINDS[type(reply.request)], outcome
        self._requests[key] = self._requests.get(key, 0) + 1
        if isinstance(reply.request, _ORDER_REQUESTS) and outcome != "unsent":
            self._time("round_trip", max((now_ms - reply.sent_ms) * 1000, 500))
        if isinstance(reply.outcome, Reconciled):
            self._read(reply.outcome, reply.sent_ms, now_ms)

    def _read(self, truth: Reconciled, sent_ms: int, now_ms: int) -> None:
        """The doubt about the venue's time widens the span in which the balances were true: what falls into it makes the reading inexact, no more."""
        doubt_ms = self._clock.uncertainty_ms(now_ms) or 0
        asked_ms = self._clock.now_ms(sent_ms) - doubt_ms
        self._put(WalletRead(asked_ms, self._clock.now_ms(now_ms) + doubt_ms, "reconcile", truth.balances))
        if not self._was_read:
            self._was_read = True
            self._put(Baseline(asked_ms, max((fill.trade_id for fill in truth.fills), default=0)))

    def _wallet_updated(self, event: AccountUpdate) -> None:
        if event.balances:
            self._put(WalletUpdate(event.transaction_time_ms or event.event_time_ms, event.reason, event.balances))
        if event.reason != "ORDER":
            self._unread()

    def _time(self, what: str, duration_us: float) -> None:
        key = what, bucket_of(duration_us)
        self._durations[key] = self._durations.get(key, 0) + 1

    def _flush(self, now_ms: int) -> None:
        self._flush_due_ms = now_ms + FLUSH_MS
        if self._requests or self._durations:
            self._put(Counted(self._clock.now_ms(now_ms), self._requests, self._durations))
            self._requests, self._durations = {}, {}


def bucket_of(duration_us: float) -> int:
    """The histogram's bucket: b holds durations of 2**((b-1)/4) to 2**(b/4) microseconds, 0 those below one."""
    return int(4 * log2(duration_us)) + 1 if duration_us >= 1 else 0
