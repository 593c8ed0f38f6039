"""REST replies about orders, trades, positions and balances to the core's messages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mmd.core.messages import Fill, OrderReport, OrderStatus, PositionReport
from mmd.core.rules import SymbolRules
from mmd.venue.json_fields import ParseError, as_list, as_object, flag, lots, nearest_ticks, number, side, text, whole

# V1 "Error Codes": POSITION_SIDE_NOT_MATCH, which is also what an order without a position side gets in hedge mode.
HEDGE_MODE_CODE = -4061


class HedgeMode(ParseError):
    """The account keeps long and short apart, where the daemon does not trade."""


def read_order(reply: Any, rules: SymbolRules) -> OrderReport:
    """One order as POST, PUT, DELETE and GET order and openOrders show it (V1 "New Order", "Query Order"). Raises ParseError."""
    fields = as_object(reply, "order")
    if text(fields, "symbol") != rules.symbol:
        raise ParseError("symbol: the order is another symbol's")
    return OrderReport(
        client_order_id=text(fields, "clientOrderId"),
        order_id=whole(fields, "orderId"),
        side=side(fields, "side"),
        status=order_status(fields, "status"),
        price_ticks=nearest_ticks(fields, "price", rules.price),
        size_lots=lots(fields, "origQty", rules.size),
        executed_lots=lots(fields, "executedQty", rules.size),
        reduce_only=flag(fields, "reduceOnly"),
        update_time_ms=whole(fields, "updateTime"),
    )


def read_open_orders(reply: Any, rules: SymbolRules) -> tuple[OrderReport, ...]:
    """The symbol's open orders (V1 "Current All Open Orders"). Raises ParseError: an unreadable list is not an empty one."""
    return tuple(read_order(entry, rules) for entry in as_list(reply, "openOrders"))


def read_trades(reply: Any, rules: SymbolRules) -> tuple[Fill, ...]:
    """One page of the account's trades, oldest first (V1 "Account Trade List"). Raises ParseError.

    The document shows the commission of a taker's trade as "-0.07819010" in userTrades and as a positive `n` on the user stream.
    """
    return tuple(_trade(as_object(entry, "trade"), rules) for entry in as_list(reply, "userTrades"))


def read_position(reply: Any, rules: SymbolRules) -> PositionReport:
    """The symbol's one-way position (V1 "Position Information V2"). Raises ParseError where it is not there: absent is not flat."""
    row = position_row(reply, rules.symbol)
    return PositionReport(lots(row, "positionAmt", rules.size), number(row, "entryPrice"), whole(row, "updateTime"))


def position_row(reply: Any, symbol: str) -> Mapping[str, Any]:
    """The symbol's one row of `positionRisk`. Raises HedgeMode, and ParseError where there is not exactly one row."""
    rows = [as_object(row, "position") for row in as_list(reply, "positionRisk")]
    ours = [row for row in rows if text(row, "symbol") == symbol]
    if any(text(row, "positionSide") != "BOTH" for row in ours):
        raise HedgeMode(f"positionRisk: {symbol} is in hedge mode")
    if len(ours) != 1:
        raise ParseError(f"positionRisk: {len(ours)} rows for {symbol}")
    return ours[0]


def read_wallets(reply: Any) -> dict[str, Decimal]:
    """Wallet balance by asset (V1 "Futures Account Balance V2"). Raises ParseError."""
    rows = [as_object(row, "balance") for row in as_list(reply, "balance")]
    return {text(row, "asset"): number(row, "balance") for row in rows}


def order_status(fields: Mapping[str, Any], name: str) -> OrderStatus:
    try:
        return OrderStatus(text(fields, name))
    except ValueError:
        raise ParseError(f"{name} {fields[name][:30]!r} is not documented") from None


def _trade(fields: Mapping[str, Any], rules: SymbolRules) -> Fill:
    return Fill(
        trade_id=whole(fields, "id"),
        order_id=whole(fields, "orderId"),
        client_order_id="",
        side=side(fields, "side"),
        price_ticks=nearest_ticks(fields, "price", rules.price),
        size_lots=lots(fields, "qty", rules.size),
        commission=number(fields, "commission"),
        commission_asset=text(fields, "commissionAsset"),
        realized_profit=number(fields, "realizedPnl"),
        maker=flag(fields, "maker"),
        trade_time_ms=whole(fields, "time"),
    )
