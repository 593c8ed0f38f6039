"""One run of the daemon in virtual time: start-up, lanes, streams and engine, wired as the service wires its threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from mmd.core.engine import Engine
from mmd.core.errors import MmdError
from mmd.core.lifecycle import State
from mmd.core.messages import (
    Action,
    Amend,
    Cancel,
    CancelAll,
    Cause,
    CheckClock,
    ClockReading,
    Event,
    Finished,
    Lost,
    Notice,
    Place,
    Query,
    ReadRules,
    Reconcile,
    Refusal,
    RestartStream,
    Stop,
    Stream,
    Tick,
    Unsent,
)
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings
from mmd.sim.flattening import Flattening
from mmd.sim.lane import Lane
from mmd.sim.network import Network, Outcome
from mmd.sim.stream_ends import MarketEnd, UserEnd
from mmd.sim.venue_side import HttpAnswer
from mmd.sim.virtual_time import MachineClock, Timeline
from mmd.sim.wires import Wire
from mmd.venue.account import (
    read_dual_side_position,
    read_multi_assets_margin,
    read_position_settings,
    read_rules,
    set_leverage,
    set_margin_type,
    synchronise,
)
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1, Call
from mmd.venue.json_fields import as_object, whole
from mmd.venue.rest_codec import CallFailed, Outgoing, RestCodec
from mmd.venue.signing import Params, V1Signer
from mmd.venue.silence import Silence

EXIT_CLEAN, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_CONFIG = 0, 1, 75, 78
KILLED = -9
STARTS_ANEW = -1  # the same process goes on with other rules; to everything outside it is a new run

_ANSWER_MS = 5_000
_ATTEMPTS = 4
_RETRY_MS = 500
_JOIN_MS = 2_000
_CLOCK_MS = 60_000
_EXIT_CODES = {Cause.STOP: EXIT_CLEAN, Cause.RULES: EXIT_FAILED, Cause.CREDENTIALS: EXIT_CONFIG, Cause.HALT: EXIT_FAILED}


class Watcher(Protocol):
    """Who looks on. Every method is called right after what it tells of."""

    def sent(self, process: Process, call: Call, params: Params) -> None:
        """A request has left the process."""

    def stepped(self, process: Process, event: Event, actions: Sequence[Action]) -> None:
        """The engine has taken in an event."""

    def exited(self, process: Process, code: int, finished: Finished | None) -> None:
        """The process is no more; KILLED where it did not choose to."""


@dataclass
class Latch:
    """The file of a halt, as far as a process can tell: it outlives the process. `reason` is None where no halt is latched."""

    reason: str | None = None


class Gone(MmdError):
    """The process was killed while it waited."""


class Process:
    """One process. `done` is called when it has ended, whatever ended it."""

    def __init__(
        self, timeline: Timeline, clock: MachineClock, network: Network, wires: dict[Stream, Wire], settings: EngineSettings, session: str,
        symbol: str, leverage: int, signer: V1Signer, random: Random, watcher: Watcher, done: Callable[[Process, int], None],
        keepalive_ms: int, latch: Latch,
    ) -> None:
        self.session = session
        self.engine: Engine | None = None
        self.exit_code: int | None = None
        self.flattened: bool | None = None  # None: that was not attempted
        self.venue_clock = VenueClock()
        self.settings = settings
        self.timeline = timeline
        self.clock = clock
        self._network = network
        self._wires = wires
        self._symbol = symbol
        self._leverage = leverage
        self._signer = signer
        self._silence = Silence()
        self._random = random
        self._watcher = watcher
        self._done = done
        self._keepalive_ms = keepalive_ms
        self._latch = latch
        self._finished: Finished | None = None
        self._tick_ms: int | None = None
        self._lanes: dict[str, Lane] = {}
        self._ends: dict[Stream, MarketEnd | UserEnd] = {}
        self.suspended_until_ms = 0
        self._held: deque[Callable[[], None]] = deque()

    # --- from outside

    @property
    def is_alive(self) -> bool:
        return self.exit_code is None

    def run(self) -> None:
        """Start up; returns when the engine runs or the start has failed. Time passes meanwhile."""
        if self._latch.reason is not None:
            self._exit(EXIT_CONFIG)
            return
        try:
            rules = self._prepare()
        except Gone:
            return
        except CallFailed as error:
            self._exit(EXIT_CONFIG if isinstance(error.outcome, Refusal) and not _may_pass(error.outcome) else EXIT_UNREACHABLE)
            return
        except MmdError:
            self._exit(EXIT_CONFIG)
            return
        self._trade(rules)

    def terminate(self) -> None:
        """SIGTERM; before the engine runs there is nothing to clean up."""
        if self.engine is not None:
            self.put(Stop("SIGTERM"))
        else:
            self.enter(lambda: self._exit(EXIT_CLEAN))

    def kill(self) -> None:
        """SIGKILL: nothing more is sent, and what arrives finds nobody."""
        self._exit(KILLED)

    def suspend(self, for_ms: int) -> None:
        """The machine sleeps: nothing in the process happens, and all that reaches it waits."""
        self.suspended_until_ms = self.timeline.now_ms + for_ms

        def resume() -> None:
            while self._held and self.is_alive:
                self._held.popleft()()

        self.timeline.after(for_ms, resume)

    # --- for lanes and streams

    def enter(self, act: Callable[[], None]) -> None:
        """Something reaches the process: it happens now, after the suspension, or never."""
        if not self.is_alive:
            return
        if self.timeline.now_ms < self.suspended_until_ms or self._held:
            self._held.append(act)
        else:
            act()

    def put(self, event: Event) -> None:
        """An event reaches the main thread, which takes it in at once."""
        self.enter(lambda: self._step(event))

    def transmit(self, codec: RestCodec, call: Call, params: Params, taken: Callable[[Any], None], failed: Callable[[CallFailed], None]) -> None:
        """Send one call; one of the two is called later."""
        try:
            outgoing = codec.request(call, params)
        except CallFailed as failure:
            failed(failure)
            return
        self._watcher.sent(self, call, params)
        if self.is_alive:
            self._network.send(call, outgoing, _ANSWER_MS, lambda outcome: self.enter(lambda: _judge(codec, call, outcome, taken, failed)))

    def codec(self) -> RestCodec:
        """One for each lane, as each lane has its own client."""
        return RestCodec(V1, self._signer, self.venue_clock, self.clock.monotonic_ms, {}, self._silence)

    # --- start

    def _prepare(self, change: bool = True) -> SymbolRules:
        """As the daemon's start-up does it; without `change` nothing is set, and the symbol need not trade. Raises Gone, CallFailed or MmdError."""
        caller = _BlockingCaller(self)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._prepare_once(caller, change)
            except CallFailed as error:
                if isinstance(error.outcome, Refusal) or attempt == _ATTEMPTS:
                    raise
                caller.sleep(_RETRY_MS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _prepare_once(self, caller: _BlockingCaller, change: bool) -> SymbolRules:
        synchronise(caller, self.venue_clock, now_ms=self.clock.monotonic_ms)
        rules = read_rules(caller, self._symbol)
        if (change and not rules.is_trading) or read_dual_side_position(caller):
            raise MmdError("not TRADING, or in hedge mode")
        read_multi_assets_margin(caller)
        found = read_position_settings(caller, self._symbol)
        if change and found.margin_type != "CROSSED":
            set_margin_type(caller, self._symbol, "CROSSED")
        if change and found.leverage != self._leverage:
            set_leverage(caller, self._symbol, self._leverage)
        return rules

    def _trade(self, rules: SymbolRules) -> None:
        self.engine = Engine(rules, self.settings, self.session)
        self._lanes = {name: Lane(self, rules) for name in ("orders", "cancels", "countdown")}
        self._ends = {
            Stream.MARKET: MarketEnd(self, self._wires[Stream.MARKET], rules, self._random),
            Stream.USER: UserEnd(self, self._wires[Stream.USER], rules, self._random, self._keepalive_ms),
        }
        self._step(ClockReading(self.venue_clock.uncertainty_ms(self.clock.monotonic_ms())))
        for end in self._ends.values():
            end.open()
        self.timeline.after(_CLOCK_MS, lambda: self.enter(self._keep_clock))

    # --- the main thread

    def _step(self, event: Event) -> None:
        engine = self.engine
        assert engine is not None
        if self._finished is not None:
            return  # the main loop has ended, and the threads are being joined
        now_ms = self.clock.monotonic_ms()
        actions = engine.step(event, now_ms)
        self._watcher.stepped(self, event, actions)
        if engine.halt_reason is not None:
            self._latch.reason = engine.halt_reason
        for action in actions:
            if not self.is_alive:
                return
            self._hand_out(action)
        if self._finished is None:
            self._tick_at(engine.deadline_ms(now_ms))

    def _hand_out(self, action: Action) -> None:
        if isinstance(action, Notice):
            return
        if isinstance(action, Finished):
            self._finish(action)
        elif isinstance(action, RestartStream):
            self._ends[action.stream].restart(action.reason)
        elif isinstance(action, CheckClock):
            self._read_clock()
        elif isinstance(action, (Place, Amend, Reconcile, ReadRules)):
            self._lanes["orders"].send(action)
        elif isinstance(action, (Cancel, CancelAll, Query)):
            self._lanes["cancels"].send(action)
        else:
            self._lanes["countdown"].send(action)

    def _keep_clock(self) -> None:
        """Every minute, as the clock keeper does it."""
        self._read_clock()
        self.timeline.after(_CLOCK_MS, lambda: self.enter(self._keep_clock))

    def _read_clock(self) -> None:
        """Once, as the clock keeper does it when it is hurried."""
        sent_ms = self.clock.monotonic_ms()

        def taken(answer: Any) -> None:
            now_ms = self.clock.monotonic_ms()
            self.venue_clock.observe(whole(as_object(answer, "time"), "serverTime"), sent_ms, now_ms)
            heard()

        def heard() -> None:
            self._step(ClockReading(self.venue_clock.uncertainty_ms(self.clock.monotonic_ms())))

        self.transmit(self.codec(), Call.SERVER_TIME, (), taken, lambda failure: heard())

    def _tick_at(self, monotonic_ms: int) -> None:
        due_ms = max(self.clock.true_ms(monotonic_ms), self.timeline.now_ms + (monotonic_ms <= self.clock.monotonic_ms()))
        self._tick_ms = due_ms

        def tick() -> None:
            if self._tick_ms == due_ms:
                self._step(Tick())

        self.timeline.at(due_ms, lambda: self.enter(tick))

    # --- end

    def _finish(self, finished: Finished) -> None:
        """The streams end; the lanes first perform what is queued, for as long as the service waits for them."""
        self._finished = finished
        for end in self._ends.values():
            end.close()
        self._leave_when_idle(self.timeline.now_ms + _JOIN_MS)

    def _leave_when_idle(self, deadline_ms: int) -> None:
        if self.timeline.now_ms >= deadline_ms or all(lane.is_idle for lane in self._lanes.values()):
            finished = self._finished
            assert finished is not None
            if finished.cause is Cause.HALT and self.settings.risk.flatten_on_halt:
                self._flatten()
            code = _EXIT_CODES[finished.cause] if finished.clean or finished.cause is not Cause.STOP else EXIT_FAILED
            self._exit(STARTS_ANEW if finished.clean and finished.cause is Cause.RULES else code)
        else:
            self.timeline.after(10, lambda: self.enter(lambda: self._leave_when_idle(deadline_ms)))

    def _flatten(self) -> None:
        try:
            rules = self._prepare(change=False)
            session = f"{self.session}f"
            Flattening(_BlockingCaller(self), rules, self.settings.orders, session, self.clock.monotonic_ms).flatten()
        except MmdError:  # the halt stays; that the process is Gone is seen by whoever goes on
            self.flattened = False
        else:
            self.flattened = True

    def _exit(self, code: int) -> None:
        if not self.is_alive:
            return
        self.exit_code = code
        for end in self._ends.values():
            end.close()
        self._watcher.exited(self, code, self._finished)
        self._done(self, code)

    @property
    def is_quoting(self) -> bool:
        return self.is_alive and self.engine is not None and self.engine.state is State.QUOTE


class _BlockingCaller:
    """A `Caller` whose waiting lets the rest of the world go on."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._codec = process.codec()

    def call(self, call: Call, params: Params = ()) -> Any:
        answers: list[Any] = []
        failures: list[CallFailed] = []
        self._process.transmit(self._codec, call, params, answers.append, failures.append)
        while not answers and not failures:
            self._wait()
        if failures:
            raise failures[0]
        return answers[0]

    def sleep(self, for_ms: int) -> None:
        over: list[bool] = []
        self._process.timeline.after(for_ms, lambda: self._process.enter(lambda: over.append(True)))
        while not over:
            self._wait()

    def _wait(self) -> None:
        if not self._process.is_alive:
            raise Gone("killed at the start")
        self._process.timeline.step()


def _may_pass(refusal: Refusal) -> bool:
    """Whether the start may be refused now and not the next time: the rate limit, a firewall, a maintenance, a request out of time."""
    return refusal.status in (403, 404, 405, 418, 429) or refusal.code in (-1016, -1021, -4225)


def _judge(codec: RestCodec, call: Call, outcome: Outcome, taken: Callable[[Any], None], failed: Callable[[CallFailed], None]) -> None:
    if not isinstance(outcome, HttpAnswer):
        failed(CallFailed(call, outcome))
        return
    try:
        answer = codec.answer(call, outcome.status, outcome.headers, outcome.body)
    except CallFailed as failure:
        failed(failure)
    else:
        taken(answer)


__all__ = ["EXIT_CLEAN", "EXIT_CONFIG", "EXIT_FAILED", "EXIT_UNREACHABLE", "KILLED", "STARTS_ANEW", "Lost", "Outgoing", "Process", "Unsent", "Watcher"]
