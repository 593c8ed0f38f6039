"""The fill-rate breaker: when more fills within a window than a market maker should see, quoting pauses for a while.

It is the venue's market-maker protection (V3 "Update User MMP") kept at home, because the venue's new-order call has no flag for it.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from mmd.core.messages import Fill
from mmd.core.rules import SymbolRules
from mmd.core.settings import FillLimits


class FillBreaker:
    """Fills of the last `window_ms`, against limits on their size, their notional and their net size (buys less sells)."""

    def __init__(self, rules: SymbolRules, limits: FillLimits) -> None:
        self._rules = rules
        self._limits = limits
        self._fills: deque[tuple[int, Fill]] = deque()
        self._frozen_until_ms = 0

    def count(self, fill: Fill, now_ms: int) -> str | None:
        """Count a fill; the name of the limit that it reached, or None. While frozen nothing more trips."""
        if not self._limits.are_set:
            return None
        self._fills.append((now_ms, fill))
        while self._fills[0][0] <= now_ms - self._limits.window_ms:
            self._fills.popleft()
        reached = None if self.is_frozen(now_ms) else self._reached()
        if reached is not None:
            self._frozen_until_ms = now_ms + self._limits.frozen_ms
            self._fills.clear()
        return reached

    def is_frozen(self, now_ms: int) -> bool:
        return now_ms < self._frozen_until_ms

    @property
    def frozen_until_ms(self) -> int:
        return self._frozen_until_ms

    def _reached(self) -> str | None:
        fills = [fill for _, fill in self._fills]
        size = self._rules.size.decimal(sum(fill.size_lots for fill in fills))
        net = self._rules.size.decimal(abs(sum(fill.side.sign * fill.size_lots for fill in fills)))
        notional = sum((self._rules.notional(fill.price_ticks, fill.size_lots) for fill in fills), Decimal(0))
        limits = self._limits
        for name, value, limit in (("size", size, limits.size), ("notional", notional, limits.notional), ("net size", net, limits.net_size)):
            if limit is not None and value >= limit:
                return name
        return None
