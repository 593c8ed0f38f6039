"""The core's requests performed over REST: messages in, `Reply` out, nothing decided."""

from __future__ import annotations

from collections.abc import Callable

from mmd.core.messages import Reply, Request
from mmd.core.rules import SymbolRules
from mmd.venue.clock import monotonic_ms
from mmd.venue.rest import RestClient


class Gateway:
    """One lane's requests on one symbol. `rules` may be replaced between requests. For one thread at a time, like its client."""

    def __init__(self, rest: RestClient, rules: SymbolRules, now_ms: Callable[[], int] = monotonic_ms) -> None:
        self.rules = rules
        raise NotImplementedError

    def perform(self, request: Request) -> Reply:
        """What became of the request; every failure is an outcome, none is an exception."""
        raise NotImplementedError
