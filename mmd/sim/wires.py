"""The simulated stream connections: frames travel in order, unless a fault stalls, delays, reorders, doubles, drops or garbles them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random

from mmd.core.messages import Stream
from mmd.paper.subscriptions import Subscriptions, parse_target
from mmd.sim.faults import FRAME_KINDS, Fault, Kind
from mmd.sim.venue_side import VenueSide
from mmd.sim.virtual_time import Timeline

_CUTS = frozenset({Kind.USER_CUT, Kind.MARKET_CUT, Kind.VENUE_RESTART})
_REFUSALS = frozenset({Kind.USER_REFUSED, Kind.MARKET_REFUSED})


class Wire:
    """The way of one stream, whichever connection uses it; faults strike the wire and outlive a connection."""

    def __init__(self, stream: Stream, timeline: Timeline, venue: VenueSide, random: Random, latency_ms: int) -> None:
        self.stream = stream
        self._timeline = timeline
        self._venue = venue
        self._random = random
        self._latency_ms = latency_ms
        self._until_ms: dict[Kind, int] = {}
        self._amounts: dict[Kind, int] = {}
        self._deaf_since_ms = 0
        self._connection: Connection | None = None

    def suffer(self, fault: Fault) -> bool:
        """From now on, for as long as the fault says; False where there is nothing to cut."""
        if fault.kind in _CUTS:
            if self._connection is None:
                return False
            self._connection.break_off("connection reset by peer")
        else:
            if fault.kind in (Kind.USER_STALL, Kind.USER_GAP):
                self._deaf_since_ms = self._timeline.now_ms  # what an earlier stall held back arrives when that one would have ended
            self._until_ms[fault.kind] = max(self._until_ms.get(fault.kind, 0), self._timeline.now_ms + fault.for_ms)
            self._amounts[fault.kind] = fault.amount
            if fault.kind in _REFUSALS and self._connection is not None:
                self._connection.break_off("connection reset by peer")
        return True

    def calm(self) -> None:
        self._until_ms.clear()

    @property
    def deaf_since_ms(self) -> int | None:
        """Since when this connection has been carrying nothing; None where it carries what there is."""
        return self._deaf_since_ms if self.is_struck(Kind.USER_STALL, Kind.USER_GAP) else None

    def connect(self, target: str, receive: Callable[[str], None], ended: Callable[[str], None]) -> Connection | None:
        """A connection to `target` made now, or None where it is refused. `ended` is told why the connection broke, unless we closed it."""
        if self.is_struck(*_REFUSALS):
            return None
        connection = Connection(self, Subscriptions(parse_target(target)), receive, ended)
        if not self._venue.attach(connection):
            return None
        self._connection = connection
        self._deaf_since_ms = self._timeline.now_ms
        return connection

    def leave(self, connection: Connection) -> None:
        self._venue.detach(connection)
        if self._connection is connection:
            self._connection = None

    def is_struck(self, *kinds: Kind) -> bool:
        return any(self._until_ms.get(kind, 0) > self._timeline.now_ms for kind in kinds)

    def carry(self, connection: Connection, frame: str) -> None:
        """One frame leaves the venue."""
        timeline, now_ms = self._timeline, self._timeline.now_ms
        if self.is_struck(Kind.USER_GAP, Kind.MARKET_STALL):
            return
        frame = self._garbled(frame)
        arrive_ms = now_ms + self._random.randint(self._latency_ms // 2, self._latency_ms + self._latency_ms // 2)
        if self.is_struck(Kind.USER_STALL):
            arrive_ms = max(arrive_ms, self._until_ms[Kind.USER_STALL])
        if self.is_struck(Kind.USER_LATE):
            arrive_ms += self._amounts[Kind.USER_LATE]
        if self.is_struck(Kind.USER_SHUFFLE):
            arrive_ms += self._random.randint(0, self._amounts[Kind.USER_SHUFFLE])
        else:
            arrive_ms = connection.last_arrival_ms = max(arrive_ms, connection.last_arrival_ms)
        timeline.at(arrive_ms, lambda: connection.take(frame))
        if self.is_struck(Kind.USER_TWICE):
            timeline.at(arrive_ms + self._amounts[Kind.USER_TWICE], lambda: connection.take(frame))

    def _garbled(self, frame: str) -> str:
        # What is garbage cannot be garbled further.
        for kind in sorted(FRAME_KINDS & self._until_ms.keys(), key=lambda kind: (kind is Kind.FRAME_GARBAGE, kind.value)):
            if self.stream is Stream.MARKET and self.is_struck(kind):
                frame = garble(frame, kind)
        return frame


class Connection:
    """One stream connection, both ends of it. Implements the paper exchange's `Subscriber`."""

    def __init__(self, wire: Wire, subscriptions: Subscriptions, receive: Callable[[str], None], ended: Callable[[str], None]) -> None:
        self.subscriptions = subscriptions
        self.last_arrival_ms = 0
        self.is_open = True
        self._wire = wire
        self._receive = receive
        self._ended = ended

    def deliver(self, frame: str) -> None:
        if self.is_open:
            self._wire.carry(self, frame)

    def hang_up(self) -> None:
        self.break_off("the venue closed the connection")

    def take(self, frame: str) -> None:
        """A frame arrives; on a closed connection it is lost."""
        if self.is_open:
            self._receive(frame)

    def close(self) -> None:
        """From our side; what is on its way is lost."""
        self.is_open = False
        self._wire.leave(self)

    def break_off(self, reason: str) -> None:
        """From the other side."""
        if self.is_open:
            self.close()
            self._ended(reason)


def garble(frame: str, kind: Kind) -> str:
    """What a depth frame looks like under a fault; anything else is left as it is."""
    if kind is Kind.MARK_ZERO:
        return re.sub(r'"p":\s*"[^"]*"', '"p":"0"', frame, count=1) if "markPriceUpdate" in frame else frame
    if "depthUpdate" not in frame:
        return frame
    if kind is Kind.FRAME_GARBAGE:
        return frame[: len(frame) // 2]
    wrapped = json.loads(frame)
    fields = wrapped["data"]
    if kind is Kind.FRAME_CROSSED:
        fields["b"], fields["a"] = fields["a"], fields["b"]
    elif kind is Kind.FRAME_EMPTY:
        fields["b"] = []
    elif kind is Kind.FRAME_OLD:
        fields["u"] -= 1_000_000_000
    elif kind is Kind.FRAME_ORDER:
        side = "ab"[fields["u"] % 2]
        fields[side][1:] = reversed(fields[side][1:])
    else:
        assert kind is Kind.FRAME_FAR
        for side in ("b", "a"):
            fields[side] = [[f"{2 * float(price):.2f}", size] for price, size in fields[side]]
    return json.dumps(wrapped)
