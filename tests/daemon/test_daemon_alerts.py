"""The thread that alerts: from notices and views to a webhook that misbehaves, through stops and restarts."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alert_rig import OK, hook, wait_until
from binance.um_futures import UMFutures
from daemon_rig import SECRET, Daemon, Exchange
from status_rig import eth_config, eth_view

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.daemon.alerts import watcher as alerts
from mmd.daemon.alerts.delivery import NotDelivered
from mmd.daemon.alerts.limits import Held
from mmd.daemon.alerts.memory import Memory, Pending, read_memory, write_memory
from mmd.daemon.alerts.rules import Alert
from mmd.daemon.alerts.watcher import AlertWatcher, alerting, try_alerts
from mmd.daemon.cli import main
from mmd.daemon.config import AlertConfig, Config, LogConfig
from mmd.daemon.logs.logbook import close_log, log_notice, open_log
from mmd.daemon.published import Published

HALT = Notice(Level.ERROR, "halt", {"why": "this run has lost 25", "does": "stops"})
ERROR = Notice(Level.ERROR, "rate_limited", {"status": 429})


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """Leaves logging as it was."""
    level = logging.getLogger().level
    yield
    close_log()
    logging.getLogger().setLevel(level)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets it look and try again a hundred times as often, and end in less time."""
    monkeypatch.setattr(alerts, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(alerts, "_RETRY_S", 0.02)
    monkeypatch.setattr(alerts, "_REST_S", 0.001)
    monkeypatch.setattr(alerts, "_END_RETRY_S", 0.05)
    monkeypatch.setattr(alerts, "END_WITH_HALT_S", 1.2)


def configured(directory: Path, **changes: Any) -> Config:
    return eth_config(directory, alerts=AlertConfig(**changes))


class Recorder:
    """A channel that takes what it is told to take."""

    name = "webhook"
    where = "nowhere"

    def __init__(self, act: Callable[[int], None] = lambda attempt: None) -> None:
        self.attempts = 0
        self.messages: list[Mapping[str, object]] = []
        self._act = act

    def deliver(self, message: Mapping[str, object], within_s: float) -> None:
        self.attempts += 1
        self._act(self.attempts)
        self.messages.append(message)

    def abort(self) -> None:
        pass

    @property
    def kinds(self) -> list[object]:
        return [message["kind"] for message in self.messages]


def refuse(attempt: int) -> None:
    raise NotDelivered("answered 500")


def ran(config: Config, channels: Sequence[Recorder], notices: Sequence[Notice], memory: Path | None = None, time_s: float = 2e9) -> list[Notice]:
    """A whole life of a watcher that hears these and is stopped at once; what it logged."""
    logged: list[Notice] = []
    watcher = AlertWatcher(config, Published(), channels, memory, logged.append, time_s=lambda: time_s)
    for notice in notices:
        watcher.hear(notice)
    watcher.stop()
    watcher.run()
    return logged


@pytest.mark.usefixtures("quick")
def test_an_alert_reaches_a_webhook_that_fails_twice_first(tmp_path: Path) -> None:
    """A 500, then a reset, then it is taken: the same alert three times, the failures and the success in the log, and no token anywhere."""
    log = tmp_path / "a.log"
    open_log(LogConfig(level="debug", console=False, file=str(log)), "eth")
    with hook("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "reset", OK) as served:
        with alerting(configured(tmp_path, webhook=served.url), Published(), {}, tmp_path):
            log_notice(HALT)
            bodies = served.wait_for(3)
            wait_until(lambda: "alert_sent" in log.read_text(), "alert_sent")
        assert bodies[0] == bodies[1] == bodies[2]
        assert len(served.bodies) == 3
        assert bodies[0]["kind"] == "halt"
        assert bodies[0]["text"].endswith('trading ends: halt why="this run has lost 25" does=stops')
        assert bodies[0]["fields"] == {"why": "this run has lost 25", "does": "stops"}
        close_log()
        text = log.read_text()
        assert [" ".join(line.split()[1:]) for line in text.splitlines()][1:] == [
            'WARNING alert_failed kind=halt to=webhook attempt=1 why="answered 500" retry_in_s=0 does="tries again"',
            'WARNING alert_failed kind=halt to=webhook attempt=2 why="ConnectionResetError: Connection reset by peer" retry_in_s=0 does="tries again"',
            "INFO alert_sent kind=halt to=webhook attempt=3"]
        for path in tmp_path.iterdir():
            assert "t0ken" not in path.read_text() and "secret-query" not in path.read_text()


@pytest.mark.usefixtures("quick")
def test_a_hanging_webhook_delays_nothing(tmp_path: Path) -> None:
    """Whoever has something to say goes on at once, be it ten thousand errors, and the stop waits no longer than it may."""
    with hook("hang") as served:
        config = configured(tmp_path, webhook=served.url)
        with alerting(config, Published(), {}, tmp_path):
            log_notice(HALT)
            served.wait_for(1)
            begun = time.monotonic()
            for _ in range(10_000):
                log_notice(ERROR)
            assert time.monotonic() - begun < 2
            begun = time.monotonic()
        assert time.monotonic() - begun < alerts.END_WITH_HALT_S + 0.7
        kept = read_memory(tmp_path / "eth.alerts")
        assert kept.ended
        assert kept.pending[0].alert.kind == "halt"


@pytest.mark.usefixtures("quick")
def test_views_are_looked_at_as_they_change(tmp_path: Path) -> None:
    """A loss in the published view becomes an alert without any notice."""
    published, channel = Published(), Recorder()
    watcher = AlertWatcher(configured(tmp_path, losses=(Decimal(5),)), published, [channel])
    worker = alerts.Worker("alerts", watcher.run, watcher.stop, alerts._died)
    worker.start()
    published.set(eth_view(net_profit=Decimal("-5.5")))
    wait_until(lambda: channel.kinds == ["loss"], "the loss")
    watcher.stop()
    assert worker.join(5)


def test_the_end_tells_what_is_left(tmp_path: Path) -> None:
    """What is heard right before the stop still goes out, halts before all else, and through each channel."""
    first, second = Recorder(), Recorder()
    second.name = "command"
    logged = ran(configured(tmp_path), [first, second], [ERROR, HALT, Notice(Level.ERROR, "stopped", {"open_orders": 0})], tmp_path / "m")
    assert first.kinds == second.kinds == ["halt", "halt", "error"]
    assert {notice.event for notice in logged} == {"alert_sent"}
    assert read_memory(tmp_path / "m").pending == []


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_delivered_is_told_after_the_next_start(tmp_path: Path) -> None:
    """It lies on the disk, is tried by the next process, and is forgotten then; without a disk it is said to be dropped."""
    broken, mended = Recorder(refuse), Recorder()
    logged = ran(configured(tmp_path), [broken], [HALT, ERROR], tmp_path / "m")
    assert broken.attempts > 2  # the halt alone, again and again: the channel has just failed
    assert (logged[-1].event, logged[-1].fields["undelivered"]) == ("alerts_left", 2)
    ran(configured(tmp_path), [mended], [], tmp_path / "m", time_s=2e9 + 60)
    assert mended.kinds == ["halt", "error"]
    assert ran(configured(tmp_path), [Recorder()], [], tmp_path / "m") == []
    assert ran(configured(tmp_path), [broken], [HALT])[-1].fields["does"] == "drops them"


def test_a_restart_after_no_end_is_told_and_after_an_end_is_not(tmp_path: Path) -> None:
    """A process that was killed leaves no end behind."""
    channel = Recorder()
    ran(configured(tmp_path), [channel], [], tmp_path / "m")
    ran(configured(tmp_path), [channel], [], tmp_path / "m")
    assert channel.kinds == []
    watcher = AlertWatcher(configured(tmp_path), Published(), [channel], tmp_path / "m")
    watcher._begin()  # and then the power goes
    ran(configured(tmp_path), [channel], [], tmp_path / "m")
    assert channel.kinds == ["restart"]


def test_rates_hold_across_restarts(tmp_path: Path) -> None:
    """A daemon that fails at each start tells so once in the interval, then once more with the number of the others."""
    channel = Recorder()
    cannot = Notice(Level.ERROR, "cannot_start", {"why": "no answer"})
    for start in range(10):
        ran(configured(tmp_path), [channel], [cannot], tmp_path / "m", time_s=2e9 + start * 10)
    assert channel.kinds == ["error"]
    ran(configured(tmp_path), [channel], [], tmp_path / "m", time_s=2e9 + 300)
    assert str(channel.messages[1]["text"]).endswith("(and 8 more of this kind before it)")


def test_what_is_not_wanted_is_not_told(tmp_path: Path) -> None:
    """Kinds that `on` leaves out lead nowhere."""
    channel = Recorder()
    ran(configured(tmp_path, kinds=("margin_call",)), [channel], [HALT, ERROR, Notice(Level.ERROR, "margin_call"), Notice(Level.WARNING, "x")])
    assert channel.kinds == ["margin_call"]


def test_a_refusal_for_good_is_given_up_and_tells_the_alert(tmp_path: Path) -> None:
    """An address that is wrong is not asked again; the log has what could not be told."""

    def never(attempt: int) -> None:
        raise NotDelivered("answered 404", for_good=True)

    logged = ran(configured(tmp_path), [Recorder(never)], [HALT], tmp_path / "m")
    assert [(notice.level, notice.event) for notice in logged] == [(Level.ERROR, "alert_given_up")]
    assert "this run has lost 25" in str(logged[0].fields["text"])
    assert read_memory(tmp_path / "m").pending == []


@pytest.mark.usefixtures("quick")
def test_too_many_undelivered_are_dropped_but_halts_last(tmp_path: Path) -> None:
    """A hundred wait at most; what is dropped is told in the log."""
    logged: list[Notice] = []
    watcher = AlertWatcher(configured(tmp_path), Published(), [Recorder(refuse)], tmp_path / "m", logged.append)
    watcher._begin()
    for number in range(130):
        watcher._post(Alert("halt" if number == 0 else "error", f"number {number}", {}, 2e9))
    kept = [each.alert.text for each in watcher._memory.pending]
    assert (len(kept), kept[0], kept[1], kept[-1]) == (100, "number 0", "number 31", "number 129")
    assert sum(notice.event == "alert_given_up" for notice in logged) == 30


def test_a_flood_of_notices_is_bounded(tmp_path: Path) -> None:
    """Of more than it has looked at it takes no note, and nothing is raised; the stop is heard all the same."""
    channel = Recorder()
    ran(configured(tmp_path), [channel], [ERROR] * 5000)
    assert channel.kinds == ["error"]


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    """All of the memory survives; a file that holds something else is told, and begun anew."""
    alert = Alert("halt", "text €", {"a": "b"}, 1.5)
    memory = Memory(False, 7.5, {"error": [1.0, 2.0]}, {"pause": Held(alert, 3)}, [Pending(alert, "webhook", 2, 9.5)])
    path = tmp_path / "m"
    write_memory(path, memory)
    assert read_memory(path) == memory
    assert path.stat().st_mode & 0o777 == 0o600
    whole = path.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert [notice.event for notice in ran(configured(tmp_path), [Recorder()], [], path)] == ["alerts_not_read"]
    for other in ("[]", "{}", '{"ended": true}', "7", json.dumps({**json.loads(whole), "pending": [1]})):
        path.write_text(other)
        with pytest.raises(ValueError):
            read_memory(path)


def test_a_disk_that_takes_nothing_stops_no_alert(tmp_path: Path) -> None:
    """The alert is told, and so is that it would be forgotten."""
    channel = Recorder()
    logged = ran(configured(tmp_path), [channel], [HALT], tmp_path / "absent" / "m")
    assert channel.kinds == ["halt"]
    assert "alerts_not_kept" in {notice.event for notice in logged}


def test_nobody_is_alerted_unless_somebody_is_named(tmp_path: Path) -> None:
    """Without command and webhook there is no thread."""
    with alerting(configured(tmp_path), Published(), {}, tmp_path) as watcher:
        assert watcher is None


def test_the_address_may_come_with_the_credentials(tmp_path: Path) -> None:
    """From `.env`, or the environment, which wins over the configuration; what is none is refused without being repeated."""
    (tmp_path / ".env").write_text("MMD_ALERT_WEBHOOK=https://example.org/token-in-the-file\n")
    (tmp_path / ".env").chmod(0o600)
    config = configured(tmp_path, webhook="https://example.net/in-the-configuration")
    (channel,) = alerts.channels_of(config, {})
    assert channel.where == "https://example.org"
    (channel,) = alerts.channels_of(config, {"MMD_ALERT_WEBHOOK": "http://127.0.0.1:9/token"})
    assert channel.where == "http://127.0.0.1:9"
    with pytest.raises(ConfigError, match="MMD_ALERT_WEBHOOK in the environment must be https") as caught:
        alerts.channels_of(config, {"MMD_ALERT_WEBHOOK": "http://example.org/token-in-clear"})
    assert "token-in-clear" not in str(caught.value)


def test_the_delivery_can_be_tried(tmp_path: Path) -> None:
    """One alert of the kind `test` through each channel, and what became of it."""
    with hook() as served:
        config = configured(tmp_path, webhook=served.url, command=(str(tmp_path / "absent"),))
        results = try_alerts(config, {})
        assert results == [(f"webhook {served.url.partition('/services')[0]}", None), ("command absent", "FileNotFoundError: No such file or directory")]
        assert served.bodies[0]["kind"] == "test"
    with pytest.raises(ConfigError, match="neither command nor webhook is given"):
        try_alerts(replace(config, alerts=AlertConfig()), {})


def test_the_command_says_what_became_of_the_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`mmd -c FILE alert` prints a line for each channel, without a token, and ends with 0 only where each has taken the alert."""
    path = tmp_path / "eth.yaml"
    with hook(OK, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as served:
        path.write_text(f"symbol: ETHUSDT\nalerts: {{webhook: '{served.url}'}}\n")
        codes = [main(["-c", str(path), "alert"]) for _ in range(2)]
    where = f"webhook {served.url.partition('/services')[0]}"
    assert (codes, capsys.readouterr().out) == ([0, 1], f"{where}: delivered\n{where}: not delivered: answered 404\n")


def test_a_halt_of_a_real_daemon_is_told_though_the_webhook_fails_twice(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """A 500, a reset, and taken: before the process is gone the webhook has what ended trading, the latch, and how it ended; the refused start comes later."""
    with hook("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "reset", OK) as served:
        more = {"MMD_ALERT_WEBHOOK": served.url}
        config = exchange.config(tmp_path)
        daemon = run_daemon("-c", config, more=more)
        daemon.wait_for(r" placed ")
        UMFutures("paper", SECRET, base_url=exchange.server.rest_url).change_leverage(symbol="ETHUSDT", leverage=7)
        assert daemon.exit_code() == 1
        assert run_daemon("-c", config, more=more).exit_code() == 78
        told = [str(body["text"]).partition(": ")[2] for body in served.bodies]
    events = [re.sub(r"^(?:trading ends|error): (\w+) .*", r"\1", text) for text in told]
    assert events[:2] == ["account_changed"] * 2
    assert sorted(events[2:]) == ["account_changed", "cannot_start", "halted", "stopped"]
    assert events[-1] == "cannot_start"
    assert any("stopped" in text and "open_orders=0" in text for text in told)
    assert sum("alert_failed" in line for line in daemon.lines) == 2


def test_a_real_daemon_stops_as_soon_as_without_alerts(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """With nothing to tell, alerts cost a stop nothing, and the log ends with how trading ended."""
    daemon = run_daemon("-c", exchange.config(tmp_path), more={"MMD_ALERT_WEBHOOK": "http://127.0.0.1:9/nobody"})
    daemon.wait_for(r" placed ")
    begun = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begun < 3
    assert " stopped why=SIGTERM" in daemon.lines[-1]
