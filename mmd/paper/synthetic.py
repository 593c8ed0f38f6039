"""A market source made up from a seed: a mid that moves, jumps and reverts, a book of depth, trades that arrive at random and eat it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, fields
from decimal import Decimal
from random import Random

from mmd.core.errors import ConfigError
from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, MarketEvent, MarketTrade
from mmd.paper.outside_book import Ladder
from mmd.paper.symbols import Symbol

BPS = 1e-4
# Levels stand on every tick near the best price, then on multiples of these many ticks: (how many levels, ticks apart).
SPACING = ((8, 1), (12, 5), (10**9, 25))
DEEPEST_TRADE = 5  # levels that one trade may eat
LEVELS_MIN = 2 * DEEPEST_TRADE  # trades leave half of the levels, so that no side is ever empty
LEVELS_REFRESHED = 3  # sizes that change in a frame although the price does not move them


@dataclass(frozen=True)
class SyntheticParameters:
    """What the market is like. Raises ConfigError for a value out of its range.

    start_price: what the mid starts at and reverts to; events_per_second: book changes and trades together;
    trade_share: how many of them are trades (0..1); volatility_bps: standard deviation of the mid after one second;
    reversion_s: time constant of the return to the start price; jumps_per_minute, jump_bps: how often and how far the mid jumps;
    wide_share: how often the spread is wide (0..1); levels: a side; level_size, trade_size: medians, in the base asset.
    """

    start_price: Decimal = Decimal(2500)
    events_per_second: float = 35.0
    trade_share: float = 0.3
    volatility_bps: float = 1.5
    reversion_s: float = 120.0
    jumps_per_minute: float = 2.0
    jump_bps: float = 8.0
    wide_share: float = 0.1
    levels: int = 30
    level_size: Decimal = Decimal(2)
    trade_size: Decimal = Decimal("0.2")

    def __post_init__(self) -> None:
        highest = {"trade_share": 1.0, "wide_share": 1.0, "events_per_second": 1000.0, "volatility_bps": 100.0, "jump_bps": 1000.0,
                   "jumps_per_minute": 600.0, "levels": 500}  # fmt: skip
        may_be_zero = {"trade_share", "wide_share", "volatility_bps", "jump_bps", "jumps_per_minute"}
        for field in fields(self):
            value, limit = getattr(self, field.name), highest.get(field.name, math.inf)
            if not math.isfinite(value) or not 0 <= value <= limit or (value == 0 and field.name not in may_be_zero):
                lower = "from 0" if field.name in may_be_zero else "above 0"
                raise ConfigError(f"synthetic market: {field.name} must be {lower}{f' to {limit:g}' if limit < math.inf else ''}, got {value}")
        if self.levels < LEVELS_MIN:
            raise ConfigError(f"synthetic market: levels must be at least {LEVELS_MIN}, got {self.levels}")


class SyntheticSource:
    """The market of one seed: the same seed and parameters give the same events, whenever and however often they are asked for.

    Raises ConfigError where the price is too low for the symbol's tick to hold a book.
    """

    def __init__(self, symbol: Symbol, seed: int, parameters: SyntheticParameters | None = None) -> None:
        self._parameters = given = parameters or SyntheticParameters()
        self._random = Random(seed)
        self._home = float(given.start_price / symbol.price_grid.step)
        deepest = sum(count * apart for count, apart in SPACING[:-1]) + given.levels * SPACING[-1][1]
        if self._home < 2 * deepest:
            raise ConfigError(
                f"synthetic market: start_price {given.start_price} is too few ticks of {symbol.price_grid.step} for {given.levels} levels; "
                f"give a price of at least {2 * deepest * symbol.price_grid.step}, or fewer levels")
        self._floor = float(deepest + 1)  # so low the mid never falls
        self._level_lots = max(1.0, float(given.level_size / symbol.lot_grid.step))
        self._trade_lots = max(1.0, float(given.trade_size / symbol.lot_grid.step))
        self._mid = self._home
        self._now_s = self._moved_s = 0.0
        self._half_spread = 0.5
        self._bids, self._asks = Ladder(Side.BUY), Ladder(Side.SELL)
        self._events: deque[MarketEvent] = deque()
        self._move()
        self._events.clear()
        self._snapshot = DepthFrame(0, tuple(self._bids), tuple(self._asks))

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
        """The next thing at its random time: a trade, or a move of the book (which may turn out to change nothing)."""
        self._now_s += self._random.expovariate(self._parameters.events_per_second)
        if self._random.random() < self._parameters.trade_share:
            self._trade()
        else:
            self._move()

    def _move(self) -> None:
        """Moves the mid and puts the book around it."""
        given, random = self._parameters, self._random
        elapsed_s = self._now_s - self._moved_s
        self._moved_s = self._now_s
        self._mid += (self._home - self._mid) * -math.expm1(-elapsed_s / given.reversion_s)
        self._mid *= 1 + random.gauss(0, given.volatility_bps * BPS * math.sqrt(elapsed_s))
        if random.random() < -math.expm1(-elapsed_s * given.jumps_per_minute / 60):
            self._mid *= 1 + random.choice((-1, 1)) * random.uniform(0.5, 1.5) * given.jump_bps * BPS
        self._mid = max(self._mid, self._floor)
        if random.random() < 0.1:
            self._half_spread = random.uniform(1, 8) if random.random() < given.wide_share else 0.5
        best_bid = math.floor(self._mid - self._half_spread + 0.5)
        best_ask = max(best_bid + 1, math.ceil(self._mid + self._half_spread - 0.5))
        bids = self._reshaped(self._bids, best_bid, -1)
        asks = self._reshaped(self._asks, best_ask, 1)
        if bids or asks:
            self._change(bids, asks)

    def _reshaped(self, ladder: Ladder, best: int, away: int) -> dict[int, int]:
        """What has to change for the side to stand at `best` and behind it in the direction `away`."""
        random, wanted = self._random, _wanted_prices(best, away, self._parameters.levels)
        changes = {price: 0 for price in sorted(ladder.sizes.keys() - wanted)}
        for price in sorted(wanted - ladder.sizes.keys()):
            changes[price] = self._size(self._level_lots)
        for price in random.sample(sorted(wanted), min(LEVELS_REFRESHED, len(wanted))):
            changes[price] = self._size(self._level_lots)
        return changes

    def _trade(self) -> None:
        """A taker order: a trade a level that it reaches, then the frame of what it left. A side that is eaten up moves instead."""
        buyer_is_taker = self._random.random() < 0.5
        ladder = self._asks if buyer_is_taker else self._bids
        reach = min(DEEPEST_TRADE, len(ladder) - self._parameters.levels // 2)
        if reach < 1:
            self._move()
            return
        left = self._size(self._trade_lots)
        at_ms = self._at_ms()
        changes: dict[int, int] = {}
        for price, lots in ladder.top(reach):
            size = min(left, lots)
            self._events.append(MarketTrade(at_ms, price, size, buyer_is_maker=not buyer_is_taker))
            changes[price] = lots - size
            left -= size
            if not left:
                break
        self._change({} if buyer_is_taker else changes, changes if buyer_is_taker else {})

    def _change(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        frame = DepthFrame(self._at_ms(), tuple(bids.items()), tuple(asks.items()))
        self._bids.apply(frame.bids)
        self._asks.apply(frame.asks)
        self._events.append(frame)

    def _size(self, median_lots: float) -> int:
        """A size with a long tail: most are small, few are many times the median."""
        return max(1, round(median_lots * self._random.lognormvariate(0, 1)))

    def _at_ms(self) -> int:
        return int(self._now_s * 1000)


def _wanted_prices(best: int, away: int, levels: int) -> set[int]:
    """The prices of a side: dense at its best, sparser behind, on lattices of their own so that a small move keeps most of them."""
    prices: list[int] = []
    price = best
    for count, apart in SPACING:
        for _ in range(min(count, levels - len(prices))):
            prices.append(price)
            price += away
            price += away * ((-price * away) % apart)
    return set(prices)
