"""A market that follows a script, and an exchange on it: exact event sequences for the tests of the trading side."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

from mmd.core.units import Side
from mmd.paper.account import Account, AccountSpec
from mmd.paper.exchange import PaperExchange
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketTrade
from mmd.paper.order_request import OrderRequest, OrderType, TimeInForce
from mmd.paper.orders import Order
from mmd.paper.symbols import Symbol

START_MS = 1_700_000_000_000
BIDS = ((199_990, 5_000), (199_980, 8_000), (199_970, 9_000))
ASKS = ((200_010, 5_000), (200_020, 8_000), (200_030, 9_000))


class ScriptedSource:
    """Yields what the test has written so far; the test may go on writing."""

    def __init__(self, bids: tuple[tuple[int, int], ...] = BIDS, asks: tuple[tuple[int, int], ...] = ASKS) -> None:
        self._snapshot = DepthFrame(0, bids, asks)
        self.events: deque[MarketEvent] = deque()

    def snapshot(self) -> DepthFrame:
        return self._snapshot

    def peek_ms(self) -> int | None:
        return self.events[0].at_ms if self.events else None

    def pop(self) -> MarketEvent:
        return self.events.popleft()


class World:
    """An exchange on a scripted market, with a clock: every call happens one millisecond after the last."""

    def __init__(self, *, bids: Any = BIDS, asks: Any = ASKS, accounts: tuple[AccountSpec, ...] = (AccountSpec(),), **settings: Any) -> None:
        self.source = ScriptedSource(bids, asks)
        self.exchange = PaperExchange(Symbol.named("ETHUSDT"), self.source, start_ms=START_MS, accounts=accounts, journal_limit=None, **settings)
        self.account = next(iter(self.exchange.accounts.values()))

    @property
    def now_ms(self) -> int:
        return self.exchange.now_ms

    def tick(self) -> int:
        return self.exchange.now_ms + 1

    def frame(self, bids: Any = (), asks: Any = (), after_ms: int = 1) -> None:
        """A depth change, at once."""
        at_ms = self.now_ms + after_ms
        self.source.events.append(DepthFrame(at_ms - START_MS, tuple(bids), tuple(asks)))
        self.exchange.advance(at_ms)

    def trade(self, price_ticks: int, lots: int, aggressor: Side, after_ms: int = 1) -> None:
        """A trade of others, at once."""
        at_ms = self.now_ms + after_ms
        self.source.events.append(MarketTrade(at_ms - START_MS, price_ticks, lots, aggressor is Side.SELL))
        self.exchange.advance(at_ms)

    def place(self, side: Side, lots: int, price_ticks: int | None = None, account: Account | None = None, **fields: Any) -> Order:
        """LIMIT GTC where a price is given, else MARKET; `fields` are of OrderRequest."""
        return self.exchange.place(account or self.account, request(side, lots, price_ticks, **fields), self.tick())

    def events(self, kind: str | None = None, account: Account | None = None) -> list[dict[str, Any]]:
        """Takes the user events out of the outbox."""
        outbox = (account or self.account).outbox
        taken = [outbox.popleft() for _ in range(len(outbox))]
        return [event for event in taken if kind in (None, event["e"])]

    def executions(self, account: Account | None = None) -> list[tuple[str, str]]:
        """(execution type, order status) of the order events in the outbox, which is emptied."""
        return [(event["o"]["x"], event["o"]["X"]) for event in self.events("ORDER_TRADE_UPDATE", account)]


def request(side: Side, lots: int | None, price_ticks: int | None = None, **fields: Any) -> OrderRequest:
    values: dict[str, Any] = {"symbol": "ETHUSDT", "side": side}
    if lots is not None:
        values["quantity"] = Decimal(lots) / 1000
    if price_ticks is None:
        values["type"] = OrderType.MARKET
    else:
        values.update(type=OrderType.LIMIT, price=Decimal(price_ticks) / 100, time_in_force=TimeInForce.GTC)
    values.update(fields)
    return OrderRequest(**values)


def two_accounts(usdt: int = 10_000) -> tuple[AccountSpec, AccountSpec]:
    deposits = {"USDT": Decimal(usdt), "USDF": Decimal(0)}
    return AccountSpec("one", "secret one", deposits), AccountSpec("two", "secret two", deposits)
