"""The market stream: `<symbol>@depth5@100ms` to `Depth`, and the mark price beside it, for ever (V1 "Partial Book Depth Streams")."""

from __future__ import annotations

import random
from collections.abc import Callable

from mmd.core.messages import Depth, Event, FrameRefused, Notice, Stream
from mmd.core.rules import SymbolRules
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.connection import DEFAULT_LIMITS, ConnectionLimits
from mmd.venue.depth_frame import DepthReader
from mmd.venue.json_fields import ParseError
from mmd.venue.mark_frame import read_mark_price
from mmd.venue.pulse import Pulse
from mmd.venue.stream_loop import RENEWAL_S, StreamLoop, checked_ws_url


class MarketStream:
    """The market-stream thread's body. `put` takes StreamUp, StreamDown, FrameRefused and MarkPrice; `put_depth` takes each Depth (latest wins).

    When the book is stale is for the engine to judge; silence beyond `silence_limit_s` only makes the connection be made anew.
    """

    def __init__(
        self,
        ws_url: str,
        rules: SymbolRules,
        put: Callable[[Event], None],
        put_depth: Callable[[Depth], None],
        notice: Callable[[Notice], None],
        generator: random.Random,
        *,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        silence_limit_s: float = 15.0,
        renewal_s: float = RENEWAL_S,
        now_ms: Callable[[], int] = monotonic_ms,
        clock: VenueClock | None = None,
    ) -> None:
        """`generator` jitters the back-off; `clock` tells how old an event is (without one every event counts as new).

        Raises ConfigError for a `ws_url` that is none.
        """
        name = rules.symbol.lower()
        self._url = f"{checked_ws_url(ws_url)}/stream?streams={name}@depth5@100ms/{name}@markPrice@1s"
        self._symbol = rules.symbol
        self._reader = DepthReader(rules)
        self._clock = clock
        self._put = put
        self._put_depth = put_depth
        self._loop = StreamLoop(
            Stream.MARKET, lambda: self._url, self._take, put, notice, generator,
            limits=limits, silence_limit_s=silence_limit_s, renewal_s=renewal_s, now_ms=now_ms,
        )  # fmt: skip

    @property
    def pulse(self) -> Pulse:
        """May be read from any thread."""
        return self._loop.pulse

    def run(self, at_work: AtWork = unwatched) -> None:
        """Connect, read, reconnect, until `stop`."""
        self._loop.run(at_work)

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        self._loop.stop()

    def restart(self, reason: str) -> None:
        """Drop the connection and make a new one; returns at once. From any thread."""
        self._loop.restart(reason)

    def _take(self, message: bytes, received_ms: int) -> None:
        try:
            depth = self._reader.read(message, received_ms)
            if depth is None:
                mark = read_mark_price(message, self._symbol)
                if mark is not None:
                    self._put(mark)
                return
        except ParseError as error:
            self._put(FrameRefused(str(error)))
            return
        if self._clock is not None:
            depth = depth._replace(age_ms=self._clock.now_ms(received_ms) - depth.event_time_ms)
        self._put_depth(depth)
