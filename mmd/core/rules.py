"""The symbol's rules from `exchangeInfo`: its grids, filters and rate limits (V1 "Exchange Information", "Filters")."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mmd.core.errors import ConfigError, MmdError
from mmd.core.units import Grid


class RulesError(MmdError):
    """`exchangeInfo` lacks or garbles something that trading needs."""


@dataclass(frozen=True)
class SymbolRules:
    """What the venue allows on one symbol. Prices in ticks, sizes in lots, notionals in the quote asset; 0 bounds are disabled."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    price: Grid
    size: Grid
    min_price_ticks: int
    max_price_ticks: int
    min_size_lots: int
    max_size_lots: int
    min_notional: Decimal
    multiplier_up: Decimal
    multiplier_down: Decimal
    weight_per_minute: int
    orders_per_minute: int

    @property
    def is_trading(self) -> bool:
        return self.status == "TRADING"

    def notional(self, price_ticks: int, size_lots: int) -> Decimal:
        """Price × size in the quote asset."""
        return self.price.step * self.size.step * (price_ticks * size_lots)

    def refuses(self, price_ticks: int, size_lots: int, reduce_only: bool) -> str | None:
        """The name of the first filter that such a limit order breaks, or None. Reduce-only is free of MIN_NOTIONAL (error -4164)."""
        if size_lots < max(1, self.min_size_lots) or 0 < self.max_size_lots < size_lots:
            return "LOT_SIZE"
        if price_ticks < max(1, self.min_price_ticks) or 0 < self.max_price_ticks < price_ticks:
            return "PRICE_FILTER"
        if not reduce_only and self.notional(price_ticks, size_lots) < self.min_notional:
            return "MIN_NOTIONAL"
        return None


def parse_rules(exchange_info: Mapping[str, Any], symbol: str) -> SymbolRules:
    """Read one symbol out of an `exchangeInfo` reply.

    Raises ConfigError when the venue has no such symbol (with the nearest names), RulesError when the reply lacks a field.
    """
    try:
        listed = {entry["symbol"]: entry for entry in exchange_info["symbols"]}
    except (KeyError, TypeError) as error:
        raise RulesError("exchangeInfo has no list of symbols") from error
    if symbol not in listed:
        near = difflib.get_close_matches(symbol, list(listed), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; it lists {len(listed)} symbols"
        raise ConfigError(f"symbol: {symbol!r} is not traded on this venue{hint}")
    try:
        return _read(listed[symbol], exchange_info.get("rateLimits", []))
    except (KeyError, TypeError, ValueError, ArithmeticError, MmdError) as error:
        raise RulesError(f"exchangeInfo of {symbol} cannot be used: {error!r}") from error


def _read(entry: Mapping[str, Any], rate_limits: Sequence[Mapping[str, Any]]) -> SymbolRules:
    filters = {item["filterType"]: item for item in entry["filters"]}
    price_filter, lot_size = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    price, size = Grid(_number(price_filter["tickSize"])), Grid(_number(lot_size["stepSize"]))
    percent = filters.get("PERCENT_PRICE", {"multiplierUp": "0", "multiplierDown": "0"})
    min_notional = filters.get("MIN_NOTIONAL", {"notional": "0"})
    return SymbolRules(
        symbol=entry["symbol"],
        status=entry["status"],
        base_asset=entry["baseAsset"],
        quote_asset=entry["quoteAsset"],
        margin_asset=entry.get("marginAsset", entry["quoteAsset"]),
        price=price,
        size=size,
        min_price_ticks=price.ceil(_number(price_filter["minPrice"])),
        max_price_ticks=price.floor(_number(price_filter["maxPrice"])),
        min_size_lots=size.ceil(_number(lot_size["minQty"])),
        max_size_lots=size.floor(_number(lot_size["maxQty"])),
        min_notional=_number(min_notional["notional"]),
        multiplier_up=_number(percent["multiplierUp"]),
        multiplier_down=_number(percent["multiplierDown"]),
        weight_per_minute=_per_minute(rate_limits, "REQUEST_WEIGHT", 2400),
        orders_per_minute=_per_minute(rate_limits, "ORDERS", 1200),
    )


def _number(value: str | Decimal) -> Decimal:
    """A finite number that is not negative. A float has lost its digits already."""
    number = Decimal(value)
    if isinstance(value, float) or not number.is_finite() or number < 0:
        raise ValueError(f"{value!r} is no number of a filter")
    return number


def _per_minute(rate_limits: Sequence[Mapping[str, Any]], kind: str, documented: int) -> int:
    """The tightest per-minute limit of a kind; the documented one where the venue lists none."""
    limits = [
        int(limit["limit"]) // int(limit["intervalNum"])
        for limit in rate_limits
        if limit["rateLimitType"] == kind and limit["interval"] == "MINUTE"
    ]
    return min(limits, default=documented)
