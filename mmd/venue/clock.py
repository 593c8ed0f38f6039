"""The venue's clock, kept as an offset on the process's monotonic clock (V1 "Timing Security", "Check Server Time")."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

from mmd.core.errors import MmdError

# Linux's CLOCK_MONOTONIC stands still while the machine is suspended, so that afterwards the venue's time would be wrong by the length of the sleep
# and every old book would still look fresh (FAULTS P7). CLOCK_BOOTTIME goes on.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def monotonic_ms() -> int:
    """The process's monotonic clock in whole milliseconds, suspension included: the `now_ms` and `received_ms` of the core's messages."""
    return time.clock_gettime_ns(_CLOCK) // 1_000_000


class ClockUnset(MmdError):
    """The venue's time was asked for before it was ever observed."""


class _Sample(NamedTuple):
    """What one reading of the server's time proves: at `at_ms` (monotonic) the offset was within `doubt_ms` of `offset_ms`."""

    offset_ms: int
    doubt_ms: int
    at_ms: int


class VenueClock:
    """The server's time from readings of it; all arithmetic, and no clock of its own.

    A reading says that the server's clock showed `server_time_ms` somewhere between sending and receiving, so the shorter the round trip
    the better. Of the last few readings the one with the least doubt counts; doubt grows with age because two clocks drift apart.
    A reading that contradicts the one in use (a step of either clock, a suspended machine) throws the older ones away.
    """

    def __init__(self, kept: int = 8, drift_ppm: int = 100) -> None:
        self._samples: deque[_Sample] = deque(maxlen=kept)
        self._drift_ppm = drift_ppm
        # Replaced whole by the one thread that observes, so that other threads can read it without a lock.
        self._best: _Sample | None = None

    def observe(self, server_time_ms: int, sent_monotonic_ms: int, received_monotonic_ms: int) -> None:
        """Take in one reading. Raises ValueError where the times run backwards."""
        if received_monotonic_ms < sent_monotonic_ms:
            raise ValueError("a reading cannot be received before it is sent")
        round_trip_ms = received_monotonic_ms - sent_monotonic_ms
        offset_ms = server_time_ms - (sent_monotonic_ms + received_monotonic_ms) // 2
        # One more millisecond, because both clocks are read in whole ones.
        sample = _Sample(offset_ms, (round_trip_ms + 1) // 2 + 1, received_monotonic_ms)
        if self._best is not None:
            doubt_ms = self._doubt_ms(self._best, sample.at_ms) + sample.doubt_ms
            if abs(sample.offset_ms - self._best.offset_ms) > doubt_ms:
                self._samples.clear()
        self._samples.append(sample)
        self._best = min(self._samples, key=lambda each: self._doubt_ms(each, sample.at_ms))

    def now_ms(self, monotonic_ms: int) -> int:
        """The server's time at `monotonic_ms`. Raises ClockUnset before the first reading."""
        if self._best is None:
            raise ClockUnset("the venue's time is not known yet")
        return monotonic_ms + self._best.offset_ms

    def uncertainty_ms(self, monotonic_ms: int) -> int | None:
        """How far `now_ms` may be off at `monotonic_ms`; None before the first reading."""
        best = self._best
        return None if best is None else self._doubt_ms(best, monotonic_ms)

    def _doubt_ms(self, sample: _Sample, monotonic_ms: int) -> int:
        return sample.doubt_ms + max(0, monotonic_ms - sample.at_ms) * self._drift_ppm // 1_000_000
