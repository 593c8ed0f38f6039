"""One WebSocket connection against servers that drip, stall, babble, redirect and vanish."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from mmd.venue.connection import Connection, ConnectionLimits, ConnectionLost

LIMITS = ConnectionLimits(connect_s=1.0, frame_s=0.3, ping_s=60.0, pong_s=60.0, max_message_bytes=10_000)


@pytest.fixture
def connect(serve: Any, wire: Any, request: pytest.FixtureRequest) -> Callable[..., Connection]:
    """An open connection to a server that runs `behave(sock)` after the handshake."""

    def make(behave: Callable[[socket.socket], None], limits: ConnectionLimits = LIMITS) -> Connection:
        def script(sock: socket.socket, handshake: bytes) -> None:
            wire.websocket_handshake(sock, handshake)
            behave(sock)

        connection = Connection(limits)
        request.addfinalizer(connection.close)
        connection.open(serve(script).ws_url + "/ws/x")
        return connection

    return make


def idle(sock: socket.socket) -> None:
    """Reads and says nothing until the client goes."""
    while sock.recv(65_536):
        pass


def lost(connection: Connection, wait_s: float = 5.0) -> str:
    with pytest.raises(ConnectionLost) as caught:
        for _ in range(1000):
            connection.receive(wait_s)
    return str(caught.value)


def test_messages_come_in_order_whatever_the_packets(connect: Any, wire: Any) -> None:
    """Frames of every length form, many in a packet, one in many packets, text and binary."""
    sent = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 9_000, "é".encode(), b"\x00\xff"]

    def behave(sock: socket.socket) -> None:
        sock.sendall(b"".join(wire.frame(payload) for payload in sent))
        for byte in wire.frame(b"slow", opcode=2):
            sock.sendall(bytes([byte]))
        idle(sock)

    connection = connect(behave)
    assert [connection.receive(2.0) for _ in range(len(sent) + 1)] == [*sent, b"slow"]
    assert connection.receive(0.02) is None


def test_the_first_message_may_come_with_the_handshake(serve: Any, wire: Any) -> None:
    """What was read ahead while the handshake was read is not lost."""

    def script(sock: socket.socket, handshake: bytes) -> None:
        held: list[bytes] = []

        class Holding:
            def sendall(self, data: bytes) -> None:
                held.append(data)

        wire.websocket_handshake(Holding(), handshake)
        sock.sendall(b"".join(held) + wire.frame(b"first"))
        idle(sock)

    connection = Connection(LIMITS)
    connection.open(serve(script).ws_url + "/ws/x")
    assert connection.receive(1.0) == b"first"
    connection.close()


def test_fragments_are_joined_across_control_frames(connect: Any, wire: Any) -> None:
    """A message in three fragments with a ping between them comes whole, and the ping is answered with its payload."""
    answered: list[Any] = []

    def behave(sock: socket.socket) -> None:
        sock.sendall(wire.frame(b"one ", fin=False) + wire.frame(b"hello", opcode=9) + wire.frame(b"two ", 0, fin=False) + wire.frame(b"three", 0))
        answered.append(wire.read_frame(sock))
        idle(sock)

    connection = connect(behave)
    assert connection.receive(2.0) == b"one two three"
    connection.receive(0.05)
    assert answered == [(10, b"hello")]


@pytest.mark.parametrize("stump", [0, 1, 3, 50])
def test_half_a_frame_does_not_block(connect: Any, wire: Any, stump: int) -> None:
    """FAULTS K5: a frame that begins and does not go on ends at the deadline of a frame, not at that of the wait."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(wire.frame(b"x" * 1000)[: stump + 1])
        idle(sock)

    connection = connect(behave)
    began = time.monotonic()
    assert lost(connection, 30.0) == "a message did not end in time"
    assert 0.2 < time.monotonic() - began < 2


def test_a_drip_does_not_outlive_the_deadline(connect: Any, wire: Any) -> None:
    """FAULTS K5: bytes that keep coming, each in time, do not keep a frame alive for ever."""

    def behave(sock: socket.socket) -> None:
        for byte in wire.frame(b"x" * 1000):
            sock.sendall(bytes([byte]))
            time.sleep(0.02)

    began = time.monotonic()
    assert lost(connect(behave)) == "a message did not end in time"
    assert 0.2 < time.monotonic() - began < 2


