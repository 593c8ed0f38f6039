"""Numbers as the exchange writes them: plain decimal text, never scientific."""

from __future__ import annotations

from decimal import Decimal

from mmd.paper.orders import Order
from mmd.paper.symbols import Symbol


def plain(value: Decimal) -> str:
    """All of its digits; "0" for zero, whatever its exponent."""
    return f"{value:f}" if value else "0"


def money_text(value: Decimal) -> str:
    """Eight places, as balances are shown."""
    return f"{value:.8f}" if value else "0.00000000"


def price_text(ticks: int, symbol: Symbol) -> str:
    return symbol.price_grid.text(ticks) if ticks else "0"


def quantity_text(lots: int, symbol: Symbol) -> str:
    return symbol.lot_grid.text(lots) if lots else "0"


def average_text(value: Decimal) -> str:
    """An average price: five places as in the document's samples, up to eight where it needs them."""
    text = f"{value:.8f}"
    return text[:-3] if text.endswith("000") else text.rstrip("0")


def average_price_text(order: Order, symbol: Symbol) -> str:
    """The average price of the order's trades, "0.00000" before the first."""
    if not order.executed_lots:
        return "0.00000"
    return average_text(order.executed_tick_lots * symbol.price_grid.step / order.executed_lots)
