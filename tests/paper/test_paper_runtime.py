"""The served exchange as a whole: its ticker, its lock, its end."""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.sync.client import connect

from mmd.paper import runtime
from mmd.paper.authority import sign
from mmd.paper.exchange import PaperExchange
from mmd.paper.runtime import ExchangeClock, PaperServer

WAIT_S = 5.0


class Account:
    """A signed REST client of its own connection."""

    def __init__(self, server: PaperServer) -> None:
        self._clock = server.clock
        self._connection = http.client.HTTPConnection(server.rest_url.removeprefix("http://"), timeout=WAIT_S)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, **parameters: Any) -> Any:
        query = urlencode(parameters | {"timestamp": self._clock.now_ms()})
        self._connection.request(method, f"{path}?{query}&signature={sign('paper', query)}", headers={"X-MBX-APIKEY": "paper"})
        reply = self._connection.getresponse()
        payload = json.loads(reply.read())
        assert reply.status == 200, payload
        return payload

    def buy(self, price: str = "2400") -> Any:
        return self.ask("POST", "/fapi/v1/order", symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.01", price=price)


def test_user_events_do_not_wait_for_the_ticker(monkeypatch: pytest.MonkeyPatch, served: PaperServer) -> None:
    """The events of a request are on their way with its reply, even where the next tick is a minute away."""
    monkeypatch.setattr(runtime, "TICK_MS", 60_000)
    monkeypatch.setattr(served.exchange, "next_due_ms", lambda: None)
    time.sleep(0.03)  # The ticks under way have the old pace.
    with closing(Account(served)) as account:
        key = account.ask("POST", "/fapi/v1/listenKey")["listenKey"]
        with connect(f"{served.ws_url}/ws/{key}") as stream:
            order_id = account.buy()["orderId"]
            event = json.loads(stream.recv(timeout=WAIT_S))
    assert (event["e"], event["o"]["i"]) == ("ORDER_TRADE_UPDATE", order_id)


def test_time_passes_without_requests(served: PaperServer) -> None:
    """A countdown runs out by itself: orders are cancelled although nobody asks, and the stream tells."""
    with closing(Account(served)) as account:
        key = account.ask("POST", "/fapi/v1/listenKey")["listenKey"]
        order_id = account.buy()["orderId"]
        with connect(f"{served.ws_url}/ws/{key}") as stream:
            account.ask("POST", "/fapi/v1/countdownCancelAll", symbol="ETHUSDT", countdownTime=50)
            event = json.loads(stream.recv(timeout=WAIT_S))
    assert (event["o"]["i"], event["o"]["x"]) == (order_id, "CANCELED")


def test_many_clients_at_once(served: PaperServer) -> None:
    """Requests of several connections are served side by side and none is lost or done twice."""
    replies: list[int] = []

    def trade() -> None:
        with closing(Account(served)) as account:
            replies.extend(account.buy()["orderId"] for _ in range(25))

    threads = [threading.Thread(target=trade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    with closing(Account(served)) as account:
        open_ids = [order["orderId"] for order in account.ask("GET", "/fapi/v1/openOrders", symbol="ETHUSDT")]
    assert len(replies) == len(set(replies)) == 100
    assert sorted(open_ids) == sorted(replies)


def test_a_dead_ticker_is_told(exchange: PaperExchange, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """When the exchange fails in the ticker, the failure can be seen, is logged, and the server still stops."""
    def fail(now_ms: int) -> None:
        raise ZeroDivisionError("defect")

    monkeypatch.setattr(exchange, "advance", fail)
    server = PaperServer(exchange)
    server.start()
    until = time.monotonic() + WAIT_S
    while server.failure is None and time.monotonic() < until:
        time.sleep(0.001)
    server.stop()
    assert isinstance(server.failure, ZeroDivisionError)
    assert "ticker failed" in caplog.text


def test_a_taken_port_leaves_nothing_behind(served: PaperServer, exchange: PaperExchange) -> None:
    """Where the second door's port is taken, the first door is closed again."""
    taken = int(served.ws_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        PaperServer(exchange, ws_port=taken)
    with pytest.raises(OSError, match="in use"):
        PaperServer(exchange, rest_port=taken)


def test_stopping_twice_and_before_starting(exchange: PaperExchange) -> None:
    """A server that never started can be stopped, and a stopped one again."""
    server = PaperServer(exchange)
    server.stop()
    server.stop()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("paper-")] == []


def test_the_clock_follows_the_wall_clock_and_never_goes_back() -> None:
    """It starts at the wall clock's time and is carried on by the monotonic clock."""
    clock = ExchangeClock()
    times = [clock.now_ms() for _ in range(1000)]
    assert times == sorted(times)
    assert abs(times[0] - time.time() * 1000) < 1000
