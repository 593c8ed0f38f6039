"""Who gets which payload, without a socket."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from mmd.core.units import Side
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.market_source import DepthFrame
from mmd.paper.order_request import OrderRequest, OrderType, TimeInForce
from mmd.paper.stream_hub import StreamHub
from mmd.paper.subscriptions import Subscriptions, parse_target


class Listener:
    """A connection that keeps what it gets."""

    def __init__(self, address: str) -> None:
        self.subscriptions = Subscriptions(parse_target(address))
        self.frames: list[Any] = []
        self.hung_up = False

    def deliver(self, frame: str) -> None:
        self.frames.append(json.loads(frame))

    def hang_up(self) -> None:
        self.hung_up = True


class House:
    """An exchange, its listen keys and its hub."""

    def __init__(self, exchange: PaperExchange) -> None:
        self.exchange = exchange
        self.keys = ListenKeys(Random(1), life_ms=60_000)
        self.hub = StreamHub(exchange, self.keys)

    @property
    def now_ms(self) -> int:
        return self.exchange.now_ms

    def enter(self, address: str) -> Listener:
        listener = Listener(address)
        self.hub.attach(listener)
        return listener

    def place(self, api_key: str = "paper") -> None:
        request = OrderRequest("ETHUSDT", Side.BUY, OrderType.LIMIT, Decimal("0.01"), Decimal(2400), TimeInForce.GTC)
        self.exchange.place(self.exchange.accounts[api_key], request, self.now_ms)
        self.hub.publish_user_events(self.now_ms)

    def move(self, milliseconds: int, price_ticks: int = 249_000) -> None:
        """A level changes, and time passes."""
        now_ms = self.now_ms + milliseconds
        self.exchange.advance(now_ms)
        self.exchange.market.apply(DepthFrame(0, ((price_ticks, now_ms % 1000 + 1),), ()), now_ms)
        self.hub.tick(now_ms)


@pytest.fixture
def house(exchange: PaperExchange) -> House:
    return House(exchange)


def test_every_listener_of_a_stream_gets_the_same_payload(house: House) -> None:
    """One feed serves all, each in its own wrapping, and nobody gets what it did not ask for."""
    raw, combined = house.enter("/ws/ethusdt@depth@100ms"), house.enter("/stream?streams=ethusdt@depth@100ms/ethusdt@trade")
    other = house.enter("/ws/ethusdt@trade")
    house.move(100)
    assert [frame["e"] for frame in raw.frames] == ["depthUpdate"]
    assert combined.frames == [{"stream": "ethusdt@depth@100ms", "data": raw.frames[0]}]
    assert other.frames == []


def test_a_late_listener_takes_up_the_chain(house: House) -> None:
    """The diff stream goes on for all listeners with one chain of update ids, and begins anew only when all have left."""
    first = house.enter("/ws/ethusdt@depth@100ms")
    house.move(100)
    second = house.enter("/ws/ethusdt@depth@100ms")
    house.move(100)
    assert second.frames == first.frames[1:]
    assert second.frames[0]["pu"] == first.frames[0]["u"]
    house.hub.detach(first)
    house.hub.detach(second)
    house.move(100)
    assert len(first.frames) == 2
    assert house.hub.due_ms() is None


def test_subscriptions_may_change_while_connected(house: House) -> None:
    """After a refresh new streams flow and dropped ones are silent; unknown names are silent from the start."""
    listener = house.enter("/ws")
    house.move(100)
    listener.subscriptions.answer('{"method": "SUBSCRIBE", "params": ["ethusdt@depth@100ms", "nothing@all"], "id": 1}')
    house.hub.refresh()
    house.move(100)
    assert len(listener.frames) == 1
    listener.subscriptions.answer('{"method": "UNSUBSCRIBE", "params": ["ethusdt@depth@100ms"], "id": 2}')
    house.hub.refresh()
    house.move(100)
    assert len(listener.frames) == 1


def test_what_the_hub_serves(house: House) -> None:
    """Market streams and active listen keys, and nothing else."""
    key = house.keys.open("paper", house.now_ms)
    assert house.hub.serves("ethusdt@depth5@100ms", house.now_ms)
    assert house.hub.serves(key, house.now_ms)
    assert not house.hub.serves(key, house.now_ms + 60_000)
    assert not house.hub.serves("ETHUSDT@depth", house.now_ms)
    assert not house.hub.serves("btcusdt@depth", house.now_ms)


def test_user_events_go_to_their_account_alone(house: House) -> None:
    """Each account's events reach every connection with its listen key, at once, and no other connection."""
    mine, yours = (house.keys.open(api_key, house.now_ms) for api_key in ("paper", "second"))
    listeners = [house.enter(f"/ws/{mine}"), house.enter(f"/stream?streams={mine}"), house.enter(f"/ws/{yours}")]
    house.place("paper")
    raw, combined, other = (listener.frames for listener in listeners)
    assert [frame["e"] for frame in raw] == ["ORDER_TRADE_UPDATE"]
    assert combined == [{"stream": mine, "data": raw[0]}]
    assert other == []
    house.place("second")
    assert len(raw) == len(other) == 1


def test_events_that_nobody_listens_to_are_gone(house: House) -> None:
    """An account's outbox is emptied with and without a listener: who connects later starts from then."""
    house.place()
    key = house.keys.open("paper", house.now_ms)
    house.place()
    listener = house.enter(f"/ws/{key}")
    assert not house.exchange.accounts["paper"].outbox
    house.place()
    assert len(listener.frames) == 1


def test_an_expired_key_is_announced_and_its_stream_silent(house: House) -> None:
    """listenKeyExpired comes once; the connection stays, and hears no more until it subscribes to a new key."""
    key = house.keys.open("paper", house.now_ms)
    listener = house.enter(f"/ws/{key}")
    assert house.hub.due_ms() == house.now_ms + 60_000
    house.move(59_999)
    assert listener.frames == []
    house.move(1)
    assert listener.frames == [{"e": "listenKeyExpired", "E": house.now_ms}]
    house.place()
    house.move(100)
    assert (len(listener.frames), listener.hung_up) == (1, False)
    new_key = house.keys.open("paper", house.now_ms)
    listener.subscriptions.answer(json.dumps({"method": "SUBSCRIBE", "params": [new_key], "id": 1}))
    house.hub.refresh()
    house.place()
    assert len(listener.frames) == 2


def test_deleting_a_key_closes_its_stream(house: House) -> None:
    """A connection that carries nothing else is hung up; one with market streams goes on without user events."""
    key = house.keys.open("paper", house.now_ms)
    alone, mixed = house.enter(f"/ws/{key}"), house.enter(f"/stream?streams={key}/ethusdt@depth@100ms")
    house.keys.close("paper", None, house.now_ms)
    house.hub.publish_user_events(house.now_ms)
    assert (alone.hung_up, mixed.hung_up) == (True, False)
    house.place()
    house.move(100)
    assert alone.frames == []
    assert [frame["stream"] for frame in mixed.frames] == ["ethusdt@depth@100ms"]
