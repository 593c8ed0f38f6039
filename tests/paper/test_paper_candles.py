"""Candles against a plain reckoning from the trades."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone
from random import Random

import pytest

from mmd.paper.candles import CANDLES_KEPT, DAY_MS, INTERVALS, MINUTE_MS, Candle, Candles, CandleSeries, close_time, open_time


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp() * 1000)


@pytest.mark.parametrize(("interval", "opened", "closed"), [
    ("1m", "2024-02-29T23:59:00", "2024-03-01T00:00:00"),
    ("15m", "2024-02-29T23:45:00", "2024-03-01T00:00:00"),
    ("8h", "2024-02-29T16:00:00", "2024-03-01T00:00:00"),
    ("1d", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
    ("1w", "2024-02-26T00:00:00", "2024-03-04T00:00:00"),
    ("1M", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
])  # fmt: skip
def test_a_candle_opens_and_closes_where_the_calendar_says(interval: str, opened: str, closed: str) -> None:
    """Weeks start on Mondays, months on their first day, and a candle closes a millisecond before the next opens."""
    at_ms = ms("2024-02-29T23:59:59")
    assert open_time(interval, at_ms) == ms(opened)
    assert close_time(interval, ms(opened)) == ms(closed) - 1


@pytest.mark.parametrize("interval", INTERVALS)
def test_candles_tile_time(interval: str) -> None:
    """Every moment is in the candle that opened at its open time, and the next candle opens right behind its close."""
    random = Random(1)
    for _ in range(200):
        at_ms = random.randrange(0, 60 * 365 * DAY_MS)
        opened = open_time(interval, at_ms)
        closed = close_time(interval, opened)
        assert opened <= at_ms <= closed
        assert open_time(interval, opened) == opened == open_time(interval, closed)
        assert open_time(interval, closed + 1) == closed + 1


def reckoned(interval: str, trades: list[tuple[int, int, int, bool]]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for opened in {open_time(interval, trade[0]) for trade in trades}:
        inside = [(number, *trade) for number, trade in enumerate(trades) if open_time(interval, trade[0]) == opened]
        prices, taken = [row[2] for row in inside], [row for row in inside if not row[4]]
        found[opened] = (
            prices[0], max(prices), min(prices), prices[-1], sum(row[3] for row in inside), sum(row[2] * row[3] for row in inside),
            len(inside), sum(row[3] for row in taken), sum(row[2] * row[3] for row in taken), inside[0][0], inside[-1][0])  # fmt: skip
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("asked_late", [False, True])
def test_candles_are_what_the_trades_make(seed: int, asked_late: bool) -> None:
    """Every interval, asked for before or after the trades, has the sums of its trades, no gap, and flat candles where nothing traded."""
    random, candles, at_ms = Random(seed), Candles(), ms("2024-02-28T22:00:00")
    if not asked_late:
        for interval in INTERVALS:
            candles.series(interval, at_ms)
    trades = []
    for number in range(400):
        at_ms += random.choice((0, 10, 900, 30_000, 400_000))
        trades.append((at_ms, random.randrange(90, 110), random.randrange(1, 9), random.random() < 0.5))
        candles.add(*trades[-1], number)
    now_ms = at_ms + 10 * MINUTE_MS
    for interval in INTERVALS:
        series, expected = candles.series(interval, now_ms).candles, reckoned(interval, trades)
        where = f"seed {seed}, {interval}"
        assert series[-1].open_ms == open_time(interval, now_ms), where
        for earlier, later in itertools.pairwise(series):
            assert later.open_ms == close_time(interval, earlier.open_ms) + 1, where
        for index, candle in enumerate(series):
            seen = (candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume, candle.trades,
                    candle.taker_buy_volume, candle.taker_buy_quote, candle.first_id, candle.last_id)  # fmt: skip
            before = series[index - 1].close
            assert seen == expected.pop(candle.open_ms, (before, before, before, before, 0, 0, 0, 0, 0, -1, -1)), where
        assert not expected, where


def test_a_long_silence_is_bounded() -> None:
    """A jump of a hundred years fills no more candles than are kept, and ends at the present."""
    series = CandleSeries("1m")
    series.add(0, 100, 1, True, 1)
    series.advance(100 * 365 * DAY_MS)
    assert len(series.candles) <= CANDLES_KEPT + 2
    assert series.candles[-1].open_ms == 100 * 365 * DAY_MS


def test_a_span_is_inclusive_and_limited() -> None:
    """With a start the first candles from there, without one the latest."""
    series = CandleSeries("1m")
    for minute in range(10):
        series.add(minute * MINUTE_MS, 100, 1, True, minute)
    minutes = lambda *asked: [candle.open_ms // MINUTE_MS for candle in series.between(*asked)]
    assert minutes(2 * MINUTE_MS, 4 * MINUTE_MS, 500) == [2, 3, 4]
    assert minutes(2 * MINUTE_MS, None, 2) == [2, 3]
    assert minutes(None, 4 * MINUTE_MS, 2) == [3, 4]
    assert minutes(None, None, 3) == [7, 8, 9]


def test_an_unknown_interval_is_a_key_error() -> None:
    """No series is made of an interval that the document does not list."""
    with pytest.raises(KeyError):
        Candles().series("7m", 0)


def test_the_last_day_is_a_window() -> None:
    """Trades older than a day drop out of the statistics, and the price before the window is its open where nothing trades in it."""
    candles = Candles()
    assert candles.last_day(0) is None
    candles.add(0, 100, 5, True, 1)
    candles.add(3600_000, 200, 7, False, 2)
    day = candles.last_day(DAY_MS - 1)
    assert day is not None and (day.open, day.high, day.low, day.close, day.volume, day.trades) == (100, 200, 100, 200, 12, 2)
    day = candles.last_day(DAY_MS)
    assert day is not None and (day.open, day.low, day.volume, day.first_id) == (200, 200, 7, 2)
    day = candles.last_day(3 * DAY_MS)
    assert day == Candle(2 * DAY_MS + MINUTE_MS, 200, 200, 200, 200)
