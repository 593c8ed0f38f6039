"""What is alerted to: by made-up notices, views and times."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from status_rig import eth_view

from mmd.core.messages import Level, Notice
from mmd.daemon.alerts.limits import AlertLimits
from mmd.daemon.alerts.rules import DAY_S, Alert, AlertRules, Moment
from mmd.daemon.config import AlertConfig
from mmd.daemon.published import View

MIDNIGHT = 20_000 * DAY_S
START = Moment(5_000_000, MIDNIGHT + 6 * 3600.0)


def rules(**changes: Any) -> AlertRules:
    return AlertRules(AlertConfig(**changes), START)


def after(seconds: float) -> Moment:
    return Moment(START.now_ms + round(seconds * 1000), START.time_s + seconds)


def told(alerts: Iterable[Alert]) -> list[tuple[str, str]]:
    return [(alert.kind, alert.text) for alert in alerts]


def looks(watched: AlertRules, view: View | None, *seconds: float, about: str = "starting") -> list[tuple[str, str]]:
    """All that is told when it looks at these times and always sees the same."""
    return [each for at in seconds for each in told(watched.look(view, about, after(at)))]


# --- notices ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("event", "kind"), [
    ("halt", "halt"), ("liquidated", "halt"), ("account_changed", "halt"), ("credentials_refused", "halt"), ("thread_died", "halt"), ("halted", "halt"),
    ("halt_not_latched", "halt"), ("flatten_failed", "halt"), ("stopped", "halt"), ("margin_call", "margin_call"), ("rate_limited", "error"),
    ("cannot_start", "error"), ("anything_else", "error"),
])
def test_an_error_is_told_as_what_it_is(event: str, kind: str) -> None:
    """Each error leads to one alert that says what the line of the log says."""
    (alert,) = rules().hear(Notice(Level.ERROR, event, {"why": "lost 25", "order": None}), START)
    assert (alert.kind, alert.fields, alert.time_s) == (kind, {"why": "lost 25", "order": "none"}, START.time_s)
    assert alert.text.endswith(f': {event} why="lost 25" order=none')


@pytest.mark.parametrize("notice", [
    Notice(Level.WARNING, "stream_down", {"why": "x"}), Notice(Level.INFO, "stopped", {"why": "SIGTERM"}), Notice(Level.FILL, "fill"),
    Notice(Level.ERROR, "alert_given_up", {"why": "x"}),
])
def test_what_is_no_error_or_is_said_of_alerts_is_not_told(notice: Notice) -> None:
    """Warnings, a clean stop, and the failure of an alert lead to none."""
    assert told(rules().hear(notice, START)) == []


def test_a_second_start_in_one_process_is_told() -> None:
    """The first `started` is the start; every other one came of the symbol's rules."""
    watched = rules()
    started = Notice(Level.INFO, "started", {"leverage": 5})
    assert [told(watched.hear(started, START)) for _ in range(3)] == [[], *[[("restart", "trades again, started anew")]] * 2]


# --- views --------------------------------------------------------------------------------------------------------------------------------


def test_a_long_pause_is_told_once_and_so_is_its_end() -> None:
    """Nothing before the time is up, one alert with the reasons, nothing while it lasts, one when it quotes again; then all over."""
    watched = rules(pause_ms=60_000)
    paused = eth_view(state="pause", reasons=("stale book", "countdown not armed"))
    for start in (0, 1000):
        assert looks(watched, paused, start, start + 59.9) == []
        assert looks(watched, paused, start + 60, start + 61, start + 500) == [("pause", "has not quoted for 60 s: stale book; countdown not armed")]
        assert looks(watched, eth_view(), start + 720, start + 721) == [("pause", "quotes again, after 12 min")]


def test_short_pauses_are_not_added_up() -> None:
    """Quoting in between starts the count anew; other states than quoting don't."""
    watched = rules(pause_ms=60_000)
    for start in range(0, 600, 60):
        assert looks(watched, eth_view(state="pause"), start, start + 50) == []
        assert looks(watched, eth_view(), start + 55) == []
    assert looks(watched, eth_view(state="pause"), 1000) == []
    assert looks(watched, eth_view(state="sync"), 1030) == []
    assert len(looks(watched, eth_view(state="pause"), 1060)) == 1


def test_a_start_that_does_not_get_on_is_a_pause() -> None:
    """Without a view it is said what is done instead."""
    assert looks(rules(pause_ms=60_000), None, 0, 60, about="waiting: SETTLING") == [("pause", "has not quoted for 60 s: waiting: SETTLING")]


def test_the_end_is_no_pause() -> None:
    """While it stops nothing is said of quotes or streams that are missing."""
    ending = eth_view(state="stop", reasons=("market stream: closed",))
    assert looks(rules(pause_ms=1_000, disconnect_ms=1_000), ending, 0, 10, 20) == []


