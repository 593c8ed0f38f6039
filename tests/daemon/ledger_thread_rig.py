"""What the threads around the ledger are told and see, by hand: a clock, a view, an engine that only has records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mmd.core.records import Record
from mmd.core.rules import SymbolRules
from mmd.core.units import Grid
from mmd.daemon.published import Published, View
from mmd.venue.clock import VenueClock

AHEAD_MS = 1_750_000_000_000  # of the venue's clock over ours
RULES = SymbolRules(
    symbol="ETHUSDT", status="TRADING", base_asset="ETH", quote_asset="USDT", margin_asset="USDT", price=Grid("0.01"), size=Grid("0.001"),
    min_price_ticks=1, max_price_ticks=10**8, min_size_lots=1, max_size_lots=10**7, min_notional=Decimal(5),
    multiplier_up=Decimal("1.15"), multiplier_down=Decimal("0.85"), weight_per_minute=2400, orders_per_minute=1200,
)  # fmt: skip


def a_clock(doubt_ms: int = 0) -> VenueClock:
    """The venue's clock, known for good to within one millisecond and half the round trip of its reading."""
    clock = VenueClock(drift_ppm=0)
    clock.observe(AHEAD_MS + doubt_ms, 0, 2 * doubt_ms)
    return clock


@dataclass
class Stepped:
    """What an engine leaves after a step."""

    records: Sequence[Record] = ()


@dataclass
class Hands:
    """Our clock, moved by hand; and the view that the main thread would publish."""

    now: int = 1_000
    published: Published = field(default_factory=Published)

    def now_ms(self) -> int:
        return self.now

    def show(self, mid_ticks: int = 250_000, **changes: Any) -> None:
        """Publish a view drawn now: flat, at `mid_ticks`, one tick wide on each side."""
        view: dict[str, Any] = {
            "drawn_ms": self.now, "session": "s1", "rules": RULES, "state": "quote", "state_since_ms": 0, "reasons": (), "reasons_since_ms": (),
            "mode": "BUY", "waiting": None, "bids": ((mid_ticks - 1, 10),), "asks": ((mid_ticks + 1, 10),), "book_age_ms": 5,
            "position": Decimal(0), "entry_price": Decimal(0), "orders": (), "foreign_orders": 0, "balances": {"USDT": Decimal(1000)},
            "balance": Decimal(1000), "fills": 0, "filled_notional": Decimal(0), "realized_profit": Decimal(0), "net_profit": Decimal(0),
            "commission": {}, "orders_sent": 0, "orders_allowed": 100, "silent_until_ms": 0, "armed_until_ms": None,
        }  # fmt: skip
        self.published.set(View(**{**view, **changes}))