@pytest.mark.parametrize("count", [1, 5])
def test_an_endless_message_is_cut(connect: Any, wire: Any, count: int) -> None:
    """FAULTS S4: the bound holds for a message, whether in one frame or in many fragments."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(wire.frame(b"x" * (12_000 // count), fin=False))
        for _ in range(count):
            sock.sendall(wire.frame(b"x" * (12_000 // count), 0, fin=False))
        idle(sock)

    assert lost(connect(behave)) == "a message is too long"


def test_fragments_kept_alive_by_pings_still_end(connect: Any, wire: Any) -> None:
    """Control frames between fragments renew neither the deadline nor the bound of the message."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(wire.frame(b"x", fin=False))
        for _ in range(100):
            sock.sendall(wire.frame(b"", opcode=10) + wire.frame(b"x", 0, fin=False))
            time.sleep(0.02)

    began = time.monotonic()
    assert lost(connect(behave)) == "a message did not end in time"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x88\x02\x03\xe8", "closed by the peer, code 1000"),
        (b"\x88\x00", "closed by the peer, code 1005"),
        (b"\x80\x01x", "a fragment out of turn"),
        (b"\x01\x01x\x81\x01y", "a fragment out of turn"),
        (b"\xf1\x01x", "connection failed: WebSocketProtocolException"),
        (b"\x83\x01x", "connection failed: WebSocketProtocolException"),
        (b"\x88\x01x", "connection failed: WebSocketProtocolException"),
    ],
)
def test_close_and_nonsense_end_the_connection(connect: Any, data: bytes, reason: str) -> None:
    """A CLOSE is no empty message, and broken frames are no message at all."""

    def behave(sock: socket.socket) -> None:
        sock.sendall(data)
        idle(sock)

    assert lost(connect(behave)) == reason


def test_the_end_of_the_stream_is_no_message(connect: Any) -> None:
    """A peer that hangs up, politely or by reset, raises."""
    assert lost(connect(lambda sock: sock.close())) == "the peer hung up"

    def reset(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()

    assert lost(connect(reset)) in ("connection failed: ConnectionResetError: Connection reset by peer", "the peer hung up")


def test_quiet_and_answering_is_healthy(connect: Any, wire: Any) -> None:
    """FAULTS U3: a peer that says nothing but answers pings is kept, for many ping intervals."""
    pings: list[Any] = []

    def behave(sock: socket.socket) -> None:
        while (ping := wire.read_frame(sock)) is not None:
            pings.append(ping)
            sock.sendall(wire.frame(ping[1], opcode=10))

    connection = connect(behave, LIMITS._replace(ping_s=0.03, pong_s=0.5))
    assert connection.receive(0.4) is None
    assert len(pings) >= 5 and {opcode for opcode, _ in pings} == {9}
    assert len({payload for _, payload in pings}) == len(pings)


def test_a_peer_that_does_not_answer_pings_is_dead(connect: Any, wire: Any) -> None:
    """Silence after a ping ends the connection at the pong's deadline, even while messages are awaited for longer."""
    connection = connect(idle, LIMITS._replace(ping_s=0.05, pong_s=0.2))
    began = time.monotonic()
    assert lost(connection, 30.0) == "no pong in time"
    assert 0.2 < time.monotonic() - began < 2


def test_messages_do_not_stand_in_for_pongs(connect: Any, wire: Any) -> None:
    """A peer that babbles but never answers a ping is cut too: pings go out in a busy stream as well."""
    pings: list[Any] = []

    def behave(sock: socket.socket) -> None:
        sock.settimeout(0.001)
        while True:
            sock.sendall(wire.frame(b"{}"))
            try:
                pings.append(sock.recv(100))
            except TimeoutError:
                pass

    assert lost(connect(behave, LIMITS._replace(ping_s=0.05, pong_s=0.2)), 30.0) == "no pong in time"
    assert pings


def test_abort_wakes_the_reader_at_once(connect: Any) -> None:
    """From another thread, while the reader waits for long, and without blocking; abort twice is abort once."""
    connection = connect(idle)
    woken: list[float] = []

    def read() -> None:
        lost(connection, 60.0)
        woken.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    began = time.monotonic()
    connection.abort()
    connection.abort()
    assert time.monotonic() - began < 0.1
    reader.join(5)
    assert woken and woken[0] - began < 0.5


def test_abort_ends_an_attempt_to_connect(serve: Any) -> None:
    """A handshake that never comes is cut from outside as well; an abort before the attempt forbids it."""
    released = threading.Event()
    server = serve(lambda _sock, _request: released.wait(10))
    connection = Connection(LIMITS._replace(connect_s=30.0))
    timer = threading.Timer(0.1, connection.abort)
    timer.start()
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        connection.open(server.ws_url + "/ws/x")
    assert time.monotonic() - began < 2
    timer.join()
    released.set()
    with pytest.raises(ConnectionLost, match="aborted"):
        connection.open(server.ws_url + "/ws/x")
    assert len(server.requests) == 1


def test_a_handshake_that_drips_ends_in_time(serve: Any) -> None:
    """The deadline covers the handshake as a whole."""

    def drip(sock: socket.socket, _: bytes) -> None:
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 100:
            sock.sendall(bytes([byte]))
            time.sleep(0.02)

    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        Connection(LIMITS._replace(connect_s=0.3)).open(serve(drip).ws_url + "/ws/x")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}", "the handshake was answered with HTTP 401"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the handshake was answered with HTTP 200"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000, "a message is too long"),
        (b"HTTP/1.1 101 OK\r\n\r\n", "cannot connect: WebSocketException"),
        (b"HTTP/1.1 101 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", "a message is too long"),
        (b"garbage\r\n\r\n", "cannot connect: WebSocketException"),
    ],
)
def test_a_handshake_that_is_none(serve: Any, answer: bytes, reason: str) -> None:
    """Refusals, pages and endless heads: a short reason without the address, no crash."""
    connection = Connection(LIMITS)
    with pytest.raises(ConnectionLost) as caught:
        connection.open(serve(lambda sock, _: sock.sendall(answer)).ws_url + "/ws/" + "k" * 64)
    shown = str(caught.value)
    assert "kkkk" not in shown
    assert shown.startswith(reason) or "IndexError" in shown


