"""The running daemon: its threads around the engine, and the main loop."""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

from mmd import __version__
from mmd.core.engine import Engine
from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Cause, ClockReading, Event, Finished, Level, Notice, RateUsed, Stop, Tick
from mmd.daemon.alerts.watcher import alerting
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.inbox import Inbox
from mmd.daemon.interventions import Intervention
from mmd.daemon.logs.logbook import log_notice
from mmd.daemon.published import Published, Viewer
from mmd.daemon.record.ledger_service import LedgerService
from mmd.daemon.reloading import reread
from mmd.daemon.reporters import fees_text, plain
from mmd.daemon.session import new_session
from mmd.daemon.startup import Prepared, SymbolNotTrading, VenueUnreachable, prepare
from mmd.daemon.state_directory import Halt, HaltLatch
from mmd.daemon.status.service import StatusService
from mmd.daemon.supervision import Supervision
from mmd.daemon.trading_threads import TradingThreads
from mmd.daemon.workers import Worker
from mmd.venue.clock import monotonic_ms

EXIT_CLEAN, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_CONFIG = 0, 1, 75, 78

_PUBLISH_EVERY_MS = 100
_MINUTE_MS = 60_000  # the venue counts by minutes of its own clock
_JOIN_S = 2.0
_LEDGER_S = 5.0  # for the record of the last moments; the orders are gone by then
_STARTUP_POLL_S = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_RELOAD = Stop("SIGHUP", Cause.RULES)  # asks for the configuration to be read anew, not for the end
_EXIT_CODES = {Cause.STOP: EXIT_CLEAN, Cause.RULES: EXIT_FAILED, Cause.FAILURE: EXIT_FAILED, Cause.CREDENTIALS: EXIT_CONFIG, Cause.HALT: EXIT_FAILED}


