"""The symbol, its filters and its brackets."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from random import Random

import pytest

from mmd.core.errors import ConfigError
from mmd.core.units import Grid
from mmd.paper.symbols import Symbol, exchange_info

ETHUSDT = Symbol.named("ETHUSDT")


def test_a_name_is_split_into_its_assets() -> None:
    """Base, quote and margin asset come from the name."""
    symbol = Symbol.named("1000PEPEUSDF")
    assert (symbol.name, symbol.base_asset, symbol.quote_asset, symbol.margin_asset) == ("1000PEPEUSDF", "1000PEPE", "USDF", "USDF")


@pytest.mark.parametrize("name", ["", "USDT", "ethusdt", "ETH-USDT", "ETHBTC", "ETHUSDT ", "É" * 4 + "USDT"])
def test_a_name_that_is_no_pair_is_refused_with_the_name(name: str) -> None:
    """What is not capital letters and digits before a known quote asset is a ConfigError that shows it."""
    with pytest.raises(ConfigError, match="symbol"):
        Symbol.named(name)


def test_exchange_info_has_the_documented_fields() -> None:
    """Every field of the sample reply in V1 "Exchange Information" is there, with its type."""
    info = json.loads(json.dumps(exchange_info(ETHUSDT, 1_565_613_908_500)))
    assert set(info) == {"exchangeFilters", "rateLimits", "serverTime", "assets", "symbols", "timezone"}
    assert info["serverTime"] == 1_565_613_908_500
    assert [(limit["rateLimitType"], limit["interval"], limit["intervalNum"], limit["limit"]) for limit in info["rateLimits"]] == [
        ("REQUEST_WEIGHT", "MINUTE", 1, 2400), ("ORDERS", "MINUTE", 1, 1200)]  # fmt: skip
    (symbol,) = info["symbols"]
    assert set(symbol) == {
        "symbol", "pair", "contractType", "deliveryDate", "onboardDate", "status", "maintMarginPercent", "requiredMarginPercent",
        "baseAsset", "quoteAsset", "marginAsset", "pricePrecision", "quantityPrecision", "baseAssetPrecision", "quotePrecision",
        "underlyingType", "underlyingSubType", "settlePlan", "triggerProtect", "filters", "OrderType", "orderTypes", "timeInForce",
        "liquidationFee", "marketTakeBound",
    }  # fmt: skip
    filters = {entry["filterType"]: entry for entry in symbol["filters"]}
    assert filters["PRICE_FILTER"] == {
        "filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"}  # fmt: skip
    assert filters["LOT_SIZE"] == {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "10000.000", "stepSize": "0.001"}
    assert filters["MARKET_LOT_SIZE"]["maxQty"] == "2000.000"
    assert filters["MAX_NUM_ORDERS"]["limit"] == 200
    assert filters["MAX_NUM_ALGO_ORDERS"]["limit"] == 100
    assert filters["MIN_NOTIONAL"]["notional"] == "5"
    assert filters["PERCENT_PRICE"] == {
        "filterType": "PERCENT_PRICE", "multiplierUp": "1.1500", "multiplierDown": "0.8500", "multiplierDecimal": 4}  # fmt: skip


@pytest.mark.parametrize("step", ["0.01", "0.001", "1", "0.5", "0.25", "10", "0.00001"])
def test_fast_text_is_the_grids_own_text(step: str) -> None:
    """Prices and lots read exactly as the grid writes them, whatever the step."""
    symbol, grid, random = Symbol.named("ABCUSDT", step, step), Grid(step), Random(1)
    for units in [0, 1, 9, 10, 99, 100, 101, *(random.randrange(10**9) for _ in range(200))]:
        assert symbol.price_text(units) == symbol.lot_text(units) == grid.text(units)


def test_notional_is_exact() -> None:
    """Ticks times lots is the product of the decimals, to the last digit."""
    assert ETHUSDT.notional(268_163, 1_234_567) == Decimal("2681.63") * Decimal("1234.567")
    assert ETHUSDT.value_text(268_162 * 7) == "18.77134"


def test_brackets_join_without_a_step() -> None:
    """At every floor the maintenance margin is the same by the bracket below and by the one above; leverage falls, ratios rise."""
    brackets = ETHUSDT.brackets
    assert brackets[0].notional_floor == brackets[0].cum == 0
    assert brackets[0].initial_leverage == 125
    for lower, upper in itertools.pairwise(brackets):
        floor = upper.notional_floor
        assert floor == lower.notional_cap
        assert floor * lower.maint_margin_ratio - lower.cum == floor * upper.maint_margin_ratio - upper.cum
        assert upper.initial_leverage < lower.initial_leverage
        assert upper.maint_margin_ratio > lower.maint_margin_ratio


def test_a_notional_has_its_bracket() -> None:
    """A notional on a floor belongs to the upper bracket; above every cap it belongs to the last."""
    assert ETHUSDT.bracket(Decimal("49999.99")).bracket == 1
    assert ETHUSDT.bracket(Decimal(50_000)).bracket == 2
    assert ETHUSDT.bracket(Decimal(10**12)) == ETHUSDT.brackets[-1]
