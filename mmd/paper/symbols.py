"""The traded symbol: everything that `exchangeInfo`, the leverage brackets and the commission rates say of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from mmd.core.errors import ConfigError
from mmd.core.units import Grid

QUOTE_ASSETS = ("USDT", "USDF", "USDC", "BUSD", "USD1")
ORDER_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "GTX", "HIDDEN")
ONBOARD_MS = 1598252400000  # the sample values of V1 "Exchange Information"
DELIVERY_MS = 4133404800000


class LeverageBracket(NamedTuple):
    """One row of V1 "Notional and Leverage Brackets": a position whose notional is in [floor, cap) keeps `maint_margin_ratio`."""

    bracket: int
    initial_leverage: int
    notional_cap: Decimal
    notional_floor: Decimal
    maint_margin_ratio: Decimal
    cum: Decimal


def _brackets(*rows: tuple[int, int, str]) -> tuple[LeverageBracket, ...]:
    """Rows of (cap, leverage, ratio); `cum` makes the maintenance margin continuous at every floor."""
    brackets: list[LeverageBracket] = []
    floor = cum = ratio_below = Decimal(0)
    for number, (cap, leverage, ratio_text) in enumerate(rows, 1):
        ratio = Decimal(ratio_text)
        cum += floor * (ratio - ratio_below)
        brackets.append(LeverageBracket(number, leverage, Decimal(cap), floor, ratio, cum))
        floor, ratio_below = Decimal(cap), ratio
    return tuple(brackets)


BRACKETS = _brackets(
    (50_000, 125, "0.004"),
    (500_000, 100, "0.005"),
    (1_000_000, 75, "0.0065"),
    (5_000_000, 50, "0.01"),
    (10_000_000, 25, "0.02"),
    (20_000_000, 20, "0.025"),
    (40_000_000, 10, "0.05"),
    (80_000_000, 5, "0.1"),
    (150_000_000, 4, "0.125"),
    (300_000_000, 3, "0.15"),
    (500_000_000, 2, "0.25"),
    (1_000_000_000, 1, "0.5"),
)


@dataclass(frozen=True)
class Symbol:
    """A perpetual contract and its filters (V1 "Exchange Information" and "Symbol filters"); `Symbol.named` makes the usual one."""

    name: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    price_grid: Grid
    lot_grid: Grid
    min_price_ticks: int
    max_price_ticks: int
    min_lots: int
    max_lots: int
    market_max_lots: int
    max_orders: int = 200
    max_algo_orders: int = 100
    multiplier_up: Decimal = Decimal("1.1500")
    multiplier_down: Decimal = Decimal("0.8500")
    min_notional: Decimal = Decimal(5)
    status: str = "TRADING"
    order_types: tuple[str, ...] = ORDER_TYPES
    times_in_force: tuple[str, ...] = TIMES_IN_FORCE
    trigger_protect: Decimal = Decimal("0.0500")
    liquidation_fee: Decimal = Decimal("0.012500")
    market_take_bound: Decimal = Decimal("0.05")
    brackets: tuple[LeverageBracket, ...] = BRACKETS
    maker_rate: Decimal = Decimal("0.0002")
    taker_rate: Decimal = Decimal("0.0004")

    @classmethod
    def named(cls, name: str, price_tick: str = "0.01", lot_step: str = "0.001") -> Symbol:
        """The symbol of that name with ETHUSDT's filters. Raises ConfigError where the name is no pair of a base and a known quote asset."""
        quote = next((asset for asset in QUOTE_ASSETS if name.endswith(asset) and len(name) > len(asset)), None)
        if quote is None or not re.fullmatch(r"[A-Z0-9]{5,24}", name):
            raise ConfigError(f"symbol {name!r} is no name like ETHUSDT: capital letters and digits, ending in one of {', '.join(QUOTE_ASSETS)}")
        price_grid, lot_grid = Grid(price_tick), Grid(lot_step)
        return cls(
            name=name, base_asset=name[: -len(quote)], quote_asset=quote, margin_asset=quote,
            price_grid=price_grid, lot_grid=lot_grid,
            min_price_ticks=1, max_price_ticks=price_grid.floor(Decimal(1_000_000)),
            min_lots=1, max_lots=lot_grid.floor(Decimal(10_000)), market_max_lots=lot_grid.floor(Decimal(2_000)),
        )

    @cached_property
    def price_text(self) -> Callable[[int], str]:
        """Ticks to plain decimal text, as `price_grid.text` writes it."""
        return _fast_text(self.price_grid)

    @cached_property
    def lot_text(self) -> Callable[[int], str]:
        """Lots to plain decimal text, as `lot_grid.text` writes it."""
        return _fast_text(self.lot_grid)

    def value_text(self, tick_lots: int) -> str:
        """A sum of ticks times lots as plain decimal text in the quote asset."""
        return f"{self.value(tick_lots):f}"

    def notional(self, price_ticks: int, size_lots: int) -> Decimal:
        """The exact value in the quote asset of `size_lots` at `price_ticks`."""
        return self.value(price_ticks * size_lots)

    def value(self, tick_lots: int) -> Decimal:
        """The exact value in the quote asset of a sum of ticks times lots."""
        return tick_lots * (self.price_grid.step * self.lot_grid.step)

    def bracket(self, notional: Decimal) -> LeverageBracket:
        """The bracket that holds a position of that (absolute) notional; the last one where it is above every cap."""
        return next((bracket for bracket in self.brackets if notional < bracket.notional_cap), self.brackets[-1])


