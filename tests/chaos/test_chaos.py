"""A few hundred fault schedules at every test run, and proof that the oracle, the shrinking and the drawing do what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chaos_runs import judge, run_seed

from mmd.sim.faults import Fault, Kind, draw_schedule
from mmd.sim.shrink import shrink
from mmd.venue.endpoints import Call

SCHEDULES = 240
BLOCK = 20


@pytest.mark.parametrize("block", range(SCHEDULES // BLOCK))
def test_no_schedule_breaks_an_invariant(block: int) -> None:
    """FAULTS' invariants hold in every interleaving that these seeds draw."""
    for seed in range(1 + block * BLOCK, 1 + (block + 1) * BLOCK):
        summary = run_seed(seed)
        assert not summary.violations, f"seed {seed}: {summary.violations[0]}; python -m tests.chaos --seed {seed} --trace --shortest"


def test_fair_weather_trades() -> None:
    """Without faults every schedule's market fills orders now and then, and nothing is broken: the runs are not empty."""
    fills = 0
    for seed in range(1, 11):
        violations, result = judge(replace(draw_schedule(seed), faults=()))
        assert result is not None and not violations, f"seed {seed}: {violations}"
        assert result.runs == 1
        fills += result.fills
    assert fills > 20


def test_a_schedule_is_drawn_the_same_every_time() -> None:
    """A seed is all that is needed to repeat a run."""
    assert [draw_schedule(seed) for seed in range(50)] == [draw_schedule(seed) for seed in range(50)]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_fault_is_drawn_and_strikes(kind: Kind) -> None:
    """No fault stands in the list without ever happening to anybody."""
    assert any(run_seed(seed, frozenset({kind})).struck[kind.value] for seed in range(1, 100))


def test_shrinking_finds_the_faults_that_matter() -> None:
    """Of many faults those two remain without which nothing fails, and the time is cut after them."""
    schedule = replace(draw_schedule(1), faulty_ms=300_000, faults=tuple(
        Fault(1_000 * number, Kind.REPLY_LOST if number in (3, 17) else Kind.USER_CUT, Call.PLACE if number == 17 else None) for number in range(30)
    ))  # fmt: skip
    culprits = {schedule.faults[3], schedule.faults[17]}
    found = shrink(schedule, lambda some: culprits <= set(some.faults))
    assert set(found.faults) == culprits
    assert found.faulty_ms == 18_000
