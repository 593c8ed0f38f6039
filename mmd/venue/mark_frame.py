"""A mark-price frame to `MarkPrice` (V1 "Mark Price Stream")."""

from __future__ import annotations

from mmd.core.messages import MarkPrice
from mmd.venue.json_fields import as_object, load_json, number, text


def read_mark_price(frame: str | bytes, symbol: str) -> MarkPrice | None:
    """The symbol's mark price, or None for a frame that is something else. Takes the raw payload and the combined wrapper. Raises ParseError."""
    fields = as_object(load_json(frame), "frame")
    if "data" in fields:
        fields = as_object(fields["data"], "data")
    if fields.get("e") != "markPriceUpdate" or text(fields, "s") != symbol:
        return None
    return MarkPrice(number(fields, "p"))
