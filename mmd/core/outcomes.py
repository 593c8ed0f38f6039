"""What the venue's answers mean for an order: to a POST, a PUT, a DELETE and a query, and what follows from an order's end.

An answer becomes a happening on the order's state table; a refusal holds the slot back. Which requests to make is the desk's.
"""

from __future__ import annotations

from collections.abc import Callable

from mmd.core.holds import Hold
from mmd.core.messages import Action, Level, Notice, OrderReport, OrderStatus, Refusal, Unsent, why
from mmd.core.orders import Happening, Order, OrderState
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings
from mmd.core.units import Side

# V1 "Error Codes": the order is not (or no longer) there; 20xx "CANCEL_REJECTED", "NO_SUCH_ORDER".
_NO_SUCH_ORDER = frozenset({-2011, -2013})
# The call itself is not offered: -1020 UNSUPPORTED_OPERATION, -4084 UPCOMING_METHOD, or no such path.
_UNSUPPORTED_CODES = frozenset({-1020, -4084})
_UNSUPPORTED_STATUS = frozenset({404, 405})
# Post-only refused by a code (FAULTS O7); -5022 is Binance's, not in Aster's lists.
_WOULD_TAKE = frozenset({-5022})
# An order that ends by itself within this time of its POST or PUT never rested.
_AT_ONCE_MS = 2_000


