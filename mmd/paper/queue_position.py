"""Where our orders stand among the outside lots at one price.

The exchange does not publish queues, so positions are modelled. Arriving, an order stands behind everything displayed. A trade at the
price eats from the front. A level that shrinks by more than its trades explain was cancelled somewhere in the queue: what stands ahead
shrinks in proportion, rounded against us. A trade and the depth change that reports it are counted once, whichever comes first: within
`EXPLAIN_MS` a trade explains the shrink after it (the debit), and a shrink already taken for cancellations is handed back when the trade
that caused it turns up (the credit).
"""

from __future__ import annotations

from dataclasses import dataclass

from mmd.paper.orders import Order

# How long a trade and the depth change that reports it may be apart; the slowest depth stream pushes every 500 ms, recordings every 100 ms or less.
EXPLAIN_MS = 250


@dataclass(slots=True, eq=False)
class Place:
    """One order's place: the outside lots ahead of it, and how many of those it was moved up by shrinks that may yet turn out to be trades."""

    order: Order
    ahead_lots: int
    moved_lots: int = 0


class Queue:
    """The accounts' orders at one price of one side, first come first, among `outside_lots` displayed by others."""

    __slots__ = ("_credit_lots", "_credit_ms", "_debit_lots", "_debit_ms", "outside_lots", "places")

    def __init__(self, outside_lots: int) -> None:
        self.outside_lots = outside_lots
        self.places: list[Place] = []
        self._debit_lots = self._debit_ms = 0
        self._credit_lots = self._credit_ms = 0

    def join(self, order: Order, now_ms: int) -> None:
        """The order goes to the end: behind every outside lot that no trade has eaten yet."""
        self._forget(now_ms)
        self.places.append(Place(order, self.outside_lots - self._debit_lots))

    def leave(self, order: Order) -> None:
        """Raises ValueError where the order does not stand here."""
        for index, place in enumerate(self.places):
            if place.order is order:
                del self.places[index]
                return
        raise ValueError(f"order {order.order_id} does not stand in this queue")

    def announce_trade(self, lots: int, now_ms: int) -> None:
        """A trade of others at this price: the displayed size will shrink by it, or already has. To be called before the queue is eaten."""
        self._forget(now_ms)
        reported = min(lots, self._credit_lots)
        if reported:
            for place in self.places:
                back = -(-place.moved_lots * reported // self._credit_lots)
                place.ahead_lots += back
                place.moved_lots -= back
            self._credit_lots -= reported
        self._debit_lots = min(self._debit_lots + lots - reported, self.outside_lots)
        self._debit_ms = now_ms

    def eat(self, lots: int) -> None:
        """Outside lots at the front are traded away: everybody moves up."""
        for place in self.places:
            place.ahead_lots = max(0, place.ahead_lots - lots)

    def take(self, lots: int) -> None:
        """An account takes outside lots at the front: they leave the displayed size at once."""
        self.eat(lots)
        self.outside_lots -= lots
        self._debit_lots = min(self._debit_lots, self.outside_lots)

    def resize(self, outside_lots: int, now_ms: int) -> None:
        """The level now displays `outside_lots`: growth goes behind us, a shrink that no trade explains moves us up in proportion."""
        self._forget(now_ms)
        shrink = self.outside_lots - outside_lots
        self.outside_lots = outside_lots
        if shrink <= 0:
            return
        explained = min(shrink, self._debit_lots)
        self._debit_lots -= explained
        cancelled = shrink - explained
        before = outside_lots + cancelled
        for place in self.places:
            ahead = min(place.ahead_lots, before)
            left = -(-ahead * outside_lots // before) if ahead else 0
            place.moved_lots += place.ahead_lots - left
            place.ahead_lots = left
        if cancelled:
            self._credit_lots += cancelled
            self._credit_ms = now_ms
        self._debit_lots = min(self._debit_lots, outside_lots)

    def _forget(self, now_ms: int) -> None:
        if self._debit_lots and now_ms - self._debit_ms > EXPLAIN_MS:
            self._debit_lots = 0
        if self._credit_lots and now_ms - self._credit_ms > EXPLAIN_MS:
            self._credit_lots = 0
            for place in self.places:
                place.moved_lots = 0
