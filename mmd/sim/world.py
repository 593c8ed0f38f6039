"""A whole run: one exchange, one machine, one process after the other, the faults of a schedule, and the oracle that looks on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from mmd.core.messages import Action, Event, Finished, Level, Notice, Reply, Stream
from mmd.paper.account import AccountSpec
from mmd.paper.symbols import Symbol
from mmd.sim.faults import FRAME_KINDS, REQUEST_KINDS, Fault, Kind, Schedule
from mmd.sim.network import Network
from mmd.sim.oracle import Oracle, Violation
from mmd.sim.process import EXIT_CLEAN, EXIT_CONFIG, STARTS_ANEW, Latch, Process
from mmd.sim.sparse_market import SparseMarket
from mmd.sim.venue_side import VenueSide
from mmd.sim.virtual_time import MachineClock, Timeline
from mmd.sim.wires import Wire
from mmd.venue.endpoints import Call
from mmd.venue.signing import Params, V1Signer

START_MS = 1_700_000_000_000
SYMBOL = "ETHUSDT"
LEVERAGE = 20
API_KEY, API_SECRET = "simulated-key", "simulated-secret"
BALANCE = Decimal(10_000)

OPERATOR_MS = 15_000  # until somebody has set right what the daemon refuses to start with
SETTLE_MS = 3_000
RECOVERY_MS = 150_000
POLL_MS = 500
EXIT_MS = 30_000
_USER_WIRE = frozenset({Kind.USER_CUT, Kind.USER_STALL, Kind.USER_LATE, Kind.USER_SHUFFLE, Kind.USER_TWICE, Kind.USER_GAP, Kind.USER_REFUSED})
_MARKET_WIRE = frozenset({Kind.MARKET_CUT, Kind.MARKET_STALL, Kind.MARKET_REFUSED}) | FRAME_KINDS
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass
class Result:
    """What came of a run. `struck` are the faults that found something to strike; `lived_ms` is simulated time; `trace` only if asked for."""

    schedule: Schedule
    violations: list[Violation]
    struck: list[Fault]
    lived_ms: int
    runs: int
    fills: int
    steps: int
    trace: list[str] = field(default_factory=list)


class World:
    """One run of one schedule; `run` lives through it."""

    def __init__(self, schedule: Schedule, traced: bool = False) -> None:
        self._schedule = schedule
        self._timeline = timeline = Timeline(START_MS)
        self._clock = MachineClock(timeline)
        self._random = Random(f"world {schedule.seed}")
        self._venue = VenueSide(
            timeline, Symbol.named(SYMBOL), SparseMarket(schedule.seed), AccountSpec(API_KEY, API_SECRET, {"USDT": BALANCE}), schedule.seed,
            self._looked, listen_key_life_ms=schedule.listen_key_life_ms, funding_interval_ms=schedule.funding_interval_ms,
        )  # fmt: skip
        self._venue.exchange.gtx_refused = schedule.post_only_refused
        self._network = Network(timeline, self._venue, self._random, schedule.latency_ms, self._note)
        self._wires = {stream: Wire(stream, timeline, self._venue, self._random, schedule.latency_ms) for stream in Stream}
        self.oracle = Oracle(
            timeline, self._venue, schedule.settings, API_SECRET, lambda: self._network.silent_until_ms,
            lambda: self._wires[Stream.USER].deaf_since_ms,
        )  # fmt: skip
        self._process: Process | None = None
        self._calling: list[Fault] = []  # KILL and TERM that wait for a request
        self._over = False
        self._latch = Latch()
        self._struck: list[Fault] = []
        self._runs = self._steps = self._fills = 0
        self._trace: list[str] | None = [] if traced else None

    def run(self) -> Result:
        """Live through the schedule: faults, calm, the last stop."""
        timeline, schedule = self._timeline, self._schedule
        for fault in schedule.faults:
            timeline.at(START_MS + fault.at_ms, lambda fault=fault: self._suffer(fault))  # type: ignore[misc]
        timeline.at(START_MS, self._start)
        timeline.run_until(START_MS + schedule.faulty_ms)
        self._calm()
        self._await_recovery()
        self._stop_for_good()
        return Result(
            schedule, self.oracle.violations, self._struck, timeline.now_ms - START_MS, self._runs, self._fills, self._steps, self._trace or []
        )

    # --- phases

    def _calm(self) -> None:
        """From now on nothing goes wrong; what is late is still late, and who sleeps wakes up first."""
        self._network.calm()
        self._calling.clear()
        for wire in self._wires.values():
            wire.calm()
        self._venue.calm()
        self._log("calm", "no more faults")
        asleep_until_ms = self._process.suspended_until_ms if self._process is not None else 0
        self._timeline.run_until(max(asleep_until_ms, self._timeline.now_ms) + SETTLE_MS)

    def _await_recovery(self) -> None:
        timeline = self._timeline
        deadline_ms = timeline.now_ms + RECOVERY_MS
        while timeline.now_ms < deadline_ms:
            if self._is_well():
                return
            timeline.run_until(timeline.now_ms + POLL_MS)
        process = self._process
        engine = process.engine if process is not None else None
        state = f"{engine.state.value} {engine.reasons}" if engine is not None else "no engine"
        self.oracle.break_(24, f"no quote {RECOVERY_MS} ms after the last fault: {state}")

    def _is_well(self) -> bool:
        process = self._process
        if process is None or not process.is_quoting:
            return False
        engine = process.engine
        assert engine is not None
        return bool(self.oracle.live_own(process.session)) or (engine.wanted is not None and engine.wanted.waiting is not None)

    def _stop_for_good(self) -> None:
        """The last SIGTERM; from now on nobody starts the daemon again."""
        self._over = True
        process = self._process
        if process is None:
            return
        process.terminate()
        self._timeline.run_until(self._timeline.now_ms + EXIT_MS)
        if process.is_alive:
            self.oracle.break_(22, f"still running {EXIT_MS} ms after SIGTERM")
        elif process.exit_code != EXIT_CLEAN and not self._is_hedged(process) and not self.oracle.violations:
            self.oracle.break_(22, f"exit code {process.exit_code} after SIGTERM in fair weather")

    def _is_hedged(self, process: Process) -> bool:
        """Whether the last run has found out only as it stopped that somebody had switched to hedge mode: the event was lost, and it has not traded since."""
        return self._venue.account.dual_side and process.engine is not None and process.engine.halt_reason is not None

    def _check_ended(self, process: Process) -> None:
        """Some time after a SIGTERM. A machine that slept is given the time anew, and what a halt has to close takes its own."""
        if not process.is_alive or (process.engine is not None and process.engine.halt_reason is not None):
            return
        awake_ms = self._timeline.now_ms - process.suspended_until_ms
        if awake_ms < EXIT_MS:
            self._timeline.after(EXIT_MS - awake_ms, lambda: self._check_ended(process))
        else:
            self.oracle.break_(22, f"still running {EXIT_MS} ms after SIGTERM")

    # --- the process's life

    def _start(self) -> None:
        if self._over:
            return
        self._runs += 1
        self._network.silent_until_ms = 0  # a new process has not been told, and its first request asks
        settings, schedule = self._schedule.settings, self._schedule
        self._process = process = Process(
            self._timeline, self._clock, self._network, self._wires, settings, self._session(), SYMBOL, LEVERAGE,
            V1Signer(API_KEY, API_SECRET, settings.timing.acceptance_window_ms), self._random, self, self._ended,
            schedule.listen_key_life_ms // 2, self._latch,
        )  # fmt: skip
        self._log("start", process.session)
        process.run()

    def _ended(self, process: Process, code: int) -> None:
        """systemd starts it again after a failure, the operator after a stop, or when what is wrong has been set right and the halt is cleared."""
        self._log("exit", str(code))
        if process.engine is not None:
            self._fills += process.engine.account.fills
        if self._over:
            return
        if code == STARTS_ANEW:
            self._timeline.after(0, self._start)
        elif code == EXIT_CLEAN:
            self._timeline.after(self._random.randint(1_000, 15_000), self._start)
        elif code == EXIT_CONFIG:
            self._timeline.after(OPERATOR_MS, self._mend_and_start)
        else:
            self._timeline.after(self._schedule.restart_ms, self._start)

    def _mend_and_start(self) -> None:
        self._venue.mend(LEVERAGE)
        self._latch.reason = None
        self.oracle.resumed()
        self._start()

    def _session(self) -> str:
        """As the daemon names its runs: the wall clock in base 36."""
        number, text = self._clock.wall_ms(), ""
        while number:
            number, digit = divmod(number, 36)
            text = _DIGITS[digit] + text
        return text

    # --- faults

    def _suffer(self, fault: Fault) -> None:
        kind = fault.kind
        if kind in REQUEST_KINDS:
            self._network.lay(fault)
        elif kind in (Kind.KILL, Kind.TERM) and fault.call is not None:
            self._calling.append(fault)
        else:
            self._strike_and_note(fault)

    def _strike_and_note(self, fault: Fault) -> None:
        if self._strike(fault):
            self._note(fault)

    def _strike(self, fault: Fault) -> bool:
        kind, process = fault.kind, self._process
        if kind in _USER_WIRE:
            return self._wires[Stream.USER].suffer(fault)
        if kind in _MARKET_WIRE:
            self.oracle.price_is_wild |= kind is Kind.FRAME_FAR
            return self._wires[Stream.MARKET].suffer(fault)
        if kind is Kind.WALL_JUMP:
            self._clock.jump_wall(fault.amount)
        elif kind is Kind.DRIFT:
            self._clock.drift(fault.amount)
        elif kind in (Kind.KILL, Kind.TERM, Kind.SUSPEND):
            if process is None or not process.is_alive:
                return False
            if kind is Kind.KILL:
                process.kill()
            elif kind is Kind.TERM:
                process.terminate()
                self._timeline.after(EXIT_MS, lambda: self._check_ended(process))
            else:
                process.suspend(fault.for_ms)
        else:
            if kind in (Kind.FILTERS, Kind.HALTED):
                self.oracle.filters_changed_ms = self._timeline.now_ms + fault.for_ms
            if kind is Kind.VENUE_RESTART:
                for wire in self._wires.values():
                    wire.suffer(fault)
            return self._venue.suffer(fault)
        return True

    def _note(self, fault: Fault) -> None:
        self._struck.append(fault)
        self.oracle.last_fault_ms = self._timeline.now_ms
        if fault.kind is Kind.REQUEST_TWICE:
            self.oracle.replayed(fault.for_ms)
        self._log("fault", str(fault))

    # --- looking on

    def _looked(self) -> None:
        self.oracle.look()

    def sent(self, process: Process, call: Call, params: Params) -> None:
        self._log("sent", f"{call.name} {' '.join(f'{name}={value}' for name, value in params if name != 'symbol')}")
        self.oracle.sent(process, call, params)
        for fault in [fault for fault in self._calling if fault.call is call]:
            # A little later the request is in the venue's hands, or its answer is on its way.
            self._calling.remove(fault)
            self._timeline.after(fault.amount, lambda fault=fault: self._strike_and_note(fault))  # type: ignore[misc]

    def stepped(self, process: Process, event: Event, actions: Sequence[Action]) -> None:
        self._steps += 1
        if self._trace is not None:
            self._log_step(event, actions)
        self.oracle.stepped(process, event, actions)

    def exited(self, process: Process, code: int, finished: Finished | None) -> None:
        self.oracle.look()
        self.oracle.exited(process, code, finished)

    def _log_step(self, event: Event, actions: Sequence[Action]) -> None:
        if isinstance(event, Reply):
            self._log("reply", f"{type(event.request).__name__} -> {event.outcome}")
        for action in actions:
            if isinstance(action, Notice):
                if action.level is not Level.DEBUG:
                    self._log("notice", f"{action.event} {' '.join(f'{name}={value}' for name, value in action.fields.items())}")
            else:
                self._log("action", repr(action))

    def _log(self, what: str, text: str) -> None:
        if self._trace is not None:
            self._trace.append(f"{(self._timeline.now_ms - START_MS) / 1000:9.3f} {what:7} {text}")


def live(schedule: Schedule, traced: bool = False) -> Result:
    """Live through a schedule."""
    return World(schedule, traced).run()
