"""The `requests` transport of one lane: no retries, one connection, a deadline for the whole answer, and the least work a request.

`requests` and urllib3 time each read of the socket by itself, so that an answer which drips in byte by byte outlives any timeout. Here one
`Deadline` covers everything after the request was sent: status line, head and body.
"""

from __future__ import annotations

import io
import logging
import socket
import time
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.retry import Retry

# Where the peer stays silent for so long although data waits for its acknowledgement, the connection is dead.
USER_TIMEOUT_MS = 10_000


def socket_options() -> list[tuple[int, int, int]]:
    """No delay, keep-alive, and (Linux) `TCP_USER_TIMEOUT`, which cuts a black hole from minutes to seconds (FAULTS K5)."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


class Exchange:
    """What one request in flight shares with its socket: until when the answer may take, and whether anything was sent."""

    __slots__ = ("_ends_at", "sent")

    def __init__(self) -> None:
        self._ends_at = 0.0
        self.sent = False

    def begin(self, answer_s: float) -> None:
        self._ends_at = time.monotonic() + answer_s
        self.sent = False

    def restart_clock(self, answer_s: float) -> None:
        """Called when the request leaves: the time that connecting took is not the answer's."""
        self._ends_at = time.monotonic() + answer_s

    def remaining_s(self) -> float:
        """Raises TimeoutError at the deadline."""
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer did not end in time")
        return left_s


class _TimedReader(io.RawIOBase):
    """The reading side of a socket; each read gets what is left until the deadline, not a time of its own."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._sock = sock
        # Unbuffered; keeps the socket open until it is closed itself, as `http.client` relies on.
        self._raw = sock.makefile("rb", buffering=0)
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._exchange.remaining_s())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _TimedSocket:
    """A connected socket whose readers obey the lane's deadline; everything else is the socket's own."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._sock = sock
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str = "rb", *_args: Any, **_options: Any) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError("only for reading")
        return io.BufferedReader(_TimedReader(self._sock, self._exchange), 16_384)


class LaneSession(Session):
    """A `requests` session that takes nothing from the environment, follows no redirect and keeps no cookie."""

    def __init__(self, base_url: str, exchange: Exchange, answer_s: float) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies = _NoCookies()
        self.adapters.clear()
        self.mount(base_url, LaneAdapter(base_url, exchange, answer_s))
        # urllib3 logs whole URLs, signature included, and not only at the level of debugging (FAULTS S1).
        logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)

    def get_redirect_target(self, resp: Any) -> None:
        # Even where redirects are not followed, `requests` would read the answer's body without bound to prepare the next request.
        return None


class _NoCookies(RequestsCookieJar):
    def extract_cookies(self, response: Any, request: Any) -> None:
        """Keeps none: a request is the same whatever came before it."""


class _LaneConnection:
    """Mixed into urllib3's connections: the timed socket, and head and body in one packet."""

    exchange: Exchange
    answer_s: float
    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _TimedSocket(self.sock, self.exchange)

    def request(self, *args: Any, **options: Any) -> None:
        self._parts: list[bytes] | None = []
        try:
            super().request(*args, **options)  # type: ignore[misc]
            whole = b"".join(self._parts)
        finally:
            self._parts = None
        if self.sock is None:
            self.connect()
        self.exchange.sent = True
        self.exchange.restart_clock(self.answer_s)
        self.sock.settimeout(self.answer_s)
        self.sock.sendall(whole)

    def send(self, data: Any) -> None:
        """Called by `request` for the head and again for the body; held back so that they leave together."""
        assert self._parts is not None, "a lane's connection sends only whole requests"
        self._parts.append(data)


class LaneAdapter(HTTPAdapter):
    """One host, one connection, no retry of anything, ever (FAULTS O2: urllib3 would send PUT and DELETE again)."""

    def __init__(self, base_url: str, exchange: Exchange, answer_s: float) -> None:
        self._base_length = len(base_url)
        self._pool: Any = None

        class Plain(_LaneConnection, HTTPConnection):
            pass

        class Encrypted(_LaneConnection, HTTPSConnection):
            pass

        for connection in (Plain, Encrypted):
            connection.exchange = exchange
            connection.answer_s = answer_s
        self._connection_classes = {"http": Plain, "https": Encrypted}
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=Retry(0, read=False, redirect=False, raise_on_status=False))

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, socket_options=socket_options(), **options)

    def get_connection_with_tls_context(self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        # The host never changes, so its pool is looked up once. TLS is verified always: nothing here can say otherwise.
        if self._pool is None:
            pool: Any = super().get_connection_with_tls_context(request, True, proxies={}, cert=None)
            HTTPAdapter.cert_verify(self, pool, str(request.url), True, None)  # type: ignore[no-untyped-call]
            pool.ConnectionCls = self._connection_classes[pool.scheme]
            self._pool = pool
        return self._pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Done once, where the pool is made."""

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        return str(request.url)[self._base_length:]

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        # Only what a lane reads of an answer.
        response = Response()
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        response.request = req
        return response

    def close(self) -> None:
        self._pool = None
        super().close()
