"""The account's truth: when what is believed of it has become doubtful, and how it is put right by one reading of the venue.

A reading says, in this order: open orders, trades since the last one read, position, balances. Believed is the venue; differences are reported.
"""

from __future__ import annotations

from collections.abc import Callable

from mmd.core.desk import Desk
from mmd.core.messages import Action, CancelAll, Fill, Level, Notice, Reconcile, Reconciled, Reply, why
from mmd.core.position import Account
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings


class Truth:
    """Attributes to read: `started` (the account has been read once), `synced` (and nothing since has made it doubtful), `foreign_orders`, `due_ms`."""

    def __init__(
        self,
        rules: SymbolRules,
        settings: EngineSettings,
        account: Account,
        desk: Desk,
        book: Callable[[Fill, int], None],
        emit: Callable[[Action], None],
    ) -> None:
        """`book` books one trade of the account, once; `emit` takes requests and notices."""
        self.started = False
        self.synced = False
        self.foreign_orders = 0
        self.due_ms = 0
        self.desk = desk
        self._rules = rules
        self._settings = settings
        self._account = account
        self._book = book
        self._emit = emit
        self._asked = False  # a Reconcile is on its way
        self._read = False  # it was read since the last doubt; what it showed to be live is being cancelled
        self._valid_from_ms = 0  # replies to what was asked before are out of date

    def doubt(self, now_ms: int, wait_ms: int = 0) -> None:
        """What we believe of the account may be wrong: it must be read anew, by a request sent from now on, `wait_ms` later at the soonest."""
        self.synced = self._read = False
        self._valid_from_ms = now_ms
        self.due_ms = now_ms + wait_ms

    def is_needed(self, once_all_is_done: bool) -> bool:
        """Whether to ask: the first time since the doubt at once (unless `once_all_is_done`), then when no own order is live any more."""
        if self._asked or self.synced:
            return False
        return not self.desk.has_live or not (once_all_is_done or self._read)

    def ask(self) -> None:
        """Read the account."""
        self._asked = True
        self._emit(Reconcile(self._account.read_trades_from_id))

    def answer(self, reply: Reply, now_ms: int) -> None:
        """Take in a reading, or why there is none."""
        self._asked = False
        truth = reply.outcome
        if not isinstance(truth, Reconciled):
            retry_ms = self._settings.timing.reconcile_retry_ms
            self.due_ms = now_ms + retry_ms
            self._emit(Notice(Level.WARNING, "reconcile_failed", {"why": why(truth), "retry_in_ms": retry_ms}))
            return
        if reply.sent_ms < self._valid_from_ms:
            self.due_ms = now_ms
            return
        self._read = True
        self._take_open_orders(truth, reply.sent_ms, now_ms)
        if self.started:
            for fill in truth.fills:
                self._book(fill, now_ms)
            self.desk.settle(reply.sent_ms)
            difference = self._account.check(truth.position, truth.balances, truth.fills, reply.sent_ms, now_ms)
            if difference:
                size = self._rules.size
                amounts = {"difference": size.text(difference), "position": size.text(self._account.position.amount_lots)}
                self._emit(Notice(Level.WARNING, "position_adopted", {**amounts, "does": "goes on from the venue's"}))
        else:
            self._account.start_from(truth.position, truth.balances, truth.fills, reply.sent_ms, now_ms)
            self.started = True
        self._finish(now_ms)

    def _take_open_orders(self, truth: Reconciled, asked_ms: int, now_ms: int) -> None:
        own = [report for report in truth.open_orders if self.desk.is_own(report.client_order_id)]
        foreign = len(truth.open_orders) - len(own)
        if foreign != self.foreign_orders and foreign:
            does = "cancels them" if self._settings.orders.cancel_scope_symbol else "leaves them alone"
            self._emit(Notice(Level.WARNING, "foreign_orders", {"count": foreign, "does": does}))
        self.foreign_orders = foreign
        self.desk.miss(own, asked_ms, now_ms)
        for report in own:
            self.desk.hear(report, now_ms)

    def _finish(self, now_ms: int) -> None:
        """Synced once it was read with no own order left live (and, if the symbol is ours alone, no foreign one either).

        What was executed while it was being read may be in the position or not: it is read again.
        """
        if self.foreign_orders and self._settings.orders.cancel_scope_symbol:
            if not self.desk.budget.is_silent(now_ms):
                self._emit(CancelAll())
            self.due_ms = now_ms + self._settings.timing.query_interval_ms
        elif not self.desk.has_live and not self.desk.has_unbooked:
            self.synced = True
