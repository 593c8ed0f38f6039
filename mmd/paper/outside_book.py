"""The outside book: the liquidity of everybody but the paper exchange's own accounts."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame, Levels


class Ladder:
    """One side of a book: absolute sizes in lots by price in ticks, best first when iterated."""

    __slots__ = ("_keys", "_sign", "sizes")

    def __init__(self, side: Side) -> None:
        self.sizes: dict[int, int] = {}
        # The best price has the largest key, so that changes near the top move few entries: bids by price, asks by minus price.
        self._sign = side.sign
        self._keys: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        sign, sizes = self._sign, self.sizes
        for key in reversed(self._keys):
            yield sign * key, sizes[sign * key]

    def apply(self, levels: Levels) -> None:
        """Sets every level to its absolute size; 0 removes it, and removing what is not there is normal."""
        sizes, keys, sign = self.sizes, self._keys, self._sign
        for price_ticks, size_lots in levels:
            if size_lots:
                if price_ticks not in sizes:
                    insort(keys, sign * price_ticks)
                sizes[price_ticks] = size_lots
            elif sizes.pop(price_ticks, None) is not None:
                del keys[bisect_left(keys, sign * price_ticks)]

    def best(self) -> tuple[int, int] | None:
        """The best (price_ticks, size_lots), or None where the side is empty."""
        if not self._keys:
            return None
        price_ticks = self._sign * self._keys[-1]
        return price_ticks, self.sizes[price_ticks]

    def better_than(self, price_ticks: int) -> list[int]:
        """The prices that stand in front of `price_ticks`, best last."""
        keys, sign = self._keys, self._sign
        if not keys or keys[-1] <= sign * price_ticks:
            return []
        return [sign * key for key in keys[bisect_left(keys, sign * price_ticks + 1):]]

    def top(self, limit: int) -> list[tuple[int, int]]:
        """The best `limit` levels, best first."""
        sign, sizes = self._sign, self.sizes
        return [(sign * key, sizes[sign * key]) for key in self._keys[: -limit - 1 : -1]]


class OutsideBook:
    """Both ladders; the side names what rests there (BUY: the bids)."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = Ladder(Side.BUY)
        self.asks = Ladder(Side.SELL)

    def ladder(self, side: Side) -> Ladder:
        return self.bids if side is Side.BUY else self.asks

    def apply(self, frame: DepthFrame) -> None:
        """Puts the frame's absolute sizes in place."""
        self.bids.apply(frame.bids)
        self.asks.apply(frame.asks)

    def best(self, side: Side) -> tuple[int, int] | None:
        """The best (price_ticks, size_lots) of that side, or None where it is empty."""
        return self.ladder(side).best()

    def size(self, side: Side, price_ticks: int) -> int:
        """The lots that rest on that side at that price, 0 where none do."""
        return self.ladder(side).sizes.get(price_ticks, 0)

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """The (price_ticks, size_lots) of that side, best first; not to be changed while it is iterated."""
        return iter(self.ladder(side))

    def take(self, side: Side, price_ticks: int, size_lots: int) -> int:
        """Removes up to `size_lots` that rest on that side at that price; returns the lots removed."""
        ladder = self.ladder(side)
        there = ladder.sizes.get(price_ticks, 0)
        taken = min(there, size_lots)
        if taken:
            ladder.apply(((price_ticks, there - taken),))
        return taken
