"""What the main thread lets other threads see of the engine: one frozen view, replaced whole under a lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mmd.core.engine import Engine
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.daemon.status.queue_guess import QueueGuess

_ZERO = Decimal(0)

Levels = tuple[tuple[int, int], ...]


class OrderView(NamedTuple):
    """One own order that may still trade. Ticks and lots; `ahead_lots` is the guess of what stands before it (queue_guess), None where there is none."""

    client_order_id: str
    order_id: int
    side: Side
    price_ticks: int
    size_lots: int
    executed_lots: int
    reduce_only: bool
    state: str
    age_ms: int
    ahead_lots: int | None


@dataclass(frozen=True, slots=True)
class View:
    """The engine at one moment, `drawn_ms`; all `*_ms` that are no ages are monotonic. Prices and profit in the quote asset, levels in ticks and lots.

    `best_bid` and `best_ask` are None before the first book. `net_profit` is the run's, as the loss limit counts it.
    """

    drawn_ms: int
    session: str
    rules: SymbolRules
    state: str
    state_since_ms: int
    reasons: tuple[str, ...]
    reasons_since_ms: tuple[int, ...]
    mode: str | None
    waiting: str | None
    bids: Levels
    asks: Levels
    book_age_ms: int | None
    position: Decimal
    entry_price: Decimal
    orders: tuple[OrderView, ...]
    foreign_orders: int
    balances: Mapping[str, Decimal]
    balance: Decimal
    fills: int
    filled_notional: Decimal
    realized_profit: Decimal
    net_profit: Decimal
    commission: Mapping[str, Decimal]
    orders_sent: int
    orders_allowed: int
    silent_until_ms: int
    armed_until_ms: int | None

    @property
    def best_bid(self) -> Decimal | None:
        return self.rules.price.decimal(self.bids[0][0]) if self.bids else None

    @property
    def best_ask(self) -> Decimal | None:
        return self.rules.price.decimal(self.asks[0][0]) if self.asks else None

    @property
    def mid(self) -> Decimal | None:
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else (bid + ask) / 2

    @property
    def unrealized_profit(self) -> Decimal:
        """At mid; 0 when flat or without a book."""
        mid = self.mid
        return self.position * (mid - self.entry_price) if self.position and mid is not None else _ZERO


class Viewer:
    """Draws the views of one engine, and remembers what a view shows beside the engine itself: since when, and places in queues. Main thread only."""

    def __init__(self, engine: Engine, session: str, now_ms: int) -> None:
        self._engine = engine
        self._session = session
        self._state = engine.state
        self._state_since_ms = now_ms
        self._reasons_since: dict[str, int] = {}
        self._queues = QueueGuess()

    def draw(self, now_ms: int) -> View:
        engine = self._engine
        account, book, desk = engine.account, engine.book, engine.desk
        if engine.state is not self._state:
            self._state, self._state_since_ms = engine.state, now_ms
        reasons = engine.reasons
        if reasons or self._reasons_since:
            self._reasons_since = {reason: self._reasons_since.get(reason, now_ms) for reason in reasons}
        live = tuple(desk.live())
        ahead = self._queues.look(live, book)
        known = book.is_known
        return View(
            drawn_ms=now_ms,
            session=self._session,
            rules=engine.rules,
            state=engine.state.value,
            state_since_ms=self._state_since_ms,
            reasons=reasons,
            reasons_since_ms=tuple(self._reasons_since[reason] for reason in reasons),
            mode=engine.wanted.mode.value if engine.wanted else None,
            waiting=engine.wanted.waiting if engine.wanted else None,
            bids=book.bids,
            asks=book.asks,
            book_age_ms=engine.health.book_age_ms(now_ms),
            position=engine.rules.size.decimal(engine.position_lots),
            entry_price=account.position.entry_price,
            orders=tuple(
                OrderView(
                    order.client_order_id, order.order_id, order.side, order.price_ticks, order.size_lots, order.executed_lots, order.reduce_only,
                    order.state.value, now_ms - order.requested_ms, ahead.get(order.client_order_id),
                )
                for order in live
            ),
            foreign_orders=engine.truth.foreign_orders,
            balances=dict(account.balances),
            balance=account.balance(engine.settings.strategy.margin_assets),
            fills=account.fills,
            filled_notional=account.filled_notional,
            realized_profit=account.realized_profit,
            net_profit=engine.risk.profit(account, book.mid if known else None),
            commission=dict(account.commission),
            orders_sent=desk.budget.used(now_ms),
            orders_allowed=desk.budget.per_minute,
            silent_until_ms=desk.budget.silent_until_ms,
            armed_until_ms=engine.health.armed_until_ms,
        )


class Published:
    """The latest view, and what the daemon is about while there is none. `set` and `say` by the main thread, the rest by any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view: View | None = None
        self._about = "starting", ""

    def set(self, view: View) -> None:
        with self._lock:
            self._view = view

    def say(self, about: str, why: str = "") -> None:
        """There is no engine now: `about` says in a word what is done instead, and `why`, where there is something to say."""
        with self._lock:
            self._view, self._about = None, (about, why)

    def get(self) -> View | None:
        """None before the engine's first step, and between two engines."""
        with self._lock:
            return self._view

    @property
    def about(self) -> tuple[str, str]:
        """What the daemon does while there is no view, and why."""
        with self._lock:
            return self._about
