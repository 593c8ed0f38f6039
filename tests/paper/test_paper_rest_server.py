"""The REST door on a socket: framing, keep-alive, bounds, and what it never says."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from mmd.paper.authority import Request
from mmd.paper.rest_gate import Reply
from mmd.paper.rest_server import MAX_BODY_BYTES, RestServer


def echo(request: Request) -> Reply:
    """Answers with what it was asked, or fails when asked to."""
    if request.path == "/fail":
        raise ZeroDivisionError
    return Reply(200, list(request), {"X-MBX-USED-WEIGHT-1M": "7"})


@pytest.fixture
def server() -> Iterator[RestServer]:
    server = RestServer(echo, "127.0.0.1", 0)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def connection(server: RestServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
def raw(server: RestServer) -> Iterator[Callable[[bytes], bytes]]:
    """Sends bytes on a connection of its own and gives everything that comes back until the server closes it."""

    def talk(sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
            peer.sendall(sent)
            received = b""
            while chunk := peer.recv(65536):
                received += chunk
            return received

    yield talk


def test_a_request_arrives_as_it_was_sent(connection: http.client.HTTPConnection) -> None:
    """Query and body reach the gate undecoded, with the API key and the caller's address."""
    connection.request("PUT", "/fapi/v1/order?a=%5B1%5D&b=+", "c=%C3%A4", {"X-MBX-APIKEY": "Key"})
    reply = connection.getresponse()
    assert json.loads(reply.read()) == ["PUT", "/fapi/v1/order", "a=%5B1%5D&b=+", "c=%C3%A4", "Key", "127.0.0.1"]
    assert (reply.status, reply.getheader("X-MBX-USED-WEIGHT-1M"), reply.getheader("Content-Type")) == (200, "7", "application/json")


def test_a_connection_serves_many_requests(connection: http.client.HTTPConnection) -> None:
    """HTTP/1.1 keep-alive: the same socket answers again and again, whatever the methods and bodies."""
    local_ports = set()
    for number, method in enumerate(["GET", "POST", "PUT", "DELETE"] * 5):
        connection.request(method, f"/p{number}", "x=1" * number)
        reply = connection.getresponse()
        assert json.loads(reply.read())[1] == f"/p{number}"
        local_ports.add(connection.sock.getsockname()[1])
    assert len(local_ports) == 1


def test_pipelined_requests_are_answered_in_order(raw: Callable[[bytes], bytes]) -> None:
    """Two requests in one packet get two replies; "Connection: close" ends the connection after the second."""
    received = raw(b"POST /one HTTP/1.1\r\nContent-Length: 3\r\n\r\na=1GET /two HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"/one") < received.index(b"/two")


@pytest.mark.parametrize("sent, status", [
    (b"POST /p HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
    (b"POST /p HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    (b"POST /p HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
    (b"POST /p HTTP/1.1\r\nContent-Length: x\r\n\r\n", 411),
    (b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    (b"GARBAGE\r\n\r\n", 400),
    (b"GET /p HTTP/9.9\r\n\r\n", 505),
    (b"BREW /p HTTP/1.1\r\n\r\n", 501),
    (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET /p HTTP/1.1\r\n" + b"h: v\r\n" * 200 + b"\r\n", 431),
])
def test_what_is_no_proper_request_is_refused_in_json(raw: Callable[[bytes], bytes], sent: bytes, status: int) -> None:
    """Bodies too long or of unknown length, broken request lines, endless headers: a JSON error, and the connection ends."""
    head, _, body = raw(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in head
    assert json.loads(body)["code"] == -1000


def test_text_that_is_not_utf_8_is_refused(connection: http.client.HTTPConnection) -> None:
    """Bytes that are no text are illegal characters."""
    connection.request("POST", "/p", b"a=\xff")
    reply = connection.getresponse()
    assert (reply.status, json.loads(reply.read())["code"]) == (400, -1100)


def test_a_defect_is_an_unknown_outcome_and_not_the_end(
    connection: http.client.HTTPConnection, caplog: pytest.LogCaptureFixture,
) -> None:
    """A request that makes the exchange fail is answered with 500 and -1000, is logged without its secrets, and the next one is served."""
    connection.request("POST", "/fail?signature=5ecret", "listenKey=5ecret", {"X-MBX-APIKEY": "5ecret"})
    reply = connection.getresponse()
    assert (reply.status, json.loads(reply.read())["code"]) == (500, -1000)
    assert "request failed method=POST path=/fail" in caplog.text
    assert "5ecret" not in caplog.text
    connection.request("GET", "/p")
    assert connection.getresponse().status == 200


def test_nothing_is_logged_of_what_is_served(
    connection: http.client.HTTPConnection, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:
    """Requests leave no trace, in the log at any level as on the console."""
    caplog.set_level(logging.DEBUG)
    connection.request("GET", "/p?signature=5ecret")
    connection.getresponse().read()
    assert (caplog.text, capfd.readouterr()) == ("", ("", ""))


def test_a_body_that_never_ends_holds_up_nobody(server: RestServer, connection: http.client.HTTPConnection) -> None:
    """While one client is in the middle of its request, another is served, and the door still closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
        peer.sendall(b"POST /p HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
        connection.request("GET", "/p")
        assert connection.getresponse().status == 200
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(5)
        assert not stopping.is_alive()
        assert peer.recv(1) == b""


def test_a_taken_port_is_an_error_at_once(server: RestServer) -> None:
    """Two doors cannot stand at one place."""
    with pytest.raises(OSError, match="in use"):
        RestServer(echo, "127.0.0.1", server.port)
