"""The public streams: one Feed a stream name says which payloads are due at a time (V1 "Websocket Market Streams")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from mmd.core.errors import MmdError
from mmd.core.units import Side
from mmd.paper import market_replies
from mmd.paper.candles import INTERVALS, Candle, close_time
from mmd.paper.market_data import MarketData

Json = dict[str, Any]
Payload = dict[str, Any] | list[dict[str, Any]]
DEPTH_MS = 250  # the pace of a depth stream whose name says none
DEPTH_NAME = re.compile(r"depth(5|10|20)?(?:@(100|250|500)ms)?")
KLINE_MS = 250
AGG_TRADE_MS = 100
TICKER_MS = 500
ALL_TICKERS_MS = 1_000
FORCE_ORDER_MS = 1_000


class UnknownStreamError(MmdError):
    """A stream name that the exchange does not serve."""


class Feed(Protocol):
    """One stream, shared by all its subscribers. Payloads are raw: wrapping them for combined streams is the server's."""

    def poll(self, now_ms: int) -> list[Payload]:
        """The payloads due at `now_ms`, oldest first (a `…@arr` stream's payload is a list). Times of the calls must not go back."""

    def due_ms(self) -> int | None:
        """The earliest time at which a poll can yield something; None: whenever the market changes."""


def make_feed(stream_name: str, market: MarketData) -> Feed:
    """The feed of that name, starting at `market.now_ms`. Raises UnknownStreamError."""
    make = _ALL_MARKET.get(stream_name)
    prefix, _, kind = stream_name.partition("@")
    if make is None and prefix == market.symbol.name.lower():
        make = _ONE_SYMBOL.get(kind)
        if make is None and (depth := DEPTH_NAME.fullmatch(kind)):
            interval_ms = int(depth[2] or DEPTH_MS)
            return PartialDepthFeed(market, interval_ms, int(depth[1])) if depth[1] else DiffDepthFeed(market, interval_ms)
        if make is None and kind.startswith("kline_") and kind[len("kline_"):] in INTERVALS:
            return KlineFeed(market, kind[len("kline_"):])
    if make is None:
        raise UnknownStreamError(f"unknown stream {stream_name!r}")
    return make(market)


