"""The user stream: a listen key, the account's events in order, for ever."""

from __future__ import annotations

import random
from collections.abc import Callable

from mmd.core.messages import Event, Notice
from mmd.core.rules import SymbolRules
from mmd.venue.clock import monotonic_ms
from mmd.venue.connection import ConnectionLimits
from mmd.venue.rest import RestClient


class UserStream:
    """The user-stream thread's body. `rest` is its own client (POST listenKey). `put` takes StreamUp, StreamDown and the account's events."""

    def __init__(self, ws_url: str, rest: RestClient, rules: SymbolRules, put: Callable[[Event], None],
                 notice: Callable[[Notice], None], generator: random.Random, *, limits: ConnectionLimits = ConnectionLimits(),
                 renewal_s: float = 82_800.0, now_ms: Callable[[], int] = monotonic_ms) -> None:
        raise NotImplementedError

    def run(self) -> None:
        """Get a listen key, connect, read, reconnect, until `stop`."""
        raise NotImplementedError

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        raise NotImplementedError

    def restart(self, reason: str) -> None:
        """Drop the connection, ask for the listen key anew and connect; returns at once. From any thread."""
        raise NotImplementedError
