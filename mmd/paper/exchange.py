"""The paper exchange as its doors see it: one market, its accounts, and everything a client may ask of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, TypeVar

from mmd.paper import account_settings
from mmd.paper.account import Account, AccountSpec, Income
from mmd.paper.amount_text import plain
from mmd.paper.journal import Journal
from mmd.paper.liquidation import Liquidator, settle_funding
from mmd.paper.market_data import FUNDING_INTERVAL_MS, MarketData
from mmd.paper.market_source import DepthFrame, MarketSource
from mmd.paper.matching import Matching
from mmd.paper.order_entry import OrderEntry
from mmd.paper.order_request import MarginType, OrderRequest, PositionSide, StpMode
from mmd.paper.orders import Order, OrderStatus, UserTrade
from mmd.paper.refusals import Refused
from mmd.paper.settlement import Settlement
from mmd.paper.symbols import Symbol
from mmd.paper.user_events import account_update

Json = dict[str, Any]
T = TypeVar("T")

MAX_BATCH_PLACE = 5  # V1 "Place Multiple Orders"
MAX_BATCH_CANCEL = 10  # V1 "Cancel Multiple Orders"
ORDER_LIFE_MS = 7 * 86_400_000  # V1 "Query Order": an unfilled ended order is not found after 7 days


class PaperExchange:
    """One symbol, one market, several accounts. Pure and single-threaded: the caller brings the time and holds the lock.

    Attributes to read: market, accounts (by API key), now_ms, journal, matching. Every request first lets everything happen that is due
    until its `now_ms`, which never goes back; it may raise Refused, and then it has changed nothing (a line in the journal apart).
    """

    def __init__(
        self, symbol: Symbol, source: MarketSource, *, start_ms: int, accounts: Sequence[AccountSpec] = (AccountSpec(),),
        journal_limit: int | None = 5_000, funding_interval_ms: int = FUNDING_INTERVAL_MS,
    ) -> None:
        self.now_ms = start_ms
        self.market = MarketData(symbol, source, start_ms, funding_interval_ms=funding_interval_ms)
        self.journal = Journal(journal_limit)
        settlement = Settlement(self.market, self.journal)
        self.matching = Matching(self.market, settlement)
        # Ids grow from the start time, so that they are as long as the real ones and differ from one run to the next.
        self._entry = OrderEntry(self.market, self.matching, settlement, count(start_ms).__next__)
        self._liquidator = Liquidator(self.market, self.matching, self._entry, settlement)
        self._settlement = settlement
        self._followed: tuple[Decimal, int | None, int] | None = None
        self.accounts: dict[str, Account] = {}
        for spec in accounts:
            self.open_account(spec, start_ms)

    @property
    def symbol(self) -> Symbol:
        return self.market.symbol

    @property
    def gtx_refused(self) -> bool:
        """Whether a post-only order that would cross is refused by -5022 (as on Binance) instead of accepted and EXPIRED."""
        return self._entry.gtx_refused

    @gtx_refused.setter
    def gtx_refused(self, refused: bool) -> None:
        self._entry.gtx_refused = refused

    def open_account(self, spec: AccountSpec, now_ms: int) -> None:
        """One more account, with its first deposits; its API key must be new."""
        account = self.accounts[spec.api_key] = Account(spec)
        for asset, amount in spec.deposits.items():
            if amount:
                account.book("TRANSFER", asset, amount, now_ms)
                self.journal.write(now_ms, "deposit", account=account.api_key, asset=asset, amount=amount)

    def change_symbol(self, symbol: Symbol) -> None:
        """Other filters or another status from now on. Raises ValueError for another symbol or another grid than the market's."""
        old = self.market.symbol
        if (symbol.name, symbol.price_grid, symbol.lot_grid) != (old.name, old.price_grid, old.lot_grid):
            raise ValueError("the market's symbol and grid are fixed")
        self.market.symbol = symbol

    # Time

    def advance(self, now_ms: int) -> None:
        """Lets everything happen that is due until `now_ms`: market events, fills, triggers, funding, countdowns, liquidations."""
        now_ms = max(now_ms, self.now_ms)
        while True:
            timer_ms = self._next_timer_ms()
            until_ms = min(now_ms, timer_ms)
            for at_ms, event in self.market.pending(until_ms):
                self.now_ms = max(self.now_ms, at_ms)
                if isinstance(event, DepthFrame):
                    self.matching.on_frame(event, self.now_ms)
                else:
                    self.matching.on_trade(event, self.now_ms)
                self._follow_prices()
            self.now_ms = max(self.now_ms, until_ms)
            self.market.advance(self.now_ms)
            self._follow_prices()
            if timer_ms > now_ms:
                return
            self._fire_timers()

    def next_due_ms(self) -> int:
        """When `advance` has something to do next."""
        timer_ms = self._next_timer_ms()
        market_ms = self.market.next_due_ms()
        return timer_ms if market_ms is None else min(timer_ms, market_ms)

    def _next_timer_ms(self) -> int:
        countdowns = (a.countdown_at_ms for a in self.accounts.values() if a.countdown_at_ms is not None)
        return min((self.market.next_funding_ms, *countdowns))

    def _fire_timers(self) -> None:
        now_ms = self.now_ms
        for account in self.accounts.values():
            if account.countdown_at_ms is not None and account.countdown_at_ms <= now_ms:
                account.countdown_at_ms = None
                self.journal.write(now_ms, "countdown", account=account.api_key, expired=True)
                self._cancel_open(account, "countdown")
        if self.market.next_funding_ms <= now_ms:
            funding = self.market.settle_funding()
            for account in self.accounts.values():
                settle_funding(account, self.market, funding.rate, funding.mark_price, now_ms, self._settlement)
            self._follow()

    def _follow_prices(self) -> None:
        """Triggers and liquidations, where a price or a position that they depend on has changed."""
        if self._state() != self._followed:
            self._follow()

    def _state(self) -> tuple[Decimal, int | None, int]:
        return self.market.mark_price, self.market.last_price_ticks, self._settlement.trades_booked

    def _follow(self) -> None:
        moved = True
        while moved:
            # What is triggered or liquidated may trade with any account, and so move the next.
            moved = False
            for account in self.accounts.values():
                moved |= self._entry.fire(account, self.now_ms)
                moved |= self._liquidator.check(account, self.now_ms)
        self._followed = self._state()

    def _request(self, account: Account, what: str, now_ms: int, act: Callable[[], T]) -> T:
        """Runs one request at its time; writes down a refusal."""
        self.advance(now_ms)
        try:
            result = act()
        except Refused as refusal:
            self.journal.write(self.now_ms, "refused", account=account.api_key, request=what, code=refusal.code, msg=refusal.msg)
            raise
        self._follow()
        return result

    # Money

    def deposit(self, account: Account, asset: str, amount: Decimal, now_ms: int) -> None:
        """A transfer into (or, negative, out of) the account: income TRANSFER, event ACCOUNT_UPDATE with DEPOSIT or WITHDRAW."""
        self.advance(now_ms)
        account.book("TRANSFER", asset, amount, self.now_ms)
        reason = "DEPOSIT" if amount > 0 else "WITHDRAW"
        account.outbox.append(
            account_update(account, self.symbol, self.market.mark_price, reason, self.now_ms, assets=[asset], balance_change=amount)
        )
        self.journal.write(self.now_ms, "deposit", account=account.api_key, asset=asset, amount=amount)

    # Orders

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        """V1 "New Order"; returns the order after whatever it traded at once. Raises Refused."""
        return self._request(account, "place", now_ms, lambda: self._entry.place(account, request, self.now_ms))

    def place_batch(self, account: Account, requests: Sequence[OrderRequest | Refused], now_ms: int) -> list[Order | Refused]:
        """V1 "Place Multiple Orders": an outcome for each; an element that was refused before it came here stays refused. Raises Refused."""
        if not 1 <= len(requests) <= MAX_BATCH_PLACE:
            raise Refused(-4082)
        outcomes: list[Order | Refused] = []
        for request in requests:
            try:
                outcomes.append(request if isinstance(request, Refused) else self.place(account, request, now_ms))
            except Refused as refusal:
                outcomes.append(refusal)
        return outcomes

    def amend(
        self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None, quantity: Decimal, price: Decimal, now_ms: int
    ) -> Order:
        """V3 "Modify Order". Raises Refused, and then the order stands as it was."""
        def act() -> Order:
            order = self._open(account, order_id, client_order_id, -2013)
            self._entry.amend(order, quantity, price, self.now_ms)
            return order

        return self._request(account, "amend", now_ms, act)

    def cancel(self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None, now_ms: int) -> Order:
        """V1 "Cancel Order". Raises Refused -2011 where there is no such open order."""
        def act() -> Order:
            order = self._open(account, order_id, client_order_id, -2011)
            self._entry.cancel(order, self.now_ms, "cancel")
            return order

        return self._request(account, "cancel", now_ms, act)

    def cancel_batch(
        self, account: Account, *, order_ids: Sequence[int] = (), client_order_ids: Sequence[str] = (), now_ms: int
    ) -> list[Order | Refused]:
        """V1 "Cancel Multiple Orders": an outcome for each, order ids first. Raises Refused."""
        if not 1 <= len(order_ids) + len(client_order_ids) <= MAX_BATCH_CANCEL:
            raise Refused(-4032)
        outcomes: list[Order | Refused] = []
        keys: list[tuple[int | None, str | None]] = [*((i, None) for i in order_ids), *((None, c) for c in client_order_ids)]
        for order_id, client_order_id in keys:
            try:
                outcomes.append(self.cancel(account, order_id=order_id, client_order_id=client_order_id, now_ms=now_ms))
            except Refused as refusal:
                outcomes.append(refusal)
        return outcomes

    def cancel_all(self, account: Account, now_ms: int) -> list[Order]:
        """V1 "Cancel All Open Orders": the orders that were open."""
        return self._request(account, "cancel all", now_ms, lambda: self._cancel_open(account, "cancel all"))

    def countdown(self, account: Account, countdown_ms: int, now_ms: int) -> Json:
        """V1 "Auto-Cancel All Open Orders": arms, re-arms or (0) disarms the countdown. Raises Refused."""
        def act() -> Json:
            if countdown_ms < 0:
                raise Refused(-1130, "countdownTime")
            account.countdown_at_ms = self.now_ms + countdown_ms if countdown_ms else None
            self.journal.write(self.now_ms, "countdown", account=account.api_key, until_ms=account.countdown_at_ms)
            return {"symbol": self.symbol.name, "countdownTime": str(countdown_ms)}

        return self._request(account, "countdown", now_ms, act)

    def _open(self, account: Account, order_id: int | None, client_order_id: str | None, code: int) -> Order:
        order = account.find(order_id, client_order_id)
        if order is None or not order.open:
            raise Refused(code)
        return order

    def _cancel_open(self, account: Account, why: str) -> list[Order]:
        orders = list(account.open_orders.values())
        for order in orders:
            self._entry.cancel(order, self.now_ms, why)
        return orders

    # Queries: of the present state, they let no time pass.

    def find_order(self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None) -> Order:
        """V1 "Query Order". Raises Refused -2013."""
        order = account.find(order_id, client_order_id)
        if order is None or not self._remembered(order):
            raise Refused(-2013)
        return order

    def find_open_order(self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None) -> Order:
        """V1 "Query Current Open Order". Raises Refused -2013."""
        return self._open(account, order_id, client_order_id, -2013)

    def open_orders(self, account: Account) -> list[Order]:
        """V1 "Current All Open Orders", oldest first."""
        return list(account.open_orders.values())

    def all_orders(
        self, account: Account, *, order_id: int | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[Order]:
        """V1 "All Orders": from `order_id` on, else the most recent ones of the time span; oldest first."""
        found = [
            order for order in account.orders.values()
            if self._remembered(order) and _within(order.created_ms, start_ms, end_ms) and (order_id is None or order.order_id >= order_id)
        ]
        return _page(found, limit, order_id is not None or start_ms is not None)

    def user_trades(
        self, account: Account, *, from_id: int | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[UserTrade]:
        """V1 "Account Trade List": from trade `from_id` on, else the most recent ones of the time span; oldest first."""
        found = [t for t in account.trades if _within(t.at_ms, start_ms, end_ms) and (from_id is None or t.trade_id >= from_id)]
        return _page(found, limit, from_id is not None or start_ms is not None)

    def income(
        self, account: Account, *, income_type: str | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 100
    ) -> list[Income]:
        """V1 "Get Income History", oldest first."""
        found = [i for i in account.incomes if _within(i.at_ms, start_ms, end_ms) and income_type in (None, i.income_type)]
        return _page(found, limit, start_ms is not None)

    def force_orders(
        self, account: Account, *, auto_close_type: str | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 50
    ) -> list[Order]:
        """V1 "User's Force Orders"; there is no auto-deleveraging, so `auto_close_type` ADL finds nothing."""
        found = [o for o in account.force_orders if _within(o.created_ms, start_ms, end_ms) and auto_close_type != "ADL"]
        return _page(found, limit, start_ms is not None)

    def position_margin_history(
        self, account: Account, *, kind: int | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[Json]:
        """V1 "Get Position Margin Change History", oldest first."""
        found = [m for m in account.margin_changes if _within(m.at_ms, start_ms, end_ms) and kind in (None, m.kind)]
        return [
            {
                "amount": plain(m.amount), "asset": self.symbol.margin_asset, "symbol": self.symbol.name, "time": m.at_ms, "type": m.kind,
                "positionSide": m.position_side.value,
            }
            for m in _page(found, limit, start_ms is not None)
        ]

    def _remembered(self, order: Order) -> bool:
        ended_empty = order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED) and not order.executed_lots
        return not ended_empty or order.created_ms + ORDER_LIFE_MS >= self.now_ms

    # Account settings

    def set_leverage(self, account: Account, leverage: int, now_ms: int) -> Json:
        return self._setting(account, "leverage", leverage, now_ms, lambda: account_settings.set_leverage(account, self.market, leverage, self.now_ms))

    def set_margin_type(self, account: Account, margin_type: MarginType, now_ms: int) -> None:
        def act() -> None:
            account_settings.set_margin_type(account, self.market, margin_type, self.now_ms)

        self._setting(account, "margin type", margin_type.value, now_ms, act)

    def set_dual_side(self, account: Account, dual_side: bool, now_ms: int) -> None:
        self._setting(account, "dual side", dual_side, now_ms, lambda: account_settings.set_dual_side(account, dual_side, self.now_ms))

    def set_multi_assets(self, account: Account, multi_assets: bool, now_ms: int) -> None:
        self._setting(account, "multi-assets", multi_assets, now_ms, lambda: account_settings.set_multi_assets(account, multi_assets, self.now_ms))

    def set_stp_mode(self, account: Account, mode: StpMode) -> None:
        """V3 "Change STP Mode": of the orders to come."""
        account.stp_mode = mode

    def set_position_margin(self, account: Account, position_side: PositionSide | None, amount: Decimal, kind: int, now_ms: int) -> Json:
        """`kind` 1 adds to the isolated margin, 2 takes from it (V1 "Modify Isolated Position Margin")."""
        def act() -> Json:
            return account_settings.set_position_margin(account, self.market, position_side, amount, kind, self.now_ms)

        return self._setting(account, "position margin", amount, now_ms, act)

    def _setting(self, account: Account, name: str, value: object, now_ms: int, act: Callable[[], T]) -> T:
        result = self._request(account, name, now_ms, act)
        self.journal.write(self.now_ms, "setting", account=account.api_key, name=name, value=value)
        return result


def _within(at_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or at_ms >= start_ms) and (end_ms is None or at_ms <= end_ms)


def _page(found: list[T], limit: int, from_start: bool) -> list[T]:
    """The first `limit` where the caller named a start, else the last."""
    return found[:limit] if from_start else found[-limit:]
