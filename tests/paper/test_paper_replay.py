"""Playing recordings, made-up ones and the real sample."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from recorded_lines import diff, snapshot, text_of, top, trade, wrapped, write

from mmd.core.errors import ConfigError
from mmd.core.units import Side
from mmd.paper.market_data import MarketData
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketTrade
from mmd.paper.outside_book import OutsideBook
from mmd.paper.replay import ReplaySource
from mmd.paper.symbols import Symbol

ETHUSDT = Symbol.named("ETHUSDT")
SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "ethusdt_20240808.gz"
needs_sample = pytest.mark.skipif(not SAMPLE.exists(), reason="the recorded sample ../shared/data/ethusdt_20240808.gz is absent")
FRAMES = [snapshot(), trade("99.00", "0.100"), diff(101, 102, 100, [["99.00", "0.000"]]), trade("98.00", "0.200")]


def drain(source: ReplaySource, limit: int = 10**9) -> list[MarketEvent]:
    found: list[MarketEvent] = []
    while source.peek_ms() is not None and len(found) < limit:
        found.append(source.pop())
    return found


def test_a_recording_plays_once(tmp_path: Path) -> None:
    """Without a loop it ends: the snapshot first, then the events at their times, then nothing."""
    source = ReplaySource(write(tmp_path / "r.gz", FRAMES, step_ms=100), ETHUSDT, loop=False)
    assert source.snapshot().bids == ((9900, 1000), (9800, 2000))
    assert source.peek_ms() == 100
    assert drain(source) == [MarketTrade(100, 9900, 100, True), DepthFrame(200, ((9900, 0),), ()), MarketTrade(300, 9800, 200, True)]
    with pytest.raises(IndexError, match="over"):
        source.pop()


def test_a_looped_recording_goes_on_in_time(tmp_path: Path) -> None:
    """After the last event the book goes back to the first one, and the same events follow, later."""
    source = ReplaySource(write(tmp_path / "r.gz", FRAMES, step_ms=100), ETHUSDT, speed=2.0)
    found = drain(source, 11)
    assert [event.at_ms for event in found] == [50, 100, 150, 151, 201, 251, 301, 302, 352, 402, 452]
    assert found[3] == DepthFrame(151, ((9900, 1000),), ())
    assert [event[1:] for event in found[4:7]] == [event[1:] for event in found[:3]]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_speed_that_is_none_is_refused(tmp_path: Path, speed: float) -> None:
    """Zero, negative, NaN, infinite and absurd speeds are each a ConfigError."""
    with pytest.raises(ConfigError, match="speed"):
        ReplaySource(write(tmp_path / "r.gz", FRAMES), ETHUSDT, speed=speed)


@pytest.mark.parametrize(("frames", "expected"), [
    ([], "no REST depth snapshot"),
    ([snapshot()], "nothing happens after the snapshot"),
    ([snapshot(bids=[]), trade()], "empty side"),
    ([snapshot(), trade(), diff(150, 151, 149)], "line 3: updates are missing"),
    ([snapshot(), trade(), trade("99.005")], "line 3: 99.005 is not a multiple"),
    ([snapshot(), trade(), trade() | {"s": "BTCUSDT"}], "line 3: the frame is of BTCUSDT"),
])  # fmt: skip
def test_what_cannot_be_played_is_refused_before_it_plays(tmp_path: Path, frames: list[dict[str, object]], expected: str) -> None:
    """The whole file is checked when it is opened: the error names file, line and cause."""
    path = write(tmp_path / "bad.gz", frames)
    with pytest.raises(ConfigError, match=expected) as caught:
        ReplaySource(path, ETHUSDT)
    assert str(path) in str(caught.value)


def test_a_recording_cut_at_its_end_is_refused_before_it_plays(tmp_path: Path) -> None:
    """Although everything before the cut could be played."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(text_of(FRAMES * 50).encode())[:-20])
    with pytest.raises(ConfigError):
        ReplaySource(path, ETHUSDT)


