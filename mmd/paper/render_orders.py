"""Replies about orders and trades, field for field as documented; every number is plain decimal text."""

from __future__ import annotations

from typing import Any

from mmd.paper.orders import Order, UserTrade
from mmd.paper.symbols import Symbol

Json = dict[str, Any]


def render_order(order: Order, symbol: Symbol) -> Json:
    """The reply to POST, PUT and DELETE (V1 "New Order", "Cancel Order"; V3 "Modify Order")."""
    raise NotImplementedError


def render_order_query(order: Order, symbol: Symbol) -> Json:
    """The reply to GET (V1 "Query Order", "Current All Open Orders", "All Orders"): with `time`."""
    raise NotImplementedError


def render_user_trade(trade: UserTrade, symbol: Symbol) -> Json:
    """V1 "Account Trade List"."""
    raise NotImplementedError
