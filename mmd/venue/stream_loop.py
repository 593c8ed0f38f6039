"""What both streams do alike: connect, read, and when the connection ends make a new one, for ever (FAULTS U9)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Event, Level, Notice, Stream, StreamDown, StreamUp
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.backoff import Backoff
from mmd.venue.clock import monotonic_ms
from mmd.venue.connection import DEFAULT_LIMITS, Connection, ConnectionLimits, ConnectionLost
from mmd.venue.pulse import Pulse

# Connections are cut after 24 h (V1 "Websocket Market Streams"); an hour earlier it happens at a moment of our own choosing.
RENEWAL_S = 23 * 3600.0

# A thread that reads looks up so often at least, which shows that it is not stuck.
_LOOK_S = 15.0


class StreamBroken(MmdError):
    """Raised by what takes the messages: this connection is of no more use, for the reason given."""


class StreamLoop:
    """The body of a stream's thread.

    `address` gives the URL to connect to and may ask the venue for it; `take(message, received_ms)` takes each message. `put` gets StreamUp and
    StreamDown in turns. `silence_limit_s`: without any message for so long the connection is made anew (None: silence is fine). Attributes to read,
    from any thread: `pulse`.
    """

    def __init__(
        self,
        stream: Stream,
        address: Callable[[], str],
        take: Callable[[bytes, int], None],
        put: Callable[[Event], None],
        notice: Callable[[Notice], None],
        generator: random.Random,
        *,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        silence_limit_s: float | None = None,
        renewal_s: float = RENEWAL_S,
        now_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        self.pulse = Pulse()
        self._stream = stream
        self._address = address
        self._take = take
        self._put = put
        self._notice = notice
        self._backoff = Backoff(generator)
        self._limits = limits
        self._silence_limit_s = silence_limit_s
        self._renewal_s = renewal_s
        self._now_ms = now_ms
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._connection: Connection | None = None  # guarded by the lock
        self._restart_reason: str | None = None  # guarded by the lock

    def run(self, at_work: AtWork = unwatched) -> None:
        """Until `stop`; whatever is raised that is no MmdError is a defect and ends the thread."""
        while not self._stopped.is_set():
            at_work(True)
            lasted_s = self._connect_and_read(at_work)
            at_work(False)
            if not self._stopped.is_set():
                self._stopped.wait(self._backoff.next_delay_s(lasted_s))

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        self._stopped.set()
        self._cut("stopped")

    def restart(self, reason: str) -> None:
        """Drop the connection and make a new one; returns at once. Does nothing between two connections. From any thread."""
        self._cut(reason)

    def _cut(self, reason: str) -> None:
        with self._lock:
            if self._connection is not None:
                self._restart_reason = reason
                self._connection.abort()

    def _connect_and_read(self, at_work: AtWork) -> float:
        """One connection from beginning to end; how long it was up, in seconds."""
        connection = Connection(self._limits)
        with self._lock:
            self._connection, self._restart_reason = connection, None
        # `stop` either saw this connection and cuts it, or came before and is seen here.
        if self._stopped.is_set():
            connection.abort()
        try:
            connection.open(self._address())
        except MmdError as error:
            self._leave(connection)
            if not self._stopped.is_set():
                self._notice(Notice(Level.WARNING, "stream_connect_failed", {"stream": self._stream.value, "reason": str(error)}))
            return 0.0
        opened_at = time.monotonic()
        self.pulse.connected(self._now_ms())
        self._put(StreamUp(self._stream))
        reason = "failed"
        try:
            reason = self._read(connection, opened_at + self._renewal_s, at_work)
        except (ConnectionLost, StreamBroken) as error:
            reason = str(error)
        finally:
            self.pulse.lost()
            self._put(StreamDown(self._stream, self._leave(connection) or reason))
        return time.monotonic() - opened_at

    def _read(self, connection: Connection, renew_at: float, at_work: AtWork) -> str:
        take, now_ms, pulse = self._take, self._now_ms, self.pulse
        silence_limit_s = float("inf") if self._silence_limit_s is None else self._silence_limit_s
        silent_at = time.monotonic() + silence_limit_s
        while True:
            at_work(True)
            now = time.monotonic()
            if now >= renew_at:
                return "planned renewal"
            if now >= silent_at:
                return f"no message for {silence_limit_s:g} s"
            message = connection.receive(min(renew_at - now, silent_at - now, _LOOK_S))
            if message is not None:
                pulse.heard_ms = received_ms = now_ms()
                silent_at = time.monotonic() + silence_limit_s
                take(message, received_ms)

    def _leave(self, connection: Connection) -> str | None:
        """Let go of the connection; the reason for which it was cut from outside, if it was."""
        with self._lock:
            self._connection = None
            reason = self._restart_reason
        connection.close()
        return reason


def checked_ws_url(ws_url: str) -> str:
    """The base URL without a trailing slash. Raises ConfigError where it is no WebSocket origin."""
    parts = urlsplit(ws_url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.username:
        raise ConfigError("ws_url: must look like wss://host[:port]")
    return ws_url.rstrip("/")
