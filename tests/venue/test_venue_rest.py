"""One REST lane against servers that do everything wrong: what is known afterwards, how long it took, and what was sent how often."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from mmd.core.errors import ConfigError
from mmd.core.messages import Lost, Refusal, Unsent
from mmd.venue.clock import ClockUnset, VenueClock
from mmd.venue.endpoints import V1, Call
from mmd.venue.rest import MAX_BODY_BYTES, CallFailed, RestClient, Timeouts, Usage
from mmd.venue.signing import V1Signer
from mmd.venue.usage import UsageMeter

KEY = "k" * 64
SECRET = "s" * 64
ORDER = [("symbol", "ETHUSDT"), ("newClientOrderId", "mmd-1")]


def client(url: str, answer_s: float = 0.4, meter: UsageMeter | None = None) -> RestClient:
    clock = VenueClock()
    clock.observe(1_700_000_000_000, 0, 0)
    return RestClient(url, V1, V1Signer(KEY, SECRET), clock, Timeouts(1.0, answer_s), now_ms=lambda: 5_000, meter=meter)


@pytest.fixture
def lane(request: pytest.FixtureRequest) -> Callable[..., RestClient]:
    def make(url: str, answer_s: float = 0.4, meter: UsageMeter | None = None) -> RestClient:
        rest = client(url, answer_s, meter)
        request.addfinalizer(rest.close)
        return rest

    return make


def failure(rest: RestClient, call: Call = Call.PLACE) -> Any:
    """The outcome of a call that must fail, after a look at the text of its exception."""
    with pytest.raises(CallFailed) as caught:
        rest.call(call, ORDER)
    for secret in (KEY, SECRET, "timestamp=", "?symbol"):
        assert secret not in f"{caught.value} {caught.value.outcome!r}"
    assert caught.value.__cause__ is None, "the library's exception holds the URL"
    return caught.value.outcome


def test_a_post_goes_out_once_signed_in_the_body(serve: Any, wire: Any, lane: Any) -> None:
    """POST: form body with the signature last, key in the head, nothing in the URL, the parsed JSON back."""
    server = serve(wire.answer(b'{"orderId": 7}'))
    assert lane(server.url).call(Call.PLACE, ORDER) == {"orderId": 7}
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /fapi/v1/order HTTP/1.1\r\n")
    assert f"X-MBX-APIKEY: {KEY}".encode() in head
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert [name for name, _ in parse_qsl(body.decode())] == ["symbol", "newClientOrderId", "recvWindow", "timestamp", "signature"]
    assert b"timestamp=1700000005000" in body, "the venue's clock, not the machine's"


def test_a_get_carries_its_parameters_in_the_query(serve: Any, wire: Any, lane: Any) -> None:
    """GET: signed query; public calls carry neither key nor signature; nothing compressed is asked for."""
    server = serve(wire.answer(b"[]"))
    rest = lane(server.url)
    rest.call(Call.OPEN_ORDERS, [("symbol", "ETHUSDT")])
    rest.call(Call.SERVER_TIME)
    signed, public = server.requests
    assert signed.startswith(b"GET /fapi/v1/openOrders?symbol=ETHUSDT&recvWindow=5000&timestamp=1700000005000&signature=")
    assert public.startswith(b"GET /fapi/v1/time HTTP/1.1\r\n")
    assert b"X-MBX-APIKEY" not in public and b"Accept-Encoding: identity" in public


def test_a_listen_key_call_sends_the_key_and_no_signature(serve: Any, wire: Any, lane: Any) -> None:
    """V1 "USER_STREAM: requires sending a valid API-Key"."""
    server = serve(wire.answer(b'{"listenKey": "x"}'))
    lane(server.url).call(Call.NEW_LISTEN_KEY)
    assert KEY.encode() in server.requests[0] and b"signature" not in server.requests[0]


def test_the_connection_is_kept(serve: Any, wire: Any, lane: Any) -> None:
    """Twenty calls, refused ones among them, take one connection."""
    server = serve(*[wire.answer(b"{}"), wire.answer(b'{"code":-2011,"msg":"x"}', 400)] * 10)
    rest = lane(server.url)
    for _ in range(10):
        rest.call(Call.PING)
        assert failure(rest) == Refusal(400, -2011, "x")
    assert server.connections == 1


def test_head_and_body_leave_in_one_packet(serve: Any, wire: Any, lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One write to the socket a request: the venue never waits for a second packet."""
    server = serve(wire.answer(b"{}"))
    writes: list[bytes] = []
    this_thread, send_all = threading.get_ident(), socket.socket.sendall

    def counted(sock: socket.socket, data: bytes, *flags: int) -> None:
        if threading.get_ident() == this_thread:
            writes.append(data)
        send_all(sock, data, *flags)

    monkeypatch.setattr(socket.socket, "sendall", counted)
    lane(server.url).call(Call.PLACE, ORDER)
    assert writes == server.requests and len(writes) == 1


