"""How many alerts of a kind may pass, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmd.daemon.alerts.rules import Alert

# Of what ends trading each word counts: the cause, the latch, and what is left on the account.
_MOST = {"halt": 5}
# One each, by their nature.
_FREE = frozenset({"daily_summary", "test"})


@dataclass
class Held:
    """The latest alert of a kind that was held back, and how many were before it."""

    alert: Alert
    earlier: int = 0


@dataclass
class AlertLimits:
    """At most one alert of a kind (of halts five) within `min_interval_s`; the others are held, and the latest of them passes when the time has come.

    Times are the calendar's, in seconds since the epoch, so that they hold across restarts; a clock that was set back holds nothing up for longer than
    the interval. `passed` and `held` are what must be kept for that.
    """

    min_interval_s: float
    passed: dict[str, list[float]] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)

    def offer(self, alert: Alert) -> Alert | None:
        """The alert, where it may pass now; None where it is held."""
        if alert.kind in _FREE:
            return alert
        if alert.kind not in self.held and self._may_pass(alert.kind, alert.time_s):
            self.passed.setdefault(alert.kind, []).append(alert.time_s)
            return alert
        held = self.held.get(alert.kind)
        self.held[alert.kind] = Held(alert, 0 if held is None else held.earlier + 1)
        return None

    def take_due(self, time_s: float) -> list[Alert]:
        """The alerts that were held and may pass now, each with the number of those that it stands for."""
        due = [kind for kind in self.held if self._may_pass(kind, time_s)]
        taken = []
        for kind in due:
            held = self.held.pop(kind)
            self.passed.setdefault(kind, []).append(time_s)
            taken.append(_counted(held))
        return taken

    def _may_pass(self, kind: str, time_s: float) -> bool:
        recent = [each for each in self.passed.get(kind, []) if 0 <= time_s - each < self.min_interval_s]
        self.passed[kind] = recent
        return len(recent) < _MOST.get(kind, 1)


def _counted(held: Held) -> Alert:
    if not held.earlier:
        return held.alert
    fields: Mapping[str, str] = {**held.alert.fields, "held_back": str(held.earlier)}
    return held.alert._replace(text=f"{held.alert.text} (and {held.earlier} more of this kind before it)", fields=fields)
