"""What the main thread lets other threads see of the engine: one frozen view, replaced whole under a lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mmd.core.engine import Engine

_ZERO = Decimal(0)


@dataclass(frozen=True)
class OrderView:
    """One own order that may still trade. Price and sizes as the venue writes them."""

    client_order_id: str
    side: str
    price: str
    size: str
    executed: str
    state: str
    age_ms: int


@dataclass(frozen=True)
class View:
    """The engine at one moment. Prices and profit in the quote asset; `best_bid` and `best_ask` are None before the first book."""

    state: str
    reasons: tuple[str, ...]
    mode: str | None
    waiting: str | None
    best_bid: Decimal | None
    best_ask: Decimal | None
    book_age_ms: int | None
    position: Decimal
    entry_price: Decimal
    orders: tuple[OrderView, ...]
    balances: Mapping[str, Decimal]
    balance: Decimal
    fills: int
    filled_notional: Decimal
    realized_profit: Decimal
    commission: Mapping[str, Decimal]

    @property
    def mid(self) -> Decimal | None:
        if self.best_bid is None or self.best_ask is None:
            return None
        return (self.best_bid + self.best_ask) / 2

    @property
    def unrealized_profit(self) -> Decimal:
        """At mid; 0 when flat or without a book."""
        return self.position * (self.mid - self.entry_price) if self.position and self.mid is not None else _ZERO


def view_of(engine: Engine, now_ms: int) -> View:
    """Draw the view. On the main thread only."""
    price, size, known = engine.rules.price, engine.rules.size, engine.book.is_known
    account = engine.account
    orders = tuple(
        OrderView(
            order.client_order_id,
            order.side.value,
            price.text(order.price_ticks),
            size.text(order.size_lots),
            size.text(order.executed_lots),
            order.state.value,
            now_ms - order.requested_ms,
        )
        for order in engine.desk.live()
    )
    return View(
        state=engine.state.value,
        reasons=engine.reasons,
        mode=engine.wanted.mode.value if engine.wanted else None,
        waiting=engine.wanted.waiting if engine.wanted else None,
        best_bid=price.decimal(engine.book.best_bid) if known else None,
        best_ask=price.decimal(engine.book.best_ask) if known else None,
        book_age_ms=engine.health.book_age_ms(now_ms),
        position=size.decimal(engine.position_lots),
        entry_price=account.position.entry_price,
        orders=orders,
        balances=dict(account.balances),
        balance=account.balance(engine.settings.strategy.margin_assets),
        fills=account.fills,
        filled_notional=account.filled_notional,
        realized_profit=account.realized_profit,
        commission=dict(account.commission),
    )


class Published:
    """The latest view. `set` by the main thread, `get` by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view: View | None = None

    def set(self, view: View) -> None:
        with self._lock:
            self._view = view

    def get(self) -> View | None:
        """None before the engine's first step."""
        with self._lock:
            return self._view
