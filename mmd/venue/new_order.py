"""A new order as the parameters that the venue takes, alone or in a batch (V1 "New Order", V3 "New Order" for `stpMode`)."""

from __future__ import annotations

from mmd.core.messages import Place
from mmd.core.rules import SymbolRules


def place_params(place: Place, rules: SymbolRules, stp_mode: str | None) -> list[tuple[str, str]]:
    """A LIMIT order, post-only as GTX; the reply shows what became of it (RESULT)."""
    params = [
        ("symbol", rules.symbol),
        ("side", place.side.value),
        ("type", "LIMIT"),
        ("timeInForce", "GTX" if place.post_only else "GTC"),
        ("quantity", rules.size.text(place.size_lots)),
        ("price", rules.price.text(place.price_ticks)),
        ("newClientOrderId", place.client_order_id),
        ("newOrderRespType", "RESULT"),
    ]
    if place.reduce_only:
        params.append(("reduceOnly", "true"))
    if stp_mode is not None:
        params.append(("stpMode", stp_mode))
    return params