class Outcomes:
    """Attributes to read: `holds` by slot, and `amends_work`, false once the venue has shown that it cannot amend."""

    def __init__(
        self, rules: SymbolRules, settings: EngineSettings, emit: Callable[[Action], None], count_refusal: Callable[[int], None]
    ) -> None:
        """`emit` takes the notices; `count_refusal` is told when the venue refuses an order or ends it at once."""
        self._rules = rules
        self._settings = settings
        self._emit = emit
        self._count_refusal = count_refusal
        self.holds: dict[tuple[Side, int], Hold] = {}
        self.amends_work = settings.orders.amend

    def placed(self, order: Order, outcome: object, now_ms: int) -> None:
        if isinstance(outcome, OrderReport):
            if not order.echoed and order.echo_due_ms is None and order.is_live:
                # From when it was sent, for the reply may have been late, and the venue accepted it before that.
                order.echo_due_ms = order.requested_ms + self._settings.timing.echo_ms
            was_live = order.is_live
            order.happen(Happening.PLACE_ACCEPTED, now_ms)
            order.learn(outcome, now_ms)
            if was_live and not order.is_live:
                self.ended(order, now_ms)
            elif order.slot is not None and order.is_live:
                self._tell("placed", order)
        elif isinstance(outcome, (Refusal, Unsent)):
            was_live = order.is_live
            order.happen(Happening.PLACE_REFUSED, now_ms)
            if was_live and not order.is_live:
                self._refused_place(order, outcome, now_ms)
        else:
            order.happen(Happening.PLACE_LOST, now_ms)
            self._doubt("order_unknown", order, outcome)

    def amended(self, order: Order, outcome: object, now_ms: int) -> None:
        if isinstance(outcome, OrderReport):
            order.happen(Happening.AMEND_ACCEPTED, now_ms)
            was_live = order.is_live
            order.learn(outcome, now_ms)
            if was_live and not order.is_live:
                self.ended(order, now_ms)
            elif order.is_live:
                self._tell("amended", order)
            order.amended_price_ticks = order.amended_size_lots = 0
        elif isinstance(outcome, Refusal) and outcome.code not in _NO_SUCH_ORDER:
            order.happen(Happening.AMEND_REFUSED, now_ms)
            order.amended_price_ticks = order.amended_size_lots = 0
            order.amendable = False  # this one is cancelled and replaced instead
            if outcome.status in _UNSUPPORTED_STATUS or outcome.code in _UNSUPPORTED_CODES:
                self.amends_work = False
                self._emit(Notice(Level.WARNING, "amend_unsupported", {"code": outcome.code, "does": "cancels and replaces from now on"}))
            else:
                fields = {"order": order.client_order_id, "code": outcome.code, "message": outcome.message}
                self._emit(Notice(Level.INFO, "amend_refused", fields))
        elif isinstance(outcome, Unsent):
            order.happen(Happening.AMEND_REFUSED, now_ms)
            order.amended_price_ticks = order.amended_size_lots = 0
        else:
            # Which price and size it has, nobody knows, and the PUT may still arrive: it is asked for, and then cancelled.
            order.happen(Happening.AMEND_LOST, now_ms)
            order.distrusted = True
            self._doubt("amend_unknown", order, outcome)

    def cancelled(self, order: Order, outcome: object, now_ms: int) -> None:
        if not order.is_live:
            return
        if isinstance(outcome, OrderReport) and outcome.status.is_terminal:
            order.learn(outcome, now_ms)
            self.ended(order, now_ms)
        elif order.state is OrderState.CANCELLING:
            refused = isinstance(outcome, Refusal) and outcome.code in _NO_SUCH_ORDER
            order.happen(Happening.CANCEL_REFUSED if refused else Happening.CANCEL_LOST, now_ms)
            self._doubt("cancel_unknown", order, outcome)

    def queried(self, order: Order, outcome: object, sent_ms: int, now_ms: int) -> None:
        """A query that did not find the order, or was not answered."""
        if order.state is not OrderState.UNKNOWN:
            return
        order.queries += 1
        timing = self._settings.timing
        order.query_due_ms = now_ms + (timing.query_interval_ms << min(order.queries - 1, 4))
        # "No such order" proves nothing while the request could still be accepted, whenever the answer arrives (FAULTS O3).
        proof_ms = order.requested_ms + timing.acceptance_window_ms + timing.acceptance_grace_ms
        if sent_ms < proof_ms:
            order.query_due_ms = min(order.query_due_ms, max(proof_ms, now_ms))
        elif isinstance(outcome, Refusal) and outcome.code in _NO_SUCH_ORDER:
            order.happen(Happening.DECLARED_GONE, now_ms)
            self._emit(Notice(Level.WARNING, "order_gone", {"order": order.client_order_id, "does": "frees the slot"}))

    def ended(self, order: Order, now_ms: int) -> None:
        """An order has just become terminal; one that ended by itself, unfilled, as soon as it was sent, was as good as refused."""
        if order.cancel_asked and order.status is OrderStatus.CANCELED:
            self._tell("cancelled", order)
        by_itself = order.slot is not None and not order.executed_lots and not order.cancel_asked
        if by_itself and now_ms - order.requested_ms < _AT_ONCE_MS:
            why = order.status.value if order.status else "ended"
            self._refused(order, f"{why} at once", order.post_only, now_ms)
        elif order.slot is not None:
            # Only now it is proven that it rested: a post-only order that would take may be accepted first and expire a moment later.
            self.holds.setdefault(order.slot, Hold()).accept()

    def _refused_place(self, order: Order, outcome: Refusal | Unsent, now_ms: int) -> None:
        if isinstance(outcome, Unsent):
            self._refused(order, outcome.reason, False, now_ms, by_venue=False)
        else:
            self._refused(order, f"{outcome.code} {outcome.message}", outcome.code in _WOULD_TAKE, now_ms)

    def _refused(self, order: Order, why: str, would_take: bool, now_ms: int, by_venue: bool = True) -> None:
        """Hold the slot back: a crossing post-only order a few times for one tick each, anything else for longer and longer."""
        assert order.slot is not None, "what is adopted has been seen live"
        hold = self.holds.setdefault(order.slot, Hold())
        waits = hold.refuse(would_take, self._settings.timing, now_ms)
        if waits and by_venue:
            self._count_refusal(now_ms)
        fields = {"order": order.client_order_id, "side": order.side.value, "price": self._rules.price.text(order.price_ticks), "why": why}
        if waits:
            fields["retry_in_ms"] = str(hold.until_ms - now_ms)
        self._emit(Notice(Level.WARNING if waits else Level.DEBUG, "order_refused", fields))

    def _doubt(self, event: str, order: Order, outcome: object) -> None:
        """Nobody knows what became of a request: say so where it has just become unknown, and that it is being asked for."""
        if order.state is OrderState.UNKNOWN:
            self._emit(Notice(Level.WARNING, event, {"order": order.client_order_id, "why": why(outcome), "does": "asks"}))

    def _tell(self, event: str, order: Order) -> None:
        """One line on an order: where it stands now."""
        fields: dict[str, object] = {
            "side": order.side.value,
            "price": self._rules.price.text(order.price_ticks),
            "size": self._rules.size.text(order.size_lots),
            "executed": self._rules.size.text(order.executed_lots),
            "reduce_only": order.reduce_only,
            "order": order.client_order_id,
        }
        self._emit(Notice(Level.INFO, event, fields))
