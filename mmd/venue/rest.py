"""One lane of REST: a session with one keep-alive connection, no retries, no redirects, and a deadline for the whole answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mmd.core.errors import MmdError
from mmd.core.messages import Lost, Refusal, Unsent
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.endpoints import Call, Family
from mmd.venue.signing import Params, Signer


class CallFailed(MmdError):
    """A REST call without a usable answer; `outcome` says what is known of it."""

    def __init__(self, call: Call, outcome: Refusal | Lost | Unsent) -> None:
        raise NotImplementedError


class Timeouts(NamedTuple):
    """`connect_s` for the connection, `answer_s` from sending to the last byte of the answer."""

    connect_s: float = 3.0
    answer_s: float = 5.0


class Usage(NamedTuple):
    """The rate-limit headers as last seen on this lane; None until the venue sends them (V1 "LIMITS")."""

    weight_1m: int | None = None
    orders_1m: int | None = None
    seen_ms: int | None = None


class RestClient:
    """Calls of one family on one host. For one thread at a time: each lane has its own."""

    def __init__(self, base_url: str, family: Family, signer: Signer | None, clock: VenueClock, timeouts: Timeouts = Timeouts(),
                 now_ms: Callable[[], int] = monotonic_ms) -> None:
        raise NotImplementedError

    @property
    def usage(self) -> Usage:
        raise NotImplementedError

    def call(self, call: Call, params: Params = ()) -> Any:
        """The parsed JSON of the venue's answer. Raises CallFailed."""
        raise NotImplementedError

    def close(self) -> None:
        """Drop the connection. The client can be used again."""
        raise NotImplementedError
