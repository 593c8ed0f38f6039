"""The desk: every own order from before its POST until its last fill is booked, and the slots that they stand in.

It turns reports into happenings on the orders' state table, and the difference between wanted and working into requests.
It knows nothing of streams, balances or the engine's state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence

from mmd.core.budget import OrderBudget
from mmd.core.client_ids import ClientIds
from mmd.core.holds import Hold
from mmd.core.messages import (
    Action,
    Amend,
    Cancel,
    Fill,
    Level,
    Notice,
    OrderReport,
    Place,
    Query,
    Reply,
)
from mmd.core.orders import Happening, Order, OrderState
from mmd.core.outcomes import Outcomes
from mmd.core.quoting import Quote
from mmd.core.records import OrderRecord
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings
from mmd.core.slots import Step, next_step
from mmd.core.units import Side

Slot = tuple[Side, int]

_TOMBSTONES = 2_000


class Desk:
    def __init__(
        self,
        rules: SymbolRules,
        settings: EngineSettings,
        client_ids: ClientIds,
        emit: Callable[[Action], None],
        count_refusal: Callable[[int], None] = lambda now_ms: None,
        record: Callable[[OrderRecord], None] = lambda record: None,
    ) -> None:
        """`emit` takes the requests and notices; `count_refusal` is told when the venue refuses an order or ends it at once; `record` gets every order
        each time that something has happened to it."""
        self._rules = rules
        self._settings = settings
        self._ids = client_ids
        self._emit = emit
        self._record = record
        self._active: dict[str, Order] = {}  # may be live, or has fills that are not booked
        self._tombstones: OrderedDict[str, Order] = OrderedDict()
        self._slots: dict[Slot, Order] = {}
        self._outcomes = Outcomes(rules, settings, emit, count_refusal)
        self.budget = OrderBudget(int(rules.orders_per_minute * settings.risk.order_rate_fraction))
        self._over_budget = False

    # --- what stands on the desk ------------------------------------------------------------------------------------------------------

    def live(self) -> Iterator[Order]:
        """Orders that may still trade, as far as we can prove."""
        return (order for order in self._active.values() if order.is_live)

    @property
    def has_live(self) -> bool:
        return any(order.is_live for order in self._active.values())

    @property
    def has_unbooked(self) -> bool:
        return any(order.unbooked_lots for order in self._active.values())

    @property
    def unbooked_lots(self) -> int:
        """Signed lots that the venue says are executed, and whose trades have not come yet."""
        return sum(order.side.sign * order.unbooked_lots for order in self._active.values())

    def resting_lots(self, side: Side) -> int:
        """What may still fill in the slots of one side."""
        return sum(order.remaining_lots for order in self._slots.values() if order.side is side and order.is_live)

    def elsewhere_lots(self, side: Side) -> int:
        """What may still fill on a side outside the slots (orders adopted from an earlier run)."""
        return sum(order.remaining_lots for order in self.live() if order.slot is None and order.side is side and not order.reduce_only)

    def find(self, client_order_id: str, order_id: int = 0) -> Order | None:
        """An own order, live or long done, by client id or else by the venue's id."""
        order = self._active.get(client_order_id) or self._tombstones.get(client_order_id)
        if order is None and order_id:
            known = (*self._active.values(), *self._tombstones.values())
            order = next((order for order in known if order.order_id == order_id), None)
        return order

    def is_own(self, client_order_id: str) -> bool:
        return self._ids.is_own(client_order_id)

    # --- what the venue says ----------------------------------------------------------------------------------------------------------

    def hear(self, report: OrderReport, now_ms: int, echoed: bool = False, fill: Fill | None = None) -> Order:
        """Take in a report on an own order; one that is not known is adopted, to be cancelled. `fill` came with it and is yet to be booked."""
        order = self.find(report.client_order_id)
        if order is None:
            order = self._adopt(report, fill, now_ms)
            if not report.status.is_terminal:
                self._emit(Notice(Level.INFO, "leftover", {"order": report.client_order_id, "side": report.side.value, "does": "cancels"}))
        elif self._contradicts(order, report):
            order = self._resurface(order, report, now_ms)
        was_live = order.is_live
        order.learn(report, now_ms)
        if echoed:
            order.echoed, order.echo_due_ms = True, None
        if was_live and not order.is_live:
            self._outcomes.ended(order, now_ms)
        if not was_live and order.unbooked_lots:
            self._active[order.client_order_id] = order
        return order

    def book(self, order: Order, fill: Fill) -> None:
        """Count a booked fill on its order."""
        if fill.trade_time_ms <= order.settled_time_ms:
            return
        order.booked_lots += fill.size_lots
        order.executed_lots = max(order.executed_lots, order.booked_lots)
        order.note("booked")

    def settle(self, asked_ms: int) -> None:
        """The account's position, asked for at `asked_ms`, is being adopted: what was executed before is in it, trade by trade or not."""
        for order in self._active.values():
            if order.unbooked_lots and order.executed_ms <= asked_ms:
                order.booked_lots, order.settled_time_ms = order.executed_lots, order.update_time_ms

    def miss(self, listed: Iterable[OrderReport], asked_ms: int, now_ms: int) -> None:
        """Every live order that is older than the listing of open orders and not in it has to be asked for."""
        present = {report.client_order_id for report in listed}
        for order in self.live():
            if order.client_order_id not in present and order.requested_ms < asked_ms:
                order.happen(Happening.MISSING, now_ms)

    def answer(self, reply: Reply, now_ms: int) -> None:
        """Take in the reply to a Place, Amend, Cancel or Query."""
        request, outcome = reply.request, reply.outcome
        assert isinstance(request, (Place, Amend, Cancel, Query))
        order = self.find(request.client_order_id)
        if order is None:
            return  # a Cancel of an order that is a tombstone no more
        if isinstance(request, (Place, Amend)):
            order.requested_ms = max(order.requested_ms, reply.sent_ms)
        if isinstance(request, Query):
            order.query_in_flight = False
            if isinstance(outcome, OrderReport):
                self.hear(outcome, now_ms)
            else:
                self._outcomes.queried(order, outcome, reply.sent_ms, now_ms)
        elif isinstance(request, Place) and isinstance(outcome, OrderReport) and self._contradicts(order, outcome):
            self.hear(outcome, now_ms)
        elif isinstance(request, Place):
            self._outcomes.placed(order, outcome, now_ms)
        elif isinstance(request, Amend):
            self._outcomes.amended(order, outcome, now_ms)
        else:
            self._outcomes.cancelled(order, outcome, now_ms)

    # --- what we do about it ----------------------------------------------------------------------------------------------------------

    def work(self, quotes: Sequence[Quote], now_ms: int) -> None:
        """Close the difference between what is wanted and what is working, with the fewest requests.

        Nothing grows and nothing is placed beyond what a side wants in total: what shrinks or goes counts until that is proven (FAULTS A5). Nothing at
        all is placed on a side that holds an order whose state is unknown (FAULTS O1).
        """
        wanted = {(quote.side, quote.level): quote for quote in quotes}
        room = {side: sum(quote.size_lots for quote in quotes if quote.side is side) - self.resting_lots(side) for side in Side}
        for order in list(self.live()):
            quote = wanted.pop(order.slot, None) if order.slot is not None and self._slots.get(order.slot) is order else None
            may_amend = self._outcomes.amends_work and self.budget.allows(now_ms)  # each amend before this one has been counted
            step = next_step(order, quote, self._settings.orders, may_amend, now_ms)
            if step is Step.CANCEL:
                self._cancel(order, now_ms)
            elif step is Step.AMEND and quote is not None:
                room[order.side] -= self._amend(order, quote, room[order.side], now_ms)
        frozen = {order.side for order in self.live() if order.state is OrderState.UNKNOWN}
        for slot, quote in wanted.items():
            if quote.side not in frozen and quote.size_lots <= room[quote.side] and self._place(slot, quote, now_ms):
                room[quote.side] -= quote.size_lots

    def chase(self, now_ms: int) -> None:
        """Ask for every order whose state is unknown, again and again, further and further apart."""
        for order in self._active.values():
            due = order.query_due_ms
            if order.state is OrderState.UNKNOWN and not order.query_in_flight and due is not None and due <= now_ms:
                order.query_in_flight = True
                self._emit(Query(order.client_order_id))

    def overdue_echo(self, now_ms: int) -> Order | None:
        """An order whose acknowledgement the user stream has not echoed in time: the stream is dead (FAULTS U2)."""
        return next((o for o in self._active.values() if o.echo_due_ms is not None and o.echo_due_ms <= now_ms), None)

    def overdue_fill(self, now_ms: int) -> Order | None:
        """A finished order with executed lots whose trades have not come in time."""
        patience = self._settings.timing.unbooked_ms
        return next(
            (o for o in self._active.values() if o.unbooked_lots and o.done_ms is not None and now_ms - o.done_ms >= patience), None
        )

    def forgive_echoes(self) -> None:
        """The user stream is being replaced: no echo can be expected of the old one."""
        for order in self._active.values():
            order.echo_due_ms = None

    def sweep(self) -> None:
        """Lay finished orders among the tombstones, a bounded number of them."""
        # One whose acknowledgement the user stream still owes stays, or a deaf stream would go unnoticed while orders are short-lived (FAULTS U2).
        finished = [
            order for order in self._active.values() if not order.is_live and not order.unbooked_lots and order.echo_due_ms is None
        ]
        for order in finished:
            del self._active[order.client_order_id]
            self._tombstones[order.client_order_id] = order
            if order.slot is not None and self._slots.get(order.slot) is order:
                del self._slots[order.slot]
        while len(self._tombstones) > _TOMBSTONES:
            self._tombstones.popitem(last=False)

    def deadline_ms(self) -> int | None:
        """When something is due next."""
        asks = [o for o in self._active.values() if o.state is OrderState.UNKNOWN and not o.query_in_flight]
        due = [o.query_due_ms for o in asks if o.query_due_ms is not None]
        due += [o.echo_due_ms for o in self._active.values() if o.echo_due_ms is not None]
        return min(due, default=None)

    # --- requests ---------------------------------------------------------------------------------------------------------------------

    def _place(self, slot: Slot, quote: Quote, now_ms: int) -> bool:
        """Place a new order in an empty slot, unless the slot or the budget has to wait."""
        hold = self._outcomes.holds.setdefault(slot, Hold())
        if now_ms < hold.until_ms:
            return False
        if not self.budget.allows(now_ms):
            if not self._over_budget:
                whose = "the venue's count, of all who share it" if self.budget.is_held_back(now_ms) else "our own count"
                fields = {"orders_per_minute": self.budget.per_minute, "by": whose, "does": "pulls what is not good enough, and waits"}
                self._emit(Notice(Level.WARNING, "budget_spent", fields))
            self._over_budget = True
            return False
        self._over_budget = False
        # Each crossing in a row moves the next attempt one tick further out, unless that breaks a filter: a tick may take it below the least notional.
        price = quote.price_ticks - quote.side.sign * hold.crossings
        if self._rules.refuses(price, quote.size_lots, quote.reduce_only):
            price = quote.price_ticks
        order = Order(
            client_order_id=self._ids.next(),
            side=quote.side,
            slot=slot,
            price_ticks=price,
            size_lots=quote.size_lots,
            reduce_only=quote.reduce_only,
            post_only=self._settings.orders.post_only,
            requested_ms=now_ms,
            observe=self._observed,
        )
        self._active[order.client_order_id] = self._slots[slot] = order
        order.note("registered")
        self.budget.spend(now_ms)
        self._emit(Place(order.client_order_id, order.side, price, order.size_lots, order.reduce_only, order.post_only))
        return True

    def _amend(self, order: Order, quote: Quote, room_lots: int, now_ms: int) -> int:
        """Move an order to the quote, growing by `room_lots` at the most; the lots that it grows by."""
        growth = min(quote.size_lots - order.remaining_lots, max(0, room_lots))
        if not growth and order.price_ticks == quote.price_ticks:
            return 0
        if self._rules.refuses(quote.price_ticks, order.size_lots + growth, order.reduce_only):
            self._cancel(order, now_ms)  # what there is room for is too small for an order of its own
            return 0
        order.happen(Happening.AMEND_SENT, now_ms)
        order.requested_ms = now_ms
        order.amended_price_ticks = quote.price_ticks
        order.amended_size_lots = order.size_lots + growth  # a total, what is executed counts: V3 "Modify Order"
        self.budget.spend(now_ms)
        self._emit(Amend(order.client_order_id, order.order_id, order.side, order.amended_price_ticks, order.amended_size_lots))
        return max(0, growth)

    def _cancel(self, order: Order, now_ms: int) -> None:
        # A cancel that overtakes a PUT leaves open what the order looks like, should it live on: it is cancelled again, never amended.
        order.distrusted = order.distrusted or order.state is OrderState.AMENDING
        order.happen(Happening.CANCEL_SENT, now_ms)
        order.cancel_asked = True
        self._emit(Cancel(order.client_order_id))

    # --- orders that were not ours to place ---------------------------------------------------------------------------------------------

    def _contradicts(self, gone: Order, report: OrderReport) -> bool:
        """Whether a live report is news on an order that is done: it was only declared so, or the venue has made another order of its client id
        (ids are unique among open orders only, so a POST that something on the way sends twice is taken twice: FAULTS O2). Otherwise it is old."""
        if gone.is_live or report.status.is_terminal:
            return False
        return gone.status is None or not gone.status.is_terminal or gone.order_id not in (0, report.order_id)

    def _resurface(self, gone: Order, report: OrderReport, now_ms: int) -> Order:
        """Declared gone, and it lives after all (FAULTS O3): its slot may be taken, so it comes back outside the slots, to be cancelled."""
        self._emit(Notice(Level.WARNING, "late_order", {"order": report.client_order_id, "does": "cancels"}))
        order = self._adopt(report, None, now_ms)
        order.booked_lots, order.settled_time_ms = gone.booked_lots, gone.settled_time_ms
        self._tombstones.pop(report.client_order_id, None)
        return order

    def _adopt(self, report: OrderReport, fill: Fill | None, now_ms: int) -> Order:
        """An order of an earlier run (or a tombstone long swept away) that the venue knows: registered in no slot, so it is unwanted."""
        order = Order(
            client_order_id=report.client_order_id,
            side=report.side,
            slot=None,
            price_ticks=report.price_ticks,
            size_lots=report.size_lots,
            reduce_only=report.reduce_only,
            post_only=False,
            requested_ms=now_ms,
            booked_lots=report.executed_lots - (fill.size_lots if fill is not None else 0),
            executed_lots=report.executed_lots,
            settled_time_ms=report.update_time_ms - (fill is not None),
            echoed=True,
            observe=self._observed,
        )
        self._active[order.client_order_id] = order
        order.note("adopted")
        return order

    def _observed(self, order: Order, happening: str) -> None:
        self._record(OrderRecord(
            order.client_order_id, order.order_id, order.side, order.reduce_only, happening, order.state.value, order.status, order.price_ticks,
            order.size_lots, order.executed_lots,
        ))  # fmt: skip
