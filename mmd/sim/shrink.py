"""The shortest schedule that still fails: faults are left out, half of them at first, then fewer, as long as the failure stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mmd.sim.faults import Fault, Schedule


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """A schedule from which no single fault can be left out, and whose time of faults is no longer than it has to be.

    `fails` says whether a schedule shows the failure; it must say so of `schedule` itself.
    """
    faults = _fewest(schedule.faults, lambda some: fails(replace(schedule, faults=some)))
    shortest = replace(schedule, faults=faults)
    for faulty_ms in (1_000, 5_000, 15_000, 30_000, 60_000, 120_000):
        if faulty_ms >= shortest.faulty_ms:
            break
        earlier = replace(shortest, faulty_ms=max(faulty_ms, max((fault.at_ms for fault in faults), default=0) + 1_000))
        if earlier.faulty_ms < shortest.faulty_ms and fails(earlier):
            return earlier
    return shortest


def _fewest(faults: tuple[Fault, ...], fails: Callable[[tuple[Fault, ...]], bool]) -> tuple[Fault, ...]:
    """Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), complements only."""
    parts = 2
    while faults:
        size = -(-len(faults) // parts)
        for start in range(0, len(faults), size):
            rest = faults[:start] + faults[start + size:]
            if fails(rest):
                faults, parts = rest, max(parts - 1, 2)
                break
        else:
            if size == 1:
                return faults
            parts = min(2 * parts, len(faults))
    return faults
