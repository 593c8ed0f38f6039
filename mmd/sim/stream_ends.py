"""The process's ends of both streams: connect, read, and when the connection ends make a new one, for ever."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from mmd.core.messages import Event, FrameRefused, Stream, StreamDown, StreamUp
from mmd.core.rules import SymbolRules
from mmd.sim.wires import Connection, Wire
from mmd.venue.backoff import Backoff
from mmd.venue.depth_frame import DepthReader
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_object, text
from mmd.venue.mark_frame import read_mark_price
from mmd.venue.rest_codec import CallFailed
from mmd.venue.user_events import ListenKeyExpired, UnknownEvent, read_user_event

if TYPE_CHECKING:
    from mmd.sim.process import Process

_SILENCE_MS = 15_000
_CHECK_MS = 5_000


class _End:
    """What both ends do alike, as the venue floor's stream loop does it with threads."""

    def __init__(self, stream: Stream, process: Process, wire: Wire, random: Random) -> None:
        self._stream = stream
        self._process = process
        self._wire = wire
        self._backoff = Backoff(random)
        self._connection: Connection | None = None
        self._opened_ms = 0
        self._closed = False

    def open(self) -> None:
        """Begin to connect."""
        raise NotImplementedError

    def close(self) -> None:
        """For good."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def restart(self, reason: str) -> None:
        """Drop the connection and make a new one; nothing between two connections."""
        if self._connection is not None:
            self._connection.close()
            self._broken(reason)

    def _connect(self, target: str) -> None:
        if self._closed:
            return
        process = self._process
        made: list[Connection] = []
        connection = self._wire.connect(
            target, lambda frame: process.enter(lambda: self._read(made, frame)), lambda reason: process.enter(lambda: self._cut(made, reason))
        )
        if connection is None:
            self._again(0)
            return
        made.append(connection)
        self._connection, self._opened_ms = connection, process.clock.monotonic_ms()
        process.put(StreamUp(self._stream))

    def _read(self, made: list[Connection], frame: str) -> None:
        if made and self._connection is made[0]:
            self._take(frame)

    def _cut(self, made: list[Connection], reason: str) -> None:
        if made and self._connection is made[0]:
            self._broken(reason)

    def _broken(self, reason: str) -> None:
        lasted_ms = self._process.clock.monotonic_ms() - self._opened_ms
        self._connection = None
        self._process.put(StreamDown(self._stream, reason))
        self._again(lasted_ms)

    def _again(self, lasted_ms: int) -> None:
        self._later(round(self._backoff.next_delay_s(lasted_ms / 1000) * 1000), self.open)

    def _later(self, delay_ms: int, act: Callable[[], None]) -> None:
        process = self._process
        process.timeline.after(delay_ms, lambda: process.enter(lambda: None if self._closed else act()))

    def _take(self, frame: str) -> None:
        raise NotImplementedError


class MarketEnd(_End):
    """`<symbol>@depth5@100ms` and `<symbol>@markPrice@1s` on one connection."""

    def __init__(self, process: Process, wire: Wire, rules: SymbolRules, random: Random) -> None:
        super().__init__(Stream.MARKET, process, wire, random)
        name = rules.symbol.lower()
        self._symbol = rules.symbol
        self._target = f"/stream?streams={name}@depth5@100ms/{name}@markPrice@1s"
        self._reader = DepthReader(rules)
        self._heard_ms = 0

    def open(self) -> None:
        self._heard_ms = self._process.clock.monotonic_ms()
        self._connect(self._target)
        if self._connection is not None:
            self._watch(self._connection)

    def _watch(self, connection: Connection) -> None:
        """A connection without any message for too long is made anew."""
        if self._connection is not connection:
            return
        if self._process.clock.monotonic_ms() - self._heard_ms >= _SILENCE_MS:
            self.restart(f"no message for {_SILENCE_MS // 1000} s")
        else:
            self._later(_CHECK_MS, lambda: self._watch(connection))

    def _take(self, frame: str) -> None:
        self._heard_ms = self._process.clock.monotonic_ms()
        event: Event | None
        try:
            depth = self._reader.read(frame, self._heard_ms)
            if depth is None:
                event = read_mark_price(frame, self._symbol)
            else:
                event = depth._replace(age_ms=self._process.venue_clock.now_ms(self._heard_ms) - depth.event_time_ms)
        except ParseError as error:
            event = FrameRefused(str(error))
        if event is not None:
            self._process.put(event)


class UserEnd(_End):
    """The account's stream, and the keeper of its listen key."""

    def __init__(self, process: Process, wire: Wire, rules: SymbolRules, random: Random, keepalive_ms: int) -> None:
        super().__init__(Stream.USER, process, wire, random)
        self._rules = rules
        self._codec = process.codec()
        self._keeper_codec = process.codec()
        self._keepalive_ms = keepalive_ms
        self._later(keepalive_ms, self._keep_alive)

    def open(self) -> None:
        self._process.transmit(self._codec, Call.NEW_LISTEN_KEY, (), self._got_key, lambda failure: self._again(0))

    def _got_key(self, answer: Any) -> None:
        try:
            self._connect(f"/ws/{text(as_object(answer, 'listenKey'), 'listenKey')}")
        except ParseError:
            self._again(0)

    def _keep_alive(self) -> None:
        def kept(answer: Any) -> None:
            self._later(self._keepalive_ms, self._keep_alive)

        def failed(failure: CallFailed) -> None:
            self.restart("listen key keepalive failed")
            self._later(self._keepalive_ms, self._keep_alive)

        self._process.transmit(self._keeper_codec, Call.KEEP_LISTEN_KEY, (), kept, failed)

    def _take(self, frame: str) -> None:
        try:
            event = read_user_event(frame, self._rules)
        except ParseError as error:
            self.restart(f"an event does not read: {error}")
            return
        if isinstance(event, ListenKeyExpired):
            self.restart("the listen key expired")
        elif event is not None and not isinstance(event, UnknownEvent):
            self._process.put(event)
