"""One blocking WebSocket connection with a deadline and a bound on everything."""

from __future__ import annotations

from typing import NamedTuple

from mmd.core.errors import MmdError


class ConnectionLost(MmdError):
    """The connection could not be made or is no more; the text is fit for a log."""


class ConnectionLimits(NamedTuple):
    """Seconds, and bytes of one message.

    `connect_s` covers TCP, TLS and the handshake each; `frame_s` a whole message from its first byte; a ping goes out every `ping_s` and its
    pong must be back within `pong_s`.
    """

    connect_s: float = 5.0
    frame_s: float = 5.0
    ping_s: float = 15.0
    pong_s: float = 10.0
    max_message_bytes: int = 1 << 20
