"""The two stream threads and the keeper of the listen key, against scripted servers."""

from __future__ import annotations

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mmd.core.errors import ConfigError
from mmd.core.messages import Depth, FrameRefused, Level, MarginCall, Notice, Stream, StreamDown, StreamUp
from mmd.core.rules import SymbolRules
from mmd.venue.clock import VenueClock
from mmd.venue.connection import ConnectionLimits
from mmd.venue.endpoints import V1
from mmd.venue.listen_key import ListenKeyKeeper
from mmd.venue.market_stream import MarketStream
from mmd.venue.rest import RestClient, Timeouts
from mmd.venue.signing import V1Signer
from mmd.venue.user_stream import UserStream

LIMITS = ConnectionLimits(connect_s=1.0, frame_s=0.5, ping_s=60.0, pong_s=60.0)
UP, DOWN = StreamUp(Stream.MARKET), Stream.MARKET
LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"


class AtOnce(random.Random):
    """No jitter and no wait: the bottom of every range."""

    def uniform(self, a: float, b: float) -> float:
        return a


class Inbox:
    """What a stream puts, in order, and its notices."""

    def __init__(self) -> None:
        self.events: queue.Queue[Any] = queue.Queue()
        self.notices: list[Notice] = []

    def next(self, count: int = 1) -> list[Any]:
        return [self.events.get(timeout=5) for _ in range(count)]


@pytest.fixture
def running() -> Iterator[Callable[[Any], Any]]:
    """Runs a stream or keeper in a thread and sees to it that `stop` ends it at once."""
    started: list[tuple[Any, threading.Thread]] = []

    def run(body: Any) -> Any:
        thread = threading.Thread(target=body.run)
        started.append((body, thread))
        thread.start()
        return body

    yield run
    for body, thread in started:
        began = time.monotonic()
        body.stop()
        thread.join(5)
        assert not thread.is_alive() and time.monotonic() - began < 1, "stop does not end run"


def depth_json(update_id: int) -> bytes:
    return json.dumps({"e": "depthUpdate", "E": 5, "T": 4, "s": "ETHUSDT", "U": 1, "u": update_id, "pu": 0,
                       "b": [["2681.61", "0.002"]], "a": [["2681.62", "3.340"]]}).encode()  # fmt: skip


def depth(update_id: int) -> Depth:
    return Depth(((268_161, 2),), ((268_162, 3340),), update_id, 5, 77)


def until_closed(sock: Any) -> None:
    while sock.recv(65_536):
        pass


@pytest.fixture
def market(serve: Any, wire: Any, rules: SymbolRules) -> Callable[..., tuple[MarketStream, Inbox, Any]]:
    """A market stream whose server sends, on each connection in turn, these payloads, and then waits for the end."""

    def make(*connections: list[bytes], **options: Any) -> tuple[MarketStream, Inbox, Any]:
        def script(payloads: list[bytes]) -> Any:
            def behave(sock: Any, handshake: bytes) -> None:
                wire.websocket_handshake(sock, handshake)
                sock.sendall(b"".join(wire.frame(payload) for payload in payloads))
                if payloads and payloads[-1] == b"bye":
                    sock.close()
                else:
                    until_closed(sock)

            return behave

        server = serve(*[script(payloads) for payloads in connections])
        inbox = Inbox()
        stream = MarketStream(
            server.ws_url, rules, inbox.events.put, inbox.events.put, inbox.notices.append, AtOnce(), limits=LIMITS, now_ms=lambda: 77, **options
        )
        return stream, inbox, server

    return make


def test_frames_become_depths(market: Any, running: Any) -> None:
    """Up, then each frame with the time it was received; other frames are passed over, bad ones reported, neither cuts the stream."""
    stream, inbox, server = market([depth_json(1), b'{"result":null,"id":1}', b"{", depth_json(2)])
    running(stream)
    up, first, refused, second = inbox.next(4)
    assert (up, first, second) == (UP, depth(1), depth(2))
    assert isinstance(refused, FrameRefused)
    assert server.requests[0].startswith(b"GET /stream?streams=ethusdt@depth5@100ms/ethusdt@markPrice@1s HTTP/1.1\r\n")


