"""Closing a position at the market: for the operator's `flatten` alone. The engine itself only ever makes."""

from __future__ import annotations

from mmd.core.messages import OrderReport
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.venue.endpoints import Call
from mmd.venue.order_reply import read_order
from mmd.venue.rest_codec import Caller


def close_at_market(rest: Caller, rules: SymbolRules, side: Side, size_lots: int, client_order_id: str) -> OrderReport:
    """POST one reduce-only MARKET order (V1 "New Order"), which can never turn the position over.

    Raises CallFailed (its outcome may be Lost: then only a query tells) and ParseError.
    """
    params = [
        ("symbol", rules.symbol),
        ("side", side.value),
        ("type", "MARKET"),
        ("quantity", rules.size.text(size_lots)),
        ("reduceOnly", "true"),
        ("newClientOrderId", client_order_id),
        ("newOrderRespType", "RESULT"),
    ]
    return read_order(rest.call(Call.PLACE, params), rules)