class Service:
    """One market from start to stop: `run()` returns the exit code.

    A halt is latched in `latch`, where there is one; the record of account `account` (a digest) is kept at `ledger`, where there is to be one.
    `load` reads the configuration anew, for SIGHUP. `published` is for whoever wants to look on, from any thread.
    """

    def __init__(
        self, config: Config, venue: Venue, account: str, load: Callable[[], Config], ledger: Path | None = None, latch: HaltLatch | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._load = load
        self._venue = venue
        self._latch = latch
        self._environ = environ
        self._supervision = Supervision(environ)
        self._inbox = Inbox()
        self.published = self._published = Published()
        self._halt_latched: bool | None = None  # None: there is no halt
        self._ledger = LedgerService(config, ledger, account, venue, self._published, self._not_recorded, self._died)

    def run(self) -> int:
        """Start, quote, stop. Blocks until a signal, or until going on is impossible. On the main thread.

        Raises ConfigError, VenueUnreachable and LedgerError where it cannot start.
        """
        self._refuse_while_halted()
        self._status = StatusService(self._config, self._published, self._venue, self._environ)
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            faulthandler.enable()  # so that the watchdog's SIGABRT tells on standard error where each thread stood
            log_notice(Notice(Level.INFO, "start", self._start_fields()))
            self._status.start()
            # A supervisor would only start it again and again, and its patience is meant for other faults.
            prepared = self._start_anew() if self._supervision.is_heard else self._start()
            while prepared is not None:
                code = self._trade(prepared)
                if code is not None:
                    return code
                prepared = self._start_anew()
            return EXIT_CLEAN
        finally:
            self._ledger.close(_LEDGER_S)
            self._status.stop(_JOIN_S)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _refuse_while_halted(self) -> None:
        halt = self._latch.read() if self._latch is not None else None
        if halt is not None:
            raise ConfigError(
                f"{self._config.path}: trading was halted at {halt.time}: {halt.reason}; look at the account, then clear the halt with "
                f"`mmd -c {self._config.path} resume`"
            )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """One event in the inbox, which is documented as safe here, and nothing else."""
        self._inbox.put(_RELOAD if number == signal.SIGHUP else Stop(signal.Signals(number).name))

    def _died(self, name: str, error: BaseException) -> None:
        """A thread has fallen: nothing can be trusted to go on, so the orders are pulled and the process ends."""
        log_notice(Notice(Level.ERROR, "thread_died", {"thread": name, "error": repr(error), "does": "stops"}))
        self._inbox.put(Stop(f"thread {name} died", Cause.HALT))

    def _not_recorded(self, why: str) -> None:
        """The disk does not take the record: trading ends, and whoever supervises starts it again once there may be room (FAULTS P5)."""
        log_notice(Notice(Level.ERROR, "ledger_failed", {"why": why, "does": "stops"}))
        self._inbox.put(Stop("the ledger cannot be written", Cause.FAILURE))

    # --- start ------------------------------------------------------------------------------------------------------------------------

    def _start(self) -> Prepared | None:
        """What the start found out; None where a signal came before it was done.

        Nothing was placed then; what an earlier run may have left is told only by asking, which `cancel` does.
        """
        config = self._config
        found: list[Prepared | MmdError] = []

        def work() -> None:
            try:
                found.append(prepare(config, self._venue, self._venue.client(), log_notice))
            except MmdError as error:
                found.append(error)
            self._inbox.put(Tick())

        worker = Worker("startup", work, lambda: None, self._died, may_end=True)
        worker.start()
        self._supervision.watch([worker])
        self._supervision.say("starting")
        while not found:
            event = self._supervision.wait(self._inbox, _STARTUP_POLL_S)
            if event is _RELOAD:
                self._refuse_reload("it is only just starting, with the configuration as it is now")
            elif isinstance(event, Stop):
                if event.cause is not Cause.STOP:
                    raise MmdError(event.reason)
                log_notice(Notice(Level.INFO, "stopped", {"why": event.reason, "placed": 0, "open_orders": "unknown", "note": "not asked yet"}))
                return None
        result = found[0]
        if isinstance(result, MmdError):
            raise result
        return result

    def _start_fields(self) -> dict[str, object]:
        config = self._config
        return {"version": __version__, "config": config.path.name, "symbol": config.symbol, "venue": self._venue.rest_url}

    def _start_anew(self) -> Prepared | None:
        """The start, supervised or after the rules have changed; while the symbol does not trade, or the venue not answer, asked for slowly, for ever."""
        probe_s = self._config.connection.probe_interval_ms / 1000
        while True:
            self._published.say("starting")
            try:
                return self._start()
            except (SymbolNotTrading, VenueUnreachable) as error:
                self._published.say("waiting", str(error))
                self._supervision.say(f"waiting: {error}")
                log_notice(Notice(Level.WARNING, "waiting", {"why": error, "retry_in_s": probe_s}))
            deadline = time.monotonic() + probe_s
            while (left_s := deadline - time.monotonic()) > 0:
                event = self._supervision.wait(self._inbox, left_s)
                if event is _RELOAD:
                    self._reread()
                elif isinstance(event, Stop):
                    log_notice(Notice(Level.INFO, "stopped", {"why": event.reason, "open_orders": 0, "note": "was waiting for the symbol to trade"}))
                    return None

    # --- trade ------------------------------------------------------------------------------------------------------------------------

    def _trade(self, prepared: Prepared) -> int | None:
        """The exit code; None where the market is to be started anew with other rules."""
        session = new_session()
        engine = Engine(prepared.rules, self._config.engine, session)
        viewer = Viewer(engine, session, monotonic_ms())
        fields: dict[str, object] = {f"balance_{asset}": amount for asset, amount in sorted(prepared.balances.items()) if amount}
        fields |= {"leverage": prepared.leverage, "margin": prepared.margin_type, "mode": self._config.mode}
        fields |= {"maker_fee": plain(prepared.fees.maker), "taker_fee": plain(prepared.fees.taker)}
        log_notice(Notice(Level.INFO, "started", fields))
        self._ledger.begin(prepared.rules, session)
        threads = TradingThreads(self._config, self._venue, prepared, self._inbox, self._published, self._died)
        self._supervision.watch((*threads.workers, *self._ledger.workers))
        self._status.source.attend(self._config, (*threads.workers, *self._ledger.workers), threads.streams, prepared.fees.maker)
        threads.start()
        try:
            finished = self._loop(engine, viewer, threads)
        finally:
            threads.stop(_JOIN_S)
        self._ledger.end(finished)
        return self._report_end(engine, viewer, finished)

    def _loop(self, engine: Engine, viewer: Viewer, threads: TradingThreads) -> Finished:
        """The main loop: wait for an event or the engine's deadline, step, hand out the actions, put on record, publish."""
        journal = self._ledger.journal
        # How well the start could learn the time; the clock's own thread will not tell before a minute has passed.
        event: Event | None = ClockReading(self._venue.clock.uncertainty_ms(monotonic_ms()))
        published_ms, published_state, told_ms = 0, None, 0
        while True:
            now_ms = monotonic_ms()
            began_ns = time.perf_counter_ns()
            actions = engine.step(event or Tick(), now_ms)
            step_us = (time.perf_counter_ns() - began_ns) / 1000
            finished = threads.hand_out(actions)
            if engine.halt_reason is not None:
                self._latch_halt(engine.halt_reason)  # at once: a process that is killed before its end stays halted too
            journal.stepped(event, engine, now_ms, step_us)
            usage = self._venue.meter.last
            if usage.seen_ms is not None and usage.seen_ms != told_ms:
                told_ms = usage.seen_ms
                self._inbox.put(RateUsed(usage.weight_1m, usage.orders_1m, told_ms + _MINUTE_MS - self._venue.clock.now_ms(told_ms) % _MINUTE_MS))
            if now_ms - published_ms >= _PUBLISH_EVERY_MS or engine.state is not published_state:
                view = viewer.draw(now_ms)
                self._published.set(view)
                self._supervision.show(view)
                published_ms, published_state = now_ms, engine.state
            if finished is not None:
                return finished
            event = self._supervision.wait(self._inbox, (engine.deadline_ms(now_ms) - monotonic_ms()) / 1000)
            if event is _RELOAD and not self._reread():
                event = None

    # --- reload -----------------------------------------------------------------------------------------------------------------------

    def _reread(self) -> bool:
        """Read the configuration anew; True where it holds other settings now, which a new run takes over once this one has ended cleanly."""
        self._supervision.reload_begins()
        found = reread(self._config, self._load)
        if isinstance(found, str):
            self._refuse_reload(found)
            return False
        log_notice(Notice(Level.INFO, "reload", {"changed": ",".join(found.changed) or "nothing", "does": "starts anew with it" if found.changed else "goes on"}))
        if not found.changed:
            self._supervision.reload_is_done("the configuration is as it was")
        self._config = found.config
        return bool(found.changed)

    def _refuse_reload(self, why: str) -> None:
        log_notice(Notice(Level.ERROR, "reload_refused", {"why": why, "does": "goes on as before"}))
        self._supervision.reload_is_done("the configuration was not taken over, see the log")

    # --- end --------------------------------------------------------------------------------------------------------------------------

    def _latch_halt(self, reason: str) -> bool:
        """Latch the halt, once, where there is a latch; False where the disk does not take it."""
        if self._halt_latched is None:
            self._halt_latched = self._latch is None or self._set_latch(self._latch, reason)
        return self._halt_latched

    def _set_latch(self, latch: HaltLatch, reason: str) -> bool:
        try:
            latch.set(Halt(reason, datetime.now(timezone.utc).isoformat(timespec="seconds")))
        except OSError as error:
            fields = {"file": latch.path, "why": error.strerror or error, "does": "ends with 78, so that no supervisor restarts it"}
            log_notice(Notice(Level.ERROR, "halt_not_latched", fields))
            return False
        log_notice(Notice(Level.ERROR, "halted", {"why": reason, "file": latch.path, "does": "stays down until `resume`"}))
        return True

    def _flatten(self) -> None:
        """Close the position at the market, as the operator asked for in the configuration; a failure is told, the halt stays."""
        try:
            Intervention(self._config, self._venue, lambda text: log_notice(Notice(Level.WARNING, "flatten", {"what": text}))).flatten()
        except MmdError as error:
            log_notice(Notice(Level.ERROR, "flatten_failed", {"why": error, "does": "leaves the position; look at the account"}))

    def _report_end(self, engine: Engine, viewer: Viewer, finished: Finished) -> int | None:
        if finished.cause is Cause.RULES and finished.clean:
            return None
        self._supervision.end(finished.reason)
        latched = True
        if finished.cause is Cause.HALT:
            latched = self._latch_halt(finished.reason)  # which the loop has done before, where it could
            if self._config.engine.risk.flatten_on_halt:
                self._flatten()
        self._ledger.close(_LEDGER_S)
        account = engine.account
        view = viewer.draw(monotonic_ms())
        fields: dict[str, object] = {
            "why": finished.reason,
            "fills": account.fills,
            "volume": plain(account.filled_notional),
            "realized": plain(account.realized_profit),
            "fees": fees_text(account.commission),
            "position": view.position,
            "balance": plain(view.balance),
            "open_orders": "unknown" if finished.open_orders is None else finished.open_orders,
        }
        code = _EXIT_CODES[finished.cause] if finished.clean or finished.cause is not Cause.STOP else EXIT_FAILED
        # A halt that outlives the process nowhere else must at least not be undone by the supervisor.
        code = code if latched else EXIT_CONFIG
        level = Level.INFO if finished.clean and code == EXIT_CLEAN else Level.ERROR
        if not finished.clean and self._config.engine.risk.countdown_ms:
            fields["does"] = f"leaves the venue's countdown armed, which cancels what is open in {self._config.engine.risk.countdown_ms} ms"
        log_notice(Notice(level, "stopped", fields))
        return code


def run_service(
    config: Config, venue: Venue, account: str, load: Callable[[], Config], ledger: Path | None = None, latch: HaltLatch | None = None,
    state: Path | None = None,
) -> int:
    """Run one market, and alert whoever is to be; errors of the start become a line and an exit code. `state` is where undelivered alerts are kept."""
    service = Service(config, venue, account, load, ledger, latch)
    try:
        with alerting(config, service.published, os.environ, state):
            try:
                return service.run()
            except MmdError as error:
                return _cannot_start(error)
    except ConfigError as error:
        return _cannot_start(error)


def _cannot_start(error: MmdError) -> int:
    log_notice(Notice(Level.ERROR, "cannot_start", {"why": error}))
    return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_UNREACHABLE if isinstance(error, VenueUnreachable) else EXIT_FAILED