def _fast_text(grid: Grid) -> Callable[[int], str]:
    """The grid's own text, without Decimal where the step is a power of ten: a book of 1000 levels is 4000 numbers."""
    decimals = grid.decimals
    if not decimals or grid.step != Decimal(1).scaleb(-decimals):
        return grid.text
    width = decimals + 1

    def text(units: int) -> str:
        digits = str(units).zfill(width)
        return f"{digits[:-decimals]}.{digits[-decimals:]}"

    return text


def exchange_info(symbol: Symbol, now_ms: int, weight_limit: int = 2400, orders_limit: int = 1200) -> dict[str, Any]:
    """The reply of `GET exchangeInfo`, field for field as V1 "Exchange Information"."""
    return {
        "exchangeFilters": [],
        "rateLimits": [
            {"interval": "MINUTE", "intervalNum": 1, "limit": weight_limit, "rateLimitType": "REQUEST_WEIGHT"},
            {"interval": "MINUTE", "intervalNum": 1, "limit": orders_limit, "rateLimitType": "ORDERS"},
        ],
        "serverTime": now_ms,
        "assets": [
            {"asset": "USDT", "marginAvailable": True, "autoAssetExchange": 0},
            {"asset": "USDF", "marginAvailable": True, "autoAssetExchange": 0},
            {"asset": symbol.base_asset, "marginAvailable": False, "autoAssetExchange": None},
        ],
        "symbols": [_symbol_info(symbol)],
        "timezone": "UTC",
    }


def _symbol_info(symbol: Symbol) -> dict[str, Any]:
    first = symbol.brackets[0]
    return {
        "symbol": symbol.name,
        "pair": symbol.name,
        "contractType": "PERPETUAL",
        "deliveryDate": DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        "status": symbol.status,
        "maintMarginPercent": f"{first.maint_margin_ratio * 100:.4f}",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.base_asset,
        "quoteAsset": symbol.quote_asset,
        "marginAsset": symbol.margin_asset,
        "pricePrecision": symbol.price_grid.decimals,
        "quantityPrecision": symbol.lot_grid.decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": f"{symbol.trigger_protect:f}",
        "filters": _filters(symbol),
        # The document says OrderType; clients written for Binance read orderTypes.
        "OrderType": list(symbol.order_types),
        "orderTypes": list(symbol.order_types),
        "timeInForce": list(symbol.times_in_force),
        "liquidationFee": f"{symbol.liquidation_fee:f}",
        "marketTakeBound": f"{symbol.market_take_bound:f}",
    }


def _filters(symbol: Symbol) -> list[dict[str, Any]]:
    """The filters of V1 "Symbol filters", in the order of the sample reply."""
    price, lot = symbol.price_grid, symbol.lot_grid
    return [
        {
            "filterType": "PRICE_FILTER", "maxPrice": price.text(symbol.max_price_ticks),
            "minPrice": price.text(symbol.min_price_ticks), "tickSize": price.text(1),
        },
        {"filterType": "LOT_SIZE", "maxQty": lot.text(symbol.max_lots), "minQty": lot.text(symbol.min_lots), "stepSize": lot.text(1)},
        {"filterType": "MARKET_LOT_SIZE", "maxQty": lot.text(symbol.market_max_lots), "minQty": lot.text(symbol.min_lots), "stepSize": lot.text(1)},
        {"filterType": "MAX_NUM_ORDERS", "limit": symbol.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": symbol.max_algo_orders},
        {"filterType": "MIN_NOTIONAL", "notional": f"{symbol.min_notional:f}"},
        {
            "filterType": "PERCENT_PRICE", "multiplierUp": f"{symbol.multiplier_up:f}",
            "multiplierDown": f"{symbol.multiplier_down:f}", "multiplierDecimal": 4,
        },
    ]