@pytest.mark.parametrize("call", [Call.PLACE, Call.AMEND, Call.CANCEL, Call.QUERY])
def test_a_reset_after_sending_is_unknown_and_never_sent_again(serve: Any, lane: Any, call: Call) -> None:
    """FAULTS O1, O2: the server reads the request and hangs up; there is one request, whatever its method, and it is Lost."""
    server = serve(lambda sock, _: sock.close())
    assert isinstance(failure(lane(server.url), call), Lost)
    assert len(server.requests) == 1


def test_a_stale_connection_that_dies_while_sending_is_unknown(serve: Any, wire: Any, lane: Any) -> None:
    """A kept connection that the server resets when the next POST comes is Lost, not Unsent, and not sent on a new one."""
    server = serve(wire.answer(b"{}"), lambda sock, _: sock.close())
    rest = lane(server.url)
    rest.call(Call.PING)
    assert isinstance(failure(rest), Lost)
    assert (len(server.requests), server.connections) == (2, 1)


def test_a_connection_that_the_server_closed_while_idle_is_replaced(serve: Any, wire: Any, lane: Any) -> None:
    """A clean close between two requests is seen before sending: the next call takes a new connection and succeeds."""

    def answer_and_close(sock: socket.socket, request: bytes) -> None:
        wire.answer(b"{}")(sock, request)
        sock.shutdown(socket.SHUT_RDWR)

    server = serve(answer_and_close, wire.answer(b'{"orderId": 1}'))
    rest = lane(server.url)
    rest.call(Call.PING)
    [kept] = [connection for connection in rest._session.adapters[server.url]._pool.pool.queue if connection is not None]
    until = time.monotonic() + 2
    while kept.is_connected:  # until the close has arrived
        assert time.monotonic() < until
    assert rest.call(Call.PLACE, ORDER) == {"orderId": 1}
    assert server.connections == 2


def test_where_nobody_listens_nothing_was_sent(lane: Any) -> None:
    """Connection refused is Unsent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert failure(lane(f"http://127.0.0.1:{port}")) == Unsent("ConnectionRefusedError: Connection refused")


def test_a_lane_recovers_when_the_venue_comes_back(wire: Any, lane: Any) -> None:
    """After a refused connection the same client connects and works again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    rest = lane(f"http://127.0.0.1:{port}")
    assert isinstance(failure(rest), Unsent)
    with socket.create_server(("127.0.0.1", port)) as listener:

        def answer_one() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65_536)
                wire.answer(b'{"orderId": 1}')(sock, b"")

        thread = threading.Thread(target=answer_one)
        thread.start()
        assert rest.call(Call.PLACE, ORDER) == {"orderId": 1}
        thread.join(5)


