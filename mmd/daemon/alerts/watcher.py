"""The thread that alerts: hears notices, looks at the published view, and delivers, off the trading path."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.daemon.alerts.delivery import WEBHOOK_VARIABLE, Channel, Command, NotDelivered, Origin, Webhook, tokens_in
from mmd.daemon.alerts.limits import AlertLimits
from mmd.daemon.alerts.memory import Memory, Pending, read_memory, write_memory
from mmd.daemon.alerts.rules import Alert, AlertRules, Moment
from mmd.daemon.config import Config
from mmd.daemon.config_alerts import checked_webhook
from mmd.daemon.config_kinds import Unfit
from mmd.daemon.credentials import find_credential
from mmd.daemon.logs.logbook import conceal, listen, log_notice, redact, unlisten
from mmd.daemon.published import Published
from mmd.daemon.workers import Worker
from mmd.venue.clock import monotonic_ms

LOOK_EVERY_S = 1.0
DELIVERY_S = 20.0
# What a stop waits for: an alert that trading has ended is worth some time, the others come with the next start.
END_S, END_WITH_HALT_S = 1.0, 3.0
_END_RETRY_S = 0.5

_MOST_HEARD = 200
_REST_S = 0.1  # between two rounds, so that a flood of errors costs those who trade next to nothing
_MOST_PENDING = 100
_RETRY_S, _LONGEST_RETRY_S = 2.0, 300.0
_GIVEN_UP_AFTER_S = 86_400.0


class AlertWatcher:
    """`run` is the thread, until `stop`. `hear` takes notices from any thread and never waits.

    Each alert goes through each of the channels, tried again after 2, 4, 8 … 300 seconds for a day. With a `memory_path` all that is undone at the end is
    taken up by the next process, and rates are kept. `time_s` is the calendar's clock.
    """

    def __init__(
        self, config: Config, published: Published, channels: Sequence[Channel], memory_path: Path | None = None, log: Callable[[Notice], None] = log_notice,
        time_s: Callable[[], float] = time.time, now_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._config = config.alerts
        self._origin = origin_of(config)
        self._published = published
        self._channels = {channel.name: channel for channel in channels}
        self._memory_path = memory_path
        self._log = log
        self._time_s, self._now_ms = time_s, now_ms
        self._heard: queue.Queue[Notice | None] = queue.Queue(_MOST_HEARD)
        self._stopped_at_s = 0.0  # monotonic
        self._stopped = threading.Event()
        self._trying: Channel | None = None
        self._is_changed = False

    def hear(self, notice: Notice) -> None:
        """Take note, and return at once; beyond two hundred that are not looked at yet, notices are left out. Own words are not heard."""
        if (notice.level.value >= Level.WARNING.value or notice.event == "started") and not notice.event.startswith("alert"):
            try:
                self._heard.put_nowait(notice)
            except queue.Full:
                pass  # A flood, of which more has been heard than anybody wants to be told.

    def stop(self) -> None:
        """Tell what is left, as far as that goes in a second (three where trading has ended by itself), and let `run` return."""
        self._stopped_at_s = time.monotonic()
        self._stopped.set()
        trying = self._trying
        if trying is not None:
            # Whatever hangs now must not cost the others their chance.
            alarm = threading.Timer(END_S, self._abort, (trying,))
            alarm.daemon = True
            alarm.start()
        try:
            self._heard.put_nowait(None)
        except queue.Full:
            pass  # It is awake anyway.

    def run(self) -> None:
        """Hear, look and deliver until stopped."""
        self._begin()
        while not self._stopped.is_set():
            self._hear_all(self._wait_s())
            self._look()
            self._keep()
            self._deliver_due()
            self._stopped.wait(_REST_S)
        self._end()

    # --- deciding ---------------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._memory = self._read()
        moment = self._moment()
        self._rules = AlertRules(self._config, moment, self._memory.summed_up_s)
        self._limits = AlertLimits(self._config.min_interval_ms / 1000, self._memory.passed, self._memory.held)
        self._memory.pending = [each for each in self._memory.pending if each.channel in self._channels]
        if not self._memory.ended:
            self._offer(Alert("restart", "started again; the last run did not come to its end (a crash, a kill or the power)", {}, moment.time_s))
        self._memory.ended = False
        self._is_changed = True
        self._keep()

    def _hear_all(self, timeout_s: float) -> None:
        """Waits for a notice and takes all that are there."""
        try:
            notice = self._heard.get(timeout=timeout_s)
            for _ in range(_MOST_HEARD):
                if notice is not None:
                    for alert in self._rules.hear(notice, self._moment()):
                        self._offer(alert)
                notice = self._heard.get_nowait()
        except queue.Empty:
            pass

    def _look(self) -> None:
        moment = self._moment()
        about, why = self._published.about
        for alert in self._rules.look(self._published.get(), f"{about}: {why}" if why else about, moment):
            self._offer(alert)
        for alert in self._limits.take_due(moment.time_s):
            self._post(alert)
        if self._memory.summed_up_s != self._rules.summed_up_s:
            self._memory.summed_up_s = self._rules.summed_up_s
            self._is_changed = True

    def _offer(self, alert: Alert) -> None:
        if alert.kind not in self._config.kinds:
            return
        # Struck out here already, since it may lie on the disk for a while.
        alert = alert._replace(text=redact(alert.text), fields={redact(name): redact(value) for name, value in alert.fields.items()})
        passing = self._limits.offer(alert)
        self._is_changed = True
        if passing is not None:
            self._post(passing)

    def _post(self, alert: Alert) -> None:
        """Put it on its way through each channel."""
        pending = self._memory.pending
        pending += [Pending(alert, name) for name in self._channels]
        while len(pending) > _MOST_PENDING:
            oldest = next((each for each in pending if each.alert.kind != "halt"), pending[0])
            pending.remove(oldest)
            self._give_up(oldest, "too many wait to be delivered")
        self._is_changed = True

    # --- delivering -------------------------------------------------------------------------------------------------------------------

    def _deliver_due(self) -> None:
        """Try one alert that is due, those of halts first: what has come meanwhile is looked at before the next."""
        time_s = self._time_s()
        due = [each for each in self._memory.pending if not 0 < each.due_s - time_s <= _LONGEST_RETRY_S * 12]
        if due:
            self._try(min(due, key=_urgency), DELIVERY_S)

    def _wait_s(self) -> float:
        time_s = self._time_s()
        next_s = min((max(0.0, each.due_s - time_s) for each in self._memory.pending), default=LOOK_EVERY_S)
        return min(LOOK_EVERY_S, next_s) or 0.001

    def _try(self, pending: Pending, within_s: float) -> None:
        pending.attempts += 1
        fields: dict[str, object] = {"kind": pending.alert.kind, "to": pending.channel, "attempt": pending.attempts}
        try:
            self._trying = self._channels[pending.channel]
            self._trying.deliver(self._origin.message(pending.alert), within_s)
        except NotDelivered as failure:
            wait_s = max(failure.after_s, min(_RETRY_S * 2 ** min(pending.attempts - 1, 10), _LONGEST_RETRY_S))
            pending.due_s = self._time_s() + wait_s
            if failure.for_good or pending.due_s - pending.alert.time_s > _GIVEN_UP_AFTER_S:
                self._memory.pending.remove(pending)
                self._give_up(pending, str(failure))
            else:
                self._log(Notice(Level.WARNING, "alert_failed", {**fields, "why": failure, "retry_in_s": round(wait_s), "does": "tries again"}))
        else:
            self._memory.pending.remove(pending)
            self._log(Notice(Level.INFO, "alert_sent", fields))
        finally:
            self._trying = None
        self._is_changed = True
        self._keep()

    def _abort(self, channel: Channel) -> None:
        if self._trying is channel:
            channel.abort()

    def _give_up(self, pending: Pending, why: str) -> None:
        fields = {"kind": pending.alert.kind, "to": pending.channel, "attempt": pending.attempts, "text": pending.alert.text, "why": why}
        self._log(Notice(Level.ERROR, "alert_given_up", {**fields, "does": "drops the alert; try `mmd … alert`"}))

    def _end(self) -> None:
        """What is left gets one more chance, under one deadline; halts as many as there is time for."""
        self._hear_all(0.001)
        for alert in self._limits.take_due(self._time_s()):
            self._post(alert)
        self._memory.ended = True
        self._is_changed = True
        self._keep()
        deadline_s = self._stopped_at_s + (END_WITH_HALT_S if self._has_halt else END_S)
        self._try_each_once(deadline_s)
        while self._has_halt and (left_s := deadline_s - time.monotonic()) > 0:
            time.sleep(min(_END_RETRY_S, left_s))
            self._try_each_once(deadline_s)
        self._keep()
        if self._memory.pending or self._limits.held:
            does = "tells them after the next start" if self._memory_path is not None else "drops them"
            counts = {"undelivered": len(self._memory.pending), "held_back": len(self._limits.held)}
            self._log(Notice(Level.WARNING, "alerts_left", {**counts, "does": does}))

    def _try_each_once(self, deadline_s: float) -> None:
        """A channel that fails is not asked for the others."""
        good = set(self._channels)
        for pending in sorted(self._memory.pending, key=_urgency):
            left_s = deadline_s - time.monotonic()
            if left_s > 0 and pending.channel in good:
                self._try(pending, left_s / len(good))
                if pending in self._memory.pending:
                    good.remove(pending.channel)

    @property
    def _has_halt(self) -> bool:
        return any(each.alert.kind == "halt" for each in self._memory.pending)

    # --- what outlives the process ----------------------------------------------------------------------------------------------------

    def _read(self) -> Memory:
        if self._memory_path is None:
            return Memory()
        try:
            return read_memory(self._memory_path)
        except (OSError, ValueError) as error:
            self._log(Notice(Level.WARNING, "alerts_not_read", {"file": self._memory_path, "why": error, "does": "begins anew"}))
            return Memory()

    def _keep(self) -> None:
        """Write the memory, where it has changed and there is a place."""
        if self._memory_path is None or not self._is_changed:
            return
        self._is_changed = False
        try:
            write_memory(self._memory_path, self._memory)
        except OSError as error:
            fields = {"file": self._memory_path, "why": error.strerror or error, "does": "goes on; a restart would forget what is undelivered"}
            self._log(Notice(Level.WARNING, "alerts_not_kept", fields))

    def _moment(self) -> Moment:
        return Moment(self._now_ms(), self._time_s())


def _urgency(pending: Pending) -> tuple[bool, float]:
    return pending.alert.kind != "halt", pending.alert.time_s


def origin_of(config: Config) -> Origin:
    """Whose alerts these are."""
    return Origin(config.name, config.symbol, socket.gethostname())


def channels_of(config: Config, environ: Mapping[str, str]) -> list[Channel]:
    """The ways out that are configured; none: nobody is alerted. From now on no line shows a token of theirs.

    A webhook in `MMD_ALERT_WEBHOOK` (environment, systemd's credentials, `.env`) wins. Raises ConfigError where that is no such address.
    """
    url = config.alerts.webhook
    found = find_credential(config, environ, WEBHOOK_VARIABLE)
    if found is not None:
        url, source = found
        try:
            checked_webhook(url)
        except Unfit as unfit:
            raise ConfigError(f"{WEBHOOK_VARIABLE} in {source} {unfit}") from None
    channels: list[Channel] = []
    if url is not None:
        conceal(tokens_in(url))
        channels.append(Webhook(url, config.alerts.body))
    if config.alerts.command is not None:
        channels.append(Command(config.alerts.command, environ))
    return channels


@contextmanager
def alerting(config: Config, published: Published, environ: Mapping[str, str], state: Path | None) -> Iterator[AlertWatcher | None]:
    """Alert for as long as this lasts, where anybody is to be alerted; at the end what is left is told, within three seconds at most.

    `state` is the directory of what outlives the process, None where nothing does. Raises ConfigError before anything is begun.
    """
    channels = channels_of(config, environ)
    if not channels:
        yield None
        return
    watcher = AlertWatcher(config, published, channels, None if state is None else state / f"{config.name}.alerts")
    worker = Worker("alerts", watcher.run, watcher.stop, _died)
    listen(watcher.hear)
    worker.start()
    try:
        yield watcher
    finally:
        unlisten(watcher.hear)
        watcher.stop()
        if not worker.join(END_WITH_HALT_S + 0.2):
            log_notice(Notice(Level.WARNING, "alerts_late", {"does": "leaves the thread; what is undelivered is told after the next start"}))


def _died(name: str, error: BaseException) -> None:
    """Trading goes on without alerts: it does not depend on them."""
    log_notice(Notice(Level.ERROR, "thread_died", {"thread": name, "error": repr(error), "does": "goes on without alerts"}))


def try_alerts(config: Config, environ: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Send one alert of the kind `test` through each channel: where to, and why it was not taken (None: it was). Blocks.

    Raises ConfigError where none is configured.
    """
    channels = channels_of(config, environ)
    if not channels:
        raise ConfigError(f"{config.path}: alerts: neither command nor webhook is given, nor {WEBHOOK_VARIABLE} in the environment")
    alert = Alert("test", "this is a test; whoever reads it will be alerted", {}, time.time())
    results: list[tuple[str, str | None]] = []
    for channel in channels:
        try:
            channel.deliver(origin_of(config).message(alert), DELIVERY_S)
        except NotDelivered as failure:
            results.append((f"{channel.name} {channel.where}", str(failure)))
        else:
            results.append((f"{channel.name} {channel.where}", None))
    return results
