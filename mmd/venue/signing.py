"""Signatures of private requests, behind one protocol for every family of the API."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import quote_plus

from mmd.core.errors import MmdError

Params = Sequence[tuple[str, str]]


class CannotSign(MmdError):
    """Nothing can be signed now that the venue would accept."""


class Signer(Protocol):
    """What a REST client needs of an identity. One signer may serve several threads."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What every private request carries in its head."""

    def sign(self, params: Params, time_ms: int) -> str:
        """The urlencoded payload, signature last. `time_ms` is the venue's clock; what makes a request fresh is the signer's business.

        Raises CannotSign.
        """


def urlencode(params: Params) -> str:
    """`application/x-www-form-urlencoded`, in the given order."""
    return "&".join(f"{name}={value if value.isalnum() and value.isascii() else quote_plus(value)}" for name, value in params)


class V1Signer:
    """HMAC-SHA256 over the parameters with `recvWindow` and `timestamp` (V1 "SIGNED (TRADE and USER_DATA) Endpoint Security").

    `recv_window_ms` is how long after `timestamp` the venue still accepts the request: 5000 by the document's advice, at most 60000.
    """

    def __init__(self, api_key: str, api_secret: str, recv_window_ms: int = 5000) -> None:
        if not 1 <= recv_window_ms <= 60_000:
            raise ValueError(f"recv_window_ms must be between 1 and 60000, got {recv_window_ms}")
        self.headers: Mapping[str, str] = {"X-MBX-APIKEY": api_key}
        self._suffix = f"recvWindow={recv_window_ms}&timestamp="
        # Keyed once; a copy of a keyed HMAC is cheaper than a new one.
        self._keyed = hmac.new(api_secret.encode(), digestmod="sha256")

    def __repr__(self) -> str:
        return "V1Signer(…)"

    def sign(self, params: Params, time_ms: int) -> str:
        """The urlencoded payload with `recvWindow`, `timestamp` and, last, `signature`."""
        encoded = urlencode(params)
        payload = f"{encoded}&{self._suffix}{time_ms}" if encoded else f"{self._suffix}{time_ms}"
        mac = self._keyed.copy()
        mac.update(payload.encode("ascii"))
        return f"{payload}&signature={mac.hexdigest()}"
