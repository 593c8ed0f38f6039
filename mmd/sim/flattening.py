"""Closing the position after a halt, as the daemon does it where the operator has asked for that in the configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mmd.core.client_ids import ClientIds
from mmd.core.errors import MmdError
from mmd.core.messages import Cancel, CancelAll, OrderReport, Query, Reconcile, Reconciled, Refusal, Unsent
from mmd.core.rules import SymbolRules
from mmd.core.settings import OrderSettings
from mmd.core.units import Side
from mmd.venue.closing import close_at_market
from mmd.venue.gateway import Gateway
from mmd.venue.rest_codec import Caller, CallFailed

_DEADLINE_MS = 20_000
_RETRY_MS = 300
_MAX_CLOSES = 5


class NotDone(MmdError):
    """It could not be finished and verified in time."""


class PatientCaller(Caller, Protocol):
    """A `Caller` that can also wait."""

    def sleep(self, for_ms: int) -> None:
        """Let time pass."""


class Flattening:
    """Cancel, close at the market, verify; one deadline for all of it."""

    def __init__(self, caller: PatientCaller, rules: SymbolRules, orders: OrderSettings, session: str, now_ms: Callable[[], int]) -> None:
        self._caller = caller
        self._rules = rules
        self._everything = orders.cancel_scope_symbol
        self._ids = ClientIds(orders.client_id_prefix, session)
        self._gateway = Gateway(caller, rules, now_ms)
        self._now_ms = now_ms
        self._deadline_ms = now_ms() + _DEADLINE_MS

    def flatten(self) -> None:
        """Raises NotDone, and whatever the caller raises beside CallFailed."""
        self._cancel()
        for _ in range(_MAX_CLOSES):
            amount_lots = self._truth().position.amount_lots
            if not amount_lots:
                return
            self._close(amount_lots)
        raise NotDone(f"the position is not flat after {_MAX_CLOSES} orders")

    def _cancel(self) -> None:
        while True:
            orders = [order for order in self._truth().open_orders if self._everything or self._ids.is_own(order.client_order_id)]
            if not orders:
                return
            for order in orders:
                self._gateway.perform(CancelAll() if self._everything else Cancel(order.client_order_id))
            self._pause("orders are still open")

    def _close(self, amount_lots: int) -> None:
        side = Side.SELL if amount_lots > 0 else Side.BUY
        size_lots = min(abs(amount_lots), self._rules.max_size_lots or abs(amount_lots))
        client_order_id = self._ids.next()
        try:
            close_at_market(self._caller, self._rules, side, size_lots, client_order_id)
        except CallFailed as error:
            if isinstance(error.outcome, Refusal):
                raise NotDone(f"the venue refused the closing order: {error}") from error
            if isinstance(error.outcome, Unsent):
                self._pause(str(error))
            else:
                self._await_end(client_order_id)

    def _await_end(self, client_order_id: str) -> None:
        """Of an order of unknown outcome, which is never posted again."""
        while True:
            outcome = self._gateway.perform(Query(client_order_id)).outcome
            if isinstance(outcome, OrderReport) and outcome.status.is_terminal:
                return
            self._pause(f"what became of {client_order_id} is not known")

    def _truth(self) -> Reconciled:
        while True:
            outcome = self._gateway.perform(Reconcile(None)).outcome
            if isinstance(outcome, Reconciled):
                return outcome
            if isinstance(outcome, Refusal):
                raise NotDone(f"the account cannot be read: {outcome.code}")
            self._pause("the account cannot be read")

    def _pause(self, problem: str) -> None:
        if self._now_ms() + _RETRY_MS > self._deadline_ms:
            raise NotDone(f"{problem}; gave up")
        self._caller.sleep(_RETRY_MS)
