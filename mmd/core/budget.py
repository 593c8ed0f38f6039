"""The request budget: how many orders may still be sent this minute, and until when the venue wants silence (FAULTS O11, R1).

The venue counts weight by address and orders by account, so that other processes spend of the same limits: its own count is listened to.
"""

from __future__ import annotations

from collections import deque

_WINDOW_MS = 60_000


class OrderBudget:
    """At most `per_minute` placed or amended orders in any 60 s. Cancels are never counted: capacity for them is always there."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = max(1, per_minute)
        self._sent: deque[int] = deque()
        self._silent_until_ms = 0
        self._held_back_until_ms = 0

    def spend(self, now_ms: int) -> None:
        """Count one order."""
        self._sent.append(now_ms)

    def used(self, now_ms: int) -> int:
        """How many orders were sent in the last minute."""
        while self._sent and self._sent[0] <= now_ms - _WINDOW_MS:
            self._sent.popleft()
        return len(self._sent)

    def allows(self, now_ms: int) -> bool:
        """Whether one more order fits."""
        return self.used(now_ms) < self.per_minute and now_ms >= self._held_back_until_ms

    def hold_back(self, until_ms: int) -> None:
        """What is left of a shared limit is kept for cancels and questions: no order fits until then."""
        self._held_back_until_ms = max(self._held_back_until_ms, until_ms)

    def is_held_back(self, now_ms: int) -> bool:
        return now_ms < self._held_back_until_ms

    def be_silent(self, until_ms: int) -> None:
        """The venue refused for too many requests (429, 418): nothing is sent until then."""
        self._silent_until_ms = max(self._silent_until_ms, until_ms)

    def is_silent(self, now_ms: int) -> bool:
        return now_ms < self._silent_until_ms

    @property
    def silent_until_ms(self) -> int:
        return self._silent_until_ms