def test_a_name_that_does_not_resolve_was_never_sent_to(lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of DNS is Unsent."""

    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert failure(lane("https://fapi.invalid")) == Unsent("gaierror: Name or service not known")


def test_a_peer_without_tls_was_never_sent_to(lane: Any) -> None:
    """A TLS handshake that fails leaves the request unsent: no byte of it left the machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closing = threading.Thread(target=lambda: listener.accept()[0].close())
        closing.start()
        outcome = failure(lane(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        closing.join(5)
    assert isinstance(outcome, Unsent)


def test_a_certificate_that_nobody_signed_is_refused(lane: Any, self_signed: Any) -> None:
    """FAULTS S3: TLS is verified always, and nothing is sent to a stranger."""
    received: list[bytes] = []

    def stranger() -> None:
        sock, _ = listener.accept()
        with sock:
            try:
                received.append(self_signed.context.wrap_socket(sock, server_side=True).recv(10))
            except OSError:
                pass  # The client said no.

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=stranger)
        thread.start()
        outcome = failure(lane(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join(5)
    assert isinstance(outcome, Unsent) and "certificate verify failed" in outcome.reason
    assert not any(received)


def test_a_trusted_certificate_makes_a_lane(self_signed: Any, wire: Any, lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS a lane works like any other: whole request, kept connection, deadline."""
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", self_signed.certificate)
    requests: list[bytes] = []
    released = threading.Event()

    def serve_two_and_hang() -> None:
        sock, _ = listener.accept()
        with self_signed.context.wrap_socket(sock, server_side=True) as encrypted:
            for _ in range(2):
                requests.append(encrypted.recv(65_536))
                wire.answer(b'{"orderId": 1}')(encrypted, b"")
            released.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_two_and_hang)
        thread.start()
        rest = lane(f"https://127.0.0.1:{listener.getsockname()[1]}", 0.3)
        assert [rest.call(Call.PLACE, ORDER) for _ in range(2)] == [{"orderId": 1}] * 2
        assert isinstance(failure(rest), Lost)
        released.set()
        thread.join(5)
    assert all(request.startswith(b"POST ") and b"&signature=" in request for request in requests)


def slow_head(sock: socket.socket, _: bytes) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 1000:
        sock.sendall(bytes([byte]))
        time.sleep(0.05)


def slow_body(sock: socket.socket, _: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _byte in range(1000):
        sock.sendall(b" ")
        time.sleep(0.05)


@pytest.mark.parametrize("drip", [slow_head, slow_body])
def test_a_drip_does_not_outlive_the_deadline(serve: Any, lane: Any, drip: Any) -> None:
    """Each byte comes well within a read's timeout, yet the answer as a whole ends at its deadline, head or body."""
    server = serve(drip)
    began = time.monotonic()
    assert isinstance(failure(lane(server.url, 0.3)), Lost)
    assert 0.25 < time.monotonic() - began < 2


def test_a_hang_ends_at_the_deadline(serve: Any, lane: Any) -> None:
    """No answer at all: Lost after the time given, not later."""
    released = threading.Event()
    server = serve(lambda _sock, _request: released.wait(10))
    began = time.monotonic()
    assert isinstance(failure(lane(server.url, 0.3)), Lost)
    assert 0.25 < time.monotonic() - began < 2
    released.set()


def test_after_a_timeout_the_late_answer_is_not_taken_for_the_next(serve: Any, wire: Any, lane: Any) -> None:
    """The connection of a timed-out request is dropped with whatever comes on it later."""

    def late(sock: socket.socket, request: bytes) -> None:
        time.sleep(0.3)
        wire.answer(b'{"orderId": 1}')(sock, request)

    server = serve(late, wire.answer(b'{"orderId": 2}'))
    rest = lane(server.url, 0.15)
    failure(rest)
    assert rest.call(Call.PLACE, ORDER) == {"orderId": 2}
    assert server.connections == 2


@pytest.mark.parametrize("status", [200, 400, 502, 503])
def test_a_page_instead_of_json_is_classified(serve: Any, wire: Any, lane: Any, status: int) -> None:
    """FAULTS R2: HTML with any of these statuses leaves an order unknown; nothing crashes and the connection lives on."""
    server = serve(wire.answer(b"<html><body>Bad gateway</body></html>", status), wire.answer(b"{}"))
    rest = lane(server.url)
    assert isinstance(failure(rest), Lost)
    rest.call(Call.PING)
    assert server.connections == 1


def test_a_page_of_the_firewall_is_a_refusal(serve: Any, wire: Any, lane: Any) -> None:
    """HTTP 403 comes from the firewall in front: nothing was done."""
    assert failure(lane(serve(wire.answer(b"<html>", 403)).url)) == Refusal(403, 0, "")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"a": NaN}', b"\xff\xfe"])
def test_a_success_that_does_not_read_is_unknown(serve: Any, wire: Any, lane: Any, body: bytes) -> None:
    """HTTP 200 with half a document, nothing, or bottomless nesting: the order may well stand."""
    assert isinstance(failure(lane(serve(wire.answer(body)).url)), Lost)


def test_half_a_body_is_unknown(serve: Any, lane: Any) -> None:
    """A body shorter than announced is no answer, even where the half happens to be JSON."""

    def half(sock: socket.socket, _: bytes) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")
        sock.close()

    assert isinstance(failure(lane(serve(half).url)), Lost)


@pytest.mark.parametrize("announced", [True, False])
def test_an_endless_body_is_cut(serve: Any, lane: Any, announced: bool) -> None:
    """FAULTS S4: a body beyond the bound is not read to its end."""
    sent = 0

    def endless(sock: socket.socket, _: bytes) -> None:
        nonlocal sent
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 999999999999\r\n\r\n" if announced else b"Connection: close\r\n\r\n"))
        for _megabyte in range(200):
            sock.sendall(b" " * (1 << 20))
            sent += 1 << 20

    assert failure(lane(serve(endless).url, 5.0)) == Lost("the answer is too long")
    assert sent < MAX_BODY_BYTES + (64 << 20)


def test_a_compressed_body_is_refused(serve: Any, wire: Any, lane: Any) -> None:
    """Compression was not asked for, and a bomb is not unpacked."""
    server = serve(wire.answer(gzip.compress(b" " * 10_000_000), 200, "Content-Encoding: gzip"), wire.answer(b"{}"))
    rest = lane(server.url)
    assert failure(rest) == Lost("the answer is compressed")
    rest.call(Call.PING)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(serve: Any, wire: Any, lane: Any, status: int) -> None:
    """FAULTS S3: a 307 would post the order, key included, somewhere else."""
    elsewhere = serve(wire.answer(b"{}"))
    server = serve(wire.answer(b"", status, f"Location: {elsewhere.url}/fapi/v1/order"))
    assert isinstance(failure(lane(server.url)), Lost)
    assert elsewhere.requests == [] and elsewhere.connections == 0


def test_environment_and_cookies_do_not_matter(serve: Any, wire: Any, lane: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULTS S3: no proxy and no netrc is picked up, and a cookie set is not sent back."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server = serve(wire.answer(b"{}", 200, "Set-Cookie: a=b"))
    rest = lane(server.url)
    rest.call(Call.PLACE, ORDER)
    rest.call(Call.PLACE, ORDER)
    assert not any(b"cookie" in request.lower() or b"authorization" in request.lower() for request in server.requests)


def test_nothing_secret_is_logged_at_any_level(serve: Any, wire: Any, lane: Any, caplog: pytest.LogCaptureFixture) -> None:
    """FAULTS S1: urllib3's own log holds whole URLs; none of it comes out, even with everything switched on."""
    caplog.set_level(logging.DEBUG)
    server = serve(wire.answer(b"{}"))
    lane(server.url).call(Call.QUERY, ORDER)
    failure(lane(serve(lambda sock, _: sock.close()).url), Call.QUERY)
    assert "signature" not in caplog.text and "mmd-1" not in caplog.text


def test_a_ban_says_how_long(serve: Any, wire: Any, lane: Any) -> None:
    """FAULTS R1: "banned until" in the venue's time comes first, then Retry-After in seconds, else None."""
    banned = b'{"code":-1003,"msg":"Way too many requests; IP banned until 1700000065000. Please use the websocket for live updates."}'
    plain = b'{"code":-1003,"msg":"Too many requests"}'
    server = serve(
        wire.answer(banned, 418, "Retry-After: 7"), wire.answer(plain, 429, "Retry-After: 7"),
        wire.answer(plain, 429), wire.answer(plain, 429, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"),
    )  # fmt: skip
    outcomes = [failure(lane(server.url)) for _ in range(4)]  # a lane of its own for each, as the first would be silent from then on
    assert [(outcome.status, outcome.code, outcome.retry_after_ms) for outcome in outcomes] == [
        (418, -1003, 60_001), (429, -1003, 7_000), (429, -1003, None), (429, -1003, None),
    ]  # fmt: skip


def test_usage_is_kept_as_last_seen(serve: Any, wire: Any, lane: Any) -> None:
    """Both headers are kept, each from the last answer that had it, refusals included; nonsense is passed over."""
    server = serve(
        wire.answer(b"{}", 200, "X-MBX-USED-WEIGHT-1M: 12", "X-MBX-ORDER-COUNT-1M: 3"),
        wire.answer(b'{"code":-1121,"msg":""}', 400, "x-mbx-used-weight-1m: 13"),
        wire.answer(b"{}", 200, "X-MBX-USED-WEIGHT-1M: many"),
    )
    rest = lane(server.url)
    assert rest.usage == Usage(None, None, None)
    rest.call(Call.PING)
    assert rest.usage == Usage(12, 3, 5_000)
    failure(rest)
    assert rest.usage == Usage(13, 3, 5_000)
    rest.call(Call.PING)
    assert rest.usage == Usage(13, 3, 5_000)


def test_the_venues_message_is_redacted(serve: Any, wire: Any, lane: Any) -> None:
    """A venue that quotes the request back does not get its signature into the log."""
    body = b'{"code":-1100,"msg":"Illegal characters found in \'signature=' + b"a" * 64 + b"' of /fapi/v1/order?timestamp=1\"}"
    outcome = failure(lane(serve(wire.answer(body, 400)).url))
    assert outcome.code == -1100 and "aaaa" not in outcome.message and "timestamp" not in outcome.message


def test_before_the_time_is_known_nothing_is_signed(serve: Any, wire: Any) -> None:
    """A signed call without a clock is a mistake of the caller; a public one works."""
    server = serve(wire.answer(b'{"serverTime": 1}'))
    rest = RestClient(server.url, V1, V1Signer(KEY, SECRET), VenueClock())
    with pytest.raises(ClockUnset):
        rest.call(Call.BALANCE)
    assert rest.call(Call.SERVER_TIME) == {"serverTime": 1}
    rest.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["", "fapi.asterdex.com", "ftp://x", "https://", "https://x?y=1", "https://user:pass@x", "ws://x"])
def test_a_base_url_that_is_none_is_a_config_error(url: str) -> None:
    """Refused before anything is opened."""
    with pytest.raises(ConfigError, match="rest_url"):
        RestClient(url, V1, None, VenueClock())


def test_lanes_that_share_a_meter_see_each_other_s_usage(serve: Any, wire: Any, lane: Any) -> None:
    """The limits are those of the address and the account, so the newest figure counts whichever lane has seen it."""
    server = serve(wire.answer(b"{}", 200, "X-MBX-USED-WEIGHT-1M: 12"), wire.answer(b"{}", 200, "X-MBX-USED-WEIGHT-1M: 14", "X-MBX-ORDER-COUNT-1M: 2"))
    meter = UsageMeter()
    one, other = lane(server.url, meter=meter), lane(server.url, meter=meter)
    one.call(Call.PING)
    assert other.usage == Usage(12, None, 5_000)
    other.call(Call.PING)
    assert one.usage == meter.last == Usage(14, 2, 5_000)
