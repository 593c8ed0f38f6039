"""The REST door: HTTP/1.1 with keep-alive in front of something that answers requests."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mmd.paper.authority import Request
from mmd.paper.rest_gate import Reply

MAX_BODY_BYTES = 1 << 20
IDLE_TIMEOUT_S = 300.0

Answer = Callable[[Request], Reply]

_log = logging.getLogger(__name__)


class RestServer:
    """Serves `answer` on `host`:`port` (0: the system chooses), one thread a connection.  Raises OSError where the port is taken."""

    def __init__(self, answer: Answer, host: str, port: int) -> None:
        self._server = _Server((host, port), answer)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="paper-rest")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Accepts from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stops accepting, cuts the connections, and joins their threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.cut_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close joins them
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Answer) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Binds without asking the name service who we are, which HTTPServer does and which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("connection of %s ended by an error", client_address, exc_info=True)

    def cut_connections(self) -> None:
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the peer was faster


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_TIMEOUT_S

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Request lines hold signatures and listen keys: they are never logged."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses (a broken request line, endless headers) is answered in JSON too, and ends the connection."""
        self.close_connection = True
        self._send(Reply(code, {"code": -1000, "msg": message or HTTPStatus(code).phrase}, {}))

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        try:
            request = Request(
                self.command, path, query.encode("latin-1").decode(), body.decode(), self.headers.get("X-MBX-APIKEY"), self.client_address[0])
        except UnicodeDecodeError:
            self._send(Reply(400, {"code": -1100, "msg": "Illegal characters found in a parameter."}, {}))
            return
        try:
            reply = self.server.answer(request)
        except Exception:  # noqa: BLE001 (The top of this request's thread: a defect of ours must not look like a refusal.)
            _log.exception("request failed method=%s path=%s", self.command, path)
            reply = Reply(500, {"code": -1000, "msg": "An unknown error occured while processing the request."}, {})
        self._send(reply)

    def _read_body(self) -> bytes | None:
        """The whole body, or None where the request was refused for it."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif len(length) > 10 or int(length) > MAX_BODY_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
            self.close_connection = True  # the peer went away in the middle of it
        return None

    def _send(self, reply: Reply) -> None:
        """Head and body in one send, so that no reply waits for an acknowledgement of its own head."""
        body = b"" if self.command == "HEAD" else json.dumps(reply.payload, separators=(",", ":")).encode()
        lines = [
            f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
            f"Date: {self.date_time_string()}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        try:
            self.wfile.write("\r\n".join((*lines, "", "")).encode("latin-1") + body)
        except OSError:
            self.close_connection = True
