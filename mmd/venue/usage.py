"""How much of its rate limits the venue says is used, shared by everything that speaks to it from this process (V1 "LIMITS")."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """The rate-limit headers as last seen, and when (monotonic); None until the venue sends them."""

    weight_1m: int | None = None
    orders_1m: int | None = None
    seen_ms: int | None = None


class UsageMeter:
    """The newest figures that any client has seen. Attributes to read, from any thread: `last`."""

    def __init__(self) -> None:
        self.last = Usage()

    def note(self, weight: str | None, orders: str | None, now_ms: int) -> None:
        """Take in the headers X-MBX-USED-WEIGHT-1M and X-MBX-ORDER-COUNT-1M of one answer, each None where it has none."""
        if weight is not None or orders is not None:
            last = self.last
            # One of two threads may lose here: the next answer says the same again.
            self.last = Usage(_count(weight, last.weight_1m), _count(orders, last.orders_1m), now_ms)


def _count(header: str | None, last: int | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() and len(header) <= 9 else last
