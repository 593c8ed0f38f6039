"""What an operator is alerted to: decided from notices and views alone, with the time passed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from mmd.core.messages import Level, Notice
from mmd.daemon.config import AlertConfig
from mmd.daemon.logs.lines import format_fields
from mmd.daemon.published import View
from mmd.daemon.reporters import plain

DAY_S = 86_400

# Errors after which trading ends by itself, or that say how it has ended.
_HALT_EVENTS = frozenset({"halt", "liquidated", "account_changed", "credentials_refused", "thread_died", "halted", "halt_not_latched", "flatten_failed", "stopped"})
# What is said of the alerts themselves must not lead to more of them.
_OWN_EVENTS = "alert"

_QUOTING = frozenset({"quote"})
_ENDING = frozenset({"stop", "stopped"})

_ZERO = Decimal(0)


class Alert(NamedTuple):
    """One thing to tell. `time_s` is when it happened, in seconds since the epoch; a test has the kind `test`."""

    kind: str
    text: str
    fields: Mapping[str, str]
    time_s: float


class Moment(NamedTuple):
    """Now, by the monotonic clock of the views and by the calendar's, in milliseconds and in seconds since the epoch."""

    now_ms: int
    time_s: float


class AlertRules:
    """Turns what happens into alerts, those of kinds that are not wanted included. `summed_up_s` is when the last summary was due, where one ever was."""

    def __init__(self, config: AlertConfig, start: Moment, summed_up_s: float | None = None) -> None:
        self._config = config
        self._started = 0
        self._pause = _Spell(config.pause_ms)
        self._streams = {stream: _Spell(config.disconnect_ms) for stream in ("market stream", "user stream")}
        self._session = ""
        self._told_loss = _ZERO
        self._day = _Day(start.time_s)
        self._summary_due_s = None if config.summary_minute is None else _next_time(config.summary_minute, summed_up_s or start.time_s)
        self._summed_up_s = summed_up_s

    @property
    def summed_up_s(self) -> float | None:
        """When the last summary was due."""
        return self._summed_up_s

    def hear(self, notice: Notice, moment: Moment) -> Iterator[Alert]:
        """The alerts that a notice is worth."""
        event = notice.event
        if event == "started":
            self._started += 1
            if self._started > 1:
                yield _alert("restart", "trades again, started anew", notice.fields, moment)
        elif notice.level is Level.WARNING:
            self._day.warnings += 1
        elif notice.level is Level.ERROR and not event.startswith(_OWN_EVENTS):
            self._day.errors += 1
            kind = "margin_call" if event == "margin_call" else "halt" if event in _HALT_EVENTS else "error"
            what = {"margin_call": "margin call", "halt": "trading ends"}.get(kind, "error")
            yield _alert(kind, f"{what}: {event} {format_fields(notice.fields)}", notice.fields, moment)

    def look(self, view: View | None, about: str, moment: Moment) -> Iterator[Alert]:
        """The alerts that are due by what can be seen. `about` is what is done while there is no view."""
        state = view.state if view is not None else about
        if state.partition(":")[0] not in _ENDING:
            yield from self._look_at_pause(view, state, moment)
            yield from self._look_at_streams(view, moment)
        if view is not None:
            yield from self._look_at_loss(view, moment)
            self._day.see(view)
        yield from self._sum_up(view, state, moment)

    def _look_at_pause(self, view: View | None, state: str, moment: Moment) -> Iterator[Alert]:
        quoting = state in _QUOTING
        if not quoting:
            self._day.not_quoting(moment)
        else:
            self._day.quoting()
        over_s = self._pause.over_s(moment.now_ms) if quoting else None
        if over_s is not None:
            yield _alert("pause", f"quotes again, after {_span(over_s)}", {"pause_s": over_s}, moment)
        elif not quoting and self._pause.is_long(moment.now_ms):
            reasons = "; ".join(view.reasons) if view is not None and view.reasons else state
            yield _alert("pause", f"has not quoted for {_span(self._config.pause_ms // 1000)}: {reasons}", {"state": state, "reasons": reasons}, moment)

    def _look_at_streams(self, view: View | None, moment: Moment) -> Iterator[Alert]:
        if view is None:
            return  # There are no streams yet, or the same reason has ended them: that is a pause.
        down = {name: why.strip() for name, _, why in (reason.partition(":") for reason in view.reasons)}
        for name, spell in self._streams.items():
            if name not in down:
                over_s = spell.over_s(moment.now_ms)
                if over_s is not None:
                    yield _alert("disconnect", f"{name}: connected again, after {_span(over_s)}", {"stream": name, "down_s": over_s}, moment)
            elif spell.is_long(moment.now_ms):
                text = f"{name}: down for {_span(self._config.disconnect_ms // 1000)}: {down[name]}"
                yield _alert("disconnect", text, {"stream": name, "why": down[name]}, moment)

    def _look_at_loss(self, view: View, moment: Moment) -> Iterator[Alert]:
        if view.session != self._session:
            self._session, self._told_loss = view.session, _ZERO
        reached = max((amount for amount in self._config.losses if self._told_loss < amount <= -view.net_profit), default=None)
        if reached is not None:
            self._told_loss = reached
            text = f"this run has lost {plain(-view.net_profit)}, which is {plain(reached)} or more"
            yield _alert("loss", text, {"net_profit": plain(view.net_profit), "threshold": plain(reached), "position": view.position}, moment)

    def _sum_up(self, view: View | None, state: str, moment: Moment) -> Iterator[Alert]:
        if self._config.summary_minute is None or self._summary_due_s is None or moment.time_s < self._summary_due_s:
            return
        self._summed_up_s = self._summary_due_s
        self._summary_due_s = _next_time(self._config.summary_minute, moment.time_s)
        fields: dict[str, object] = {"hours": f"{(moment.time_s - self._day.since_s) / 3600:.1f}", "state": state, **self._day.figures()}
        if view is not None:
            fields |= {"position": view.position, "balance": plain(view.balance), "run_net_profit": plain(view.net_profit)}
        yield _alert("daily_summary", format_fields(fields), fields, moment)
        self._day = self._day.next(moment.time_s)


