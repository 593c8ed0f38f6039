"""Uptime: runs, states, pauses by reason, and ends."""

from __future__ import annotations

import pytest
from report_rig import HOUR, MINUTE, T0, HandLedger, iso

from mmd.report.uptime import PauseReason, plain_reason


def test_time_in_each_state() -> None:
    """Each stands until the next one or the end of its run; what is left of the period, nothing ran."""
    ledger = HandLedger()
    ledger.run(T0, end=T0 + 10 * MINUTE)
    for minute, state in ((0, "boot"), (1, "sync"), (2, "quote"), (6, "pause"), (7, "quote"), (9, "stop")):
        ledger.state(T0 + minute * MINUTE, state, *(["stale book"] if state == "pause" else []))
    uptime = ledger.report(iso(T0), iso(T0 + 20 * MINUTE)).uptime
    assert {state.state: round(state.total_ms / MINUTE, 3) for state in uptime.states} == {
        "down": 10.0, "quote": 6.0, "boot": 1.0, "sync": 1.0, "pause": 1.0, "stop": 1.0}  # fmt: skip
    assert sum(state.total_ms for state in uptime.states) == 20 * MINUTE
    assert (uptime.up_share, uptime.quoting_share) == (pytest.approx(0.5, abs=1e-4), pytest.approx(0.3))
    assert (uptime.pauses, uptime.paused_ms) == (1, MINUTE)


def test_pauses_by_reason() -> None:
    """Reasons that change within one pause make no new pause; several at once count each; figures that vary don't make another reason."""
    ledger = HandLedger()
    ledger.run(T0, end=T0 + 10 * MINUTE)
    ledger.state(T0, "quote")
    ledger.state(T0 + 1 * MINUTE, "pause", "stale book", "market stream: no good frame in 6123 ms")
    ledger.state(T0 + 2 * MINUTE, "pause", "stale book")
    ledger.state(T0 + 3 * MINUTE, "quote")
    ledger.state(T0 + 5 * MINUTE, "pause", "market stream: no good frame in 7001 ms")
    ledger.state(T0 + 6 * MINUTE, "quote")
    uptime = ledger.report().uptime
    assert (uptime.pauses, uptime.paused_ms) == (2, 3 * MINUTE)
    assert uptime.pause_reasons == (
        PauseReason("market stream: no good frame in … ms", 2, 2 * MINUTE),
        PauseReason("stale book", 1, 2 * MINUTE),
    )


@pytest.mark.parametrize(("reason", "plain"), [
    ("user stream: order mmd-mwsk1dc6-1 was not echoed in 5000 ms", "user stream: order … was not echoed in … ms"),
    ("HTTP 503", "HTTP 503"), ("refused with -2015", "refused with -2015"), ("too much filled at once", "too much filled at once"),
])  # fmt: skip
def test_a_reason_without_what_varies(reason: str, plain: str) -> None:
    """Durations and ids go, codes stay."""
    assert plain_reason(reason) == plain


def test_a_state_that_began_before_the_period_stands_in_it() -> None:
    """Only its time within counts, and it is no new pause."""
    ledger = HandLedger()
    ledger.run(T0, end=T0 + HOUR)
    ledger.state(T0, "pause", "stale book")
    uptime = ledger.report(iso(T0 + 30 * MINUTE), iso(T0 + 40 * MINUTE)).uptime
    assert (uptime.paused_ms, uptime.pauses, uptime.up_share) == (10 * MINUTE, 0, 1.0)
    assert uptime.pause_reasons == (PauseReason("stale book", 0, 10 * MINUTE),)


def test_how_runs_ended() -> None:
    """A halt with its reason; a kill is a run without an end that is not the one running now."""
    ledger = HandLedger()
    ledger.run(T0, end=T0 + MINUTE, cause="halt", why="loss limit")
    ledger.run(T0 + 2 * MINUTE, alive=T0 + 3 * MINUTE)
    ledger.run(T0 + 4 * MINUTE, alive=T0 + 5 * MINUTE, cause="killed")
    ledger.run(T0 + 6 * MINUTE, alive=T0 + 7 * MINUTE)
    uptime = ledger.report(now=T0 + 7 * MINUTE + 10_000).uptime
    assert [(end.cause, end.why, end.ended_ms - T0) for end in uptime.ends] == [
        ("halt", "loss limit", MINUTE), ("killed", "", 3 * MINUTE), ("killed", "", 5 * MINUTE), ("running", "", 7 * MINUTE)]  # fmt: skip
    assert (uptime.runs, uptime.halts, uptime.kills, uptime.running) == (4, 1, 2, True)
    later = ledger.report(now=T0 + HOUR).uptime
    assert (later.kills, later.running) == (3, False)


def test_only_runs_of_the_period_are_told() -> None:
    """One that ended before it is not."""
    ledger = HandLedger()
    ledger.run(T0, end=T0 + MINUTE, cause="halt")
    ledger.run(T0 + HOUR, end=T0 + 2 * HOUR)
    uptime = ledger.report(iso(T0 + 30 * MINUTE), iso(T0 + 3 * HOUR)).uptime
    assert (uptime.runs, uptime.halts) == (1, 0)
    assert uptime.up_share == pytest.approx(60 / 150, abs=1e-4)
