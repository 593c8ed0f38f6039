"""The WebSocket door: connections in front of a stream hub."""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.sync.server import Server, ServerConnection, serve

from mmd.paper.stream_hub import StreamHub
from mmd.paper.subscriptions import MessageRate, Subscriptions, TargetError, parse_target

MAX_MESSAGE_BYTES = 1 << 16
MAX_QUEUED_FRAMES = 4096
FAREWELL_S = 1.5
GOING_AWAY = 1001
POLICY_VIOLATION = 1008

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamTimes:
    """How long a connection lives and how it proves that it does (V1 "Websocket Market Streams"), in seconds."""

    connection_life_s: float = 86_400.0
    ping_interval_s: float = 300.0
    pong_deadline_s: float = 900.0


class StreamServer:
    """Serves the hub's streams on `host`:`port` (0: the system chooses).  Raises OSError where the port is taken.

    `lock` guards the hub; `now_ms` is the exchange's clock.
    """

    def __init__(self, hub: StreamHub, lock: threading.Lock, now_ms: Callable[[], int], host: str, port: int, times: StreamTimes) -> None:
        self._hub = hub
        self._lock = lock
        self._now_ms = now_ms
        self._times = times
        self._open: dict[ServerConnection, _Connection] = {}
        self._stopped = False
        # The library logs whole handshakes, and a listen key is a secret.
        handshakes = logging.getLogger(f"{__name__}.handshakes")
        handshakes.setLevel(logging.CRITICAL)
        self._server: Server = serve(
            self._converse, host, port, process_request=self._admit, process_response=self._attach, compression=None, max_size=MAX_MESSAGE_BYTES,
            open_timeout=5, close_timeout=1, ping_interval=times.ping_interval_s, ping_timeout=times.pong_deadline_s, logger=handshakes)
        self._thread = threading.Thread(target=self._server.serve_forever, name="paper-streams")

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.socket.getsockname()[1])

    def start(self) -> None:
        """Accepts from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Says good-bye to every connection, cuts those that don't answer within a second, and joins their threads."""
        if self._stopped:
            return
        self._stopped = True
        if self._thread.ident is None:
            self._thread.start()  # Only a running server closes everything it opened.
        self._say_good_bye()
        self._server.shutdown()
        self._thread.join()
        self._say_good_bye()  # to those who came in meanwhile

    def _say_good_bye(self) -> None:
        with self._lock:
            connections = list(self._open.values())
        for connection in connections:
            connection.hang_up(GOING_AWAY)
        until = time.monotonic() + FAREWELL_S
        for connection in connections:
            connection.ended.wait(max(0.0, until - time.monotonic()))
            connection.cut()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuses the handshake where the address names something that is no stream and no listen key."""
        try:
            target = parse_target(request.path)
        except TargetError as error:
            return connection.respond(404, f"{error}\n")
        with self._lock:
            now_ms = self._now_ms()
            unknown = [name for name in target.streams if not self._hub.serves(name, now_ms)]
        return connection.respond(400, "unknown stream or listen key\n") if unknown else None

    def _attach(self, websocket: ServerConnection, request: Request, response: Response) -> None:
        """Listens from before the client knows that it is connected, so that whatever it does then, it misses nothing of it."""
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return
        connection = _Connection(websocket, Subscriptions(parse_target(request.path)))
        with self._lock:
            # Clients that went away before they were told that they are connected never came to `_converse`.
            for lost in [other for other in self._open.values() if other.writer.ident is None and other.websocket.state is State.CLOSED]:
                self._detach(lost)
            self._open[websocket] = connection
            self._hub.attach(connection)

    def _detach(self, connection: _Connection) -> None:
        self._hub.detach(connection)
        self._open.pop(connection.websocket, None)

    def _converse(self, websocket: ServerConnection) -> None:
        """One connection from its handshake to its end: this thread reads, a second one writes."""
        with self._lock:
            connection = self._open.get(websocket)
            if connection is None:
                return  # It was lost before it got here.
            connection.writer.start()
        try:
            self._read(connection)
        except ConnectionClosed:
            _log.debug("connection closed code=%s", websocket.close_code)
        finally:
            with self._lock:
                self._detach(connection)
            connection.hang_up()
            connection.writer.join(FAREWELL_S)
            connection.cut()
            connection.writer.join()
            connection.ended.set()

    def _read(self, connection: _Connection) -> None:
        rate = MessageRate()
        until_ms = self._now_ms() + int(self._times.connection_life_s * 1000)
        while True:
            try:
                message = connection.websocket.recv(timeout=max(0.0, (until_ms - self._now_ms()) / 1000))
            except TimeoutError:
                connection.hang_up(GOING_AWAY)
                return
            if not rate.admit(self._now_ms()):
                connection.hang_up(POLICY_VIOLATION)
                return
            with self._lock:
                reply = connection.subscriptions.answer(message)
                self._hub.refresh()
                connection.deliver(json.dumps(reply))


class _Connection:
    """One connection as the hub sees it: a bounded queue of frames with a thread that sends them."""

    def __init__(self, websocket: ServerConnection, subscriptions: Subscriptions) -> None:
        self.websocket = websocket
        self.subscriptions = subscriptions
        self.ended = threading.Event()
        self._frames: queue.SimpleQueue[str | int] = queue.SimpleQueue()  # an int is a close code, and the last entry
        self.writer = threading.Thread(target=self._write, name="paper-stream-writer")

    def deliver(self, frame: str) -> None:
        """Puts a frame into the queue; a client that left too many unread is cut off, so that nobody waits for it."""
        if self._frames.qsize() >= MAX_QUEUED_FRAMES:
            _log.warning("slow client cut off queued=%d", MAX_QUEUED_FRAMES)
            self.cut()
            return
        self._frames.put(frame)

    def hang_up(self, code: int = 1000) -> None:
        """Closes with `code` once everything queued is sent."""
        self._frames.put(code)

    def cut(self) -> None:
        """Ends the connection now, whatever is in the way; its threads wake up and end."""
        try:
            self.websocket.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already

    def _write(self) -> None:
        try:
            while isinstance(frame := self._frames.get(), str):
                self.websocket.send(frame)
            self.websocket.close(frame)
        except ConnectionClosed:
            return
