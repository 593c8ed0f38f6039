"""A webhook on the loopback that does to each request what the test wants done."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
WAIT_S = 20.0


class Hook:
    """Answers each POST by the next of its `answers`, the last one for ever: a whole HTTP reply, or `reset`, `hang`, or `drip`."""

    def __init__(self, *answers: str) -> None:
        self.answers = answers or (OK,)
        self.requests: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self._grown = threading.Condition()
        self._closed = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/services/T0123456789/t0ken-of-the-hook?thread=7-secret-query"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The first `count` bodies, waited for."""
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.bodies) >= count, WAIT_S), f"{len(self.bodies)} of {count} alerts came: {self.bodies}"
            return self.bodies[:count]

    def close(self) -> None:
        self._closed.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(WAIT_S)

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._closed.is_set():
                connection, _ = self._server.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(WAIT_S)
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return  # It was something else than HTTP.
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            while len(body) < length:
                body += connection.recv(65536)
            with self._grown:
                answer = self.answers[min(len(self.bodies), len(self.answers) - 1)]
                self.requests.append(head.decode())
                self.bodies.append(json.loads(body))
                self._grown.notify_all()
            if answer == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif answer == "hang":
                self._closed.wait(WAIT_S)
            elif answer == "drip":
                while not self._closed.wait(0.05):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX: " if not data else b"x")
                    data = data or b"x"
            else:
                connection.sendall(answer.encode())


@contextmanager
def hook(*answers: str) -> Iterator[Hook]:
    made = Hook(*answers)
    try:
        yield made
    finally:
        made.close()


def wait_until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.01)
