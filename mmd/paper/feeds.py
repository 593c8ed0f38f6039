"""The public streams: one Feed a stream name says which payloads are due at a time (V1 "Websocket Market Streams")."""

from __future__ import annotations

from typing import Any, Protocol

from mmd.core.errors import MmdError
from mmd.paper.market_data import MarketData

Payload = dict[str, Any] | list[dict[str, Any]]


class UnknownStreamError(MmdError):
    """A stream name that the exchange does not serve."""


class Feed(Protocol):
    """One stream, shared by all its subscribers. Payloads are raw: wrapping them for combined streams is the server's."""

    def poll(self, now_ms: int) -> list[Payload]:
        """The payloads due at `now_ms`, oldest first (a `…@arr` stream's payload is a list). Times of the calls must not go back."""

    def due_ms(self) -> int | None:
        """The earliest time at which a poll can yield something; None: whenever the market changes."""


def make_feed(stream_name: str, market: MarketData) -> Feed:
    """The feed of that name, starting now. Raises UnknownStreamError."""
    raise NotImplementedError
