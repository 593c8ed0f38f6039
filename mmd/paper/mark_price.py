"""The index price, the mark price that follows it smoothly, and the funding that is settled by it."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from mmd.paper.candles import Candles
from mmd.paper.history import History

SAMPLE_MS = 1_000
SMOOTHING = Decimal("0.1")  # the share of the gap to the index that one second closes
SETTLED_SECONDS = 300  # after that long without a sample the mark price has reached the index
EIGHT_PLACES = Decimal("0.00000001")
INTEREST_RATE = Decimal("0.00010000")
FUNDINGS_KEPT = 1_000


class Funding(NamedTuple):
    """One settlement: long positions pay `rate` times their notional at `mark_price`, shorts receive it (the reverse where it is negative)."""

    at_ms: int
    rate: Decimal
    mark_price: Decimal


class MarkPrice:
    """Samples the index at every whole second; both prices are Decimals of eight places.

    The rate of the next settlement, `last_funding_rate`, is the interest rate until somebody sets another.
    """

    def __init__(self, index_price: Decimal, start_ms: int, funding_interval_ms: int) -> None:
        self.index_price = index_price.quantize(EIGHT_PLACES, ROUND_HALF_EVEN)
        self.mark_price = self.index_price
        self.last_funding_rate = INTEREST_RATE
        self.funding_interval_ms = funding_interval_ms
        self.next_funding_ms = (start_ms // funding_interval_ms + 1) * funding_interval_ms
        self.fundings: History[Funding] = History(FUNDINGS_KEPT)
        self.next_sample_ms = (start_ms // SAMPLE_MS + 1) * SAMPLE_MS
        self.mark_candles = Candles()
        self.index_candles = Candles()
        self._samples = 0
        self._chart(start_ms)

    def sample(self, index_price: Decimal, now_ms: int) -> None:
        """Takes in the index as it stood at every whole second since the last sample, up to `now_ms`."""
        self.index_price = index_price.quantize(EIGHT_PLACES, ROUND_HALF_EVEN)
        seconds = (now_ms - self.next_sample_ms) // SAMPLE_MS + 1
        for _ in range(min(seconds, SETTLED_SECONDS)):
            step = (self.index_price - self.mark_price) * SMOOTHING
            self.mark_price += step.quantize(EIGHT_PLACES, ROUND_HALF_EVEN)
        if seconds > SETTLED_SECONDS:
            self.mark_price = self.index_price
        self.next_sample_ms += seconds * SAMPLE_MS
        self._chart(self.next_sample_ms - SAMPLE_MS)

    def settle(self) -> Funding:
        """Closes the funding interval that ends at `next_funding_ms`, and begins the next one."""
        funding = Funding(self.next_funding_ms, self.last_funding_rate, self.mark_price)
        self.fundings.append(funding)
        self.next_funding_ms += self.funding_interval_ms
        return funding

    def _chart(self, at_ms: int) -> None:
        self._samples += 1
        self.mark_candles.add(at_ms, int(self.mark_price.scaleb(8)), 0, True, self._samples)
        self.index_candles.add(at_ms, int(self.index_price.scaleb(8)), 0, True, self._samples)
