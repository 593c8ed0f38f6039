"""Replies about orders and trades, field for field as documented; every number is plain decimal text."""

from __future__ import annotations

from typing import Any

from mmd.paper.account import ZERO
from mmd.paper.amount_text import average_price_text, plain, price_text, quantity_text
from mmd.paper.order_request import OrderType
from mmd.paper.orders import Order, UserTrade
from mmd.paper.symbols import Symbol

Json = dict[str, Any]


def render_order(order: Order, symbol: Symbol) -> Json:
    """The reply to POST, PUT and DELETE (V1 "New Order", "Cancel Order"; V3 "Modify Order")."""
    reply = _render(order, symbol)
    reply["cumQty"] = reply["executedQty"]
    return reply


def render_order_query(order: Order, symbol: Symbol) -> Json:
    """The reply to GET (V1 "Query Order", "Current All Open Orders", "All Orders", "User's Force Orders"): with `time`."""
    reply = _render(order, symbol)
    reply["time"] = order.created_ms
    return reply


def _render(order: Order, symbol: Symbol) -> Json:
    reply: Json = {
        "clientOrderId": order.client_order_id,
        "cumQuote": plain(symbol.value(order.executed_tick_lots)),
        "executedQty": quantity_text(order.executed_lots, symbol),
        "orderId": order.order_id,
        "avgPrice": average_price_text(order, symbol),
        "origQty": quantity_text(order.original_lots, symbol),
        "price": price_text(order.price_ticks, symbol),
        "reduceOnly": order.reduce_only,
        "side": order.side.value,
        "positionSide": order.position_side.value,
        "status": order.status.value,
        "stopPrice": price_text(order.stop_ticks, symbol),
        "closePosition": order.close_position,
        "symbol": order.symbol,
        "timeInForce": order.time_in_force.value,
        "type": order.type.value,
        "origType": order.original_type.value,
        "updateTime": order.updated_ms,
        "workingType": order.working_type.value,
        "priceProtect": order.price_protect,
    }
    if order.original_type is OrderType.TRAILING_STOP_MARKET:
        reply["activatePrice"] = price_text(order.activation_ticks, symbol)
        reply["priceRate"] = plain(order.callback_rate or ZERO)
    return reply


def render_user_trade(trade: UserTrade, symbol: Symbol) -> Json:
    """V1 "Account Trade List". `commission` is positive where it costs, as in the stream's `n` and on Binance (the document's sample is negative)."""
    return {
        "buyer": trade.side.value == "BUY",
        "commission": plain(trade.commission),
        "commissionAsset": trade.commission_asset,
        "id": trade.trade_id,
        "maker": trade.maker,
        "orderId": trade.order_id,
        "price": price_text(trade.price_ticks, symbol),
        "qty": quantity_text(trade.size_lots, symbol),
        "quoteQty": plain(symbol.notional(trade.price_ticks, trade.size_lots)),
        "realizedPnl": plain(trade.realized_pnl),
        "side": trade.side.value,
        "positionSide": trade.position_side.value,
        "symbol": trade.symbol,
        "time": trade.at_ms,
    }