def test_a_redirect_is_refused(serve: Any, wire: Any) -> None:
    """A listen key is not carried elsewhere."""
    elsewhere = serve(wire.answer(b""))
    server = serve(wire.answer(b"", 307, f"Location: {elsewhere.ws_url}/ws/x"))
    with pytest.raises(ConnectionLost):
        Connection(LIMITS).open(server.ws_url + "/ws/x")
    assert elsewhere.connections == 0


def test_nobody_there_and_no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection and a failed look-up say which of the two."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionLost, match="ConnectionRefusedError"):
        Connection(LIMITS).open(f"ws://127.0.0.1:{port}/ws/x")

    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConnectionLost, match="Name or service not known"):
        Connection(LIMITS).open("wss://fstream.invalid/ws/x")


def test_no_proxy_is_taken_from_the_environment(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULTS S3: `websocket-client` would otherwise send the listen key through `http_proxy`."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert connect(idle).receive(0.02) is None


def test_a_strangers_certificate_is_refused(self_signed: Any) -> None:
    """TLS is verified always."""

    def stranger() -> None:
        sock, _ = listener.accept()
        with sock:
            try:
                self_signed.context.wrap_socket(sock, server_side=True)
            except OSError:
                pass  # The client said no.

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=stranger)
        thread.start()
        with pytest.raises(ConnectionLost, match="certificate verify failed"):
            Connection(LIMITS).open(f"wss://127.0.0.1:{listener.getsockname()[1]}/ws/x")
        thread.join(5)


def test_over_tls_messages_come_and_abort_wakes(self_signed: Any, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a trusted certificate: messages, a whole one in one record, then a wait that `abort` ends at once."""
    monkeypatch.setattr("mmd.venue.connection.DEFAULT_CA_BUNDLE_PATH", self_signed.certificate)

    def serve_one() -> None:
        sock, _ = listener.accept()
        with self_signed.context.wrap_socket(sock, server_side=True) as encrypted:
            wire.websocket_handshake(encrypted, encrypted.recv(65_536))
            encrypted.sendall(wire.frame(b"one") + wire.frame(b"two"))
            try:
                idle(encrypted)
            except OSError:
                pass  # The client is gone without a goodbye.

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one)
        thread.start()
        connection = Connection(LIMITS)
        connection.open(f"wss://127.0.0.1:{listener.getsockname()[1]}/ws/x")
        assert [connection.receive(2.0), connection.receive(2.0), connection.receive(0.05)] == [b"one", b"two", None]
        timer = threading.Timer(0.1, connection.abort)
        timer.start()
        began = time.monotonic()
        lost(connection, 60.0)
        assert time.monotonic() - began < 1
        connection.close()
        timer.join()
        thread.join(5)


def test_sockets_are_not_leaked(serve: Any, wire: Any) -> None:
    """Connections that failed, were cut or closed leave no descriptor behind."""
    server = serve(wire.answer(b"", 401))
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("counts descriptors in /proc")
    before = None
    for _ in range(5):
        for _ in range(10):
            with pytest.raises(ConnectionLost):
                Connection(LIMITS).open(server.ws_url + "/ws/x")
        deadline = time.monotonic() + 2
        while (now := len(os.listdir("/proc/self/fd"))) > (before or now) and time.monotonic() < deadline:
            time.sleep(0.01)  # the server's side closes a moment later
        before = before or now
        assert now <= before
