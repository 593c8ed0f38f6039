"""A market source whose events a test writes down itself."""

from __future__ import annotations

from mmd.paper.market_data import MarketData
from mmd.paper.market_source import DepthFrame, Levels, MarketEvent
from mmd.paper.symbols import Symbol

START_MS = 1_700_000_000_000
BIDS: Levels = ((99, 10), (98, 20), (90, 5))
ASKS: Levels = ((101, 10), (102, 20), (110, 5))


class ListedSource:
    """The given book at the start, then the given events."""

    def __init__(self, bids: Levels = BIDS, asks: Levels = ASKS, events: list[MarketEvent] | None = None) -> None:
        self._snapshot = DepthFrame(0, bids, asks)
        self._events = list(events or [])

    def snapshot(self) -> DepthFrame:
        return self._snapshot

    def peek_ms(self) -> int | None:
        return self._events[0].at_ms if self._events else None

    def pop(self) -> MarketEvent:
        return self._events.pop(0)


def market_of(events: list[MarketEvent] | None = None, *, bids: Levels = BIDS, asks: Levels = ASKS, start_ms: int = START_MS) -> MarketData:
    """An ETHUSDT market (tick 0.01, lot 0.001)."""
    return MarketData(Symbol.named("ETHUSDT"), ListedSource(bids, asks, events), start_ms)
