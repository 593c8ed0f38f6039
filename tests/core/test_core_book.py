"""The book takes over good frames and refuses each kind of flawed one, keeping the last good one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mmd.core.book import Book
from mmd.core.messages import Depth

GOOD = Depth(((100, 5), (99, 1)), ((101, 2), (105, 1)), 10, 1_000, 50)


@pytest.fixture
def book() -> Book:
    book = Book()
    assert book.apply(GOOD) is None
    return book


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bids": ()}, "one side is empty"),
        ({"asks": ()}, "one side is empty"),
        ({"update_id": 9}, "older than the last frame"),
        ({"bids": ((101, 5),)}, "crossed"),
        ({"bids": ((102, 5),)}, "crossed"),
        ({"bids": ((100, 5), (100, 1))}, "a bid level is out of order or not positive"),
        ({"bids": ((100, 5), (101, 1))}, "a bid level is out of order or not positive"),
        ({"bids": ((100, 0),)}, "a bid level is out of order or not positive"),
        ({"bids": ((100, 5), (99, -1))}, "a bid level is out of order or not positive"),
        ({"bids": ((0, 5),)}, "a bid level is out of order or not positive"),
        ({"bids": ((-1, 5),)}, "a bid level is out of order or not positive"),
        ({"asks": ((101, 5), (101, 1))}, "an ask level is out of order or not positive"),
        ({"asks": ((105, 5), (101, 1))}, "an ask level is out of order or not positive"),
        ({"asks": ((101, 0),)}, "an ask level is out of order or not positive"),
        ({"asks": ((101, 5), (102, -1))}, "an ask level is out of order or not positive"),
    ],
)
def test_a_flawed_frame_is_refused(book: Book, changes: dict[str, object], reason: str) -> None:
    """The flaw is named, and the last good frame stays with the time it came (FAULTS K3)."""
    assert book.apply(GOOD._replace(update_id=11, received_ms=60)._replace(**changes)) == reason
    assert (book.bids, book.asks, book.update_id, book.received_ms) == (GOOD.bids, GOOD.asks, 10, 50)


def test_a_good_frame_is_taken_over(book: Book) -> None:
    """Levels, id and time are the newest's; the same id again is no older frame."""
    newer = Depth(((98, 1),), ((99, 1),), 10, 1_001, 70)
    assert book.apply(newer) is None
    assert (book.best_bid, book.best_ask, book.received_ms) == (98, 99, 70)


def test_mid_may_be_half_a_tick(book: Book) -> None:
    """Midway between the best prices, exactly."""
    assert book.mid == Decimal("100.5")


def test_a_forgotten_book_knows_nothing_and_takes_any_id(book: Book) -> None:
    """After a reconnect ids may begin anywhere."""
    book.forget()
    assert not book.is_known
    assert book.apply(GOOD._replace(update_id=1)) is None
    assert book.is_known