def test_a_lost_connection_is_made_anew(market: Any, running: Any) -> None:
    """Down says why, up follows, and so on for ever; ups and downs take turns."""
    stream, inbox, server = market([depth_json(1), b"bye"], [depth_json(2), b"bye"], [depth_json(3)])
    running(stream)
    events = inbox.next(10)
    assert [event for event in events if not isinstance(event, FrameRefused)] == [
        UP, depth(1), StreamDown(DOWN, "the peer hung up"), UP, depth(2), StreamDown(DOWN, "the peer hung up"), UP, depth(3)
    ]  # fmt: skip
    assert server.connections == 3


def test_the_pulse_counts_connections_and_knows_the_last_message(market: Any, running: Any) -> None:
    """Nothing before the first connection; then since when it is up, when it last heard anything (a frame it refused, too), how often it connected."""
    stream, inbox, _ = market([depth_json(1), b"bye"], [b"{"])
    assert (stream.pulse.up_since_ms, stream.pulse.heard_ms, stream.pulse.connects) == (None, None, 0)
    running(stream)
    inbox.next(6)
    assert (stream.pulse.up_since_ms, stream.pulse.heard_ms, stream.pulse.connects) == (77, 77, 2)
    stream.stop()
    inbox.next(1)
    assert stream.pulse.up_since_ms is None


def test_restart_makes_a_new_connection_and_keeps_its_reason(market: Any, running: Any) -> None:
    """The engine's reason stands in StreamDown, not what the cut looked like from inside."""
    stream, inbox, _ = market([depth_json(1)], [depth_json(2)])
    running(stream)
    assert inbox.next(2) == [UP, depth(1)]
    stream.restart("stale book")
    assert inbox.next(3) == [StreamDown(DOWN, "stale book"), UP, depth(2)]


def test_stop_is_told_as_a_reason(market: Any, running: Any) -> None:
    """Stopping while reading ends with a StreamDown; nothing follows it."""
    stream, inbox, _ = market([depth_json(1)])
    running(stream)
    inbox.next(2)
    stream.stop()
    assert inbox.next(1) == [StreamDown(DOWN, "stopped")]


def test_stop_before_the_start_ends_the_run(market: Any) -> None:
    """A stream that was stopped before its thread ran does not connect."""
    stream, inbox, server = market([depth_json(1)])
    stream.stop()
    stream.run()
    assert server.connections == 0 and inbox.events.empty()


def test_silence_beyond_the_limit_reconnects(market: Any, running: Any) -> None:
    """FAULTS K1, K5: a socket that says nothing is made anew; the engine has pulled its quotes by its own clock long before."""
    stream, inbox, _ = market([depth_json(1)], [depth_json(2)], silence_limit_s=0.1)
    running(stream)
    assert inbox.next(4)[2:] == [StreamDown(DOWN, "no message for 0.1 s"), UP]


def test_renewal_is_planned(market: Any, running: Any) -> None:
    """FAULTS U9: before the 24 h cut the connection is renewed at a time of our own."""
    stream, inbox, _ = market([depth_json(1)], [depth_json(2)], renewal_s=0.15)
    running(stream)
    assert inbox.next(4)[2:] == [StreamDown(DOWN, "planned renewal"), UP]


def test_renewal_comes_in_a_busy_stream_too(serve: Any, wire: Any, rules: SymbolRules, running: Any) -> None:
    """Frames without a pause do not put the renewal off."""

    def babble(sock: Any, handshake: bytes) -> None:
        wire.websocket_handshake(sock, handshake)
        while True:
            sock.sendall(wire.frame(depth_json(1)))
            time.sleep(0.005)

    events: queue.Queue[Any] = queue.Queue()
    stream = MarketStream(serve(babble).ws_url, rules, events.put, lambda _: None, lambda _: None, AtOnce(), limits=LIMITS, renewal_s=0.15)
    running(stream)
    assert [events.get(timeout=5) for _ in range(3)] == [UP, StreamDown(DOWN, "planned renewal"), UP]


def test_while_nobody_answers_it_keeps_trying(rules: SymbolRules, running: Any) -> None:
    """FAULTS U9: never gives up, never storms: full back-off between the attempts; no StreamDown without a StreamUp before it."""
    waits: list[float] = []
    inbox = Inbox()

    class Recording(random.Random):
        def uniform(self, a: float, b: float) -> float:
            waits.append(b)
            return 0.001

    stream = MarketStream("ws://127.0.0.1:9", rules, inbox.events.put, inbox.events.put, inbox.notices.append, Recording(), limits=LIMITS)
    running(stream)
    deadline = time.monotonic() + 5
    while len(waits) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert waits[:9] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0]
    assert inbox.events.empty()
    assert inbox.notices[0].event == "stream_connect_failed" and inbox.notices[0].level is Level.WARNING


