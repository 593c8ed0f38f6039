"""Have the symbol's rules changed? Asked where something is refused that the rules we know would allow (FAULTS O10, R8)."""

from __future__ import annotations

from collections.abc import Callable

from mmd.core.messages import Action, Level, Notice, ReadRules
from mmd.core.rules import SymbolRules

# What a filter, the symbol's status or a maintenance refuses: -1013, -1016 SERVICE_SHUTTING_DOWN, -1111 BAD_PRECISION, -1121 BAD_SYMBOL, prices and sizes
# (-4001 … -4005, -4013, -4014, -4016, -4023, -4024), -4022 WRONG_MARKET_STATUS, -4140, -4141 (symbol closed), -4164 MIN_NOTIONAL.
RULES_CODES = frozenset({-1013, -1016, -1111, -1121, *range(-4005, -4000), -4013, -4014, -4016, -4022, -4023, -4024, -4140, -4141, -4164})
_AGAIN_MS = 30_000
_RETRY_MS = 5_000


class RulesWatch:
    """At most one reading in half a minute. `unread`: they are in doubt and could not be read, so nothing can be placed by them."""

    def __init__(self, rules: SymbolRules, emit: Callable[[Action], None]) -> None:
        self.unread = False
        self._rules = rules
        self._emit = emit
        self._asked = False
        self._due_ms = 0

    def doubt(self, why: str, now_ms: int) -> None:
        """Read the rules, unless that has just been done."""
        if not self._asked and now_ms >= self._due_ms:
            self._emit(Notice(Level.WARNING, "rules_doubted", {"why": why, "does": "reads them anew"}))
            self._ask(now_ms)

    def insist(self, now_ms: int) -> None:
        """Read them again where the last reading has failed."""
        if self.unread and not self._asked and now_ms >= self._due_ms:
            self._ask(now_ms)

    def answer(self, outcome: object, now_ms: int) -> bool:
        """Take in the reading; True where the rules are others now."""
        self._asked, self.unread = False, not isinstance(outcome, SymbolRules)
        if not isinstance(outcome, SymbolRules):
            self._due_ms = now_ms + _RETRY_MS
            return False
        if outcome == self._rules:
            return False
        names = [name for name in vars(outcome) if getattr(outcome, name) != getattr(self._rules, name)]
        self._emit(Notice(Level.WARNING, "rules_changed", {"what": ",".join(names), "status": outcome.status, "does": "starts anew with them"}))
        return True

    def _ask(self, now_ms: int) -> None:
        self._asked, self._due_ms = True, now_ms + _AGAIN_MS
        self._emit(ReadRules())
