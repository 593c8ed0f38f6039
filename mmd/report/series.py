"""What the charts draw: series that are thinned while they are gathered, so that a million points take no more room than a thousand, and no
extreme is lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_MOST_BINS = 60
_BIN_BPS = 0.01
_CLAMP_BPS = 1_000.0
_KEPT_SHARE = 0.99  # of the fills that the histogram's axis must hold


class Line:
    """A line over time. Of each stretch of time it keeps first, lowest, highest and last; stretches grow as they become too many."""

    def __init__(self, most: int = 600) -> None:
        self.stretch_ms = 1
        self._most = most
        self._stretches: list[list[tuple[int, float]]] = []  # first, lowest, highest, last of each
        self._number = -1

    def add(self, time_ms: int, value: float) -> None:
        point = (time_ms, value)
        number = time_ms // self.stretch_ms
        if number == self._number:
            kept = self._stretches[-1]
            if value < kept[1][1]:
                kept[1] = point
            if value > kept[2][1]:
                kept[2] = point
            kept[3] = point
            return
        self._number = number
        self._stretches.append([point] * 4)
        if len(self._stretches) > self._most:
            self._widen()

    def points(self) -> Iterator[tuple[int, float]]:
        """In the order of time, each once."""
        for kept in self._stretches:
            yield from dict.fromkeys(sorted(kept, key=lambda point: point[0]))

    def ranges(self) -> Iterator[tuple[int, float, float]]:
        """Of each stretch: when it began, its lowest and its highest value (the one it began with included)."""
        before: float | None = None
        for first, lowest, highest, last in self._stretches:
            low, high = lowest[1], highest[1]
            yield first[0], low if before is None else min(low, before), high if before is None else max(high, before)
            before = last[1]

    @property
    def is_thinned(self) -> bool:
        return self.stretch_ms > 1

    def _widen(self) -> None:
        while len(self._stretches) > self._most // 2:
            self.stretch_ms *= 2
            wider: list[list[tuple[int, float]]] = []
            number = -1
            for kept in self._stretches:
                if kept[0][0] // self.stretch_ms == number:
                    last = wider[-1]
                    last[1], last[2], last[3] = min(last[1], kept[1], key=_value), max(last[2], kept[2], key=_value), kept[3]
                else:
                    number = kept[0][0] // self.stretch_ms
                    wider.append(list(kept))
            self._stretches = wider
        self._number = self._stretches[-1][0][0] // self.stretch_ms


class Dot(NamedTuple):
    """Fills of one side in one stretch of time: when the first and the last was, how many, their quantity and mean price (1e-8)."""

    first_ms: int
    last_ms: int
    fills: int
    size: int
    price: float


class Dots:
    """The fills of one side; where they are too many, those of a stretch of time become one."""

    def __init__(self, most: int = 700) -> None:
        self.stretch_ms = 1
        self._most = most
        self._stretches: list[list[int]] = []  # first, last, fills, size, notional of each

    def add(self, time_ms: int, price: int, size: int) -> None:
        self._stretches.append([time_ms, time_ms, 1, size, price * size])
        if len(self._stretches) > 2 * self._most:
            self._widen()

    def dots(self) -> list[Dot]:
        while len(self._stretches) > self._most:
            self._widen()
        return [Dot(first, last, fills, size, notional / size if size else 0.0) for first, last, fills, size, notional in self._stretches]

    @property
    def is_thinned(self) -> bool:
        return self.stretch_ms > 1

    def _widen(self) -> None:
        self._merge()
        while len(self._stretches) > self._most:
            self.stretch_ms *= 2
            self._merge()

    def _merge(self) -> None:
        wider: list[list[int]] = []
        for each in self._stretches:
            if self.stretch_ms > 1 and wider and wider[-1][0] // self.stretch_ms == each[0] // self.stretch_ms:
                last = wider[-1]
                last[1] = each[1]
                for place in (2, 3, 4):
                    last[place] += each[place]
            else:
                wider.append(each)
        self._stretches = wider


class Bins(NamedTuple):
    """A histogram: the width of its bins, their lower edges and counts, and how many lie beyond either end."""

    width_bps: float
    edges_bps: list[float]
    counts: list[int]
    below: int
    above: int


class Histogram:
    """How often which spread was captured, in bps."""

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)

    def add(self, bps: float) -> None:
        self._counts[round(max(-_CLAMP_BPS, min(_CLAMP_BPS, bps)) / _BIN_BPS)] += 1

    def bins(self) -> Bins | None:
        """At most so many bins over all but the rarest; None of nothing."""
        total = sum(self._counts.values())
        if not total:
            return None
        low, high = self._at_share((1 - _KEPT_SHARE) / 2 * total), self._at_share((1 + _KEPT_SHARE) / 2 * total)
        step = max(1, -(-(high - low + 1) // _MOST_BINS))
        step = next(nice * 10**power for power in range(9) for nice in (1, 2, 5) if nice * 10**power >= step)
        counts: defaultdict[int, int] = defaultdict(int)
        for place, count in self._counts.items():
            counts[place // step] += count
        first, last = low // step, high // step
        inside = range(first, last + 1)
        return Bins(
            step * _BIN_BPS,
            [number * step * _BIN_BPS for number in inside],
            [counts[number] for number in inside],
            sum(count for number, count in counts.items() if number < first),
            sum(count for number, count in counts.items() if number > last),
        )

    def _at_share(self, rank: float) -> int:
        passed = 0
        place = 0
        for place in sorted(self._counts):
            passed += self._counts[place]
            if passed >= rank:
                break
        return place


class Series:
    """Everything that the charts need beyond the figures; its methods are what the report tells while it reads."""

    def __init__(self) -> None:
        self.mid, self.mid_at_fills, self.equity, self.position = Line(), Line(), Line(), Line()
        self.buys, self.sells = Dots(), Dots()
        self.spread = Histogram()

    def fill(self, time_ms: int, is_buy: int, price: int, size: int, mid: int | None, position: int) -> None:
        (self.buys if is_buy else self.sells).add(time_ms, price, size)
        self.position.add(time_ms, position / 1e8)
        if mid is not None:
            self.mid_at_fills.add(time_ms, mid / 1e8)
            self.spread.add((mid - price if is_buy else price - mid) / price * 10_000)

    def mark(self, time_ms: int, doubled_mid: int | None, equity: Decimal) -> None:
        """`doubled_mid` is bid plus ask."""
        if doubled_mid is not None:
            self.mid.add(time_ms, doubled_mid / 2e8)
        self.equity.add(time_ms, float(equity))

    def mids(self) -> list[tuple[int, float]]:
        """The mid at the marks and at the fills, in the order of time."""
        return sorted({*self.mid.points(), *self.mid_at_fills.points()})


def _value(point: tuple[int, float]) -> float:
    return point[1]
