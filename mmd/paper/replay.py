"""A market source that plays a recording, at any speed, once or over and over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmd.core.errors import ConfigError
from mmd.paper.market_source import DepthFrame, MarketEvent
from mmd.paper.outside_book import OutsideBook
from mmd.paper.recorded_market import BadFrameError, RecordedMarket, transition
from mmd.paper.recording import read_recording
from mmd.paper.symbols import Symbol

SPEED_MAX = 10_000.0
REWIND_MS = 1  # between the last event of a round and the first of the next


class ReplaySource:
    """The recording's own market. It is checked whole when it is opened, and read a second time while it plays, so that memory stays small.

    Raises ConfigError, with the file, the line and the way out, for a recording that cannot be played for that symbol, and for a speed
    that is no positive number. With `loop`, the market goes back to the recording's first book at its end, time going on.
    """

    def __init__(self, path: Path, symbol: Symbol, *, speed: float = 1.0, loop: bool = True) -> None:
        if not 0 < speed <= SPEED_MAX:
            raise ConfigError(f"replay: speed must be above 0 to {SPEED_MAX:g}, got {speed}")
        self._path, self._symbol, self._speed, self._loop = path, symbol, speed, loop
        self._trade_event = self._check()
        self._events = self._rounds()
        first = next(self._events)
        assert isinstance(first, DepthFrame)
        self._snapshot = first
        self._next = next(self._events, None)

    def snapshot(self) -> DepthFrame:
        return self._snapshot

    def peek_ms(self) -> int | None:
        return None if self._next is None else self._next.at_ms

    def pop(self) -> MarketEvent:
        event = self._next
        if event is None:
            raise IndexError("the recording is over")
        self._next = next(self._events, None)
        return event

    def _check(self) -> str:
        """Goes through the whole recording; returns the type of its trade frames."""
        market = RecordedMarket(self._symbol)
        count = 0
        for event in self._play(market):
            count += 1
            if count == 1 and isinstance(event, DepthFrame) and not (len(market.book.bids) and len(market.book.asks)):
                raise ConfigError(f"recording {self._path}: the snapshot has an empty side of the book; record it again")
        if count < 2:
            raise ConfigError(f"recording {self._path}: nothing happens after the snapshot; record it again, for longer")
        return "trade" if "trade" in market.event_types else "aggTrade"

    def _rounds(self) -> Iterator[MarketEvent]:
        offset_ms, before = 0, OutsideBook()
        while True:
            market = RecordedMarket(self._symbol, self._speed, offset_ms, self._trade_event)
            events = self._play(market)
            next(events)  # the whole book, which may still be in place in part
            yield transition(before, market.book, offset_ms)
            yield from events
            if not self._loop:
                return
            offset_ms, before = market.at_ms + REWIND_MS, market.book

    def _play(self, market: RecordedMarket) -> Iterator[MarketEvent]:
        number = 0
        try:
            for frame in read_recording(self._path):
                number = frame.line_number
                event = market.take(frame)
                if event is not None:
                    yield event
            market.finish()
        except BadFrameError as error:
            where = f", line {error.line_number or number}" if number else ""
            raise ConfigError(f"recording {self._path}{where}: {error}") from error
