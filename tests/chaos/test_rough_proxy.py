"""The rough road is as rough as it says, so that what is tried on it means something."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from rough_proxy import Fault, Ill, RoughProxy, Way

REQUEST = b"GET /a HTTP/1.1\r\n\r\n"


class Echo:
    """A server that sends everything back, and knows what it was sent."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(sock,), daemon=True))
            self._threads[-1].start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                while piece := sock.recv(65_536):
                    self.heard += piece
                    sock.sendall(piece)
            except OSError:
                pass
        self.ended += 1

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.stop()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[RoughProxy]:
    made = RoughProxy(echo.address, seed=1)
    yield made
    made.stop()


@pytest.fixture
def client(proxy: RoughProxy) -> Iterator[socket.socket]:
    with connect(proxy) as sock:
        yield sock


def connect(proxy: RoughProxy) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    sock.sendall(REQUEST)
    assert receive(sock, len(REQUEST)) == REQUEST
    return sock


def receive(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := sock.recv(count - len(data))):
        data += piece
    return data


def is_silent(sock: socket.socket, seconds: float = 0.15) -> bool:
    sock.settimeout(seconds)
    try:
        return not sock.recv(1) and False
    except TimeoutError:
        return True
    finally:
        sock.settimeout(5)


def test_without_a_fault_everything_arrives(client: socket.socket) -> None:
    """A megabyte goes there and back unchanged."""
    data = bytes(range(256)) * 4096
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    assert receive(client, len(data)) == data
    sender.join()


def test_refused_connections_are_refused_until_it_is_mended(proxy: RoughProxy) -> None:
    """Nobody listens, and afterwards somebody does, on the same port."""
    proxy.set(Fault(Ill.REFUSE))
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.set(None)
    connect(proxy).close()


def test_a_hung_connect_gets_no_answer_until_it_is_mended(proxy: RoughProxy, client: socket.socket) -> None:
    """A new connection waits; an old one works on."""
    proxy.set(Fault(Ill.HANG))
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=0.2)
    client.sendall(b"on")
    assert receive(client, 2) == b"on"
    proxy.set(None)
    connect(proxy).close()


def test_what_is_swallowed_stays_lost(proxy: RoughProxy, echo: Echo, client: socket.socket) -> None:
    """No byte and no end arrives on a half-open connection, mended or not; a new one works."""
    proxy.set(Fault(Ill.SWALLOW))
    client.sendall(b"lost")
    assert is_silent(client)
    proxy.set(None)
    client.sendall(b"lost as well")
    assert is_silent(client) and b"lost" not in echo.heard
    client.close()
    connect(proxy).close()
    assert echo.ended <= 1, "the server was told of the end"


def test_an_answer_is_swallowed_after_the_server_heard_the_request(proxy: RoughProxy, echo: Echo, client: socket.socket) -> None:
    """With one way alone struck, the other one works."""
    proxy.set(Fault(Ill.SWALLOW, ways=frozenset({Way.TO_CLIENT})))
    client.sendall(b"heard")
    assert is_silent(client) and echo.heard.endswith(b"heard")


def test_what_is_held_arrives_when_it_is_mended(proxy: RoughProxy, client: socket.socket) -> None:
    """Late, but whole."""
    proxy.set(Fault(Ill.HOLD))
    client.sendall(b"late")
    assert is_silent(client)
    proxy.set(None)
    assert receive(client, 4) == b"late"


def test_a_drip_takes_its_time(proxy: RoughProxy, client: socket.socket) -> None:
    """Five bytes of an answer take five times as long as one."""
    proxy.set(Fault(Ill.DRIP, seconds=0.03, ways=frozenset({Way.TO_CLIENT})))
    began = time.monotonic()
    client.sendall(b"drips")
    assert receive(client, 5) == b"drips"
    assert time.monotonic() - began >= 0.15


@pytest.mark.parametrize("ill", [Ill.UNFINISHED, Ill.CUT, Ill.RESET])
def test_only_a_part_of_a_piece_arrives(proxy: RoughProxy, client: socket.socket, ill: Ill) -> None:
    """Then nothing, an end, or a reset."""
    data = b"x" * 1000
    proxy.set(Fault(ill, ways=frozenset({Way.TO_CLIENT})))
    client.sendall(data)
    if ill is Ill.RESET:
        with pytest.raises(ConnectionResetError):
            receive(client, 1000)
    elif ill is Ill.CUT:
        assert len(receive(client, 1000)) < 1000
    else:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            receive(client, 1000)


def test_a_fault_strikes_only_what_it_is_meant_for(proxy: RoughProxy, client: socket.socket) -> None:
    """By the latest request line; and a strike passes by those who come later."""
    proxy.set(Fault(Ill.SWALLOW, asked=rb"^POST /b"))
    client.sendall(b"on")
    assert receive(client, 2) == b"on"
    client.sendall(b"POST /b HTTP/1.1\r\n\r\n")
    assert is_silent(client)
    proxy.set(None)
    with connect(proxy) as other:
        proxy.strike(Fault(Ill.SWALLOW))
        other.sendall(b"lost")
        assert is_silent(other)
    connect(proxy).close()


def test_a_reset_of_all_reaches_everybody(proxy: RoughProxy, client: socket.socket) -> None:
    """The next read fails, on every connection."""
    with connect(proxy) as other:
        proxy.reset_all()
        for sock in (client, other):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    assert proxy.requests() == []
