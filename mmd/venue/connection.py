"""One blocking WebSocket connection with a deadline and a bound on everything."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import websocket
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from mmd.core.errors import MmdError
from mmd.venue.lane_transport import socket_options
from mmd.venue.redaction import describe

_HANDSHAKE_BYTES = 64 << 10


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


DEFAULT_LIMITS = ConnectionLimits()


class Connection:
    """Opened once, read by one thread, aborted by any.

    The socket is made here and given to `websocket-client` ready, because that is the one way to keep it from taking a proxy out of the
    environment, and because its own timeouts are per read: a peer that drips outlives them (FAULTS K5).
    """

    def __init__(self, limits: ConnectionLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None  # guarded by the lock
        self._aborted = False  # guarded by the lock
        self._wire: _Wire
        self._client: Any = None
        self._ping_due = 0.0
        self._pong_due: float | None = None
        self._pings = 0

    def open(self, url: str) -> None:
        """Connect to `ws://` or `wss://`; certificates are verified, redirects refused. Raises ConnectionLost."""
        try:
            self._wire = _Wire(self._connect(url))
            self._wire.allow(self._limits.connect_s, _HANDSHAKE_BYTES)
            self._client = websocket.create_connection(
                url, socket=self._wire, redirect_limit=0, skip_utf8_validation=True, enable_multithread=False, suppress_origin=True
            )
        except ConnectionLost:
            self.close()
            raise
        except websocket.WebSocketBadStatusException as error:
            self.close()
            raise ConnectionLost(f"the handshake was answered with HTTP {error.status_code}") from None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            self.close()
            raise ConnectionLost(f"cannot connect: {describe(error)}") from None
        self._ping_due = time.monotonic() + self._limits.ping_s

    def receive(self, wait_s: float) -> bytes | None:
        """The next text or binary message, or None when there was none for `wait_s`. Raises ConnectionLost.

        Pings and pongs go to and fro meanwhile: a connection that is silent but answers is healthy (FAULTS U3).
        """
        until = time.monotonic() + wait_s
        try:
            while True:
                now = self._keep_alive()
                wake_at = min(until, self._ping_due, until if self._pong_due is None else self._pong_due)
                if self._wire.wait(wake_at - now):
                    message = self._read()
                    if message is not None:
                        return message
                if time.monotonic() >= until:
                    return None
        except websocket.WebSocketTimeoutException:
            raise ConnectionLost("a message did not end in time") from None
        except websocket.WebSocketConnectionClosedException:
            raise ConnectionLost("the peer hung up") from None
        except (websocket.WebSocketException, OSError, ValueError) as error:
            raise ConnectionLost(f"connection failed: {describe(error)}") from None

    def abort(self) -> None:
        """Cut the connection, or the attempt at one; whoever reads wakes up at once. From any thread; does not block."""
        with self._lock:
            self._aborted = True
            _shut(self._sock)

    def close(self) -> None:
        """Let go of the socket. On the reader's thread; does not block and says no goodbye, which could."""
        with self._lock:
            sock, self._sock = self._sock, None
            _shut(sock)
        if sock is not None:
            sock.close()

    def _connect(self, url: str) -> socket.socket:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ConnectionLost("the address is no ws:// or wss:// URL")
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            self._adopt(sock)
            try:
                for option in socket_options():
                    sock.setsockopt(*option)
                sock.settimeout(self._limits.connect_s)
                sock.connect(address)
                if parts.scheme == "wss":
                    # The certificates that `requests` trusts, so that REST and streams agree on who is who.
                    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
                    encrypted = context.wrap_socket(sock, server_hostname=parts.hostname, do_handshake_on_connect=False)
                    sock = encrypted
                    self._adopt(sock)
                    encrypted.do_handshake()
                return sock
            except OSError as error:
                failure = error
                self.close()
        raise failure

    def _adopt(self, sock: socket.socket) -> None:
        with self._lock:
            self._sock = sock
            aborted = self._aborted
        if aborted:
            raise ConnectionLost("aborted")

    def _keep_alive(self) -> float:
        """Send the ping that is due, and give up on a pong that is overdue. Returns the time."""
        now = time.monotonic()
        if self._pong_due is not None and now >= self._pong_due:
            raise ConnectionLost("no pong in time")
        if now >= self._ping_due:
            self._pings += 1
            self._wire.allow(self._limits.frame_s, 0)
            self._client.ping(str(self._pings))
            self._ping_due = now + self._limits.ping_s
            if self._pong_due is None:
                self._pong_due = now + self._limits.pong_s
        return now

    def _read(self) -> bytes | None:
        """One message, or None for a control frame, within the deadline and the bound of one message. Its first byte is there."""
        self._wire.allow(self._limits.frame_s, self._limits.max_message_bytes)
        pieces: list[bytes] = []
        while True:
            frame = self._client.recv_frame()
            opcode = frame.opcode
            if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_CONT):
                if (opcode == websocket.ABNF.OPCODE_CONT) != bool(pieces):
                    raise ConnectionLost("a fragment out of turn")
                if frame.fin and not pieces:
                    return bytes(frame.data)
                pieces.append(frame.data or b"")
                if frame.fin:
                    return b"".join(pieces)
            else:
                self._control(frame)
                if not pieces:
                    return None

    def _control(self, frame: Any) -> None:
        if frame.opcode == websocket.ABNF.OPCODE_PING:
            self._client.pong(frame.data)
        elif frame.opcode == websocket.ABNF.OPCODE_PONG:
            # An old pong that comes late shows life as well as the latest one.
            self._pong_due = None
        else:
            code = int.from_bytes(frame.data[:2], "big") if len(frame.data) >= 2 else 1005
            raise ConnectionLost(f"closed by the peer, code {code}")


class _Wire:
    """What `websocket-client` takes for its socket: reads ahead, and gives each message one deadline and one bound."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""
        self._position = 0
        self._ends_at = 0.0
        self._allowance = 0

    def allow(self, seconds: float, count: int) -> None:
        """From now on at most so much time and so many bytes."""
        self._ends_at = time.monotonic() + seconds
        self._allowance = count

    def wait(self, seconds: float) -> bool:
        """Whether there is anything to read, or the end of the stream, within `seconds`."""
        if self._position < len(self._buffer):
            return True
        self._sock.settimeout(max(seconds, 0.001))
        try:
            self._fill()
        except TimeoutError:
            return False
        return True

    def recv(self, count: int) -> bytes:
        if self._position >= len(self._buffer):
            self._sock.settimeout(self._remaining_s())
            self._fill()
        chunk = self._buffer[self._position : self._position + count]
        self._position += len(chunk)
        self._allowance -= len(chunk)
        if self._allowance < 0:
            raise ConnectionLost("a message is too long")
        return chunk

    def send(self, data: bytes) -> int:
        self._sock.settimeout(self._remaining_s())
        return self._sock.send(data)

    def gettimeout(self) -> float:
        return self._remaining_s()

    def settimeout(self, _seconds: float | None) -> None:
        """The deadline of `allow` counts, nothing else."""

    def close(self) -> None:
        """The connection closes its socket itself."""

    def _fill(self) -> None:
        data = self._sock.recv(65_536)
        if not data:
            raise ConnectionLost("the peer hung up")
        self._buffer, self._position = data, 0

    def _remaining_s(self) -> float:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("out of time")
        return left_s


def _shut(sock: socket.socket | None) -> None:
    if sock is not None:
        try:
            # Not `close`, which would not wake a reader; and not the TLS layer's goodbye, which could block.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            pass  # It was not connected, or is no more.