class _Spell:
    """Something that goes on, and is told once it has gone on for long."""

    def __init__(self, long_ms: int) -> None:
        self._long_ms = long_ms
        self._since_ms: int | None = None
        self._told = False

    def is_long(self, now_ms: int) -> bool:
        """It goes on: True the first time that it has done so for long."""
        if self._since_ms is None:
            self._since_ms = now_ms
        is_news = not self._told and now_ms - self._since_ms >= self._long_ms
        self._told |= is_news
        return is_news

    def over_s(self, now_ms: int) -> int | None:
        """It is over: how long it was, where that it was long had been told."""
        since_ms, told = self._since_ms, self._told
        self._since_ms, self._told = None, False
        return (now_ms - since_ms) // 1000 if told and since_ms is not None else None


class _Totals(NamedTuple):
    """What the views of one session count up."""

    net_profit: Decimal = _ZERO
    fills: int = 0
    volume: Decimal = _ZERO

    def plus(self, other: _Totals, sign: int = 1) -> _Totals:
        return _Totals(self.net_profit + sign * other.net_profit, self.fills + sign * other.fills, self.volume + sign * other.volume)


@dataclass
class _Day:
    """What has come together since the last summary, over however many sessions."""

    since_s: float
    session: str = ""
    latest: _Totals = field(default_factory=_Totals)
    before: _Totals = field(default_factory=_Totals)  # what the sessions that are over have brought, less what this one had before the day began
    warnings: int = 0
    errors: int = 0
    idle_s: float = 0.0
    idle_at: float | None = None

    def see(self, view: View) -> None:
        if view.session != self.session:
            self.before, self.session = self.before.plus(self.latest), view.session
        self.latest = _Totals(view.net_profit, view.fills, view.filled_notional)

    def not_quoting(self, moment: Moment) -> None:
        if self.idle_at is not None:
            self.idle_s += (moment.now_ms - self.idle_at) / 1000
        self.idle_at = moment.now_ms

    def quoting(self) -> None:
        self.idle_at = None

    def figures(self) -> dict[str, object]:
        day = self.before.plus(self.latest)
        return {"net_profit": plain(day.net_profit), "fills": day.fills, "volume": plain(day.volume), "not_quoting_s": round(self.idle_s), "warnings": self.warnings,
                "errors": self.errors}

    def next(self, since_s: float) -> _Day:
        """The day after this one."""
        return _Day(since_s, self.session, self.latest, _Totals().plus(self.latest, -1), idle_at=self.idle_at)


def _alert(kind: str, text: str, fields: Mapping[str, object], moment: Moment) -> Alert:
    return Alert(kind, text, {name: "none" if value is None else str(value) for name, value in fields.items()}, moment.time_s)


def _next_time(minute: int, after_s: float) -> float:
    """The next moment of the day's `minute` (UTC) after `after_s`."""
    due_s = after_s - after_s % DAY_S + minute * 60
    return due_s if due_s > after_s else due_s + DAY_S


def _span(seconds: int) -> str:
    """A duration for people: `90 s`, `12 min`, `3 h 5 min`."""
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
