"""Mark-outs: what the market did after our fills, seen from our side (adverse selection is a negative one).

At horizon 0 it is the spread captured: the mid when the daemon learned of the fill against the price of the fill. Signed so that a
positive figure is good for us, for buys and sells alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mmd.ledger.schema import MARK_OUT_S
from mmd.report.rows import EXACT, amount_of

HORIZONS_S = (0, *MARK_OUT_S)
SIDES = ("all", "buy", "sell")


@dataclass(frozen=True, slots=True)
class MarkOut:
    """One horizon of one side. `amount` is in the quote asset, over the `fills` whose mid at this horizon is known; `net_amount` has
    their fees (in margin assets) taken off and their rebates added. `weighted_bps` is by notional, `mean_bps` per fill, `error_bps` its
    standard error (None for fewer than two fills). All ratios None without fills."""

    seconds: int
    side: str
    fills: int
    notional: Decimal
    amount: Decimal
    net_amount: Decimal
    weighted_bps: float | None
    net_bps: float | None
    mean_bps: float | None
    error_bps: float | None


class _Weights:
    """What the fills add up to, whatever became of them: their number, notional (1e-16) and fees."""

    __slots__ = ("fee", "fills", "notional")

    def __init__(self) -> None:
        self.fills = self.notional = 0
        self.fee = Decimal(0)

    def add(self, notional: int, fee: Decimal) -> None:
        self.fills += 1
        self.notional += notional
        self.fee += fee


class _Edges:
    """What the mids of one horizon say: the exact sum (1e-16), and those of the ratio in floats."""

    __slots__ = ("amount", "ratio", "square", "weights")

    def __init__(self) -> None:
        self.weights = _Weights()  # of the fills that lack the mid of some other horizon
        self.amount = 0
        self.ratio = self.square = 0.0

    def add(self, edge: int, price: int, size: int) -> None:
        self.amount += edge * size
        ratio = edge / price
        self.ratio += ratio
        self.square += ratio * ratio


class _Side:
    """The fills of one side."""

    def __init__(self) -> None:
        self.whole = _Weights()  # of the fills that have all mids, which are most, so that they are added up once instead of once a horizon
        self.edges = tuple(_Edges() for _ in HORIZONS_S)

    def sums(self, number: int) -> _Sums:
        edges, whole = self.edges[number], self.whole
        return _Sums(
            whole.fills + edges.weights.fills,
            whole.notional + edges.weights.notional,
            whole.fee + edges.weights.fee,
            edges.amount,
            edges.ratio,
            edges.square,
        )


class _Sums(NamedTuple):
    fills: int
    notional: int
    fee: Decimal
    amount: int
    ratio: float
    square: float


class MarkOutSums:
    """Takes the fills one by one."""

    def __init__(self) -> None:
        self._sides = (_Side(), _Side())  # sells, buys

    def add(self, is_buy: int, price: int, size: int, notional: int, fee: Decimal, mids: Sequence[int | None]) -> None:
        """One fill of ours: price and size in 1e-8, `fee` in the quote asset, a mid for each horizon (None: unknown)."""
        side = self._sides[is_buy]
        if None in mids:
            for mid, edges in zip(mids, side.edges):
                if mid is not None:
                    edges.add(mid - price if is_buy else price - mid, price, size)
                    edges.weights.add(notional, fee)
            return
        side.whole.add(notional, fee)
        for mid, edges in zip(mids, side.edges):
            edge = mid - price if is_buy else price - mid  # type: ignore[operator]  # None is not among them
            edges.amount += edge * size
            ratio = edge / price
            edges.ratio += ratio
            edges.square += ratio * ratio

    @property
    def spread(self) -> int:
        """The spread captured so far, in units of 1e-16."""
        return self._sides[0].edges[0].amount + self._sides[1].edges[0].amount

    def results(self) -> tuple[MarkOut, ...]:
        """Every horizon, each for both sides together and apart."""
        sells, buys = self._sides
        found = []
        for number, seconds in enumerate(HORIZONS_S):
            sold, bought = sells.sums(number), buys.sums(number)
            both = _Sums(
                sold.fills + bought.fills,
                sold.notional + bought.notional,
                sold.fee + bought.fee,
                sold.amount + bought.amount,
                sold.ratio + bought.ratio,
                sold.square + bought.square,
            )
            found += [_mark_out(seconds, side, sums) for side, sums in zip(SIDES, (both, bought, sold))]
        return tuple(found)


def _mark_out(seconds: int, side: str, sums: _Sums) -> MarkOut:
    amount, notional = amount_of(sums.amount), amount_of(sums.notional)
    net = EXACT.subtract(amount, sums.fee)
    mean = error = None
    if sums.fills:
        mean = sums.ratio / sums.fills
    if mean is not None and sums.fills > 1:
        variance = max(0.0, sums.square - sums.fills * mean * mean) / (sums.fills - 1)
        error = math.sqrt(variance / sums.fills)
    return MarkOut(
        seconds, side, sums.fills, notional, amount, net, bps(amount, notional), bps(net, notional), _times_10k(mean), _times_10k(error)
    )


def bps(amount: Decimal, notional: Decimal) -> float | None:
    """A part of a notional in basis points; None of nothing."""
    return float(amount / notional) * 10_000 if notional else None


def _times_10k(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 10_000
