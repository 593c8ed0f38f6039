"""The public side of the paper exchange: the displayed book, the trades, candles, statistics, mark price and funding rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketSource
from mmd.paper.symbols import Symbol

Json = dict[str, Any]
FUNDING_INTERVAL_MS = 8 * 3_600_000


class Funding(NamedTuple):
    """One settlement: long positions pay `rate` times their notional at `mark_price` (shorts receive it)."""

    at_ms: int
    rate: Decimal
    mark_price: Decimal


class MarketData:
    """What everybody sees. Raises nothing of its own: parameters come in checked (limits within the documented bounds).

    The displayed book is the outside book plus `overlay(side)`, the accounts' displayed resting orders (price_ticks -> lots);
    whoever changes the overlay says so by `touch`. `now_ms` is the latest time that any call brought in.
    Attributes to read: symbol, start_ms, now_ms, update_id, outside (the OutsideBook), last_price_ticks (None before the first trade),
    mark_price, index_price, last_funding_rate (may be set), next_funding_ms.
    """

    def __init__(self, symbol: Symbol, source: MarketSource, start_ms: int, *, funding_interval_ms: int = FUNDING_INTERVAL_MS) -> None:
        self.symbol = symbol
        self.start_ms = start_ms
        self.now_ms = start_ms
        self.overlay: Callable[[Side], Mapping[int, int]] = lambda side: {}
        self.mark_price: Decimal
        self.index_price: Decimal
        self.last_funding_rate = Decimal("0.00010000")
        self.next_funding_ms: int
        self.update_id: int
        self.last_price_ticks: int | None

    # What the matching engine drives.

    def next_due_ms(self) -> int | None:
        """When (ms since the epoch) the next source event or the next mark price is due."""
        raise NotImplementedError

    def pending(self, now_ms: int) -> Iterator[tuple[int, MarketEvent]]:
        """Pops the source's events due at or before `now_ms`, each with its time (ms since the epoch). It applies nothing."""
        raise NotImplementedError

    def advance(self, now_ms: int) -> None:
        """Lets time pass: samples the mark price at every whole second (also done by `apply` and `record_trade`)."""
        raise NotImplementedError

    def apply(self, frame: DepthFrame, now_ms: int) -> None:
        """Puts the frame's absolute sizes into the outside book, under a new update id."""
        raise NotImplementedError

    def record_trade(self, now_ms: int, price_ticks: int, size_lots: int, buyer_is_maker: bool) -> int:
        """Puts one trade (of others or of an account) on the tape, the candles and the statistics; returns its trade id."""
        raise NotImplementedError

    def take(self, side: Side, price_ticks: int, size_lots: int) -> int:
        """Removes up to `size_lots` of outside liquidity that rests on that side at that price; returns the lots taken."""
        raise NotImplementedError

    def touch(self, side: Side, price_ticks: int) -> None:
        """Announces that the overlay changed at that level (after the change)."""
        raise NotImplementedError

    def best(self, side: Side) -> tuple[int, int] | None:
        """The best displayed (price_ticks, size_lots) of that side of the book (BUY: bids), overlay included."""
        raise NotImplementedError

    def levels(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """The best `limit` displayed levels of that side, best first, overlay included."""
        raise NotImplementedError

    def settle_funding(self) -> Funding:
        """Closes the funding interval that ended at `next_funding_ms`: puts it on record and moves `next_funding_ms` on."""
        raise NotImplementedError

    def record_force_order(self, order: Json) -> None:
        """Publishes a liquidation: `order` is the `o` object of V1 "Liquidation Order Streams" (strings and T as documented)."""
        raise NotImplementedError

    # The REST replies, ready for JSON.

    def depth(self, limit: int = 500) -> Json:
        raise NotImplementedError

    def trades(self, limit: int = 500) -> list[Json]:
        raise NotImplementedError

    def historical_trades(self, limit: int = 500, from_id: int | None = None) -> list[Json]:
        raise NotImplementedError

    def agg_trades(self, from_id: int | None = None, start: int | None = None, end: int | None = None, limit: int = 500) -> list[Json]:
        raise NotImplementedError

    def klines(self, interval: str, start: int | None = None, end: int | None = None, limit: int = 500) -> list[list[Any]]:
        """Raises KeyError for an interval that is not in `candles.INTERVALS`."""
        raise NotImplementedError

    def premium_index(self) -> Json:
        raise NotImplementedError

    def funding_rate(self, start: int | None = None, end: int | None = None, limit: int = 100) -> list[Json]:
        raise NotImplementedError

    def funding_info(self) -> list[Json]:
        raise NotImplementedError

    def ticker_price(self) -> Json:
        raise NotImplementedError

    def book_ticker(self) -> Json:
        raise NotImplementedError

    def ticker_24hr(self) -> Json:
        raise NotImplementedError
