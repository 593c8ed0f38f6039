"""The top of the symbol's book: the last frame that made sense, and why a frame did not (FAULTS K1, K3)."""

from __future__ import annotations

from decimal import Decimal

from mmd.core.messages import Depth

_HALF = Decimal("0.5")


# A mark price that has not come for this long says nothing any more; it is pushed every second.
_MARK_LIFE_MS = 10_000


class Book:
    """The newest valid depth frame. Prices in ticks, sizes in lots, best level first.

    A frame whose event is older than `max_age_ms`, or whose mid is off the mark price by more than the fraction `max_mark_deviation`, is not valid.
    """

    __slots__ = ("_mark_bounds", "_mark_heard_ms", "_max_age_ms", "_max_deviation", "asks", "bids", "received_ms", "update_id")

    def __init__(self, max_age_ms: int = 2_000, max_mark_deviation: Decimal = Decimal("0.05")) -> None:
        self._max_age_ms = max_age_ms
        self._max_deviation = max_mark_deviation
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a reconnect: nothing is known, and update ids may begin anywhere."""
        self.bids: tuple[tuple[int, int], ...] = ()
        self.asks: tuple[tuple[int, int], ...] = ()
        self.update_id = 0
        self.received_ms: int | None = None
        self._mark_heard_ms: int | None = None
        self._mark_bounds = (Decimal(0), Decimal(0))

    def hear_mark(self, price_ticks: Decimal, now_ms: int) -> None:
        """Take in the mark price; nonsense (zero, negative) is passed over."""
        if price_ticks > 0:
            self._mark_heard_ms = now_ms
            self._mark_bounds = (2 * price_ticks * (1 - self._max_deviation), 2 * price_ticks * (1 + self._max_deviation))

    def apply(self, depth: Depth) -> str | None:
        """Take over a frame, or say why not and keep the last good one."""
        reason = self._flaw(depth)
        if reason is None:
            self.bids, self.asks = depth.bids, depth.asks
            self.update_id, self.received_ms = depth.update_id, depth.received_ms
        return reason

    def _flaw(self, depth: Depth) -> str | None:
        if not depth.bids or not depth.asks:
            return "one side is empty"
        if depth.update_id < self.update_id:
            return "older than the last frame"
        if depth.age_ms > self._max_age_ms:
            return f"the event was {depth.age_ms} ms old"
        bid, ask = depth.bids[0], depth.asks[0]
        if bid[0] >= ask[0]:
            return "crossed"
        last_bid, last_ask = bid[0] + 1, ask[0] - 1
        for price, size in depth.bids:
            if not 0 < price < last_bid or size <= 0:
                return "a bid level is out of order or not positive"
            last_bid = price
        for price, size in depth.asks:
            if not last_ask < price or size <= 0:
                return "an ask level is out of order or not positive"
            last_ask = price
        if self._mark_heard_ms is not None and depth.received_ms - self._mark_heard_ms < _MARK_LIFE_MS:
            low, high = self._mark_bounds
            if not low <= bid[0] + ask[0] <= high:
                return "far from the mark price"
        return None

    @property
    def is_known(self) -> bool:
        return self.received_ms is not None

    @property
    def best_bid(self) -> int:
        """Ticks. Only where the book is known."""
        return self.bids[0][0]

    @property
    def best_ask(self) -> int:
        """Ticks. Only where the book is known."""
        return self.asks[0][0]

    @property
    def mid(self) -> Decimal:
        """Midway between the best prices, in ticks (a whole or a half one). Only where the book is known."""
        return _HALF * (self.bids[0][0] + self.asks[0][0])
