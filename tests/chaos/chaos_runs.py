"""Runs of fault schedules: one seed lived through and judged, and what is kept of it."""

from __future__ import annotations

import traceback
from collections import Counter
from typing import NamedTuple

from mmd.sim.faults import Kind, Schedule, draw_schedule
from mmd.sim.oracle import Violation
from mmd.sim.shrink import shrink
from mmd.sim.world import Result, live

# Of every so many seeds one is lived through twice, to see that it goes the same way.
REPEATED = 25


class Summary(NamedTuple):
    """What is kept of a run. `struck`: the faults that found something to strike, by kind."""

    seed: int
    violations: list[Violation]
    struck: Counter[str]
    lived_ms: int
    processes: int
    fills: int
    steps: int


def run_seed(seed: int, kinds: frozenset[Kind] = frozenset(Kind)) -> Summary:
    """Draw, live, judge; whatever is raised is a violation too."""
    schedule = draw_schedule(seed, kinds)
    repeated = seed % REPEATED == 0
    violations, result = judge(schedule, traced=repeated)
    if result is None:
        return Summary(seed, violations, Counter(), 0, 0, 0, 0)
    if repeated:
        _, again = judge(schedule, traced=True)
        if again is None or again.trace != result.trace:
            violations = [*violations, Violation(26, 0, _first_difference(result, again))]
    struck = Counter(fault.kind.value for fault in result.struck)
    return Summary(seed, violations, struck, result.lived_ms, result.runs, result.fills, result.steps)


def judge(schedule: Schedule, traced: bool = False) -> tuple[list[Violation], Result | None]:
    """The violations, and what came of the run where it came to its end."""
    try:
        result = live(schedule, traced)
    except Exception as error:  # noqa: BLE001 (Whatever falls out of a run is a finding.)
        where = traceback.extract_tb(error.__traceback__)[-1]
        return [Violation(0, 0, f"{type(error).__name__} in {where.name}, line {where.lineno} of {where.filename}: {error}")], None
    return result.violations, result


def shortest(seed: int, invariant: int, kinds: frozenset[Kind] = frozenset(Kind)) -> Schedule:
    """The seed's schedule, shrunk to what still breaks the invariant."""
    return shrink(draw_schedule(seed, kinds), lambda schedule: any(found.invariant == invariant for found in judge(schedule)[0]))


def _first_difference(result: Result, again: Result | None) -> str:
    lines = again.trace if again is not None else []
    pairs = zip(result.trace, lines, strict=False)
    return next((f"{one!r} the first time, {other!r} the second" for one, other in pairs if one != other), "one trace is longer than the other")
