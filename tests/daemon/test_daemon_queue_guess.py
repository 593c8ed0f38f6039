"""The queue guess: what stands at a price when an order has come to rest there, less what has gone since."""

from __future__ import annotations

from typing import Any

import pytest

from mmd.core.book import Book
from mmd.core.messages import Depth
from mmd.core.orders import Order, OrderState
from mmd.core.units import Side
from mmd.daemon.status.queue_guess import QueueGuess, shown_lots


class Market:
    """A book around 101 ticks whose level at the order's price is set by hand."""

    def __init__(self) -> None:
        self.book = Book()
        self.guess = QueueGuess()
        self._frames = 0

    def show(self, *bids: tuple[int, int]) -> None:
        """The next frame."""
        self._frames += 1
        self.book.apply(Depth(bids, ((102, 1_000),), self._frames, self._frames * 100, self._frames * 100))

    def ahead(self, *orders: Order) -> list[int | None]:
        found = self.guess.look(orders, self.book)
        return [found.get(order.client_order_id) for order in orders]


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "client_order_id": "mmd-1", "side": Side.BUY, "slot": (Side.BUY, 0), "price_ticks": 100, "size_lots": 10, "reduce_only": False,
        "post_only": True, "requested_ms": 0, "state": OrderState.WORKING,
    }  # fmt: skip
    return Order(**(values | changes))


def test_what_the_next_frame_shows_beside_ours_is_ahead_and_only_shrinks() -> None:
    """Nothing is known before a frame that can hold the order; then the level less ours, and never more than it once was."""
    market, mine = Market(), order()
    market.show((100, 50))
    assert market.ahead(mine) == [None]
    assert market.ahead(mine) == [None], "the same frame is older than the order"
    market.show((100, 60))
    assert market.ahead(mine) == [50]
    market.show((100, 35))
    assert market.ahead(mine) == [25]
    market.show((100, 90))
    assert market.ahead(mine) == [25], "who joins later stands behind"
    market.show((100, 4))
    assert market.ahead(mine) == [0], "a frame that does not hold ours yet makes no queue of less than nothing"


def test_an_order_that_is_only_on_its_way_has_no_place() -> None:
    """PLACING is not resting: its place begins when it is proven live."""
    market, mine = Market(), order(state=OrderState.PLACING)
    for _ in range(3):
        market.show((100, 50))
        assert market.ahead(mine) == [None]
    mine.state = OrderState.WORKING
    market.show((100, 60))
    market.ahead(mine)
    market.show((100, 60))
    assert market.ahead(mine) == [50]


def test_a_level_out_of_sight_leaves_the_guess_as_it_was() -> None:
    """None where the level was never seen; the last guess where it has gone out of sight."""
    market, mine = Market(), order()
    market.show((101, 5))
    market.ahead(mine)
    market.show((101, 5))
    assert market.ahead(mine) == [None]
    market.show((100, 30))
    assert market.ahead(mine) == [20]
    market.show((101, 5))
    assert market.ahead(mine) == [20]


@pytest.mark.parametrize("change", [{"price_ticks": 99}, {"size_lots": 11}])
def test_another_price_or_a_grown_size_loses_the_place(change: dict[str, int]) -> None:
    """The venue puts such an amended order at the end of the queue: it is guessed anew, from a frame to come."""
    market, mine = Market(), order()
    market.show((100, 50), (99, 70))
    market.ahead(mine)
    market.show((100, 20), (99, 70))
    assert market.ahead(mine) == [10]
    for name, value in change.items():
        setattr(mine, name, value)
    assert market.ahead(mine) == [None]
    market.show((100, 80), (99, 80))
    assert market.ahead(mine) == [80 - mine.size_lots]


def test_a_smaller_size_keeps_the_place_and_a_trade_is_at_the_front() -> None:
    """Shrinking loses nothing; what trades has nobody before it."""
    market, mine = Market(), order()
    market.show((100, 50))
    market.ahead(mine)
    market.show((100, 50))
    assert market.ahead(mine) == [40]
    mine.size_lots = 8
    assert market.ahead(mine) == [40]
    mine.executed_lots = 3
    assert market.ahead(mine) == [0]


def test_all_of_ours_at_a_price_is_taken_off() -> None:
    """Two own orders at one level: neither stands before the other in the guess."""
    market, one, other = Market(), order(), order(client_order_id="mmd-2", size_lots=5)
    market.show((100, 50))
    market.ahead(one, other)
    market.show((100, 50))
    assert market.ahead(one, other) == [35, 35]


def test_a_doubtful_order_keeps_its_guess_and_a_gone_one_is_forgotten() -> None:
    """UNKNOWN may still rest; what is not among the live ones any more leaves nothing behind."""
    market, mine = Market(), order()
    market.show((100, 50))
    market.ahead(mine)
    market.show((100, 50))
    market.ahead(mine)
    mine.state = OrderState.UNKNOWN
    market.show((100, 20))
    assert market.ahead(mine) == [40]
    assert market.ahead() == []
    mine.state = OrderState.WORKING
    assert market.ahead(mine) == [None]


def test_the_visible_side_is_read_from_the_best_price_outwards() -> None:
    """A price inside the visible range without a level shows nothing; one beyond it is not seen. Both sides."""
    assert shown_lots(((100, 5), (98, 7)), Side.BUY, 98) == 7
    assert shown_lots(((100, 5), (98, 7)), Side.BUY, 99) == 0
    assert shown_lots(((100, 5), (98, 7)), Side.BUY, 97) is None
    assert shown_lots(((102, 5), (104, 7)), Side.SELL, 103) == 0
    assert shown_lots(((102, 5), (104, 7)), Side.SELL, 105) is None
    assert shown_lots((), Side.SELL, 105) is None
