"""A market with few events, made up from a seed: enough to move quotes and fill orders, cheap enough for thousands of runs."""

from __future__ import annotations

from collections import deque
from random import Random

from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketTrade
from mmd.paper.outside_book import Ladder

LEVELS = 6
LEVEL_LOTS = 2_000


class SparseMarket:
    """The mid walks by a few ticks about once a second, now and then much further, and takers reach a few ticks behind it.

    `start_ticks` is the first mid, to which it also returns slowly; `pace_ms` is the mean time between two moves, `step_ticks` their usual
    size, `jump_ticks` the size of a jump (one move in fifty).
    """

    def __init__(self, seed: int, start_ticks: int = 250_000, pace_ms: int = 800, step_ticks: int = 20, jump_ticks: int = 400) -> None:
        self._random = Random(seed)
        self._home = self._mid = start_ticks
        self._pace_ms = pace_ms
        self._step_ticks = step_ticks
        self._jump_ticks = jump_ticks
        self._at_ms = 0
        self._bids, self._asks = Ladder(Side.BUY), Ladder(Side.SELL)
        bids, asks = self._reshaped(self._bids, -1), self._reshaped(self._asks, 1)
        self._snapshot = DepthFrame(0, tuple(bids.items()), tuple(asks.items()))
        self._apply(self._snapshot)
        self._events: deque[MarketEvent] = deque()

    def snapshot(self) -> DepthFrame:
        return self._snapshot

    def peek_ms(self) -> int | None:
        while not self._events:
            self._happen()
        return self._events[0].at_ms

    def pop(self) -> MarketEvent:
        self.peek_ms()
        return self._events.popleft()

    def _happen(self) -> None:
        """The next move, after at most twice the mean time, and in one of three a taker who goes before it."""
        random = self._random
        self._at_ms += random.randint(self._pace_ms // 4, 2 * self._pace_ms - self._pace_ms // 4)
        if random.random() < 0.33:
            buyer_is_maker = random.random() < 0.5
            reach = random.randint(0, 3 * self._step_ticks)
            price = self._mid - reach if buyer_is_maker else self._mid + reach
            self._events.append(MarketTrade(self._at_ms, price, random.randint(1, LEVEL_LOTS), buyer_is_maker))
        step = self._jump_ticks if random.random() < 0.02 else self._step_ticks
        self._mid += random.randint(-step, step) + (self._home - self._mid) // 50
        frame = DepthFrame(self._at_ms, tuple(self._reshaped(self._bids, -1).items()), tuple(self._reshaped(self._asks, 1).items()))
        self._apply(frame)
        self._events.append(frame)

    def _reshaped(self, ladder: Ladder, away: int) -> dict[int, int]:
        """What has to change for a side to stand one tick from mid and behind."""
        wanted = [self._mid + away * (1 + 2 * level) for level in range(LEVELS)]
        changes = {price: 0 for price in sorted(ladder.sizes) if price not in wanted}
        for price in wanted:
            if price not in ladder.sizes:
                changes[price] = self._random.randint(LEVEL_LOTS // 4, LEVEL_LOTS)
        return changes

    def _apply(self, frame: DepthFrame) -> None:
        self._bids.apply(frame.bids)
        self._asks.apply(frame.asks)
