"""What a step of the engine leaves behind for the record, as values: it asks nobody to do anything, and nothing depends on who keeps it."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mmd.core.messages import Fill, OrderStatus
from mmd.core.units import Side


class OrderRecord(NamedTuple):
    """An own order after something has happened to it; `happening` is the state table's word, "registered" or "adopted" for its beginning."""

    client_order_id: str
    order_id: int
    side: Side
    reduce_only: bool
    happening: str
    state: str
    status: OrderStatus | None
    price_ticks: int
    size_lots: int
    executed_lots: int


class FillRecord(NamedTuple):
    """A trade that was booked, of an order of ours (`client_order_id` is its) or not. `position_lots` is signed, after it; `mid_half_ticks` is best bid
    plus best ask at that moment, None without a book."""

    fill: Fill
    client_order_id: str
    own: bool
    position_lots: int
    mid_half_ticks: int | None


class StateRecord(NamedTuple):
    """The engine's state, why, and the mode (BUY, SELL, or None before the first quote), after one of them has changed."""

    state: str
    reasons: tuple[str, ...]
    mode: str | None


class IncomeLine(NamedTuple):
    """One line of the venue's income list (V1 "Get Income History"); a positive `amount` was received. Empty texts where the venue leaves them empty."""

    time_ms: int
    income_type: str
    tran_id: str
    asset: str
    symbol: str
    trade_id: str
    amount: Decimal
    info: str


Record = OrderRecord | FillRecord | StateRecord
