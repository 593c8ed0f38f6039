"""The limits that stop a run: too much filled at once (a pause), too much lost, or too many refusals (a halt). FAULTS O11."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from mmd.core.breaker import FillBreaker
from mmd.core.messages import Action, Fill, Level, Notice
from mmd.core.position import Account
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings

_WINDOW_MS = 60_000


class RiskGuard:
    """Counts fills, refusals and the profit of this run against `risk` in the settings."""

    def __init__(self, rules: SymbolRules, settings: EngineSettings, emit: Callable[[Action], None]) -> None:
        self._rules = rules
        self._risk = settings.risk
        self._margin_assets = settings.strategy.margin_assets
        self._emit = emit
        self._refusals: deque[int] = deque()
        self._brought_in: Decimal | None = None  # unrealised profit of the position that the run began with
        self.breaker = FillBreaker(rules, settings.risk.fills)

    def fill(self, fill: Fill, now_ms: int) -> None:
        """Count a fill; where a limit is reached, quoting freezes for a while."""
        reached = self.breaker.count(fill, now_ms)
        if reached is not None:
            fields = {"limit": reached, "window_ms": self._risk.fills.window_ms, "frozen_ms": self._risk.fills.frozen_ms, "does": "pulls the quotes"}
            self._emit(Notice(Level.WARNING, "fill_limit", fields))

    def refusal(self, now_ms: int) -> None:
        """Count an order that the venue refused or ended at once."""
        self._refusals.append(now_ms)

    def breach(self, account: Account, mid: Decimal | None, now_ms: int) -> str | None:
        """Why the run must halt, or None. `mid` is in ticks. To be asked from the moment on that the account is known."""
        if self._brought_in is None and mid is not None:
            self._brought_in = self._unrealized(account, mid)
        while self._refusals and self._refusals[0] <= now_ms - _WINDOW_MS:
            self._refusals.popleft()
        if len(self._refusals) >= self._risk.max_refusals:
            return f"{len(self._refusals)} orders were refused within a minute (risk.max_refusals)"
        if self._risk.max_loss is not None:
            profit = self.profit(account, mid)
            if profit <= -self._risk.max_loss:
                return f"this run has lost {-profit.normalize():f} (risk.max_loss is {self._risk.max_loss:f})"
        return None

    def profit(self, account: Account, mid: Decimal | None) -> Decimal:
        """Realised and unrealised profit of this run, fees in the margin assets taken off; in the quote asset. `mid` is in ticks.

        What a position had made or lost before the run is not the run's.
        """
        fees = sum((account.commission[asset] for asset in self._margin_assets if asset in account.commission), Decimal(0))
        unrealized = self._unrealized(account, mid) if mid is not None else Decimal(0)
        return account.realized_profit - fees + unrealized - (self._brought_in or Decimal(0))

    def _unrealized(self, account: Account, mid: Decimal) -> Decimal:
        position = account.position
        return self._rules.size.decimal(position.amount_lots) * (mid * self._rules.price.step - position.entry_price)
