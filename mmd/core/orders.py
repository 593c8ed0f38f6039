"""One own order: its state table, and what the venue has said of it so far.

Everything that affects the state of an order lives here. The table names every pair of state and happening that can occur; a pair that
it does not name raises `IllegalTransition` and changes nothing. DONE is never left, and the executed size never falls (FAULTS U4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mmd.core.errors import MmdError
from mmd.core.messages import OrderReport, OrderStatus
from mmd.core.units import Side


class IllegalTransition(MmdError):
    """A state machine was told of something that cannot happen in its state: a defect of ours."""


class OrderState(Enum):
    PLACING = "placing"  # the POST is on its way, nothing has been heard
    WORKING = "working"  # proven live
    AMENDING = "amending"  # live, a PUT is on its way
    CANCELLING = "cancelling"  # live, a DELETE is on its way
    UNKNOWN = "unknown"  # may be live; only a query (or the user stream) can tell
    DONE = "done"  # proven terminal, or declared gone


class Happening(Enum):
    PLACE_ACCEPTED = "place accepted"
    PLACE_REFUSED = "place refused"
    PLACE_LOST = "place lost"
    AMEND_SENT = "amend sent"
    AMEND_ACCEPTED = "amend accepted"
    AMEND_REFUSED = "amend refused"
    AMEND_LOST = "amend lost"
    CANCEL_SENT = "cancel sent"
    CANCEL_REFUSED = "cancel refused"
    CANCEL_LOST = "cancel lost"
    SEEN_LIVE = "seen live"
    SEEN_TERMINAL = "seen terminal"
    MISSING = "missing"  # not among the open orders that the venue listed
    DECLARED_GONE = "declared gone"  # the venue knows no such order, and can no longer come to know it


_S, _H = OrderState, Happening

# A reply can come after the user stream has told the same or more, so replies to the POST and the PUT are legal in every later state.
TRANSITIONS: dict[tuple[OrderState, Happening], OrderState] = {
    (_S.PLACING, _H.PLACE_ACCEPTED): _S.WORKING,
    (_S.PLACING, _H.PLACE_REFUSED): _S.DONE,
    (_S.PLACING, _H.PLACE_LOST): _S.UNKNOWN,
    (_S.PLACING, _H.SEEN_LIVE): _S.WORKING,
    (_S.PLACING, _H.SEEN_TERMINAL): _S.DONE,
    (_S.PLACING, _H.MISSING): _S.PLACING,
    (_S.WORKING, _H.PLACE_ACCEPTED): _S.WORKING,
    (_S.WORKING, _H.PLACE_REFUSED): _S.UNKNOWN,  # the stream says live, the reply says refused: ask
    (_S.WORKING, _H.PLACE_LOST): _S.WORKING,
    (_S.WORKING, _H.AMEND_SENT): _S.AMENDING,
    (_S.WORKING, _H.AMEND_ACCEPTED): _S.WORKING,  # the reply outlived a cancel that was lost, and a query that found the order live
    (_S.WORKING, _H.AMEND_REFUSED): _S.WORKING,
    (_S.WORKING, _H.AMEND_LOST): _S.UNKNOWN,
    (_S.WORKING, _H.CANCEL_SENT): _S.CANCELLING,
    (_S.WORKING, _H.SEEN_LIVE): _S.WORKING,
    (_S.WORKING, _H.SEEN_TERMINAL): _S.DONE,
    (_S.WORKING, _H.MISSING): _S.UNKNOWN,
    (_S.AMENDING, _H.PLACE_ACCEPTED): _S.AMENDING,
    (_S.AMENDING, _H.PLACE_REFUSED): _S.AMENDING,
    (_S.AMENDING, _H.PLACE_LOST): _S.AMENDING,
    (_S.AMENDING, _H.AMEND_ACCEPTED): _S.WORKING,
    (_S.AMENDING, _H.AMEND_REFUSED): _S.WORKING,  # V3 "Modify Order": refused, the original order remains
    (_S.AMENDING, _H.AMEND_LOST): _S.UNKNOWN,
    (_S.AMENDING, _H.CANCEL_SENT): _S.CANCELLING,  # quotes are pulled at once, whatever the PUT is waiting for
    (_S.AMENDING, _H.SEEN_LIVE): _S.AMENDING,
    (_S.AMENDING, _H.SEEN_TERMINAL): _S.DONE,
    (_S.AMENDING, _H.MISSING): _S.AMENDING,
    (_S.CANCELLING, _H.PLACE_ACCEPTED): _S.CANCELLING,
    (_S.CANCELLING, _H.PLACE_REFUSED): _S.CANCELLING,
    (_S.CANCELLING, _H.PLACE_LOST): _S.CANCELLING,
    (_S.CANCELLING, _H.AMEND_ACCEPTED): _S.CANCELLING,
    (_S.CANCELLING, _H.AMEND_REFUSED): _S.CANCELLING,
    (_S.CANCELLING, _H.AMEND_LOST): _S.CANCELLING,
    (_S.CANCELLING, _H.CANCEL_REFUSED): _S.UNKNOWN,  # it may have filled: FAULTS O4
    (_S.CANCELLING, _H.CANCEL_LOST): _S.UNKNOWN,  # FAULTS O5
    (_S.CANCELLING, _H.SEEN_LIVE): _S.CANCELLING,
    (_S.CANCELLING, _H.SEEN_TERMINAL): _S.DONE,
    (_S.CANCELLING, _H.MISSING): _S.CANCELLING,
    (_S.UNKNOWN, _H.PLACE_ACCEPTED): _S.WORKING,
    (_S.UNKNOWN, _H.PLACE_REFUSED): _S.UNKNOWN,
    (_S.UNKNOWN, _H.PLACE_LOST): _S.UNKNOWN,
    (_S.UNKNOWN, _H.AMEND_ACCEPTED): _S.UNKNOWN,
    (_S.UNKNOWN, _H.AMEND_REFUSED): _S.UNKNOWN,
    (_S.UNKNOWN, _H.AMEND_LOST): _S.UNKNOWN,
    (_S.UNKNOWN, _H.SEEN_LIVE): _S.WORKING,
    (_S.UNKNOWN, _H.SEEN_TERMINAL): _S.DONE,
    (_S.UNKNOWN, _H.MISSING): _S.UNKNOWN,
    (_S.UNKNOWN, _H.DECLARED_GONE): _S.DONE,
    (_S.DONE, _H.PLACE_ACCEPTED): _S.DONE,
    (_S.DONE, _H.PLACE_REFUSED): _S.DONE,
    (_S.DONE, _H.PLACE_LOST): _S.DONE,
    (_S.DONE, _H.AMEND_ACCEPTED): _S.DONE,
    (_S.DONE, _H.AMEND_REFUSED): _S.DONE,
    (_S.DONE, _H.AMEND_LOST): _S.DONE,
    (_S.DONE, _H.CANCEL_REFUSED): _S.DONE,
    (_S.DONE, _H.CANCEL_LOST): _S.DONE,
    (_S.DONE, _H.SEEN_LIVE): _S.DONE,
    (_S.DONE, _H.SEEN_TERMINAL): _S.DONE,
    (_S.DONE, _H.MISSING): _S.DONE,
}


@dataclass
class Order:
    """One own order. `slot` is None for an order adopted from an earlier run. Sizes in lots; `*_ms` on the monotonic clock.

    `executed_lots` is the venue's cumulative figure, `booked_lots` what we have booked trade by trade: the rest is still on its way.
    `observe` is told of what has happened, wherever that left a trace.
    """

    client_order_id: str
    side: Side
    slot: tuple[Side, int] | None
    price_ticks: int
    size_lots: int
    reduce_only: bool
    post_only: bool
    requested_ms: int  # the last POST or PUT
    state: OrderState = OrderState.PLACING
    status: OrderStatus | None = None
    order_id: int = 0
    executed_lots: int = 0
    executed_ms: int = 0  # when the executed size last rose, on our clock
    booked_lots: int = 0
    settled_time_ms: int = 0  # trades up to this venue time count as booked
    update_time_ms: int = 0
    amended_price_ticks: int = 0
    amended_size_lots: int = 0
    amendable: bool = True
    distrusted: bool = False
    cancel_asked: bool = False
    queries: int = 0
    query_due_ms: int | None = None
    query_in_flight: bool = False
    echo_due_ms: int | None = None
    echoed: bool = False
    done_ms: int | None = None
    observe: Callable[[Order, str], None] | None = field(default=None, repr=False, compare=False)
    _seen: tuple[object, ...] = field(default=(), init=False, repr=False, compare=False)

    @property
    def is_live(self) -> bool:
        """Whether it may still trade, as far as we can prove."""
        return self.state is not OrderState.DONE

    @property
    def remaining_lots(self) -> int:
        """The most that may still fill, an amend on its way counted."""
        return max(self.size_lots, self.amended_size_lots) - self.executed_lots

    @property
    def unbooked_lots(self) -> int:
        """Executed at the venue, but the trade itself has not come yet."""
        return max(0, self.executed_lots - self.booked_lots)

    def happen(self, happening: Happening, now_ms: int) -> None:
        """Move along the table. Raises IllegalTransition and changes nothing where the table has no such entry."""
        try:
            state = TRANSITIONS[self.state, happening]
        except KeyError:
            raise IllegalTransition(f"order {self.client_order_id}: {happening.value} while {self.state.value}") from None
        if state is OrderState.DONE and self.state is not OrderState.DONE:
            self.done_ms = now_ms
        if state is OrderState.UNKNOWN and self.state is not OrderState.UNKNOWN:
            self.query_due_ms = now_ms
            self.queries = 0
        self.state = state
        self.note(happening.value)

    def note(self, happening: str) -> None:
        """Tell the observer, unless all that it would see is as it was."""
        seen = (self.state, self.status, self.price_ticks, self.size_lots, self.executed_lots, self.order_id)
        if self.observe is not None and seen != self._seen:
            self._seen = seen
            self.observe(self, happening)

    def learn(self, report: OrderReport, now_ms: int) -> None:
        """Take over what the venue reported, newest wins by its update time, and move along the table."""
        self.order_id = report.order_id or self.order_id
        if report.executed_lots > self.executed_lots:
            self.executed_lots, self.executed_ms = report.executed_lots, now_ms
        if report.update_time_ms >= self.update_time_ms:
            self.update_time_ms = report.update_time_ms
            self.price_ticks, self.size_lots = report.price_ticks, report.size_lots
        if self.is_live or report.status.is_terminal:
            self.status = report.status
        self.happen(Happening.SEEN_TERMINAL if report.status.is_terminal else Happening.SEEN_LIVE, now_ms)