def test_trades_come_from_aggregates_where_nothing_else_was_recorded(tmp_path: Path) -> None:
    """A recording with aggTrade alone has trades."""
    aggregate = {"e": "aggTrade", "E": 1, "s": "ETHUSDT", "a": 1, "p": "99.00", "q": "0.300", "f": 1, "l": 2, "T": 1, "m": True}
    path = write(tmp_path / "r.gz", [snapshot(), top(120, "99.00", "1.000", "101.00", "2.000"), wrapped("ethusdt@aggTrade", aggregate)])
    assert drain(ReplaySource(path, ETHUSDT, loop=False))[1:] == [MarketTrade(20, 9900, 300, True)]


@needs_sample
def test_the_sample_is_joined_as_a_plain_reading_of_it_joins_it() -> None:
    """At its end the book is the one that a dictionary and the diffs alone give, but for the top, which the last ticker names."""
    sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    waiting, ticker, last_id, trades = [], {}, None, 0
    with gzip.open(SAMPLE, "rt") as lines:
        for line in lines:
            message = json.loads(line.partition(" ")[2])
            data = message.get("data", message)
            if "lastUpdateId" in data:
                last_id = data["lastUpdateId"]
                sides = {"b": dict(data["bids"]), "a": dict(data["asks"])}
                ready, waiting = [event for event in waiting if event["u"] >= last_id], []
            elif data["e"] == "depthUpdate":
                ready = [data] if last_id is not None else []
                waiting += [data] if last_id is None else []
            else:
                ready = []
                ticker = data if data["e"] == "bookTicker" else ticker
                trades += data["e"] == "trade" and last_id is not None
            for event in ready:
                for side in "ba":
                    sides[side].update(dict(event[side]))
    book, seen = OutsideBook(), 0
    source = ReplaySource(SAMPLE, ETHUSDT, loop=False)
    book.apply(source.snapshot())
    for found in drain(source):
        if isinstance(found, DepthFrame):
            book.apply(found)
        seen += isinstance(found, MarketTrade)
    assert seen == trades > 14_000
    bid, ask = ETHUSDT.price_grid.units(ticker["b"]), ETHUSDT.price_grid.units(ticker["a"])
    assert (book.best(Side.BUY), book.best(Side.SELL)) == (
        (bid, ETHUSDT.lot_grid.units(ticker["B"])), (ask, ETHUSDT.lot_grid.units(ticker["A"])))  # fmt: skip
    for key, side, best in (("b", Side.BUY, bid), ("a", Side.SELL, ask)):
        plain = {ETHUSDT.price_grid.units(price): ETHUSDT.lot_grid.units(size) for price, size in sides[key].items() if float(size)}
        ours = dict(book.levels(side))
        behind = lambda price: (best - price) * side.sign > 20  # noqa: B023
        assert {price: lots for price, lots in ours.items() if behind(price)} == {price: lots for price, lots in plain.items() if behind(price)}
        assert len(ours) > 1000


@needs_sample
def test_the_sample_is_never_crossed_and_passes_fast() -> None:
    """Its 345 seconds keep a book with both sides at every moment, and checking, reading and applying them takes a few seconds at most."""
    begun_s = time.process_time()
    source = ReplaySource(SAMPLE, ETHUSDT, loop=False)
    market = MarketData(ETHUSDT, source, 1_700_000_000_000)
    count, at_ms = 0, 0
    for at_ms, event in market.pending(1_800_000_000_000):
        count += 1
        if isinstance(event, MarketTrade):
            market.record_trade(at_ms, event.price_ticks, event.size_lots, event.buyer_is_maker)
            continue
        market.apply(event, at_ms)
        bid, ask = market.best(Side.BUY), market.best(Side.SELL)
        assert bid is not None and ask is not None and bid[0] < ask[0]
    assert count > 70_000
    assert 344_000 < at_ms - market.start_ms < 346_000
    assert time.process_time() - begun_s < 15
