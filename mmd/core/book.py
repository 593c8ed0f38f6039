"""The top of the symbol's book: the last frame that made sense, and why a frame did not (FAULTS K1, K3)."""

from __future__ import annotations

from decimal import Decimal

from mmd.core.messages import Depth

_HALF = Decimal("0.5")


class Book:
    """The newest valid depth frame. Prices in ticks, sizes in lots, best level first."""

    __slots__ = ("asks", "bids", "received_ms", "update_id")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, as after a reconnect: nothing is known, and update ids may begin anywhere."""
        self.bids: tuple[tuple[int, int], ...] = ()
        self.asks: tuple[tuple[int, int], ...] = ()
        self.update_id = 0
        self.received_ms: int | None = None

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
