"""The WebSocket door: handshakes, the conversation, limits, slow clients, farewells."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mmd.paper import ws_server
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.market_source import DepthFrame
from mmd.paper.runtime import PaperServer
from mmd.paper.stream_hub import StreamHub
from mmd.paper.ws_server import StreamServer, StreamTimes

WAIT_S = 5.0
HANDSHAKE = (b"GET /%b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class House:
    """A stream door in front of an exchange whose time only this test moves."""

    def __init__(self, exchange: PaperExchange, times: StreamTimes, stack: contextlib.ExitStack) -> None:
        self.exchange = exchange
        self.keys = ListenKeys(Random(1))
        self.hub = StreamHub(exchange, self.keys)
        self.lock = threading.Lock()
        began = time.monotonic()
        self.door = StreamServer(
            self.hub, self.lock, lambda: exchange.now_ms + int((time.monotonic() - began) * 1000), "127.0.0.1", 0, times)
        self.door.start()
        stack.callback(self.door.stop)
        self._stack = stack

    def enter(self, address: str) -> ClientConnection:
        return self._stack.enter_context(connect(f"ws://127.0.0.1:{self.door.port}{address}", close_timeout=1))

    def enter_raw(self, address: str) -> socket.socket:
        """A client that has shaken hands and does nothing more by itself."""
        peer = self._stack.enter_context(socket.socket())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(WAIT_S)
        peer.connect(("127.0.0.1", self.door.port))
        peer.sendall(HANDSHAKE % address.encode())
        assert peer.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 101"
        return peer

    def move(self) -> None:
        """100 ms pass, and the best bid changes its size."""
        with self.lock:
            now_ms = self.exchange.now_ms + 100
            self.exchange.advance(now_ms)
            self.exchange.market.apply(DepthFrame(0, ((249_999, now_ms % 10_000 + 1),), ()), now_ms)
            self.hub.tick(now_ms)


@pytest.fixture
def open_house(exchange: PaperExchange) -> Iterator[Callable[..., House]]:
    with contextlib.ExitStack() as stack:
        yield lambda times=StreamTimes(): House(exchange, times, stack)  # noqa: B008 (frozen)


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


def receive(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(timeout=WAIT_S))


def close_code(connection: ClientConnection) -> int | None:
    """The code with which the server closes, whatever it still says before."""
    with pytest.raises(ConnectionClosed):
        while True:
            connection.recv(timeout=WAIT_S)
    return connection.close_code


def read_to_the_end(peer: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while chunk := peer.recv(1 << 20):
            received += chunk
    return bytes(received)


def test_raw_and_combined_addresses(house: House) -> None:
    """The same payload arrives bare on /ws/… and wrapped on /stream?streams=…, from the instant that the handshake is done."""
    raw, combined = house.enter("/ws/ethusdt@depth5@100ms"), house.enter("/stream?streams=ethusdt@depth5@100ms/ethusdt@trade")
    house.move()
    payload = receive(raw)
    assert payload["e"] == "depthUpdate"
    assert receive(combined) == {"stream": "ethusdt@depth5@100ms", "data": payload}


@pytest.mark.parametrize("address, status", [
    ("/ws/btcusdt@depth", 400), ("/ws/NoSuchListenKey", 400), ("/stream?streams=ethusdt@depth/nonsense", 400), ("/", 404), ("/fapi/v1/ping", 404),
])
def test_an_address_without_a_stream_is_refused_at_the_handshake(house: House, address: str, status: int) -> None:
    """An unknown stream or listen key gets no connection that would stay silent for ever."""
    with pytest.raises(InvalidStatus) as caught:
        house.enter(address)
    assert caught.value.response.status_code == status


def test_clients_that_never_come_in_leave_nothing_behind(house: House) -> None:
    """Half a handshake, a broken one, and one that is abandoned before its answer listen to nothing for long."""
    for sent in (b"", b"GET /ws", HANDSHAKE.replace(b"13", b"12") % b"ws/ethusdt@depth@100ms", HANDSHAKE % b"ws/ethusdt@depth@100ms"):
        with socket.create_connection(("127.0.0.1", house.door.port), timeout=WAIT_S) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset instead of a farewell
            peer.sendall(sent)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        with house.enter("/ws") as connection:  # Whoever enters sweeps out the lost.
            connection.send('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
            assert receive(connection)["id"] == 1
        if house.hub.due_ms() is None:
            break
    assert house.hub.due_ms() is None


def test_the_conversation(house: House) -> None:
    """Subscribing on an open connection: the reply first, then the stream, and silence after unsubscribing."""
    connection = house.enter("/ws")
    connection.send('{"method": "SUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 1}')
    assert receive(connection) == {"result": None, "id": 1}
    house.move()
    assert receive(connection)["e"] == "bookTicker"
    connection.send('{"method": "UNSUBSCRIBE", "params": ["ethusdt@bookTicker"], "id": 2}')
    assert receive(connection) == {"result": None, "id": 2}
    house.move()
    connection.send('{"method": "LIST_SUBSCRIPTIONS", "id": 3}')
    assert receive(connection) == {"result": [], "id": 3}
    connection.send(b"\xff")
    assert receive(connection)["code"] == 3


def test_the_eleventh_message_in_a_second_ends_the_connection(house: House) -> None:
    """"A connection that goes beyond the limit will be disconnected", for which the close code is that of a broken policy."""
    connection = house.enter("/ws")
    for number in range(11):
        connection.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    assert [receive(connection)["id"] for _ in range(10)] == list(range(10))
    assert close_code(connection) == ws_server.POLICY_VIOLATION


def test_pings_are_answered_and_do_not_count(house: House) -> None:
    """A client may ping as it likes: control frames are no messages."""
    connection = house.enter("/ws")
    assert all(connection.ping(str(number)).wait(WAIT_S) for number in range(20))
    connection.send('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
    assert receive(connection) == {"result": [], "id": 1}


def test_a_message_too_long_ends_the_connection(house: House) -> None:
    """Nobody needs to send more than 64 KiB here."""
    connection = house.enter("/ws")
    connection.send(" " * (ws_server.MAX_MESSAGE_BYTES + 1))
    assert close_code(connection) == 1009


def test_a_connection_ends_after_its_time(open_house: Callable[..., House]) -> None:
    """The 24 hour cut, here after a tenth of a second: closed as going away."""
    assert close_code(open_house(StreamTimes(connection_life_s=0.1)).enter("/ws")) == ws_server.GOING_AWAY


def test_a_client_that_answers_no_ping_is_disconnected(open_house: Callable[..., House]) -> None:
    """The ping of every five minutes, here of every 50 ms, wants its pong before the deadline."""
    house = open_house(StreamTimes(ping_interval_s=0.05, pong_deadline_s=0.05))
    received = read_to_the_end(house.enter_raw("ws"))
    assert b"\x89\x04" in received  # a ping with four bytes
    assert b"\x03\xf3" in received  # close code 1011


def test_a_slow_client_holds_up_nobody_and_is_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that reads nothing loses its connection at the bound; its neighbour gets every frame at once."""
    monkeypatch.setattr(ws_server, "MAX_QUEUED_FRAMES", 100)
    good, slow = house.enter("/ws/ethusdt@bookTicker"), house.enter_raw("ws/ethusdt@depth20@100ms")
    moves = 0
    while house.hub.due_ms() is not None:  # The depth stream waits for a time as long as somebody listens to it.
        house.move()
        assert receive(good)["B"] == house.exchange.market.book_ticker()["bidQty"]
        moves += 1
        assert moves < 50_000, "the slow client was never cut off"
    assert moves > 100
    assert 0 < read_to_the_end(slow).count(b"depthUpdate") < moves