class PacedFeed:
    """A feed that pushes at whole multiples of its interval at most."""

    def __init__(self, market: MarketData, interval_ms: int) -> None:
        self.market = market
        self.interval_ms = interval_ms
        self._next_ms = (market.now_ms // interval_ms + 1) * interval_ms

    def poll(self, now_ms: int) -> list[Payload]:
        if now_ms < self._next_ms:
            return []
        self._next_ms = (now_ms // self.interval_ms + 1) * self.interval_ms
        return self.payloads(now_ms)

    def due_ms(self) -> int | None:
        return self._next_ms

    def payloads(self, now_ms: int) -> list[Payload]:
        """What there is to push since the last time."""
        raise NotImplementedError


class DiffDepthFeed(PacedFeed):
    """V1 "Diff. Book Depth Streams": the levels that changed, with their absolute sizes."""

    def __init__(self, market: MarketData, interval_ms: int) -> None:
        super().__init__(market, interval_ms)
        self._restart()

    def payloads(self, now_ms: int) -> list[Payload]:
        market, number = self.market, self._change_number
        if market.changes.end == number:
            return []
        if number < market.changes.first:  # Not polled for too long: begin again, and let `pu` show the gap.
            self._restart()
            return []
        changed = set(market.changes.since(number))
        bids = sorted(key for key in changed if key > 0)
        asks = sorted(-key for key in changed if key < 0)
        previous_id = self._final_id
        self._restart()
        return [_depth_update(market, now_ms, previous_id, _texts(market, Side.BUY, bids), _texts(market, Side.SELL, asks))]

    def _restart(self) -> None:
        self._change_number = self.market.changes.end
        self._final_id = self.market.update_id


class PartialDepthFeed(PacedFeed):
    """V1 "Partial Book Depth Streams": the top of the book, whenever anything in the book changed (and once at the start)."""

    def __init__(self, market: MarketData, interval_ms: int, limit: int) -> None:
        super().__init__(market, interval_ms)
        self._limit = limit
        self._change_number: int | None = None
        self._final_id = market.update_id

    def payloads(self, now_ms: int) -> list[Payload]:
        market = self.market
        if market.changes.end == self._change_number:
            return []
        previous_id = self._final_id
        self._change_number, self._final_id = market.changes.end, market.update_id
        bids = market_replies.levels(market, Side.BUY, self._limit)
        asks = market_replies.levels(market, Side.SELL, self._limit)
        return [_depth_update(market, now_ms, previous_id, bids, asks)]


class BookTickerFeed:
    """V1 "Individual Symbol Book Ticker Streams": in real time; changes between two polls arrive as one."""

    def __init__(self, market: MarketData) -> None:
        self.market = market
        self._change_number: int | None = None
        self._shown: tuple[object, object] | None = None

    def poll(self, now_ms: int) -> list[Payload]:
        market = self.market
        if market.changes.end == self._change_number:
            return []
        self._change_number = market.changes.end
        best = (market.best(Side.BUY), market.best(Side.SELL))
        if best == self._shown:
            return []
        self._shown = best
        bid_price, bid_quantity = market_replies.best_texts(market, Side.BUY)
        ask_price, ask_quantity = market_replies.best_texts(market, Side.SELL)
        return [{
            "e": "bookTicker", "u": market.update_id, "E": now_ms, "T": market.changed_ms, "s": market.symbol.name,
            "b": bid_price, "B": bid_quantity, "a": ask_price, "A": ask_quantity,
        }]

    def due_ms(self) -> int | None:
        return None


class TradeFeed:
    """`<symbol>@trade`, which the exchange serves and its document leaves out: every trade in real time, as in its recordings."""

    def __init__(self, market: MarketData) -> None:
        self.market = market
        self._next_id = market.tape.trades.end

    def poll(self, now_ms: int) -> list[Payload]:
        symbol, trades = self.market.symbol, self.market.tape.trades
        found = trades.since(self._next_id)
        self._next_id = trades.end
        return [
            {
                "e": "trade", "E": now_ms, "T": trade.at_ms, "s": symbol.name, "t": trade.trade_id,
                "p": symbol.price_text(trade.price_ticks), "q": symbol.lot_text(trade.size_lots), "X": "MARKET", "m": trade.buyer_is_maker,
            }
            for trade in found
        ]

    def due_ms(self) -> int | None:
        return None


class AggTradeFeed(PacedFeed):
    """V1 "Aggregate Trade Streams": every 100 ms the aggregates that can grow no more."""

    def __init__(self, market: MarketData) -> None:
        super().__init__(market, AGG_TRADE_MS)
        self._next_id = market.tape.aggregates.end

    def payloads(self, now_ms: int) -> list[Payload]:
        closed_ms = now_ms // self.interval_ms * self.interval_ms
        symbol = self.market.symbol
        found = [trade for trade in self.market.tape.aggregates.since(self._next_id) if trade.at_ms < closed_ms]
        if found:
            self._next_id = found[-1].aggregate_id + 1
        return [{"e": "aggTrade", "E": now_ms, "s": symbol.name} | market_replies.aggregate_trade(symbol, trade) for trade in found]


class MarkPriceFeed(PacedFeed):
    """V1 "Mark Price Stream": always pushed, changed or not."""

    def payloads(self, now_ms: int) -> list[Payload]:
        index = market_replies.premium_index(self.market)
        return [{
            "e": "markPriceUpdate", "E": now_ms, "s": index["symbol"], "p": index["markPrice"], "i": index["indexPrice"],
            "P": index["estimatedSettlePrice"], "r": index["lastFundingRate"], "T": index["nextFundingTime"],
        }]


class KlineFeed(PacedFeed):
    """V1 "Kline/Candlestick Streams": the current candle when it took in a trade, and each candle once more when it closed."""

    def __init__(self, market: MarketData, interval: str) -> None:
        super().__init__(market, KLINE_MS)
        self._interval = interval
        candles = market.candles.series(interval, market.now_ms).candles
        self._open_ms = candles[-1].open_ms if candles else market.now_ms
        self._trades = candles[-1].trades if candles else 0

    def payloads(self, now_ms: int) -> list[Payload]:
        candles = self.market.candles.series(self._interval, now_ms).candles
        fresh = [candle for candle in candles[-3:] if close_time(self._interval, candle.open_ms) >= self._open_ms]
        if not fresh:
            return []
        found: list[Payload] = [self._payload(candle, now_ms, closed=True) for candle in fresh[:-1]]
        newest = fresh[-1]
        if newest.trades and (newest.open_ms, newest.trades) != (self._open_ms, self._trades):
            found.append(self._payload(newest, now_ms, closed=False))
        self._open_ms, self._trades = newest.open_ms, newest.trades
        return found

    def _payload(self, candle: Candle, now_ms: int, *, closed: bool) -> Json:
        symbol = self.market.symbol
        row = market_replies.kline(symbol, self._interval, candle)
        return {"e": "kline", "E": now_ms, "s": symbol.name, "k": {
            "t": row[0], "T": row[6], "s": symbol.name, "i": self._interval, "f": candle.first_id, "L": candle.last_id,
            "o": row[1], "c": row[4], "h": row[2], "l": row[3], "v": row[5], "n": row[8], "x": closed,
            "q": row[7], "V": row[9], "Q": row[10], "B": row[11],
        }}


class TickerFeed(PacedFeed):
    """The 24 hour statistics after new trades (and once at the start), rendered by one of the functions below."""

    def __init__(self, market: MarketData, interval_ms: int, render: Callable[[Json, int], Json]) -> None:
        super().__init__(market, interval_ms)
        self._render = render
        self._trade_end: int | None = None

    def payloads(self, now_ms: int) -> list[Payload]:
        end = self.market.tape.trades.end
        if end == self._trade_end:
            return []
        self._trade_end = end
        return [self._render(self.market.ticker_24hr(), now_ms)]


class ForceOrderFeed(PacedFeed):
    """V1 "Liquidation Order Streams": of each second's liquidations the latest."""

    def __init__(self, market: MarketData) -> None:
        super().__init__(market, FORCE_ORDER_MS)
        self._next = market.force_orders.end

    def payloads(self, now_ms: int) -> list[Payload]:
        orders = self.market.force_orders
        if orders.end == self._next:
            return []
        self._next = orders.end
        return [{"e": "forceOrder", "E": now_ms, "o": orders.newest()}]


class ArrayFeed:
    """An all-market stream whose payload is a list: here a list of one symbol."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def poll(self, now_ms: int) -> list[Payload]:
        return [[payload] for payload in self._feed.poll(now_ms) if isinstance(payload, dict)]

    def due_ms(self) -> int | None:
        return self._feed.due_ms()


def ticker(day: Json, now_ms: int) -> Json:
    """V1 "Individual Symbol Ticker Streams", from the reply of `ticker/24hr`."""
    return {
        "e": "24hrTicker", "E": now_ms, "s": day["symbol"], "p": day["priceChange"], "P": day["priceChangePercent"],
        "w": day["weightedAvgPrice"], "c": day["lastPrice"], "Q": day["lastQty"], "o": day["openPrice"], "h": day["highPrice"],
        "l": day["lowPrice"], "v": day["volume"], "q": day["quoteVolume"], "O": day["openTime"], "C": day["closeTime"],
        "F": day["firstId"], "L": day["lastId"], "n": day["count"],
    }


def mini_ticker(day: Json, now_ms: int) -> Json:
    """V1 "Individual Symbol Mini Ticker Stream", from the reply of `ticker/24hr`."""
    return {
        "e": "24hrMiniTicker", "E": now_ms, "s": day["symbol"], "c": day["lastPrice"], "o": day["openPrice"],
        "h": day["highPrice"], "l": day["lowPrice"], "v": day["volume"], "q": day["quoteVolume"],
    }


def _texts(market: MarketData, side: Side, prices: list[int]) -> list[list[str]]:
    price_text, lot_text = market.symbol.price_text, market.symbol.lot_text
    sizes, overlay = market.outside.ladder(side).sizes, market.overlay(side)
    return [[price_text(price), lot_text(sizes.get(price, 0) + overlay.get(price, 0))] for price in prices]


def _depth_update(market: MarketData, now_ms: int, previous_id: int, bids: list[list[str]], asks: list[list[str]]) -> Json:
    """`U` follows `pu` at once: the ids in between belong to this event, also those that changed nothing."""
    return {
        "e": "depthUpdate", "E": now_ms, "T": market.changed_ms, "s": market.symbol.name,
        "U": min(previous_id + 1, market.update_id), "u": market.update_id, "pu": previous_id, "b": bids, "a": asks,
    }


_ONE_SYMBOL: dict[str, Callable[[MarketData], Feed]] = {
    "bookTicker": BookTickerFeed,
    "trade": TradeFeed,
    "aggTrade": AggTradeFeed,
    "markPrice": lambda market: MarkPriceFeed(market, 3_000),
    "markPrice@1s": lambda market: MarkPriceFeed(market, 1_000),
    "miniTicker": lambda market: TickerFeed(market, TICKER_MS, mini_ticker),
    "ticker": lambda market: TickerFeed(market, TICKER_MS, ticker),
    "forceOrder": ForceOrderFeed,
}
_ALL_MARKET: dict[str, Callable[[MarketData], Feed]] = {
    "!bookTicker": BookTickerFeed,
    "!markPrice@arr": lambda market: ArrayFeed(MarkPriceFeed(market, 3_000)),
    "!markPrice@arr@1s": lambda market: ArrayFeed(MarkPriceFeed(market, 1_000)),
    "!miniTicker@arr": lambda market: ArrayFeed(TickerFeed(market, ALL_TICKERS_MS, mini_ticker)),
    "!ticker@arr": lambda market: ArrayFeed(TickerFeed(market, ALL_TICKERS_MS, ticker)),
    "!forceOrder@arr": ForceOrderFeed,
}
