"""The public streams: their names, their pace, their documented payloads."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from market_by_hand import START_MS, market_of

from mmd.core.units import Side
from mmd.paper.candles import INTERVALS
from mmd.paper.feeds import UnknownStreamError, make_feed
from mmd.paper.market_data import MarketData
from mmd.paper.market_source import DepthFrame

NAMES = [
    *(f"ethusdt@depth{levels}{pace}" for levels in ("", "5", "10", "20") for pace in ("", "@100ms", "@250ms", "@500ms")),
    *(f"ethusdt@kline_{interval}" for interval in INTERVALS),
    "ethusdt@bookTicker", "ethusdt@aggTrade", "ethusdt@trade", "ethusdt@markPrice", "ethusdt@markPrice@1s", "ethusdt@miniTicker",
    "ethusdt@ticker", "ethusdt@forceOrder", "!bookTicker", "!markPrice@arr", "!markPrice@arr@1s", "!miniTicker@arr", "!ticker@arr",
    "!forceOrder@arr",
]  # fmt: skip


def only(payloads: list[Any]) -> Any:
    (payload,) = payloads
    return payload


@pytest.mark.parametrize("name", NAMES)
def test_every_documented_stream_is_served(name: str) -> None:
    """Each documented name makes a feed that pushes JSON of its own event type once there is something to say."""
    market = market_of()
    feed = make_feed(name, market)
    market.apply(DepthFrame(0, ((99, 3),), ()), START_MS + 1)
    market.record_trade(START_MS + 1, 99, 1, True)
    market.record_force_order({"s": "ETHUSDT"})
    payloads = feed.poll(START_MS + 3_000)
    assert payloads
    first = payloads[0][0] if "@arr" in name and "force" not in name else payloads[0]
    kind = name.partition("@")[2].partition("@")[0] if name[0] != "!" else name[1:].partition("@")[0]
    expected = {"markPrice": "markPriceUpdate", "miniTicker": "24hrMiniTicker", "ticker": "24hrTicker"}.get(kind, kind)
    expected = "depthUpdate" if kind.startswith("depth") else "kline" if kind.startswith("kline") else expected
    assert first["e"] == expected
    assert json.loads(json.dumps(payloads)) == payloads


@pytest.mark.parametrize("name", [
    "", "ethusdt", "ethusdt@", "ethusdt@nothing", "btcusdt@depth", "ETHUSDT@depth", "ethusdt@depth7", "ethusdt@depth5@1ms", "ethusdt@depth@",
    "ethusdt@kline_7m", "ethusdt@kline_", "ethusdt@markPrice@2s", "!depth", "!markPrice@arr@2s", "ethusdt@depth5@100ms@",
])  # fmt: skip
def test_other_names_are_unknown(name: str) -> None:
    """What the exchange does not serve is refused with the name, also another symbol's stream."""
    with pytest.raises(UnknownStreamError, match="unknown stream"):
        make_feed(name, market_of())


