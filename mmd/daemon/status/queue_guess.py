"""How much stands before each own order in the queue at its price: a guess from the visible book, for people to look at. Nothing decides by it.

The venue says how much rests at a price, not in which order. Assumed is that whatever was there before us stands before us and can only become
less: when an order is first seen resting, all that the next frame shows at its price beside our own stands before it; from then on the guess is the
least that was ever seen there. Cancellations behind us are thus taken for progress, and what joins in the 100 ms before that first frame for being
ahead of us. An amended price or a grown size loses the place, as the venue says, and is guessed anew; a trade of ours proves that nothing is before us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmd.core.book import Book
from mmd.core.orders import Order, OrderState
from mmd.core.units import Side

# The states in which an order is proven to rest.
_RESTING = frozenset({OrderState.WORKING, OrderState.AMENDING, OrderState.CANCELLING})


@dataclass(slots=True)
class _Place:
    """What is believed of one order's place; `frame_ms` is when the book came that was there when the order took it."""

    price_ticks: int
    size_lots: int
    executed_lots: int
    frame_ms: int | None
    ahead_lots: int | None = None


class QueueGuess:
    """The guesses for one market. Looked at whenever something may have changed; the more often, the better it guesses."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}

    def look(self, orders: Iterable[Order], book: Book) -> Mapping[str, int | None]:
        """Lots ahead by client order id, for `orders` that may be live; None where the level has not been seen since the order rests there."""
        orders = tuple(orders)
        ours: dict[tuple[Side, int], int] = {}
        for order in orders:
            if order.state in _RESTING:
                level = order.side, order.price_ticks
                ours[level] = ours.get(level, 0) + order.size_lots - order.executed_lots
        self._places = {order.client_order_id: place for order in orders if (place := self._place(order)) is not None}
        for order in orders:
            place = self._places.get(order.client_order_id)
            if place is None:
                continue
            if place.frame_ms is None or order.state not in _RESTING:
                place.frame_ms = book.received_ms if place.frame_ms is None else place.frame_ms
            elif order.executed_lots > place.executed_lots:
                place.ahead_lots = 0
            elif book.received_ms is not None and book.received_ms > place.frame_ms:
                shown = shown_lots(book.bids if order.side is Side.BUY else book.asks, order.side, order.price_ticks)
                if shown is not None:
                    others = max(0, shown - ours[order.side, order.price_ticks])
                    place.ahead_lots = others if place.ahead_lots is None else min(place.ahead_lots, others)
        return {identifier: place.ahead_lots for identifier, place in self._places.items()}

    def _place(self, order: Order) -> _Place | None:
        """The order's place as known, or a new one where it has just taken it; None where it is not known to have one."""
        known = self._places.get(order.client_order_id)
        if known is not None and order.price_ticks == known.price_ticks and order.size_lots <= known.size_lots:
            known.size_lots = order.size_lots
            return known
        return _Place(order.price_ticks, order.size_lots, order.executed_lots, None) if order.state in _RESTING else None


def shown_lots(levels: Sequence[tuple[int, int]], side: Side, price_ticks: int) -> int | None:
    """What a side of the book (best first) shows at a price; None where the price is beyond its last visible level."""
    if not levels or (levels[-1][0] - price_ticks) * side.sign > 0:
        return None
    return next((lots for price, lots in levels if price == price_ticks), 0)
