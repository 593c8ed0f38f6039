"""The synthetic market: reproducible, whole at every moment, and as lively as its parameters say."""

from __future__ import annotations

import itertools
from dataclasses import replace
from decimal import Decimal
from random import Random
from statistics import mean

import pytest

from mmd.core.errors import ConfigError
from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketTrade
from mmd.paper.outside_book import OutsideBook
from mmd.paper.symbols import Symbol
from mmd.paper.synthetic import SyntheticParameters, SyntheticSource

ETHUSDT = Symbol.named("ETHUSDT")


def events_until(source: SyntheticSource, end_ms: int) -> list[MarketEvent]:
    found = []
    while (due_ms := source.peek_ms()) is not None and due_ms <= end_ms:
        found.append(source.pop())
    return found


def mids(source: SyntheticSource, end_ms: int) -> list[float]:
    """The mid in ticks after every frame."""
    book, found = OutsideBook(), []
    book.apply(source.snapshot())
    for event in events_until(source, end_ms):
        if isinstance(event, DepthFrame):
            book.apply(event)
            bid, ask = book.best(Side.BUY), book.best(Side.SELL)
            assert bid is not None and ask is not None
            found.append((bid[0] + ask[0]) / 2)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_seed_alone_makes_the_market(seed: int) -> None:
    """The same seed gives the same events however often it is polled; another seed gives others."""
    whole = SyntheticSource(ETHUSDT, seed)
    expected = events_until(whole, 20_000)
    random, polled = Random(seed), SyntheticSource(ETHUSDT, seed)
    assert polled.snapshot() == whole.snapshot()
    found, now_ms = [], 0
    while now_ms < 20_000:
        now_ms = min(20_000, now_ms + random.randrange(200))
        found += events_until(polled, now_ms)
        polled.peek_ms()
    assert found == expected, f"seed {seed}"
    assert events_until(SyntheticSource(ETHUSDT, seed + 1), 20_000) != expected, f"seed {seed}"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("parameters", [
    SyntheticParameters(),
    SyntheticParameters(volatility_bps=20, jumps_per_minute=60, jump_bps=50, wide_share=1),
    SyntheticParameters(trade_share=0.9, trade_size=Decimal(20), levels=20),
], ids=["usual", "wild", "thin"])  # fmt: skip
def test_the_book_is_whole_at_every_moment(seed: int, parameters: SyntheticParameters) -> None:
    """Times never go back, the book is never crossed or empty, and every trade is at the best price, no larger than its level,

    and followed at the same moment by the frame of what it left.
    """
    source, book = SyntheticSource(ETHUSDT, seed, parameters), OutsideBook()
    book.apply(source.snapshot())
    assert len(book.bids) == len(book.asks) == parameters.levels
    before_ms, eaten = 0, dict[tuple[Side, int], int]()
    for event in events_until(source, 20_000):
        where = f"seed {seed}, {event}"
        assert event.at_ms >= before_ms, where
        before_ms = event.at_ms
        if isinstance(event, MarketTrade):
            side = Side.BUY if event.buyer_is_maker else Side.SELL
            left = [(price, lots) for price, lots in book.levels(side) if eaten.get((side, price)) != lots]
            assert event.price_ticks == left[0][0], where
            assert 0 < event.size_lots <= left[0][1], where
            eaten[side, event.price_ticks] = event.size_lots
            continue
        for (side, price), lots in eaten.items():
            levels = dict(event.bids if side is Side.BUY else event.asks)
            assert levels[price] == book.size(side, price) - lots, where
        eaten.clear()
        book.apply(event)
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is not None and ask is not None and bid[0] < ask[0], where
        assert min(len(book.bids), len(book.asks)) >= parameters.levels // 2, where
        assert all(lots >= 0 for _, lots in event.bids + event.asks), where


def test_it_is_lively() -> None:
    """A minute of the usual market has 20 to 50 events a second, trades on both sides, and a spread of one tick most of the time."""
    source = SyntheticSource(ETHUSDT, 1)
    events = events_until(source, 60_000)
    trades = [event for event in events if isinstance(event, MarketTrade)]
    assert 20 * 60 <= len(events) <= 60 * 60
    assert 0.3 < mean(trade.buyer_is_maker for trade in trades) < 0.7
    times = [0, *(event.at_ms for event in events)]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 1000


def test_volatility_is_what_was_asked_for() -> None:
    """Without jumps, the mid's moves over a second have the standard deviation given (to a quarter); with none, the mid rests."""
    parameters = SyntheticParameters(jumps_per_minute=0, volatility_bps=3, wide_share=0, reversion_s=100_000)
    source, book, samples = SyntheticSource(ETHUSDT, 5, parameters), OutsideBook(), list[float]()
    book.apply(source.snapshot())
    for second in range(1, 400):
        for event in events_until(source, second * 1000):
            if isinstance(event, DepthFrame):
                book.apply(event)
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        assert bid is not None and ask is not None
        samples.append((bid[0] + ask[0]) / 2)
    moves = [(later / earlier - 1) * 1e4 for earlier, later in itertools.pairwise(samples)]
    assert 0.75 * 3 < mean(move * move for move in moves) ** 0.5 < 1.25 * 3
    still = mids(SyntheticSource(ETHUSDT, 5, replace(parameters, volatility_bps=0, trade_share=0)), 10_000)
    assert max(still) - min(still) <= 1


def test_the_mid_reverts() -> None:
    """In the long run the mid stays about the start price, jumps and all."""
    found = mids(SyntheticSource(ETHUSDT, 2, SyntheticParameters(reversion_s=5, events_per_second=10)), 600_000)
    assert abs(mean(found) / 250_000 - 1) < 0.001
    assert 0.0005 < (max(found) - min(found)) / 250_000 < 0.02


@pytest.mark.parametrize(("name", "value"), [
    ("start_price", Decimal(0)), ("start_price", Decimal("NaN")), ("start_price", Decimal(-1)), ("events_per_second", 0.0),
    ("events_per_second", float("inf")), ("trade_share", 1.1), ("trade_share", -0.1), ("volatility_bps", float("nan")),
    ("volatility_bps", -1.0), ("volatility_bps", 101.0), ("reversion_s", 0.0), ("levels", 0), ("levels", 9), ("levels", 501), ("level_size", Decimal(0)),
    ("trade_size", Decimal("Infinity")), ("jumps_per_minute", -1.0), ("jump_bps", float("nan")), ("wide_share", 2.0),
])  # fmt: skip
def test_a_parameter_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    """NaN, infinities, negatives and what is too large are each a ConfigError that names the parameter."""
    with pytest.raises(ConfigError, match=name):
        replace(SyntheticParameters(), **{name: value})


def test_a_price_of_too_few_ticks_is_refused() -> None:
    """Where the levels would reach down to zero, there is no market."""
    with pytest.raises(ConfigError, match="start_price"):
        SyntheticSource(ETHUSDT, 1, SyntheticParameters(start_price=Decimal("0.5")))
