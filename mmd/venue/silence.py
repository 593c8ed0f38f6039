"""The venue's wish to be left alone, shared by everything that speaks to it from this process (V1 "LIMITS"; FAULTS R1)."""

from __future__ import annotations

# Where an answer does not say how long: a rate limit counts minutes, a ban lasts two at least.
DEFAULT_MS = {429: 60_000, 418: 120_000}


class Silence:
    """Until when nothing is sent. Any thread may ask and any thread may prolong it, on the process's monotonic clock."""

    def __init__(self) -> None:
        self._until_ms = 0

    def begin(self, status: int, retry_after_ms: int | None, now_ms: int) -> None:
        """The venue has answered 429 or 418."""
        wait_ms = DEFAULT_MS[status] if retry_after_ms is None else retry_after_ms
        # One of two threads may lose here: each has just been told the same by the same venue.
        self._until_ms = max(self._until_ms, now_ms + wait_ms)

    def left_ms(self, now_ms: int) -> int:
        """How much longer; 0 where the venue may be spoken to."""
        return max(0, self._until_ms - now_ms)
