"""The paper exchange as its doors see it: one market, its accounts, and everything a client may ask of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from mmd.paper.account import Account, AccountSpec, Income
from mmd.paper.market_data import MarketData
from mmd.paper.market_source import MarketSource
from mmd.paper.order_request import MarginType, OrderRequest, PositionSide, StpMode
from mmd.paper.orders import Order, UserTrade
from mmd.paper.refusals import Refused
from mmd.paper.symbols import Symbol

Json = dict[str, Any]


class JournalEntry(NamedTuple):
    """One line of the exchange's own log, the oracle of every simulated run."""

    at_ms: int
    kind: str
    details: Json


class PaperExchange:
    """One symbol, one market, several accounts. Pure and single-threaded: the caller brings the time and holds the lock.

    Attributes to read: symbol, market, accounts (by API key), now_ms, journal; to set: gtx_refused.
    Every request may raise Refused, and then nothing has changed. `now_ms` never goes back.
    """

    def __init__(
        self, symbol: Symbol, source: MarketSource, *, start_ms: int, accounts: Sequence[AccountSpec] = (AccountSpec(),),
        journal_limit: int | None = 20_000, funding_interval_ms: int = 8 * 3_600_000,
    ) -> None:
        self.symbol = symbol
        self.now_ms = start_ms
        self.gtx_refused = False
        self.market: MarketData
        self.accounts: dict[str, Account] = {}
        self.journal: deque[JournalEntry] = deque(maxlen=journal_limit)

    def advance(self, now_ms: int) -> None:
        """Lets everything happen that is due until `now_ms`: market events, fills, triggers, funding, countdowns, liquidations."""
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """When `advance` has something to do next, or None."""
        raise NotImplementedError

    def deposit(self, account: Account, asset: str, amount: Decimal, now_ms: int) -> None:
        raise NotImplementedError

    # Orders

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        raise NotImplementedError

    def place_batch(self, account: Account, requests: Sequence[OrderRequest | Refused], now_ms: int) -> list[Order | Refused]:
        raise NotImplementedError

    def amend(
        self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None, quantity: Decimal, price: Decimal, now_ms: int
    ) -> Order:
        raise NotImplementedError

    def cancel(self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None, now_ms: int) -> Order:
        raise NotImplementedError

    def cancel_batch(
        self, account: Account, *, order_ids: Sequence[int] = (), client_order_ids: Sequence[str] = (), now_ms: int
    ) -> list[Order | Refused]:
        raise NotImplementedError

    def cancel_all(self, account: Account, now_ms: int) -> list[Order]:
        raise NotImplementedError

    def countdown(self, account: Account, countdown_ms: int, now_ms: int) -> Json:
        raise NotImplementedError

    # Queries

    def find_order(self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None) -> Order:
        raise NotImplementedError

    def find_open_order(self, account: Account, *, order_id: int | None = None, client_order_id: str | None = None) -> Order:
        raise NotImplementedError

    def open_orders(self, account: Account) -> list[Order]:
        raise NotImplementedError

    def all_orders(
        self, account: Account, *, order_id: int | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[Order]:
        raise NotImplementedError

    def user_trades(
        self, account: Account, *, from_id: int | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[UserTrade]:
        raise NotImplementedError

    def income(
        self, account: Account, *, income_type: str | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 100
    ) -> list[Income]:
        raise NotImplementedError

    def force_orders(
        self, account: Account, *, auto_close_type: str | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 50
    ) -> list[Order]:
        raise NotImplementedError

    # Account settings

    def set_leverage(self, account: Account, leverage: int, now_ms: int) -> Json:
        raise NotImplementedError

    def set_margin_type(self, account: Account, margin_type: MarginType, now_ms: int) -> None:
        raise NotImplementedError

    def set_dual_side(self, account: Account, dual_side: bool, now_ms: int) -> None:
        raise NotImplementedError

    def set_multi_assets(self, account: Account, multi_assets: bool, now_ms: int) -> None:
        raise NotImplementedError

    def set_stp_mode(self, account: Account, mode: StpMode) -> None:
        raise NotImplementedError

    def set_position_margin(self, account: Account, position_side: PositionSide | None, amount: Decimal, kind: int, now_ms: int) -> Json:
        """`kind` 1 adds to the isolated margin, 2 takes from it (V1 "Modify Isolated Position Margin")."""
        raise NotImplementedError

    def position_margin_history(
        self, account: Account, *, kind: int | None = None, start_ms: int | None = None, end_ms: int | None = None, limit: int = 500
    ) -> list[Json]:
        raise NotImplementedError
