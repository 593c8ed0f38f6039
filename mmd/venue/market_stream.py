"""The market stream: `<symbol>@depth5@100ms` to `Depth`, for ever."""

from __future__ import annotations

import random
from collections.abc import Callable

from mmd.core.messages import Depth, Event, Notice
from mmd.core.rules import SymbolRules
from mmd.venue.clock import monotonic_ms
from mmd.venue.connection import ConnectionLimits


class MarketStream:
    """The market-stream thread's body. `put` takes StreamUp, StreamDown and FrameRefused; `put_depth` takes each Depth (latest wins)."""

    def __init__(self, ws_url: str, rules: SymbolRules, put: Callable[[Event], None], put_depth: Callable[[Depth], None],
                 notice: Callable[[Notice], None], generator: random.Random, *, limits: ConnectionLimits = ConnectionLimits(),
                 silence_limit_s: float = 15.0, renewal_s: float = 82_800.0, now_ms: Callable[[], int] = monotonic_ms) -> None:
        raise NotImplementedError

    def run(self) -> None:
        """Connect, read, reconnect, until `stop`."""
        raise NotImplementedError

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        raise NotImplementedError

    def restart(self, reason: str) -> None:
        """Drop the connection and make a new one; returns at once. From any thread."""
        raise NotImplementedError
