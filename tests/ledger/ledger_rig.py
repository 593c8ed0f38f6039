"""Entries by the handful, and a ledger to put them in."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from mmd.core.messages import Fill, OrderStatus
from mmd.core.records import FillRecord, IncomeLine, OrderRecord
from mmd.core.rules import SymbolRules
from mmd.core.units import Grid, Side
from mmd.ledger.entries import Noted, RunStarted
from mmd.ledger.opening import Identity
from mmd.ledger.writer import Ledger, open_ledger

T0 = 1_750_000_000_000
IDENTITY = Identity("https://fapi.example.com", "abc123", ("USDT", "USDF"))
RULES = SymbolRules(
    symbol="ETHUSDT", status="TRADING", base_asset="ETH", quote_asset="USDT", margin_asset="USDT", price=Grid("0.01"), size=Grid("0.001"),
    min_price_ticks=1, max_price_ticks=10**8, min_size_lots=1, max_size_lots=10**7, min_notional=Decimal(5),
    multiplier_up=Decimal("1.15"), multiplier_down=Decimal("0.85"), weight_per_minute=2400, orders_per_minute=1200,
)  # fmt: skip


def opened(path: Path, *, session: str | None = "s1", new_account: bool = False, **identity: Any) -> Ledger:
    """A ledger in which a run has begun (none where `session` is None)."""
    ledger = open_ledger(path, replace(IDENTITY, **identity), RULES)
    if session is not None:
        ledger.write([RunStarted(T0, session, "1.0", new_account, RULES)])
    return ledger


def a_fill(trade_id: int = 1, **changes: Any) -> Fill:
    """A buy of 0.010 at 2500.00."""
    fill = Fill(trade_id, 70, "mmd-s1-1", Side.BUY, 250_000, 10, Decimal("0.00125"), "USDT", Decimal(0), True, T0 + 100)
    return fill._replace(**changes)


def noted(*fills: Fill, time_ms: int = T0 + 105, source: str = "stream", mid_half_ticks: int | None = 500_001) -> Noted:
    """Fills of own orders as the engine leaves them."""
    return Noted(time_ms, source, [FillRecord(fill, fill.client_order_id or "mmd-s1-1", True, 10, mid_half_ticks) for fill in fills])


def an_order(happening: str = "registered", state: str = "placing", **changes: Any) -> OrderRecord:
    record = OrderRecord("mmd-s1-1", 0, Side.BUY, False, happening, state, None, 250_000, 10, 0)
    return record._replace(**changes)


def a_life(client_order_id: str, executed_lots: int = 0) -> list[OrderRecord]:
    """An order from its beginning to its end."""
    status = OrderStatus.FILLED if executed_lots else OrderStatus.CANCELED
    return [
        an_order(client_order_id=client_order_id),
        an_order("place accepted", "working", client_order_id=client_order_id, status=OrderStatus.NEW),
        an_order("seen terminal", "done", client_order_id=client_order_id, status=status, executed_lots=executed_lots),
    ]


def a_line(amount: str, time_ms: int = T0 + 200, **changes: Any) -> IncomeLine:
    line = IncomeLine(time_ms, "FUNDING_FEE", "1", "USDT", "ETHUSDT", "", Decimal(amount), "FUNDING_FEE")
    return line._replace(**changes)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What a second connection sees."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