def test_a_long_wait_does_not_hold_up_the_stop(rules: SymbolRules, running: Any) -> None:
    """Stop wakes the back-off."""

    class Long(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return 600.0

    inbox = Inbox()
    stream = running(MarketStream("ws://127.0.0.1:9", rules, inbox.events.put, inbox.events.put, inbox.notices.append, Long(), limits=LIMITS))
    deadline = time.monotonic() + 5
    while not inbox.notices and time.monotonic() < deadline:
        time.sleep(0.01)
    stream.restart("nothing to restart")
    assert len(inbox.notices) == 1


def test_a_ws_url_that_is_none_is_a_config_error(rules: SymbolRules) -> None:
    """Refused where it is made, not in the thread."""
    for url in ("", "fstream.asterdex.com", "https://x", "wss://", "wss://u:p@x"):
        with pytest.raises(ConfigError, match="ws_url"):
            MarketStream(url, rules, lambda _: None, lambda _: None, lambda _: None, AtOnce())


MARGIN_CALL = b'{"e":"MARGIN_CALL","E":1,"p":[{"s":"ETHUSDT","up":"-1","mm":"2"}]}'


@pytest.fixture
def user(serve: Any, wire: Any, rules: SymbolRules) -> Callable[..., tuple[UserStream, Inbox, Any]]:
    """A user stream; its server answers POST listenKey with the listed answers and then sends the listed payloads, in turns."""

    def make(*steps: Any) -> tuple[UserStream, Inbox, Any]:
        keys = iter([step for step in steps if isinstance(step, tuple)])
        feeds = iter([step for step in steps if isinstance(step, list)])

        def script(sock: Any, handshake: bytes) -> None:
            if handshake.startswith(b"POST"):
                status, body = next(keys, (503, b""))
                wire.answer(body, status)(sock, handshake)
                return
            feed = next(feeds, None)
            if feed is None:
                wire.answer(b"", 401)(sock, handshake)
                return
            wire.websocket_handshake(sock, handshake)
            sock.sendall(b"".join(wire.frame(payload) for payload in feed))
            until_closed(sock)

        server = serve(script)
        inbox = Inbox()
        rest = RestClient(server.url, V1, V1Signer("k", "s"), VenueClock(), Timeouts(1.0, 1.0))
        stream = UserStream(server.ws_url, rest, rules, inbox.events.put, inbox.notices.append, AtOnce(), limits=LIMITS)
        return stream, inbox, server

    return make


def key(listen_key: str = LISTEN_KEY) -> tuple[int, bytes]:
    return 200, json.dumps({"listenKey": listen_key}).encode()


USER_UP = StreamUp(Stream.USER)
CALL = MarginCall.__name__


def test_events_come_in_order_on_the_listen_key(user: Any, running: Any) -> None:
    """POST listenKey, connect to it, up, then every event; what the venue invents is passed over and told once."""
    unknown = b'{"e":"STRATEGY_UPDATE","E":1}'
    stream, inbox, server = user(key(), [MARGIN_CALL, unknown, unknown, MARGIN_CALL])
    running(stream)
    up, *calls = inbox.next(3)
    assert up == USER_UP and [type(call).__name__ for call in calls] == [CALL, CALL]
    assert server.requests[0].startswith(b"POST /fapi/v1/listenKey ") and b"X-MBX-APIKEY: k" in server.requests[0]
    assert server.requests[1].startswith(f"GET /ws/{LISTEN_KEY} ".encode())
    assert [(notice.event, notice.fields) for notice in inbox.notices] == [("user_event_unknown", {"type": "STRATEGY_UPDATE"})]


def test_an_expired_key_is_replaced(user: Any, running: Any) -> None:
    """FAULTS U1: listenKeyExpired while the socket stays open: down, a new key, up on that one."""
    stream, inbox, server = user(key("first"), [b'{"e":"listenKeyExpired","E":1}', MARGIN_CALL], key("second"), [MARGIN_CALL])
    running(stream)
    up, down, up_again, call = inbox.next(4)
    assert (up, down, up_again) == (USER_UP, StreamDown(Stream.USER, "the listen key expired"), USER_UP) and isinstance(call, MarginCall)
    assert [request.split(b" ")[1] for request in server.requests if request.startswith(b"GET")] == [b"/ws/first", b"/ws/second"]
    assert not any(request.startswith(b"DELETE") for request in server.requests), "the key belongs to the account (U8)"


def test_an_event_that_does_not_read_ends_the_connection(user: Any, running: Any) -> None:
    """No event is dropped: what one said that cannot be read has to be reconciled after a reconnect."""
    stream, inbox, _ = user(key(), [MARGIN_CALL, b'{"e":"ACCOUNT_UPDATE"}'], key(), [MARGIN_CALL])
    running(stream)
    _, _, down, up, _ = inbox.next(5)
    assert isinstance(down, StreamDown) and down.reason.startswith("an event does not read") and up == USER_UP


@pytest.mark.parametrize("answer", [(503, b"<html>"), (401, b'{"code":-2015,"msg":"Invalid API-key"}'), (200, b"{}"), key("../../x"), key("")])
def test_no_key_means_another_try(user: Any, running: Any, answer: tuple[int, bytes]) -> None:
    """A failed or strange answer to POST listenKey is a failed attempt: noticed without the key, tried again."""
    stream, inbox, _ = user(answer, key(), [MARGIN_CALL])
    running(stream)
    assert inbox.next(1) == [USER_UP]
    assert [notice.event for notice in inbox.notices] == ["stream_connect_failed"]
    assert "../" not in str(inbox.notices[0].fields)


def test_the_listen_key_is_nowhere_to_be_read(user: Any, running: Any) -> None:
    """FAULTS S1: neither events nor notices hold it, connected or not."""
    stream, inbox, _ = user(key(), [b"{"], key(), [b'{"e":"listenKeyExpired"}'], key())
    running(stream)
    events = inbox.next(4)
    deadline = time.monotonic() + 5
    while len(inbox.notices) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(inbox.notices) >= 2, "a refused handshake and a refused key are told"
    assert LISTEN_KEY[:10] not in f"{events} {inbox.notices}"


def test_the_keeper_puts_and_says_nothing_of_the_key(serve: Any, wire: Any, running: Any) -> None:
    """PUT listenKey at the interval, with the key's header and never a DELETE; success restarts nothing."""
    server = serve(wire.answer(b"{}"))
    restarts: list[str] = []
    rest = RestClient(server.url, V1, V1Signer("k", "s"), VenueClock())
    running(ListenKeyKeeper(rest, restarts.append, lambda _: None, interval_s=0.02))
    deadline = time.monotonic() + 5
    while len(server.requests) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.requests) >= 3 and all(request.startswith(b"PUT /fapi/v1/listenKey ") for request in server.requests)
    assert restarts == []


