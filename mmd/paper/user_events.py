"""The payloads of the user data stream (V1 "User Data Streams"), field for field."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from mmd.core.units import Side
from mmd.paper.account import ZERO, Account, Position
from mmd.paper.amount_text import average_price_text, average_text, money_text, plain, price_text, quantity_text
from mmd.paper.margin import maintenance, order_notional
from mmd.paper.order_request import MarginType, OrderType
from mmd.paper.orders import Order, UserTrade
from mmd.paper.symbols import Symbol

Json = dict[str, Any]


def order_trade_update(order: Order, symbol: Symbol, execution: str, now_ms: int, trade: UserTrade | None = None) -> Json:
    """V1 "Event: Order Update". `execution` is the execution type; AMENDMENT, for an amended order, is Binance's (Aster's list has none)."""
    detail: Json = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value,
        "o": "LIQUIDATION" if order.liquidates else order.type.value,
        "f": order.time_in_force.value,
        "q": quantity_text(order.original_lots, symbol),
        "p": price_text(order.price_ticks, symbol),
        "ap": average_price_text(order, symbol) if order.executed_lots else "0",
        "sp": price_text(order.stop_ticks, symbol),
        "x": execution,
        "X": order.status.value,
        "i": order.order_id,
        "l": quantity_text(trade.size_lots, symbol) if trade else "0",
        "z": quantity_text(order.executed_lots, symbol),
        "L": price_text(trade.price_ticks, symbol) if trade else "0",
        "T": now_ms,
        "t": trade.trade_id if trade else 0,
        "b": plain(_open_notional(order.account, Side.BUY, symbol)),
        "a": plain(_open_notional(order.account, Side.SELL, symbol)),
        "m": trade.maker if trade else False,
        "R": order.reduce_only,
        "wt": order.working_type.value,
        "ot": order.original_type.value,
        "ps": order.position_side.value,
        "cp": order.close_position,
        "rp": plain(trade.realized_pnl) if trade else "0",
    }
    if trade and trade.commission:
        detail["N"] = trade.commission_asset
        detail["n"] = plain(trade.commission)
    if order.original_type is OrderType.TRAILING_STOP_MARKET:
        detail["AP"] = price_text(order.activation_ticks, symbol)
        detail["cr"] = plain(order.callback_rate or ZERO)
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": now_ms, "o": detail}


def _open_notional(account: Account, side: Side, symbol: Symbol) -> Decimal:
    return sum((order_notional(o, symbol) for o in account.open_orders.values() if o.side is side and not o.closes), ZERO)


def account_update(
    account: Account, symbol: Symbol, mark_price: Decimal, reason: str, now_ms: int, *,
    assets: Iterable[str] = (), positions: Iterable[Position] = (), balance_change: Decimal = ZERO,
) -> Json:
    """V1 "Event: Balance and Position Update": only the assets and positions that the caller names."""
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "a": {
            "m": reason,
            "B": [
                {
                    "a": asset,
                    "wb": money_text(account.wallets.get(asset, ZERO)),
                    "cw": money_text(account.cross_wallet(asset, symbol.margin_asset)),
                    "bc": plain(balance_change),
                }
                for asset in assets
            ],
            "P": [_position(account, position, symbol, mark_price) for position in positions],
        },
    }


def _position(account: Account, position: Position, symbol: Symbol, mark_price: Decimal) -> Json:
    return {
        "s": symbol.name,
        "pa": quantity_text(position.lots, symbol),
        "ep": average_text(position.entry_price(symbol)),
        "cr": plain(position.realized),
        "up": plain(position.unrealized(symbol, mark_price)),
        "mt": margin_type_text(account.margin_type),
        "iw": money_text(position.isolated_wallet) if position.isolated_wallet else "0",
        "ps": position.side.value,
    }


def margin_type_text(margin_type: MarginType) -> str:
    """The margin type as positions show it."""
    return "isolated" if margin_type is MarginType.ISOLATED else "cross"


def leverage_update(symbol: Symbol, leverage: int, now_ms: int) -> Json:
    """V1 "Event: Account Configuration Update", of a pair's leverage."""
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ac": {"s": symbol.name, "l": leverage}}


def modes_update(account: Account, now_ms: int) -> Json:
    """V1 "Event: Account Configuration Update", of the account's modes."""
    modes = {"j": account.multi_assets, "f": bool(account.commission_asset), "d": account.dual_side}
    return {"e": "ACCOUNT_CONFIG_UPDATE", "E": now_ms, "T": now_ms, "ai": modes}


def margin_call(account: Account, symbol: Symbol, mark_price: Decimal, positions: Iterable[Position], now_ms: int) -> Json:
    """V1 "Event: Margin Call"; `cw` only for crossed positions."""
    crossed = account.margin_type is MarginType.CROSSED
    event: Json = {"e": "MARGIN_CALL", "E": now_ms}
    if crossed:
        event["cw"] = plain(account.cross_wallet(symbol.margin_asset, symbol.margin_asset))
    event["p"] = [
        {
            "s": symbol.name,
            "ps": position.side.value,
            "pa": quantity_text(position.lots, symbol),
            "mt": account.margin_type.value,
            "iw": plain(position.isolated_wallet),
            "mp": plain(mark_price),
            "up": plain(position.unrealized(symbol, mark_price)),
            "mm": plain(maintenance(position, symbol, mark_price)),
        }
        for position in positions
    ]
    return event
