"""Virtual time: what is to happen, in order, and the clock that jumps from one happening to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timeline:
    """A queue of happenings; `now_ms` (ms since the epoch, true time) is when the present one happens.

    What is due at the same millisecond happens in the order in which it was asked for, so that a run can be repeated exactly.
    """

    def __init__(self, start_ms: int) -> None:
        self.now_ms = start_ms
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, at_ms: int, act: Callable[[], None]) -> None:
        """Let `act` happen at `at_ms`; what lies in the past happens now."""
        self._count += 1
        heapq.heappush(self._queue, (max(at_ms, self.now_ms), self._count, act))

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        self.at(self.now_ms + delay_ms, act)

    def step(self) -> None:
        """Let the next thing happen. Raises IndexError where nothing is to come."""
        at_ms, _, act = heapq.heappop(self._queue)
        self.now_ms = at_ms
        act()

    def run_until(self, until_ms: int) -> None:
        """Let everything happen that is due until `until_ms`."""
        while self._queue and self._queue[0][0] <= until_ms:
            self.step()
        self.now_ms = max(self.now_ms, until_ms)


class MachineClock:
    """The machine's two clocks as functions of true time: the monotonic one, which may drift and goes on in a suspended machine, and the wall clock,
    which may jump."""

    def __init__(self, timeline: Timeline, monotonic_start_ms: int = 1_000_000) -> None:
        self._timeline = timeline
        self._true_ms = timeline.now_ms  # the monotonic clock is known exactly at this time
        self._monotonic_us = monotonic_start_ms * 1000
        self._drift_ppm = 0
        self._wall_offset_ms = 0

    def monotonic_ms(self) -> int:
        elapsed_ms = self._timeline.now_ms - self._true_ms
        return (self._monotonic_us + elapsed_ms * (1_000_000 + self._drift_ppm) // 1000) // 1000

    def wall_ms(self) -> int:
        return self._timeline.now_ms + self._wall_offset_ms

    def true_ms(self, monotonic_ms: int) -> int:
        """When (true time) the monotonic clock will show `monotonic_ms` or a little more."""
        ahead_us = monotonic_ms * 1000 - self._monotonic_us
        return self._true_ms + -(-ahead_us * 1000 // (1_000_000 + self._drift_ppm))

    def drift(self, ppm: int) -> None:
        """From now on the monotonic clock runs fast by `ppm` (slow where it is negative)."""
        self._rebase()
        self._drift_ppm = ppm

    def jump_wall(self, by_ms: int) -> None:
        self._wall_offset_ms += by_ms

    def _rebase(self) -> None:
        now_ms = self._timeline.now_ms
        self._monotonic_us += (now_ms - self._true_ms) * (1_000_000 + self._drift_ppm) // 1000
        self._true_ms = now_ms
