"""The public side of the paper exchange: the displayed book, the trades, candles, statistics, mark price and funding rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from mmd.core.errors import ConfigError
from mmd.core.units import Side
from mmd.paper import market_replies
from mmd.paper.candles import Candles
from mmd.paper.history import History
from mmd.paper.mark_price import Funding, MarkPrice
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketSource
from mmd.paper.outside_book import OutsideBook
from mmd.paper.symbols import Symbol
from mmd.paper.tape import Tape

Json = dict[str, Any]
FUNDING_INTERVAL_MS = 8 * 3_600_000  # settled at 00:00, 08:00 and 16:00 UTC
CHANGES_KEPT = 20_000  # more levels than change within the slowest stream's interval
FORCE_ORDERS_KEPT = 100
UPDATE_IDS_A_MS = 100  # update ids start at the start time times this, so that they grow across restarts
TRADE_IDS_A_MS = 100  # and trade ids: a recording played many times as fast has more than one trade a millisecond


class MarketData:
    """What everybody sees. Parameters come in checked (limits within the documented bounds).

    The displayed book is the outside book plus `overlay(side)`, the accounts' displayed resting orders (price_ticks -> lots);
    whoever changes the overlay says so by `touch`. `now_ms` is the latest time that any call brought in; times must not go back.
    Also to be read: `symbol`, `start_ms`, `outside`, `tape`, `marks`, `update_id`, `changed_ms` (when the displayed book last changed),
    `last_price_ticks` (None before the first trade).
    Raises ConfigError where the source's book is empty on a side.
    """

    def __init__(self, symbol: Symbol, source: MarketSource, start_ms: int, *, funding_interval_ms: int = FUNDING_INTERVAL_MS) -> None:
        self.symbol = symbol
        self.start_ms = self.now_ms = self.changed_ms = start_ms
        self.overlay: Callable[[Side], Mapping[int, int]] = lambda side: {}
        self.outside = OutsideBook()
        self.update_id = start_ms * UPDATE_IDS_A_MS
        self.tape = Tape(first_id=start_ms * TRADE_IDS_A_MS)
        self.candles = Candles()
        self.last_price_ticks: int | None = None
        self.force_orders: History[Json] = History(FORCE_ORDERS_KEPT)
        # The levels that changed, in order, for the diff streams: a bid by its price, an ask by minus its price.
        self.changes: History[int] = History(CHANGES_KEPT)
        self._source = source
        self.outside.apply(source.snapshot())
        mid = self._mid()
        if mid is None:
            raise ConfigError(f"the {symbol.name} market starts with an empty side of the book; give a source with bids and asks")
        self.marks = MarkPrice(mid, start_ms, funding_interval_ms)

    @property
    def mark_price(self) -> Decimal:
        return self.marks.mark_price

    @property
    def index_price(self) -> Decimal:
        return self.marks.index_price

    @property
    def last_funding_rate(self) -> Decimal:
        """The rate of the next settlement; may be set."""
        return self.marks.last_funding_rate

    @last_funding_rate.setter
    def last_funding_rate(self, rate: Decimal) -> None:
        self.marks.last_funding_rate = rate

    @property
    def next_funding_ms(self) -> int:
        return self.marks.next_funding_ms

    # What the matching engine drives.

    def next_due_ms(self) -> int:
        """When (ms since the epoch) the next source event or the next sample of the mark price is due."""
        due_ms = self._source.peek_ms()
        if due_ms is None:
            return self.marks.next_sample_ms
        return min(self.start_ms + due_ms, self.marks.next_sample_ms)

    def pending(self, now_ms: int) -> Iterator[tuple[int, MarketEvent]]:
        """Pops the source's events due at or before `now_ms`, each with its time (ms since the epoch). It applies nothing."""
        source, start_ms = self._source, self.start_ms
        due_ms = source.peek_ms()
        while due_ms is not None and start_ms + due_ms <= now_ms:
            yield start_ms + due_ms, source.pop()
            due_ms = source.peek_ms()

    def advance(self, now_ms: int) -> None:
        """Lets time pass: samples the mark price at every whole second (`apply` and `record_trade` do it too)."""
        if now_ms >= self.marks.next_sample_ms:
            mid = self._mid()
            self.marks.sample(self.index_price if mid is None else mid, now_ms)
        self.now_ms = max(self.now_ms, now_ms)

    def apply(self, frame: DepthFrame, now_ms: int) -> None:
        """Puts the frame's absolute sizes into the outside book, under a new update id."""
        self.advance(now_ms)
        self.outside.apply(frame)
        if frame.bids:
            self.changes.extend([level[0] for level in frame.bids])
        if frame.asks:
            self.changes.extend([-level[0] for level in frame.asks])
        self._changed()

    def record_trade(self, now_ms: int, price_ticks: int, size_lots: int, buyer_is_maker: bool) -> int:
        """Puts one trade (of others or of an account) on the tape, the candles and the statistics; returns its trade id."""
        self.advance(now_ms)
        self.last_price_ticks = price_ticks
        trade_id = self.tape.record(now_ms, price_ticks, size_lots, buyer_is_maker)
        self.candles.add(now_ms, price_ticks, size_lots, buyer_is_maker, trade_id)
        return trade_id

    def take(self, side: Side, price_ticks: int, size_lots: int) -> int:
        """Removes up to `size_lots` of outside liquidity that rests on that side at that price; returns the lots taken."""
        taken = self.outside.take(side, price_ticks, size_lots)
        if taken:
            self.touch(side, price_ticks)
        return taken

    def touch(self, side: Side, price_ticks: int) -> None:
        """Announces that the overlay changed at that level (after the change)."""
        self.changes.append(side.sign * price_ticks)
        self._changed()

    def best(self, side: Side) -> tuple[int, int] | None:
        """The best displayed (price_ticks, size_lots) of that side of the book (BUY: bids), overlay included."""
        outside, overlay = self.outside.best(side), self.overlay(side)
        if not overlay:
            return outside
        price_ticks = max(overlay) if side is Side.BUY else min(overlay)
        if outside and (outside[0] - price_ticks) * side.sign >= 0:
            return outside[0], outside[1] + overlay.get(outside[0], 0)
        return price_ticks, overlay[price_ticks]

    def levels(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """The best `limit` displayed levels of that side, best first, overlay included."""
        outside, overlay = self.outside.ladder(side).top(limit), self.overlay(side)
        if not overlay:
            return outside
        sizes = dict(outside)
        for price_ticks in overlay:
            sizes[price_ticks] = self.displayed(side, price_ticks)
        return sorted(sizes.items(), reverse=side is Side.BUY)[:limit]

    def displayed(self, side: Side, price_ticks: int) -> int:
        """The lots displayed on that side at that price, overlay included."""
        return self.outside.size(side, price_ticks) + self.overlay(side).get(price_ticks, 0)

    def settle_funding(self) -> Funding:
        """Closes the funding interval that ends at `next_funding_ms`: puts it on record and moves `next_funding_ms` on."""
        return self.marks.settle()

    def record_force_order(self, order: Json) -> None:
        """Publishes a liquidation: `order` is the `o` object of V1 "Liquidation Order Streams"."""
        self.force_orders.append(order)

    def _changed(self) -> None:
        self.update_id += 1
        self.changed_ms = self.now_ms

    def _mid(self) -> Decimal | None:
        bid, ask = self.outside.bids.best(), self.outside.asks.best()
        return None if bid is None or ask is None else (bid[0] + ask[0]) * self.symbol.price_grid.step / 2

    # The REST replies, ready for JSON (V1 "Market Data Endpoints"; the samples there name the fields).

    def depth(self, limit: int = 500) -> Json:
        """Also takes an update id of its own, as the real exchange's ids run on without a change:

        so the next event of every diff stream has U <= lastUpdateId <= u, which V1 "How to manage a local order book correctly" asks for.
        """
        self.update_id += 1
        return market_replies.depth(self, limit)

    def trades(self, limit: int = 500) -> list[Json]:
        return [market_replies.trade(self.symbol, trade) for trade in self.tape.trades.last(limit)]

    def historical_trades(self, limit: int = 500, from_id: int | None = None) -> list[Json]:
        found = self.tape.trades.last(limit) if from_id is None else self.tape.trades.since(from_id, limit)
        return [market_replies.trade(self.symbol, trade) for trade in found]

    def agg_trades(self, from_id: int | None = None, start: int | None = None, end: int | None = None, limit: int = 500) -> list[Json]:
        found = self.tape.aggregates_between(from_id, start, end, limit)
        return [market_replies.aggregate_trade(self.symbol, trade) for trade in found]

    def klines(self, interval: str, start: int | None = None, end: int | None = None, limit: int = 500) -> list[list[Any]]:
        """Raises KeyError for an interval that is not in `candles.INTERVALS`."""
        series = self.candles.series(interval, self.now_ms)
        return [market_replies.kline(self.symbol, interval, candle) for candle in series.between(start, end, limit)]

    def mark_price_klines(self, interval: str, start: int | None = None, end: int | None = None, limit: int = 500) -> list[list[Any]]:
        """Raises KeyError for an interval that is not in `candles.INTERVALS`."""
        series = self.marks.mark_candles.series(interval, self.now_ms)
        return [market_replies.price_kline(interval, candle) for candle in series.between(start, end, limit)]

    def index_price_klines(self, interval: str, start: int | None = None, end: int | None = None, limit: int = 500) -> list[list[Any]]:
        """Raises KeyError for an interval that is not in `candles.INTERVALS`."""
        series = self.marks.index_candles.series(interval, self.now_ms)
        return [market_replies.price_kline(interval, candle) for candle in series.between(start, end, limit)]

    def premium_index(self) -> Json:
        return market_replies.premium_index(self)

    def funding_rate(self, start: int | None = None, end: int | None = None, limit: int = 100) -> list[Json]:
        return market_replies.funding_rates(self, start, end, limit)

    def funding_info(self) -> list[Json]:
        return [market_replies.funding_info(self)]

    def ticker_price(self) -> Json:
        return market_replies.ticker_price(self)

    def book_ticker(self) -> Json:
        return market_replies.book_ticker(self)

    def ticker_24hr(self) -> Json:
        return market_replies.ticker_24hr(self)
