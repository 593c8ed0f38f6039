"""The public REST replies, field for field as V1 "Market Data Endpoints"."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mmd.core.units import Side
from mmd.paper.candles import DAY_MS, HOUR_MS, Candle, close_time
from mmd.paper.mark_price import INTEREST_RATE
from mmd.paper.symbols import Symbol
from mmd.paper.tape import AggregateTrade, Trade

if TYPE_CHECKING:
    from mmd.paper.market_data import MarketData

Json = dict[str, Any]
FUNDING_CAP = 0.03  # these two are JSON numbers in V1 "Get Funding Rate Config", and only shown
FUNDING_FLOOR = -0.03


def levels(market: MarketData, side: Side, limit: int) -> list[list[str]]:
    """The best displayed [price, quantity] pairs of that side, best first."""
    price_text, lot_text = market.symbol.price_text, market.symbol.lot_text
    return [[price_text(price), lot_text(lots)] for price, lots in market.levels(side, limit)]


def depth(market: MarketData, limit: int) -> Json:
    """V1 "Order Book"."""
    return {
        "lastUpdateId": market.update_id,
        "E": market.now_ms,
        "T": market.changed_ms,
        "bids": levels(market, Side.BUY, limit),
        "asks": levels(market, Side.SELL, limit),
    }


def trade(symbol: Symbol, entry: Trade) -> Json:
    """V1 "Recent Trades List"."""
    return {
        "id": entry.trade_id,
        "price": symbol.price_text(entry.price_ticks),
        "qty": symbol.lot_text(entry.size_lots),
        "quoteQty": symbol.value_text(entry.price_ticks * entry.size_lots),
        "time": entry.at_ms,
        "isBuyerMaker": entry.buyer_is_maker,
    }


def aggregate_trade(symbol: Symbol, entry: AggregateTrade) -> Json:
    """V1 "Compressed/Aggregate Trades List"."""
    return {
        "a": entry.aggregate_id,
        "p": symbol.price_text(entry.price_ticks),
        "q": symbol.lot_text(entry.size_lots),
        "f": entry.first_id,
        "l": entry.last_id,
        "T": entry.at_ms,
        "m": entry.buyer_is_maker,
    }


def kline(symbol: Symbol, interval: str, candle: Candle) -> list[Any]:
    """V1 "Kline/Candlestick Data"."""
    price_text = symbol.price_text
    return [
        candle.open_ms,
        price_text(candle.open),
        price_text(candle.high),
        price_text(candle.low),
        price_text(candle.close),
        symbol.lot_text(candle.volume),
        close_time(interval, candle.open_ms),
        symbol.value_text(candle.quote_volume),
        candle.trades,
        symbol.lot_text(candle.taker_buy_volume),
        symbol.value_text(candle.taker_buy_quote),
        "0",
    ]


def price_kline(interval: str, candle: Candle) -> list[Any]:
    """V1 "Mark Price Kline/Candlestick Data": prices are in units of the eighth place, trades are data points."""
    prices = [f"{Decimal(units).scaleb(-8):.8f}" for units in (candle.open, candle.high, candle.low, candle.close)]
    return [candle.open_ms, *prices, "0", close_time(interval, candle.open_ms), "0", candle.trades, "0", "0", "0"]


def premium_index(market: MarketData) -> Json:
    """V1 "Mark Price". A perpetual contract never settles: its estimated settle price is the index."""
    return {
        "symbol": market.symbol.name,
        "markPrice": f"{market.mark_price:.8f}",
        "indexPrice": f"{market.index_price:.8f}",
        "estimatedSettlePrice": f"{market.index_price:.8f}",
        "lastFundingRate": f"{market.last_funding_rate:.8f}",
        "nextFundingTime": market.next_funding_ms,
        "interestRate": f"{INTEREST_RATE:.8f}",
        "time": market.now_ms,
    }


def funding_rates(market: MarketData, start: int | None, end: int | None, limit: int) -> list[Json]:
    """V1 "Get Funding Rate History": ascending, from `start` on where it is given, else the latest; both times inclusive."""
    found = [
        funding for funding in market.marks.fundings.entries()
        if (start is None or funding.at_ms >= start) and (end is None or funding.at_ms <= end)
    ]
    return [
        {"symbol": market.symbol.name, "fundingRate": f"{funding.rate:.8f}", "fundingTime": funding.at_ms}
        for funding in (found[:limit] if start is not None else found[-limit:])
    ]


def funding_info(market: MarketData) -> Json:
    """V1 "Get Funding Rate Config"."""
    return {
        "symbol": market.symbol.name,
        "interestRate": f"{INTEREST_RATE:.8f}",
        "time": market.now_ms,
        "fundingIntervalHours": market.marks.funding_interval_ms // HOUR_MS,
        "fundingFeeCap": FUNDING_CAP,
        "fundingFeeFloor": FUNDING_FLOOR,
    }


def last_price(market: MarketData) -> str:
    """The price of the last trade; the index price, on the tick below, while there has been none."""
    ticks = market.last_price_ticks
    return market.symbol.price_text(market.symbol.price_grid.floor(market.index_price) if ticks is None else ticks)


def ticker_price(market: MarketData) -> Json:
    """V1 "Symbol Price Ticker"."""
    newest = market.tape.trades.newest()
    return {"symbol": market.symbol.name, "price": last_price(market), "time": newest.at_ms if newest else market.start_ms}


def best_texts(market: MarketData, side: Side) -> tuple[str, str]:
    """The best displayed price and quantity, zeros where the side is empty."""
    best = market.best(side) or (0, 0)
    return market.symbol.price_text(best[0]), market.symbol.lot_text(best[1])


def book_ticker(market: MarketData) -> Json:
    """V1 "Symbol Order Book Ticker"."""
    bid_price, bid_quantity = best_texts(market, Side.BUY)
    ask_price, ask_quantity = best_texts(market, Side.SELL)
    return {
        "symbol": market.symbol.name,
        "bidPrice": bid_price,
        "bidQty": bid_quantity,
        "askPrice": ask_price,
        "askQty": ask_quantity,
        "time": market.changed_ms,
    }


def ticker_24hr(market: MarketData) -> Json:
    """V1 "24hr Ticker Price Change Statistics": a rolling window of 1440 minutes, the current one included."""
    symbol, newest = market.symbol, market.tape.trades.newest()
    day = market.candles.last_day(market.now_ms)
    last = market.last_price_ticks
    if day is None or newest is None or last is None:
        flat = symbol.price_grid.floor(market.index_price)
        day = Candle(market.now_ms - DAY_MS, flat, flat, flat, flat)
        last = flat
    change = last - day.open
    average = Decimal(day.quote_volume) / day.volume if day.volume else Decimal(last)
    return {
        "symbol": symbol.name,
        "priceChange": f"{symbol.price_grid.decimal(change):.{symbol.price_grid.decimals}f}",
        "priceChangePercent": f"{Decimal(change) / day.open * 100:.3f}",
        "weightedAvgPrice": f"{average * symbol.price_grid.step:.{symbol.price_grid.decimals}f}",
        "prevClosePrice": symbol.price_text(day.open),
        "lastPrice": symbol.price_text(last),
        "lastQty": symbol.lot_text(newest.size_lots if newest else 0),
        "openPrice": symbol.price_text(day.open),
        "highPrice": symbol.price_text(day.high),
        "lowPrice": symbol.price_text(day.low),
        "volume": symbol.lot_text(day.volume),
        "quoteVolume": symbol.value_text(day.quote_volume),
        "openTime": day.open_ms,
        "closeTime": market.now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }
