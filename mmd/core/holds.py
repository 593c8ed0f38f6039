"""Holding a slot back after refusals, so that no refusal ever becomes a loop of orders (FAULTS O7, O11)."""

from __future__ import annotations

from dataclasses import dataclass

from mmd.core.settings import TimingSettings

_MAX_CROSSINGS = 5


@dataclass
class Hold:
    """One slot: it waits until `until_ms`, after `refusals` in a row; `crossings` post-only orders in a row would have taken.

    Each crossing moves the next attempt one tick further out; after five of them a crossing counts as any other refusal, and each refusal
    doubles the wait.
    """

    until_ms: int = 0
    refusals: int = 0
    crossings: int = 0

    def refuse(self, would_take: bool, timing: TimingSettings, now_ms: int) -> bool:
        """Count a refusal; True where the slot has to wait for it."""
        if would_take and self.crossings < _MAX_CROSSINGS:
            self.crossings += 1
            return False
        self.refusals += 1
        self.until_ms = now_ms + min(timing.refusal_backoff_ms << min(self.refusals - 1, 16), timing.refusal_backoff_max_ms)
        return True

    def accept(self) -> None:
        """An order of this slot rests: nothing is held against it any more."""
        self.until_ms = self.refusals = self.crossings = 0