@pytest.mark.parametrize(("name", "interval_ms"), [
    ("ethusdt@depth", 250), ("ethusdt@depth@100ms", 100), ("ethusdt@depth5@500ms", 500), ("ethusdt@markPrice", 3000),
    ("ethusdt@markPrice@1s", 1000), ("ethusdt@aggTrade", 100), ("ethusdt@kline_1m", 250), ("ethusdt@ticker", 500),
    ("!ticker@arr", 1000),
])  # fmt: skip
def test_the_pace_is_the_documented_one(name: str, interval_ms: int) -> None:
    """In a market that never rests, payloads come at whole multiples of the interval and at no other time; `due_ms` names the next."""
    market, pushed = market_of(), []
    feed = make_feed(name, market)
    for now_ms in range(START_MS + 10, START_MS + 10_000, 10):
        market.apply(DepthFrame(0, ((99, now_ms % 97 + 1),), ()), now_ms)
        market.record_trade(now_ms, 99, 1, True)
        due_ms = feed.due_ms()
        payloads = feed.poll(now_ms)
        assert due_ms is not None
        assert bool(payloads) == (now_ms >= due_ms)
        if payloads:
            pushed.append(now_ms)
    first = (START_MS // interval_ms + 1) * interval_ms
    assert pushed == list(range(first, START_MS + 10_000, interval_ms))


@pytest.mark.parametrize("name", ["ethusdt@depth@100ms", "ethusdt@aggTrade", "ethusdt@trade", "ethusdt@kline_1m", "ethusdt@forceOrder"])
def test_a_quiet_market_says_nothing(name: str) -> None:
    """Streams of changes push nothing while nothing changes."""
    market = market_of()
    market.record_trade(START_MS, 99, 1, True)
    feed = make_feed(name, market)
    assert [feed.poll(START_MS + later) for later in range(0, 5_000, 50)] == [[]] * 100


def changed_market(random: Random, market: MarketData, ours: dict[Side, dict[int, int]], now_ms: int) -> None:
    """Something happens: a frame, a take, an order of ours, or a REST request."""
    kind = random.randrange(5)
    side = random.choice(list(Side))
    price = random.randrange(80, 100) if side is Side.BUY else random.randrange(101, 120)
    if kind == 0:
        market.take(side, price, random.randrange(1, 9))
    elif kind == 1:
        ours[side] = {price: random.randrange(1, 9)} if random.random() < 0.7 else {}
        for touched in range(80, 120):
            market.touch(side, touched)
    elif kind == 2:
        market.depth(5)
    else:
        levels = ((price, random.choice((0, 3, 8))),)
        market.apply(DepthFrame(0, levels if side is Side.BUY else (), levels if side is Side.SELL else ()), now_ms)


class LocalBook:
    """A client that follows V1 "How to manage a local order book correctly" to the letter."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self.last_id: int | None = None

    def start(self, snapshot: dict[str, Any], buffered: list[dict[str, Any]]) -> None:
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        self.snapshot_id = snapshot["lastUpdateId"]
        for event in buffered:
            self.take(event)

    def take(self, event: dict[str, Any]) -> None:
        if event["u"] < self.snapshot_id:
            return
        if self.last_id is None:
            assert event["U"] <= self.snapshot_id <= event["u"]
        else:
            assert event["pu"] == self.last_id
        self.last_id = event["u"]
        for side in "ba":
            for price, quantity in event[side]:
                if float(quantity):
                    self.sides[side][price] = quantity
                else:
                    self.sides[side].pop(price, None)


@pytest.mark.parametrize("seed", range(30))
def test_a_local_book_follows_the_exchanges(seed: int) -> None:
    """By snapshot and diffs a client has the displayed book exactly, whenever it subscribes and asks for the snapshot."""
    random, market, now_ms = Random(seed), market_of(), START_MS
    ours: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    market.overlay = lambda side: ours[side]
    feed = make_feed("ethusdt@depth@100ms", market)
    joins_at, clients, buffers = {random.randrange(50, 400) for _ in range(5)}, [], {}
    for step in range(500):
        now_ms += random.choice((0, 1, 5, 40))
        if random.random() < 0.6:
            changed_market(random, market, ours, now_ms)
        for payload in feed.poll(now_ms):
            for client in clients:
                client.take(payload)
            for buffered in buffers.values():
                buffered.append(payload)
        if step in joins_at:
            buffers[step + random.randrange(30)] = []
        for snapshot_step in [due for due in buffers if due <= step]:
            client = LocalBook()
            client.start(json.loads(json.dumps(market.depth(1000))), buffers.pop(snapshot_step))
            clients.append(client)
    assert len(clients) == len(joins_at), f"seed {seed}"
    market.touch(Side.BUY, 80)
    payload = only(feed.poll(now_ms + 100))
    whole = market.depth(1000)
    for client in clients:
        client.take(payload)
        assert client.sides == {"b": dict(whole["bids"]), "a": dict(whole["asks"])}, f"seed {seed}"


def test_a_diff_holds_each_changed_level_once() -> None:
    """A level that changed twice is told once, with its size of now; a level that vanished is told as 0; T is the time of the change."""
    market = market_of()
    feed, before = make_feed("ethusdt@depth@100ms", market), market.update_id
    market.apply(DepthFrame(0, ((99, 3), (98, 0)), ()), START_MS + 5)
    market.apply(DepthFrame(0, ((99, 4),), ((105, 1),)), START_MS + 6)
    assert only(feed.poll(START_MS + 101)) == {
        "e": "depthUpdate", "E": START_MS + 101, "T": START_MS + 6, "s": "ETHUSDT", "U": before + 1, "u": before + 2, "pu": before,
        "b": [["0.98", "0.000"], ["0.99", "0.004"]], "a": [["1.05", "0.001"]],
    }  # fmt: skip


def test_a_diff_stream_that_fell_behind_shows_the_gap() -> None:
    """When more changed than is remembered, the next event's `pu` is not the last event's `u`."""
    market = market_of()
    feed = make_feed("ethusdt@depth@100ms", market)
    market.touch(Side.BUY, 99)
    last = only(feed.poll(START_MS + 100))
    for _ in range(45_000):
        market.touch(Side.BUY, 99)
    assert feed.poll(START_MS + 200) == []
    market.touch(Side.BUY, 99)
    assert only(feed.poll(START_MS + 300))["pu"] > last["u"]


def test_partial_depth_is_the_top_of_the_displayed_book() -> None:
    """V1 "Partial Book Depth Streams": best first, our orders included, and `pu` is the event before's `u`."""
    market = market_of()
    feed = make_feed("ethusdt@depth5@100ms", market)
    first = only(feed.poll(START_MS + 100))
    market.overlay = lambda side: {100: 7} if side is Side.BUY else {}
    market.touch(Side.BUY, 100)
    second = only(feed.poll(START_MS + 200))
    assert second["b"] == [["1.00", "0.007"], ["0.99", "0.010"], ["0.98", "0.020"], ["0.90", "0.005"]]
    assert second["a"] == [["1.01", "0.010"], ["1.02", "0.020"], ["1.10", "0.005"]]
    assert second["pu"] == first["u"] < second["U"] <= second["u"]


def test_book_ticker_pushes_only_changes_of_the_top() -> None:
    """The state comes once at the start, then when the best price or size changed, not when something behind it did."""
    market = market_of()
    feed = make_feed("ethusdt@bookTicker", market)
    assert only(feed.poll(START_MS)) == {
        "e": "bookTicker", "u": market.update_id, "E": START_MS, "T": START_MS, "s": "ETHUSDT",
        "b": "0.99", "B": "0.010", "a": "1.01", "A": "0.010"}  # fmt: skip
    assert feed.due_ms() is None
    market.apply(DepthFrame(0, ((98, 1),), ()), START_MS + 1)
    assert feed.poll(START_MS + 1) == []
    market.apply(DepthFrame(0, ((99, 1),), ()), START_MS + 2)
    assert only(feed.poll(START_MS + 2))["B"] == "0.001"


def test_trades_come_at_once_and_aggregates_when_they_are_complete() -> None:
    """`@trade` pushes each trade on the next poll; `@aggTrade` waits for the interval's end, so that no pushed aggregate grows."""
    market = market_of()
    trades, aggregates = make_feed("ethusdt@trade", market), make_feed("ethusdt@aggTrade", market)
    first = market.record_trade(START_MS + 99, 101, 5, False)
    second = market.record_trade(START_MS + 99, 101, 6, False)
    late = market.record_trade(START_MS + 100, 101, 7, False)
    assert [payload["t"] for payload in trades.poll(START_MS + 100)] == [first, second, late]
    assert only(aggregates.poll(START_MS + 100)) == {
        "e": "aggTrade", "E": START_MS + 100, "s": "ETHUSDT", "a": first, "p": "1.01", "q": "0.011", "f": first, "l": second,
        "T": START_MS + 99, "m": False}  # fmt: skip
    market.record_trade(START_MS + 100, 101, 1, False)
    payload = only(aggregates.poll(START_MS + 200))
    assert (payload["q"], payload["f"]) == ("0.008", late)


def test_a_candle_is_pushed_while_it_grows_and_once_when_it_closed() -> None:
    """V1 "Kline/Candlestick Streams": `x` is false until the candle's time is over, then true once."""
    market, minute = market_of(), START_MS // 60_000 * 60_000
    feed = make_feed("ethusdt@kline_1m", market)
    first = market.record_trade(START_MS + 10, 101, 1500, False)
    last = market.record_trade(START_MS + 20, 99, 500, True)
    assert only(feed.poll(START_MS + 250)) == {"e": "kline", "E": START_MS + 250, "s": "ETHUSDT", "k": {
        "t": minute, "T": minute + 59_999, "s": "ETHUSDT", "i": "1m", "f": first, "L": last, "o": "1.01", "c": "0.99", "h": "1.01",
        "l": "0.99", "v": "2.000", "n": 2, "x": False, "q": "2.01000", "V": "1.500", "Q": "1.51500", "B": "0"}}  # fmt: skip
    assert feed.poll(START_MS + 500) == []
    market.record_trade(minute + 60_001, 102, 1, False)
    closed, growing = feed.poll(minute + 60_250)
    assert (closed["k"]["t"], closed["k"]["x"], closed["k"]["n"]) == (minute, True, 2)  # type: ignore[call-overload, index]
    assert (growing["k"]["t"], growing["k"]["x"], growing["k"]["o"]) == (minute + 60_000, False, "1.02")  # type: ignore[call-overload, index]
    assert only(feed.poll(minute + 120_000))["k"]["x"] is True


def test_the_mark_price_is_always_pushed() -> None:
    """V1 "Mark Price Stream": changed or not; the all-market stream has the same in a list."""
    market = market_of()
    expected = {"e": "markPriceUpdate", "E": START_MS + 1000, "s": "ETHUSDT", "p": "1.00000000", "i": "1.00000000", "P": "1.00000000",
                "r": "0.00010000", "T": 1_700_006_400_000}  # fmt: skip
    feed = make_feed("ethusdt@markPrice@1s", market)
    assert feed.poll(START_MS + 1000) == [expected]
    assert len(feed.poll(START_MS + 2000)) == 1
    assert make_feed("!markPrice@arr@1s", market).poll(START_MS + 1000) == [[expected]]


def test_of_a_seconds_liquidations_the_latest_is_pushed() -> None:
    """V1 "Liquidation Order Streams": at most one a second, wrapped as documented."""
    market = market_of()
    feed = make_feed("ethusdt@forceOrder", market)
    market.record_force_order({"s": "ETHUSDT", "q": "0.001"})
    market.record_force_order({"s": "ETHUSDT", "q": "0.002"})
    assert feed.poll(START_MS + 1000) == [{"e": "forceOrder", "E": START_MS + 1000, "o": {"s": "ETHUSDT", "q": "0.002"}}]
    assert feed.poll(START_MS + 2000) == []