def test_each_lost_stream_is_told_once_and_so_is_its_return() -> None:
    """By name and with the latest reason; a change of the reason is no new loss."""
    watched = rules(disconnect_ms=30_000, pause_ms=10**9)
    assert looks(watched, eth_view(state="pause", reasons=("user stream: closed",)), 0) == []
    both = eth_view(state="pause", reasons=("user stream: refused", "market stream: closed", "stale book"))
    assert looks(watched, both, 20, 30, 31) == [("disconnect", "user stream: down for 30 s: refused")]
    assert looks(watched, both, 50) == [("disconnect", "market stream: down for 30 s: closed")]
    assert looks(watched, eth_view(state="pause", reasons=("market stream: closed",)), 60) == [("disconnect", "user stream: connected again, after 60 s")]
    assert looks(watched, eth_view(), 7300, 7301) == [("disconnect", "market stream: connected again, after 2 h 1 min")]


def test_each_loss_is_told_once_a_run_and_the_largest_alone() -> None:
    """A threshold is told when it is reached, not again when the loss comes back to it, and anew in another run."""
    watched = rules(losses=(Decimal(5), Decimal(10), Decimal(20)))
    seen = [looks(watched, eth_view(net_profit=Decimal(profit)), 0) for profit in ("1.0", "-4.99", "-5.00", "-7.0", "-1.0", "-6.0", "-25.50", "-30.0")]
    assert [len(each) for each in seen] == [0, 0, 1, 0, 0, 0, 1, 0]
    assert seen[6] == [("loss", "this run has lost 25.5, which is 20 or more")]
    assert looks(watched, eth_view(session="s2", net_profit=Decimal(-12)), 0) == [("loss", "this run has lost 12, which is 10 or more")]


def test_the_day_is_summed_up_at_its_time() -> None:
    """Once a day at the minute named: what came together since the last summary, over two runs, and where the account stands."""
    watched = rules(summary_minute=7 * 60, pause_ms=10**9)

    def view(session: str, profit: str, fills: int, **changes: Any) -> View:
        return eth_view(session=session, net_profit=Decimal(profit), fills=fills, filled_notional=Decimal(fills * 100), **changes)

    assert looks(watched, view("s1", "2", 4), 0, 3599) == []
    for notice in (Notice(Level.WARNING, "x"), Notice(Level.ERROR, "y"), Notice(Level.WARNING, "x")):
        list(watched.hear(notice, START))
    ((kind, text),) = looks(watched, view("s2", "-0.5", 1), 3600, 3601)
    assert kind == "daily_summary"
    assert text == ("hours=1.0 state=quote net_profit=1.5 fills=5 volume=500 not_quoting_s=0 warnings=2 errors=1 position=0.150 balance=10000.5 "
                    "run_net_profit=-0.5")
    assert looks(watched, view("s2", "3", 8, state="pause"), 4000, 4030) == []
    assert looks(watched, view("s2", "3", 8), 5000, 3599 + DAY_S) == []
    ((_, text),) = looks(watched, view("s2", "3", 8), 3600 + DAY_S)
    assert text.startswith("hours=24.0 state=quote net_profit=3.5 fills=7 volume=700 not_quoting_s=30 warnings=0 errors=0 ")


def test_a_summary_that_was_due_while_nothing_ran_comes_with_the_start() -> None:
    """It is due once however many days were missed; the next one is at its usual time. Without an earlier one nothing was missed."""
    config = AlertConfig(summary_minute=5 * 60, pause_ms=10**9)
    watched = AlertRules(config, START, summed_up_s=START.time_s - 3 * DAY_S)
    assert [kind for kind, _ in looks(watched, None, 0, 1, 22 * 3600)] == ["daily_summary"]
    assert [kind for kind, _ in looks(watched, None, 23 * 3600 + 1) if kind == "daily_summary"] == ["daily_summary"]
    assert looks(AlertRules(config, START), None, 0, 1) == []


# --- how many pass ------------------------------------------------------------------------------------------------------------------------


def offered(limits: AlertLimits, kind: str, number: int, time_s: float) -> list[str]:
    passed = limits.offer(Alert(kind, f"number {number}", {}, time_s))
    return [] if passed is None else [passed.text]


def test_alerts_of_a_kind_are_held_back_and_counted() -> None:
    """One passes, the others wait for the interval to be over; then the latest passes with the number of those it stands for."""
    limits = AlertLimits(300)
    passed = [offered(limits, "error", number, 1000.0 + number) for number in range(100)]
    assert passed == [["number 0"], *[[]] * 99]
    assert limits.take_due(1299.9) == []
    (alert,) = limits.take_due(1300.0)
    assert (alert.text, alert.fields) == ("number 99 (and 98 more of this kind before it)", {"held_back": "98"})
    assert offered(limits, "error", 100, 1301.0) == []
    assert [alert.text for alert in limits.take_due(1600.0)] == ["number 100"]
    assert limits.take_due(5000.0) == []


def test_kinds_do_not_hold_each_other_back() -> None:
    """Five halts, every summary, and one of each other kind pass at once."""
    limits = AlertLimits(300)
    counts = {kind: sum(len(offered(limits, kind, number, 1000.0)) for number in range(9)) for kind in ("halt", "daily_summary", "test", "pause", "error")}
    assert counts == {"halt": 5, "daily_summary": 9, "test": 9, "pause": 1, "error": 1}


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    """What passed in a future that was taken back does not count."""
    limits = AlertLimits(300)
    assert offered(limits, "error", 1, 9_000_000.0)
    assert offered(limits, "error", 2, 1000.0)
    assert not offered(limits, "error", 3, 1001.0)
