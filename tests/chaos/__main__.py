"""Fault schedules on the command line: `python -m tests.chaos --seeds N --first S [--jobs J]`, `python -m tests.chaos --seed S --trace`.

What they reach of the engine and the order tables, branch by branch:

    coverage run --branch --source=mmd.core -m tests.chaos --seeds 600 --jobs 1 && coverage report -m

Branches that chaos does not reach, and why:

    lifecycle, orders   IllegalTransition: a defect of ours, which no schedule may show (invariant 0)
    desk                an order of an earlier run that ends between the stream's start and the first reading: rare
    outcomes            the answer to a cancel that finds a second order under its client id, not being cancelled: two faults within a reply's delay
    truth               a silence that begins while foreign orders are being listed to be cancelled: three coincidences
    desk                the tombstone of an order that 2 000 later ones have pushed out: a run of hours, or a reply that took minutes
    position            the booked trade that 20 000 later ones have pushed out: a run of days
    engine              the deadline after the end: whoever runs the engine does not ask for it
    engine, budget      the venue's own count of shared limits: the simulated venue has one client
    desk, engine, health, position, rules_watch
                        rules that stay unreadable, a crossing next to the least notional, a position that moved without its trade at the very end, two fills
                        of one millisecond told in the wrong order: each in one of a few thousand schedules, and held by a test in tests/core
    health              the time until which the countdown is armed: read for the operator alone
    messages            the text of an outcome that is no failure: there is nothing to tell of it
    rules, units        what no exchangeInfo that the exchange can give contains: parsing has its own tests
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable

from mmd.sim.faults import Kind, draw_schedule
from tests.chaos.chaos_runs import Summary, judge, run_seed, shortest

SHOWN = 20  # failing seeds that are shrunk and printed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1_000, help="how many schedules (%(default)s)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--seed", type=int, help="one schedule only")
    parser.add_argument("--trace", action="store_true", help="with --seed: everything that happened, line by line")
    parser.add_argument("--shortest", action="store_true", help="with --seed: shrink it first, if it fails")
    given = parser.parse_args()
    if given.seed is not None:
        return one(given.seed, given.trace, given.shortest)
    return many(range(given.first, given.first + given.seeds), given.jobs)


def one(seed: int, trace: bool, shrunk: bool) -> int:
    """Live through one schedule and tell of it."""
    schedule = draw_schedule(seed)
    if shrunk:
        violations, _ = judge(schedule)
        if violations:
            schedule = shortest(seed, violations[0].invariant)
    violations, result = judge(schedule, traced=trace)
    print(f"seed {seed}: {len(schedule.faults)} faults in {schedule.faulty_ms / 1000:g} s", *schedule.faults, schedule.settings, sep="\n")
    if result is not None:
        print(*result.trace, sep="\n")
    print(*violations, sep="\n")
    print(f"1 schedules, {len(violations)} violations")
    return 1 if violations else 0


def many(seeds: range, jobs: int) -> int:
    """Live through all; the table, the failing seeds, and how many violations there were."""
    began = time.monotonic()
    if jobs > 1:
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            summaries = list(pool.imap_unordered(run_seed, seeds, chunksize=8))
    else:
        summaries = [run_seed(seed) for seed in seeds]
    took_s = time.monotonic() - began
    print(table(summaries))
    hours = sum(summary.lived_ms for summary in summaries) / 3_600_000
    fills, processes = sum(summary.fills for summary in summaries), sum(summary.processes for summary in summaries)
    print(f"{took_s:.1f} s for {hours:.1f} simulated hours, {processes} processes, {fills} fills, {sum(s.steps for s in summaries)} steps")
    failed = sorted((summary for summary in summaries if summary.violations), key=lambda summary: summary.seed)
    for summary in failed[:SHOWN]:
        show(summary)
    violations = sum(len(summary.violations) for summary in failed)
    print(f"{len(summaries)} schedules, {violations} violations")
    return 1 if violations else 0


def show(summary: Summary) -> None:
    """A failing seed: its number, the invariant, and the shortest schedule that still fails."""
    first = summary.violations[0]
    print(f"\nseed {summary.seed}: {first}")
    if first.invariant != 26:
        schedule = shortest(summary.seed, first.invariant)
        print(f"  still fails with {len(schedule.faults)} faults in {schedule.faulty_ms / 1000:g} s:", *schedule.faults, sep="\n    ")


def table(summaries: Iterable[Summary]) -> str:
    """Faults injected by kind, and how many of them in runs that broke nothing."""
    injected: Counter[str] = Counter()
    survived: Counter[str] = Counter()
    for summary in summaries:
        injected += summary.struck
        if not summary.violations:
            survived += summary.struck
    rows = [f"{kind.value:24} {injected[kind.value]:9} {survived[kind.value]:9}" for kind in Kind]
    return "\n".join([f"{'fault':24} {'injected':>9} {'survived':>9}", *rows, f"{'all':24} {injected.total():9} {survived.total():9}"])


if __name__ == "__main__":
    sys.exit(main())
