"""The public endpoints: time, rules, book, trades, candles, prices (V1 "Market Data Endpoints")."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmd.paper.authority import Security
from mmd.paper.candles import INTERVALS
from mmd.paper.denials import Denied
from mmd.paper.endpoint import ANY_SYMBOL, END, START, SYMBOL, Call, Endpoint, both, by_symbol, capped, check_period, check_symbol
from mmd.paper.parameters import Parameter, choice, whole
from mmd.paper.symbols import exchange_info

HOUR_MS = 3_600_000
DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)

Json = Any


def _ping(call: Call) -> Json:
    return {}


def _time(call: Call) -> Json:
    return {"serverTime": call.now_ms}


def _exchange_info(call: Call) -> Json:
    return exchange_info(call.exchange.symbol, call.now_ms, call.limits.weight, call.limits.orders)


def _depth(call: Call) -> Json:
    check_symbol(call)
    return call.exchange.market.depth(call.values["limit"])


def _trades(call: Call) -> Json:
    check_symbol(call)
    return call.exchange.market.trades(call.values["limit"])


def _historical_trades(call: Call) -> Json:
    check_symbol(call)
    return call.exchange.market.historical_trades(call.values["limit"], call.values["fromId"])


def _agg_trades(call: Call) -> Json:
    check_symbol(call)
    start, end = check_period(call)
    if start is not None and end is not None and end - start >= HOUR_MS:
        raise Denied(-1127, "More than 1 hours between startTime and endTime.")
    return call.exchange.market.agg_trades(call.values["fromId"], start, end, call.values["limit"])


def _klines(call: Call) -> Json:
    check_symbol(call)
    start, end = check_period(call)
    return call.exchange.market.klines(call.values["interval"], start, end, call.values["limit"])


def _mark_price_klines(call: Call) -> Json:
    check_symbol(call)
    start, end = check_period(call)
    return call.exchange.market.mark_price_klines(call.values["interval"], start, end, call.values["limit"])


def _index_price_klines(call: Call) -> Json:
    check_symbol(call, "pair")
    start, end = check_period(call)
    return call.exchange.market.index_price_klines(call.values["interval"], start, end, call.values["limit"])


def _premium_index(call: Call) -> Json:
    return _one_or_all(call, call.exchange.market.premium_index())


def _funding_rate(call: Call) -> Json:
    check_symbol(call)
    start, end = check_period(call)
    return call.exchange.market.funding_rate(start, end, call.values["limit"])


def _funding_info(call: Call) -> Json:
    check_symbol(call)
    return call.exchange.market.funding_info()


def _ticker_24hr(call: Call) -> Json:
    return _one_or_all(call, call.exchange.market.ticker_24hr())


def _ticker_price(call: Call) -> Json:
    return _one_or_all(call, call.exchange.market.ticker_price())


def _book_ticker(call: Call) -> Json:
    return _one_or_all(call, call.exchange.market.book_ticker())


def _one_or_all(call: Call, reply: dict[str, Any]) -> Json:
    """The object itself where the symbol is named, an array of all symbols' where it is not."""
    return reply if check_symbol(call) else [reply]


def _read_depth_limit(name: str, sent: str) -> int:
    limit = whole(name, sent)
    if limit not in DEPTH_LIMITS:
        raise Denied(-4021, f"'{limit}' is not valid depth limit.")
    return limit


def _sent_limit(sent: Mapping[str, str], default: int) -> int:
    text = sent.get("limit", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _depth_weight(sent: Mapping[str, str]) -> int:
    limit = _sent_limit(sent, 500)
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def _klines_weight(sent: Mapping[str, str]) -> int:
    limit = _sent_limit(sent, 500)
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


_FROM_ID = Parameter("fromId", whole)
_INTERVAL = Parameter("interval", choice(tuple(INTERVALS), -1120, "Invalid interval."), mandatory=True)
_LIMIT = capped(500, 1000)
_PAIR = Parameter("pair", SYMBOL.read, mandatory=True)
_CANDLES = (_INTERVAL, START, END, capped(500, 1500))

MARKET_ENDPOINTS = (
    Endpoint("GET", both("ping"), Security.NONE, 1, _ping),
    Endpoint("GET", both("time"), Security.NONE, 1, _time),
    Endpoint("GET", both("exchangeInfo"), Security.NONE, 1, _exchange_info),
    Endpoint("GET", both("depth"), Security.NONE, _depth_weight, _depth, (SYMBOL, Parameter("limit", _read_depth_limit, default=500))),
    Endpoint("GET", both("trades"), Security.NONE, 1, _trades, (SYMBOL, _LIMIT)),
    Endpoint("GET", ("/fapi/v1/historicalTrades",), Security.MARKET_DATA, 20, _historical_trades, (SYMBOL, _LIMIT, _FROM_ID)),
    # The V3 document: "MARKET_DATA: API that does not require authentication".
    Endpoint("GET", ("/fapi/v3/historicalTrades",), Security.NONE, 20, _historical_trades, (SYMBOL, _LIMIT, _FROM_ID)),
    Endpoint("GET", both("aggTrades"), Security.NONE, 20, _agg_trades, (SYMBOL, _FROM_ID, START, END, _LIMIT)),
    Endpoint("GET", both("klines"), Security.NONE, _klines_weight, _klines, (SYMBOL, *_CANDLES)),
    Endpoint("GET", both("markPriceKlines"), Security.NONE, _klines_weight, _mark_price_klines, (SYMBOL, *_CANDLES)),
    Endpoint("GET", both("indexPriceKlines"), Security.NONE, _klines_weight, _index_price_klines, (_PAIR, *_CANDLES)),
    Endpoint("GET", both("premiumIndex"), Security.NONE, 1, _premium_index, (ANY_SYMBOL,)),
    Endpoint("GET", both("fundingRate"), Security.NONE, 1, _funding_rate, (ANY_SYMBOL, START, END, capped(100, 1000))),
    Endpoint("GET", both("fundingInfo"), Security.NONE, 1, _funding_info, (ANY_SYMBOL,)),
    Endpoint("GET", both("ticker/24hr"), Security.NONE, by_symbol(1, 40), _ticker_24hr, (ANY_SYMBOL,)),
    # Binance serves the same reply under v2 as well, and its own clients ask there.
    Endpoint("GET", both("ticker/price", "/fapi/v2/ticker/price"), Security.NONE, by_symbol(1, 2), _ticker_price, (ANY_SYMBOL,)),
    Endpoint("GET", both("ticker/bookTicker"), Security.NONE, by_symbol(1, 2), _book_ticker, (ANY_SYMBOL,)),
)
