"""HTTP for people and scrapers who look at the daemon: `GET` and `HEAD`, one request a connection, everything bounded. It reads, it never trades.

What a client can do is limited to what it costs itself: so many connections at once, so many new ones a second, so many bytes a request, so many
seconds from the first byte to the last. No lock is held while a client is written to.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, NamedTuple, cast

from mmd.core.errors import MmdError
from mmd.core.messages import Level, Notice
from mmd.daemon.logs.logbook import log_notice

MAX_CONNECTIONS = 16
MAX_PER_SECOND = 100
MAX_REQUEST_BYTES = 16 << 10
DEADLINE_S = 5.0
_POLL_S = 1.0
_LINGER_S = 0.5
_TEXT = "text/plain; charset=utf-8"

_SECURITY_HEADERS = (
    ("Content-Security-Policy", ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
                                "form-action 'none'; frame-ancestors 'none'")),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)  # fmt: skip


class Answer(NamedTuple):
    status: HTTPStatus
    content_type: str
    body: bytes


Routes = Mapping[str, Callable[[], Answer]]


def text_answer(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, _TEXT, f"{text}\n".encode())


class RequestTooLong(MmdError):
    """More bytes came than a request may have."""


class _BoundedReader:
    """What http.server reads lines from, up to so many bytes in all."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_REQUEST_BYTES

    def readline(self, limit: int = -1) -> bytes:
        line = self._file.readline(self._left + 1 if limit < 0 else min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise RequestTooLong(f"more than {MAX_REQUEST_BYTES} bytes")
        return line

    def close(self) -> None:
        self._file.close()


class _Handler(BaseHTTPRequestHandler):
    server: BoundedServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "mmd", ""
    timeout = DEADLINE_S
    _refused = False

    def setup(self) -> None:
        super().setup()
        self.rfile = cast(Any, _BoundedReader(cast(BinaryIO, self.rfile)))

    def handle(self) -> None:
        """One request, and the connection is over."""
        self.close_connection = True
        try:
            self.handle_one_request()
        except RequestTooLong:
            self.requestline, self.request_version, self.command = "", "HTTP/1.1", "GET"
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def finish(self) -> None:
        """Take in what a refused client still sends, or its kernel would throw away the answer with it."""
        super().finish()
        if self._refused:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)
                self.connection.settimeout(_LINGER_S)
                while self.connection.recv(1 << 16):
                    pass

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.close_connection = True
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.1"
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        return True

    def do_GET(self) -> None:
        self._send(self._answer())

    def do_HEAD(self) -> None:
        self._send(self._answer())

    def _answer(self) -> Answer:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) > 1 or (not hosts and self.request_version >= "HTTP/1.1"):
            return text_answer(HTTPStatus.BAD_REQUEST, "a request names one host")
        if hosts and not self.server.is_host(hosts[0]):
            return text_answer(HTTPStatus.MISDIRECTED_REQUEST, "this host is not served here; use the address itself, or localhost")
        route = self.server.routes.get(self.path.partition("?")[0])
        return text_answer(HTTPStatus.NOT_FOUND, "there is no such page") if route is None else route()

    def _send(self, answer: Answer, *more: tuple[str, str]) -> None:
        self._refused = answer.status >= HTTPStatus.BAD_REQUEST
        self.send_response(answer.status)
        for name, value in (*_SECURITY_HEADERS, *more):
            self.send_header(name, value)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """http.server's own refusals; what the client sent is not repeated to it."""
        status = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        more = (("Allow", "GET, HEAD"),) if status is HTTPStatus.METHOD_NOT_ALLOWED else ()
        if self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.1"
        self._send(text_answer(status, status.phrase.lower()), *more)

    def log_message(self, format: str, *args: Any) -> None:
        """Who looks is no event of the market's."""


class BoundedServer(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Serves `routes` on a socket that listens already. `run` and `stop` are a worker's; `is_host` says whether a Host header is one of ours."""

    daemon_threads = True
    block_on_close = False
    timeout = _POLL_S

    def __init__(self, listener: socket.socket, routes: Routes, is_host: Callable[[str], bool]) -> None:
        super().__init__(listener.getsockname(), _Handler)
        self.routes = routes
        self.is_host = is_host
        self.socket = listener  # by this name BaseServer looks for it
        self._changed = threading.Condition()  # guards _open
        self._open: dict[socket.socket, float] = {}
        self._stopped = threading.Event()
        self._next_at = 0.0

    def run(self) -> None:
        """Serve until `stop`. Where too many are connected, the next ones wait to be let in."""
        try:
            while not self._stopped.is_set():
                self._cut(time.monotonic())
                if self._has_room():
                    self.handle_request()
        finally:
            self.socket.close()
            self._cut(float("inf"))

    def stop(self) -> None:
        """End `run` soon; returns at once."""
        self._stopped.set()
        # Wakes what waits for a connection.
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; not before its turn, so that a flood of them takes no more than its share of the processor."""
        wait_s = self._next_at - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        self._next_at = time.monotonic() + 1 / MAX_PER_SECOND
        request, address = self.socket.accept()
        with self._changed:
            self._open[request] = time.monotonic() + DEADLINE_S
        return request, address

    def shutdown_request(self, request: Any) -> None:
        """Let go of a connection."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
        with self._changed:
            self._open.pop(request, None)
            request.close()
            self._changed.notify()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is none of our business; anything else is a defect, and told."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            log_notice(Notice(Level.WARNING, "status_failed", {"error": repr(error), "does": "goes on"}))

    def _has_room(self) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self._open) < MAX_CONNECTIONS, _POLL_S)

    def _cut(self, now: float) -> None:
        """End every connection that has had its time: the read or write that blocks in it returns."""
        with self._changed:
            for request, deadline in self._open.items():
                if deadline <= now:
                    with suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)
