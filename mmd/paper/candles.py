"""Candlesticks: one list of candles an interval, and the rolling statistics of the last day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# V1 "ENUM definitions", Kline/Candlestick chart intervals; a month has no fixed length.
INTERVALS: dict[str, int | None] = {
    "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS,
    "1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS, "1M": None,
}  # fmt: skip
FIRST_MONDAY_MS = 4 * DAY_MS  # weeks start on Mondays; the epoch was a Thursday
MINUTES_KEPT = 7 * 24 * 60
CANDLES_KEPT = 1_500  # the most that one request may ask for
NO_TRADE = -1  # the trade ids of a candle without trades


def open_time(interval: str, at_ms: int) -> int:
    """When the candle opened that holds `at_ms`. Raises KeyError for an unknown interval."""
    length_ms = INTERVALS[interval]
    if length_ms is None:
        month = datetime.fromtimestamp(at_ms // 1000, timezone.utc).replace(day=1, hour=0, minute=0, second=0)
        return int(month.timestamp()) * 1000
    offset_ms = FIRST_MONDAY_MS if interval == "1w" else 0
    return (at_ms - offset_ms) // length_ms * length_ms + offset_ms


def close_time(interval: str, open_ms: int) -> int:
    """The last millisecond of the candle that opened at `open_ms`."""
    length_ms = INTERVALS[interval]
    return (open_ms + length_ms if length_ms is not None else open_time(interval, open_ms + 32 * DAY_MS)) - 1


@dataclass
class Candle:
    """Prices in ticks, volumes in lots, quote volumes in ticks times lots."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    quote_volume: int = 0
    trades: int = 0
    taker_buy_volume: int = 0
    taker_buy_quote: int = 0
    first_id: int = NO_TRADE
    last_id: int = NO_TRADE

    def add(self, price: int, size: int, buyer_is_maker: bool, trade_id: int) -> None:
        """Takes one trade in."""
        if not self.trades:
            self.open = self.high = self.low = price
            self.first_id = trade_id
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close, self.last_id = price, trade_id
        self.volume += size
        self.quote_volume += price * size
        self.trades += 1
        if not buyer_is_maker:
            self.taker_buy_volume += size
            self.taker_buy_quote += price * size

    def merge(self, later: Candle) -> None:
        """Takes in a candle of a later, shorter span."""
        if not later.trades:
            return
        if not self.trades:
            self.open, self.high, self.low, self.first_id = later.open, later.high, later.low, later.first_id
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close, self.last_id = later.close, later.last_id
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.trades += later.trades
        self.taker_buy_volume += later.taker_buy_volume
        self.taker_buy_quote += later.taker_buy_quote


class CandleSeries:
    """The candles of one interval without a gap: where nothing traded, a candle stands at the price before."""

    def __init__(self, interval: str, kept: int = CANDLES_KEPT) -> None:
        if interval not in INTERVALS:
            raise KeyError(interval)
        self.interval = interval
        self.candles: list[Candle] = []
        self._kept = kept
        self._end_ms = 0  # where the newest candle ends

    def add(self, at_ms: int, price: int, size: int, buyer_is_maker: bool, trade_id: int) -> None:
        if at_ms >= self._end_ms:
            self._open(at_ms, price)
        self.candles[-1].add(price, size, buyer_is_maker, trade_id)

    def merge(self, candle: Candle) -> None:
        """Takes in a candle of a shorter interval that is not older than the newest one."""
        if candle.open_ms >= self._end_ms:
            self._open(candle.open_ms, candle.open)
        self.candles[-1].merge(candle)

    def advance(self, now_ms: int) -> None:
        """Opens empty candles up to `now_ms`, once there has been a first one."""
        if self.candles and now_ms >= self._end_ms:
            self._open(now_ms, self.candles[-1].close)

    def between(self, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        """Candles by their open times, both inclusive: the first ones from `start_ms` on, or the latest ones without it."""
        found = [
            candle for candle in self.candles
            if (start_ms is None or candle.open_ms >= start_ms) and (end_ms is None or candle.open_ms <= end_ms)
        ]
        return found[:limit] if start_ms is not None else found[-limit:]

    def _open(self, at_ms: int, price: int) -> None:
        """Opens the candle that holds `at_ms`, and the empty ones before it as far back as the series reaches."""
        newest_ms = open_time(self.interval, at_ms)
        if self.candles:
            last = self.candles[-1]
            missing: list[int] = []
            open_ms = open_time(self.interval, newest_ms - 1)
            while open_ms > last.open_ms and len(missing) < self._kept:
                missing.append(open_ms)
                open_ms = open_time(self.interval, open_ms - 1)
            self.candles += [Candle(open_ms, last.close, last.close, last.close, last.close) for open_ms in reversed(missing)]
            price = last.close
        self.candles.append(Candle(newest_ms, price, price, price, price))
        self._end_ms = close_time(self.interval, newest_ms) + 1
        if len(self.candles) > 2 * self._kept:
            del self.candles[: -self._kept]


class Candles:
    """The series of every interval that has been asked for; minutes are always kept (a week of them), the others grow from those."""

    def __init__(self) -> None:
        self.minutes = CandleSeries("1m", MINUTES_KEPT)
        self._series = {"1m": self.minutes}

    def add(self, at_ms: int, price: int, size: int, buyer_is_maker: bool, trade_id: int) -> None:
        for series in self._series.values():
            series.add(at_ms, price, size, buyer_is_maker, trade_id)

    def series(self, interval: str, now_ms: int) -> CandleSeries:
        """The series of that interval, complete up to `now_ms`. Raises KeyError for an unknown interval."""
        series = self._series.get(interval)
        if series is None:
            series = CandleSeries(interval)
            for minute in self.minutes.candles:
                series.merge(minute)
            self._series[interval] = series
        series.advance(now_ms)
        return series

    def last_day(self, now_ms: int) -> Candle | None:
        """The statistics of the 24 hours before `now_ms`, to the minute; None where nothing has ever traded."""
        self.minutes.advance(now_ms)
        oldest_ms = open_time("1m", now_ms) - DAY_MS + MINUTE_MS
        minutes = [candle for candle in self.minutes.candles[-DAY_MS // MINUTE_MS:] if candle.open_ms >= oldest_ms]
        if not minutes:
            return None
        day = replace(minutes[0], open_ms=oldest_ms)
        for minute in minutes[1:]:
            day.merge(minute)
        return day
