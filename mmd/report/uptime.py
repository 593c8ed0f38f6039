"""When the daemon ran, what it was doing, and why it paused and ended."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmd.report.period import Period
from mmd.report.rows import RunRow

_PAUSE = "pause"
_KEPT_REASONS = 24
# What differs from one occurrence to the next without being another reason: durations, and the ids of orders.
_VARYING = re.compile(r"\b\d[\d.,]*(?= ?(?:ms|s|us|bps)\b)|\b(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{6,}|\b\d{5,}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StateTime:
    """How much of the period was spent in a state; `down` is the time in which nothing ran."""

    state: str
    total_ms: int
    share: float


@dataclass(frozen=True, slots=True)
class PauseReason:
    """How often a reason to pause came up, and for how long it stood. Several can stand at once, so these do not add up to the time
    paused."""

    reason: str
    count: int
    total_ms: int


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How one run went: `cause` is stop, rules, credentials, halt, …, `killed` (no end on record) or `running`."""

    started_ms: int
    ended_ms: int
    version: str
    cause: str
    why: str
    new_account: bool


@dataclass(frozen=True, slots=True)
class Uptime:
    """`up_share` is the part of the period in which the daemon ran, `quoting_share` that in which it quoted; None of a period without
    length. `halts`, `kills` and `runs` are of runs that overlap the period; `ends` are the newest of them, oldest first."""

    up_ms: int
    up_share: float | None
    quoting_share: float | None
    states: tuple[StateTime, ...]
    pauses: int
    paused_ms: int
    pause_reasons: tuple[PauseReason, ...]
    runs: int
    halts: int
    kills: int
    running: bool
    ends: tuple[RunEnd, ...]


def measure_uptime(
    runs: Sequence[RunRow], states: Iterable[tuple[int, int, str, str]], period: Period, now_ms: int, alive_within_ms: int
) -> Uptime:
    """`states` come run by run in the order of time. A newest run without an end is running if it gave a sign of life within
    `alive_within_ms`."""
    ends = [_run_end(run, is_newest=run is runs[-1], now_ms=now_ms, alive_within_ms=alive_within_ms) for run in runs]
    within = [end for end in ends if period.overlap_ms(end.started_ms, end.ended_ms + 1)]
    tally = _Tally(period)
    end_of = {run.run: run.end_ms + 1 for run in runs}  # its last millisecond included
    previous: tuple[int, int, str, str] | None = None
    for row in states:
        if previous is not None and row[0] == previous[0]:
            tally.stood(previous, row[1])
        elif previous is not None:
            tally.stood(previous, end_of.get(previous[0], previous[1]))
            tally.reasons_now = frozenset()
        previous = row
    if previous is not None:
        tally.stood(previous, end_of.get(previous[0], previous[1]))
    up_ms = sum(period.overlap_ms(run.started_ms, run.end_ms + 1) for run in runs)
    length_ms = period.length_ms
    known_ms = sum(tally.times.values())
    times = {
        **tally.times,
        **({"starting": up_ms - known_ms} if up_ms > known_ms else {}),
        **({"down": length_ms - up_ms} if length_ms > up_ms else {}),
    }
    reasons = sorted(
        (PauseReason(reason, count, tally.reason_ms[reason]) for reason, count in tally.reason_counts.items()),
        key=lambda each: (-each.total_ms, -each.count, each.reason),
    )
    return Uptime(
        up_ms=up_ms,
        up_share=up_ms / length_ms if length_ms else None,
        quoting_share=tally.times.get("quote", 0) / length_ms if length_ms else None,
        states=tuple(
            StateTime(state, ms, ms / length_ms) for state, ms in sorted(times.items(), key=lambda each: -each[1]) if ms and length_ms
        ),
        pauses=tally.pauses,
        paused_ms=tally.times.get(_PAUSE, 0),
        pause_reasons=tuple(reasons[:_KEPT_REASONS]),
        runs=len(within),
        halts=sum(end.cause == "halt" for end in within),
        kills=sum(end.cause == "killed" for end in within),
        running=any(end.cause == "running" for end in within),
        ends=tuple(within[-50:]),
    )


def plain_reason(reason: str) -> str:
    """A reason without what differs each time: `no good frame in 6123 ms` and `… 7001 ms` are one."""
    return _VARYING.sub("…", reason)


class _Tally:
    """Adds up what stood for how long."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self.times: defaultdict[str, int] = defaultdict(int)
        self.pauses = 0
        self.reason_counts: defaultdict[str, int] = defaultdict(int)
        self.reason_ms: defaultdict[str, int] = defaultdict(int)
        self.reasons_now: frozenset[str] = frozenset()
        self._paused_in: int | None = None

    def stood(self, row: tuple[int, int, str, str], until_ms: int) -> None:
        run, since_ms, state, reasons_json = row
        lasted_ms = self._period.overlap_ms(since_ms, until_ms)
        begins_within = self._period.since_ms <= since_ms < self._period.until_ms
        self.times[state] += lasted_ms
        if state != _PAUSE:
            self.reasons_now, self._paused_in = frozenset(), None
            return
        reasons = frozenset(plain_reason(reason) for reason in _reasons(reasons_json)) or frozenset({"not said"})
        self.pauses += self._paused_in != run and begins_within
        self._paused_in = run
        for reason in reasons:
            if begins_within and reason not in self.reasons_now:
                self.reason_counts[reason] += 1
            if lasted_ms:
                self.reason_counts[reason] += 0
                self.reason_ms[reason] += lasted_ms
        self.reasons_now = reasons


def _reasons(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return [text]
    return [str(each) for each in found] if isinstance(found, list) else [str(found)]


def _run_end(run: RunRow, *, is_newest: bool, now_ms: int, alive_within_ms: int) -> RunEnd:
    cause, why = run.cause or "killed", run.why or ""
    if run.ended_ms is None:
        cause = "running" if is_newest and now_ms - run.alive_ms <= alive_within_ms else "killed"
    return RunEnd(run.started_ms, run.end_ms, run.version, cause, why, run.new_account)