@pytest.mark.parametrize(("status", "body"), [(400, b'{"code":-1125,"msg":"This listenKey does not exist."}'), (502, b"<html>"), (200, b"{")])
def test_a_failed_keepalive_asks_for_a_new_key(serve: Any, wire: Any, running: Any, status: int, body: bytes) -> None:
    """FAULTS U1: -1125 and every other failure; told at WARNING with what is done about it, and the keeper goes on."""
    server = serve(wire.answer(body, status))
    restarts: queue.Queue[str] = queue.Queue()
    notices: list[Notice] = []
    rest = RestClient(server.url, V1, V1Signer("k", "s"), VenueClock())
    running(ListenKeyKeeper(rest, restarts.put, notices.append, interval_s=0.02))
    assert [restarts.get(timeout=5) for _ in range(2)] == ["listen key keepalive failed"] * 2
    assert notices[0].level is Level.WARNING and notices[0].fields["action"] == "asking for a new key"


def test_the_keeper_stops_at_once(serve: Any, wire: Any) -> None:
    """Half an hour of waiting ends with `stop`; nothing is sent at the end."""
    server = serve(wire.answer(b"{}"))
    keeper = ListenKeyKeeper(RestClient(server.url, V1, V1Signer("k", "s"), VenueClock()), lambda _: None, lambda _: None)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    keeper.stop()
    thread.join(2)
    assert not thread.is_alive() and server.requests == []
