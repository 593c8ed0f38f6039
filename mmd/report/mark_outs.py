"""Mark-outs: what the market did after our fills, seen from our side (adverse selection is a negative one).

At horizon 0 it is the spread captured: the mid when the daemon learned of the fill against the price of the fill. Signed so that a
positive figure is good for us, for buys and sells alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mmd.ledger.schema import MARK_OUT_S
from mmd.report.rows import EXACT, amount_of

HORIZONS_S = (0, *MARK_OUT_S)
SIDES = ("all", "buy", "sell")


@dataclass(frozen=True, slots=True)
class MarkOut:
    """One horizon of one side. `amount` is in the quote asset, over the `fills` whose mid at this horizon is known; `net_amount` has their fees
    (in margin assets) taken off and their rebates added. `weighted_bps` is by notional, `mean_bps` per fill, `error_bps` its standard error (None for
    fewer than two fills). All ratios None without fills."""

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


class _Sums:
    """Exact sums in units of 1e-16, and those of the ratio in floats."""

    __slots__ = ("amount", "fee", "fills", "notional", "ratio", "square")

    def __init__(self) -> None:
        self.fills = self.amount = self.notional = 0
        self.fee = Decimal(0)
        self.ratio = self.square = 0.0

    def __add__(self, other: _Sums) -> _Sums:
        both = _Sums()
        for name in self.__slots__:
            setattr(both, name, getattr(self, name) + getattr(other, name))
        return both


class MarkOutSums:
    """Takes the fills one by one."""

    def __init__(self) -> None:
        self._sell = tuple(_Sums() for _ in HORIZONS_S)
        self._buy = tuple(_Sums() for _ in HORIZONS_S)

    def add(self, is_buy: int, price: int, size: int, notional: int, fee: Decimal, mids: Sequence[int | None]) -> None:
        """One fill of ours: price and size in 1e-8, `fee` in the quote asset, a mid for each horizon (None: unknown)."""
        for mid, sums in zip(mids, self._buy if is_buy else self._sell):
            if mid is not None:
                edge = mid - price if is_buy else price - mid
                ratio = edge / price
                sums.fills += 1
                sums.amount += edge * size
                sums.notional += notional
                sums.ratio += ratio
                sums.square += ratio * ratio
                sums.fee += fee

    def results(self) -> tuple[MarkOut, ...]:
        """Every horizon, each for both sides together and apart."""
        found = []
        for number, seconds in enumerate(HORIZONS_S):
            sides: Mapping[str, _Sums] = {"all": self._buy[number] + self._sell[number], "buy": self._buy[number], "sell": self._sell[number]}
            found += [_mark_out(seconds, side, sums) for side, sums in sides.items()]
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
    return MarkOut(seconds, side, sums.fills, notional, amount, net, bps(amount, notional), bps(net, notional), _times_10k(mean), _times_10k(error))


def bps(amount: Decimal, notional: Decimal) -> float | None:
    """A part of a notional in basis points; None of nothing."""
    return float(amount / notional) * 10_000 if notional else None


def _times_10k(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 10_000
