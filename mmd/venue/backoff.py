"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random


class Backoff:
    """Exponential back-off with full jitter: a random wait below `first_s` × 2ⁿ, and never above `limit_s`.

    Only a connection that lasted `healthy_s` starts the series anew. One good frame is not enough: a server that accepts, speaks and hangs up
    would be dialled several times a second, and addresses that reconnect too often are banned (V1 "Websocket Market Streams").
    """

    def __init__(self, generator: random.Random, first_s: float = 0.2, limit_s: float = 30.0, healthy_s: float = 60.0) -> None:
        if not 0 < first_s <= limit_s:
            raise ValueError(f"need 0 < first_s <= limit_s, got {first_s} and {limit_s}")
        self._generator = generator
        self._first_s = first_s
        self._limit_s = limit_s
        self._healthy_s = healthy_s
        self._ceiling_s = first_s

    def next_delay_s(self, lasted_s: float = 0.0) -> float:
        """The wait after a connection that lasted `lasted_s` (0: it was never made)."""
        if lasted_s >= self._healthy_s:
            self._ceiling_s = self._first_s
        delay_s = self._generator.uniform(0.0, self._ceiling_s)
        self._ceiling_s = min(self._limit_s, self._ceiling_s * 2)
        return delay_s
