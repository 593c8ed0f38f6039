"""Symbol rules out of `exchangeInfo`: read whole or refused with the reason, and each filter holds."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from core_rig import eth_rules

from mmd.core.errors import ConfigError
from mmd.core.rules import RulesError, parse_rules

# V1 "Exchange Information", cut to what matters.
INFO: dict[str, Any] = {
    "rateLimits": [
        {"interval": "MINUTE", "intervalNum": 1, "limit": 2400, "rateLimitType": "REQUEST_WEIGHT"},
        {"interval": "MINUTE", "intervalNum": 1, "limit": 1200, "rateLimitType": "ORDERS"},
        {"interval": "MINUTE", "intervalNum": 5, "limit": 5000, "rateLimitType": "ORDERS"},
        {"interval": "SECOND", "intervalNum": 10, "limit": 300, "rateLimitType": "ORDERS"},
    ],
    "symbols": [
        {"symbol": "BTCUSDT", "status": "TRADING"},
        {
            "symbol": "ETHUSDT", "status": "TRADING", "baseAsset": "ETH", "quoteAsset": "USDT", "marginAsset": "USDT",
            "filters": [
                {"filterType": "PRICE_FILTER", "maxPrice": "100000", "minPrice": "1.005", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "maxQty": "10000", "minQty": "0.002", "stepSize": "0.001"},
                {"filterType": "MIN_NOTIONAL", "notional": "5.0"},
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.15", "multiplierDown": "0.85", "multiplierDecimal": 4},
            ],
        },
    ],
}  # fmt: skip


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The reply with one thing changed, or removed where the value is Ellipsis."""
    info = copy.deepcopy(INFO)
    place: Any = info
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return info


def test_everything_is_read() -> None:
    """Grids, bounds (rounded inwards), notional, multipliers and the tightest limits."""
    rules = parse_rules(INFO, "ETHUSDT")
    assert (rules.price.step, rules.size.step) == (Decimal("0.01"), Decimal("0.001"))
    assert (rules.min_price_ticks, rules.max_price_ticks) == (101, 10_000_000)
    assert (rules.min_size_lots, rules.max_size_lots) == (2, 10_000_000)
    assert rules.min_notional == 5
    assert (rules.multiplier_up, rules.multiplier_down) == (Decimal("1.15"), Decimal("0.85"))
    assert (rules.weight_per_minute, rules.orders_per_minute) == (2400, 1000)
    assert rules.is_trading and (rules.base_asset, rules.quote_asset, rules.margin_asset) == ("ETH", "USDT", "USDT")


def test_what_the_venue_may_leave_out_has_its_documented_value() -> None:
    """No rate limits: the documented ones; no minimum notional or percent filter: none; no margin asset: the quote asset."""
    info = changed(("rateLimits",), [])
    info["symbols"][1]["filters"] = info["symbols"][1]["filters"][:2]
    del info["symbols"][1]["marginAsset"]
    rules = parse_rules(info, "ETHUSDT")
    assert (rules.weight_per_minute, rules.orders_per_minute) == (2400, 1200)
    assert (rules.min_notional, rules.multiplier_up, rules.margin_asset) == (0, 0, "USDT")