def test_deleting_the_listen_key_closes_the_connection(house: House) -> None:
    """The user stream ends with its key, orderly, after everything that was on its way."""
    key = house.keys.open("paper", house.exchange.now_ms)
    connection = house.enter(f"/ws/{key}")
    house.keys.close("paper", None, house.exchange.now_ms)
    house.move()
    assert close_code(connection) == 1000


def test_listen_keys_stay_out_of_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Not even at DEBUG does the server write a listen key down, good or bad."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.CRITICAL, "websockets.client")
    key = house.keys.open("paper", house.exchange.now_ms)
    house.enter(f"/ws/{key}").close()
    with pytest.raises(InvalidStatus):
        house.enter(f"/ws/{key}x")
    house.door.stop()
    assert key not in caplog.text


def test_stopping_says_good_bye(served: PaperServer) -> None:
    """At the end every client is told that the server goes away, and one that never answers is cut; no thread is left."""
    host, _, port = served.ws_url.removeprefix("ws://").partition(":")
    with connect(served.ws_url + "/ws/ethusdt@depth5@100ms", close_timeout=1) as connection, socket.create_connection(
            (host, int(port)), timeout=WAIT_S) as silent:
        silent.sendall(HANDSHAKE % b"ws")
        assert silent.recv(12) == b"HTTP/1.1 101"
        began = time.monotonic()
        served.stop()
        assert time.monotonic() - began < 2 * ws_server.FAREWELL_S
        assert close_code(connection) == ws_server.GOING_AWAY
        assert b"\x03\xe9" in read_to_the_end(silent)  # close code 1001
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("paper-")] == []
