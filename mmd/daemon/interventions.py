"""What an operator does by hand, daemon up or down: `cancel`, `flatten`, `resume`. Each prints what it did and found."""

from __future__ import annotations

import time
from collections.abc import Callable

from mmd.core.client_ids import ClientIds
from mmd.core.errors import MmdError
from mmd.core.messages import Cancel, CancelAll, Lost, OrderReport, Query, Reconcile, Reconciled, Refusal, Unsent
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.session import new_session
from mmd.daemon.startup import prepare
from mmd.daemon.state_directory import HaltLatch
from mmd.venue.closing import close_at_market
from mmd.venue.gateway import Gateway
from mmd.venue.rest import CallFailed, RestClient

_DEADLINE_S = 20.0
_RETRY_S = 0.3
_MAX_CLOSES = 5


class NotDone(MmdError):
    """The intervention could not be finished and verified in time."""


class Intervention:
    """One account and symbol, asked and acted on directly. Blocks; every wait ends at one deadline."""

    def __init__(self, config: Config, venue: Venue, say: Callable[[str], None] = print) -> None:
        self._config = config
        self._say = say
        self._rest: RestClient = venue.client()
        self._rules: SymbolRules = prepare(config, venue, self._rest, lambda notice: None, change=False, any_status=True).rules
        self._gateway = Gateway(self._rest, self._rules)
        self._ids = ClientIds(config.engine.orders.client_id_prefix, new_session())
        self._deadline = time.monotonic() + _DEADLINE_S

    def cancel(self) -> None:
        """Cancel the own open orders (all of the symbol's under `cancel_scope: symbol`) and verify that none is left. Raises NotDone."""
        everything = self._config.engine.orders.cancel_scope_symbol
        while True:
            orders = [order for order in self._truth().open_orders if everything or self._ids.is_own(order.client_order_id)]
            if not orders:
                self._say("open orders: none of ours" if not everything else "open orders: none")
                return
            for order in orders:
                price, size = self._rules.price.text(order.price_ticks), self._rules.size.text(order.size_lots)
                self._say(f"cancelling {order.side.value} {size} at {price}, {order.client_order_id}")
                self._gateway.perform(CancelAll() if everything else Cancel(order.client_order_id))
            self._pause("orders are still open")

    def flatten(self) -> None:
        """Cancel, then close the whole position with reduce-only market orders, and verify that it is flat. Raises NotDone."""
        self.cancel()
        for _ in range(_MAX_CLOSES):
            amount_lots = self._truth().position.amount_lots
            if not amount_lots:
                self._say("position: flat")
                return
            self._close(amount_lots)
        raise NotDone(f"the position is not flat after {_MAX_CLOSES} orders")

    def _close(self, amount_lots: int) -> None:
        side = Side.SELL if amount_lots > 0 else Side.BUY
        size_lots = min(abs(amount_lots), self._rules.max_size_lots or abs(amount_lots))
        client_order_id = self._ids.next()
        self._say(f"closing: {side.value} {self._rules.size.text(size_lots)} at the market, reduce-only, {client_order_id}")
        try:
            report = close_at_market(self._rest, self._rules, side, size_lots, client_order_id)
        except CallFailed as error:
            if isinstance(error.outcome, Refusal):
                raise NotDone(f"the venue refused the closing order: {error}") from error
            if isinstance(error.outcome, Unsent):
                self._pause(str(error))
                return
            self._say(f"the outcome is not known ({error}); asking")
            report = self._find(client_order_id)
        self._say(f"{report.status.value}, executed {self._rules.size.text(report.executed_lots)}")

    def _find(self, client_order_id: str) -> OrderReport:
        """What became of an order of unknown outcome. It is never posted again; raises NotDone where the venue cannot tell in time."""
        while True:
            outcome = self._gateway.perform(Query(client_order_id)).outcome
            if isinstance(outcome, OrderReport) and outcome.status.is_terminal:
                return outcome
            self._pause(f"what became of {client_order_id} is not known: look at the account before you try again")

    def _truth(self) -> Reconciled:
        while True:
            outcome = self._gateway.perform(Reconcile(None)).outcome
            if isinstance(outcome, Reconciled):
                return outcome
            if isinstance(outcome, Refusal):
                raise NotDone(f"the account cannot be read: {outcome.code} {outcome.message}")
            assert isinstance(outcome, (Lost, Unsent))
            self._pause(f"the account cannot be read: {outcome.reason}")

    def _pause(self, problem: str) -> None:
        if time.monotonic() + _RETRY_S > self._deadline:
            raise NotDone(f"{problem}; gave up after {_DEADLINE_S:.0f} s")
        time.sleep(_RETRY_S)


def resume(latch: HaltLatch, say: Callable[[str], None] = print) -> None:
    """Clear a latched halt; the daemon can be started again."""
    halt = latch.read()
    if halt is None or not latch.clear():
        say("no halt is latched")
    else:
        say(f"cleared the halt of {halt.time}: {halt.reason}")