@pytest.mark.parametrize(("symbol", "hint"), [("ETHUSD", "did you mean ETHUSDT"), ("ethusdt", "lists 2 symbols"), ("XQZ", "lists 2 symbols")])
def test_an_unknown_symbol_names_the_nearest(symbol: str, hint: str) -> None:
    """The operator's mistake: a ConfigError with the nearest names, or how many there are."""
    with pytest.raises(ConfigError, match=hint):
        parse_rules(INFO, symbol)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("symbols",), ...),
        (("symbols",), None),
        (("symbols", 1, "status"), ...),
        (("symbols", 1, "baseAsset"), ...),
        (("symbols", 1, "quoteAsset"), ...),
        (("symbols", 1, "filters"), ...),
        (("symbols", 1, "filters"), []),
        (("symbols", 1, "filters"), None),
        (("symbols", 1, "filters", 0), ...),
        (("symbols", 1, "filters", 1), ...),
        (("symbols", 1, "filters", 0, "tickSize"), ...),
        (("symbols", 1, "filters", 0, "tickSize"), "0"),
        (("symbols", 1, "filters", 0, "tickSize"), "a tick"),
        (("symbols", 1, "filters", 0, "tickSize"), 0.01),
        (("symbols", 1, "filters", 0, "minPrice"), "NaN"),
        (("symbols", 1, "filters", 0, "maxPrice"), ...),
        (("symbols", 1, "filters", 1, "stepSize"), "-1"),
        (("symbols", 1, "filters", 1, "minQty"), ...),
        (("symbols", 1, "filters", 1, "maxQty"), "Infinity"),
        (("symbols", 1, "filters", 2, "notional"), "NaN"),
        (("symbols", 1, "filters", 2, "notional"), "Infinity"),
        (("symbols", 1, "filters", 2, "notional"), "-5"),
        (("symbols", 1, "filters", 3, "multiplierUp"), "NaN"),
        (("rateLimits", 0, "limit"), ...),
        (("rateLimits", 0, "limit"), "many"),
        (("rateLimits", 0, "intervalNum"), 0),
        (("rateLimits",), None),
    ],
)
def test_what_is_missing_or_garbled_is_refused(path: tuple[Any, ...], value: object) -> None:
    """One RulesError, that names the symbol or what is missing; never a default price."""
    with pytest.raises(RulesError, match="exchangeInfo"):
        parse_rules(changed(path, value), "ETHUSDT")


@pytest.mark.parametrize(
    ("price", "size", "reduce_only", "refused"),
    [
        (250_000, 2, False, None),
        (250_000, 1, False, "MIN_NOTIONAL"),
        (250_000, 1, True, None),
        (250_000, 0, False, "LOT_SIZE"),
        (250_000, -3, True, "LOT_SIZE"),
        (250_000, 10_000_000, False, None),
        (250_000, 10_000_001, False, "LOT_SIZE"),
        (10_000_000, 10, False, None),
        (10_000_001, 10, False, "PRICE_FILTER"),
        (1, 10_000_000, False, None),
        (0, 10_000_000, False, "PRICE_FILTER"),
        (-1, 10_000_000, False, "PRICE_FILTER"),
    ],
)
def test_each_filter_is_named(price: int, size: int, reduce_only: bool, refused: str | None) -> None:
    """The bounds themselves pass, one step beyond is refused by name; a reduce-only order needs no minimum notional (-4164)."""
    assert eth_rules().refuses(price, size, reduce_only) == refused


def test_bounds_of_zero_are_off() -> None:
    """A maximum of 0 is no maximum (V1 "Filters"); sizes and prices still have to be positive."""
    rules = eth_rules(max_price_ticks=0, max_size_lots=0, min_size_lots=0, min_price_ticks=0, min_notional=Decimal(0))
    assert rules.refuses(10**9, 10**9, False) is None
    assert rules.refuses(0, 1, False) == "PRICE_FILTER" and rules.refuses(1, 0, False) == "LOT_SIZE"


def test_the_minimum_notional_itself_passes() -> None:
    """Exactly 5.00 is enough."""
    assert eth_rules().refuses(250_000, 2, False) is None
    assert eth_rules().notional(250_000, 2) == 5
    assert eth_rules().refuses(249_999, 2, False) == "MIN_NOTIONAL"


@pytest.mark.parametrize(("status", "trading"), [("TRADING", True), ("PRE_TRADING", False), ("BREAK", False), ("", False)])
def test_only_trading_is_trading(status: str, trading: bool) -> None:
    """No other status lets orders in."""
    assert eth_rules(status=status).is_trading is trading
