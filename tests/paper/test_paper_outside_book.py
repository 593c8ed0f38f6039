"""The outside book against a plain dictionary."""

from __future__ import annotations

from random import Random

import pytest

from mmd.core.units import Side
from mmd.paper.market_source import DepthFrame
from mmd.paper.outside_book import OutsideBook


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_dictionary(seed: int) -> None:
    """After any frames, best, order, sizes, tops and what stands in front of a price are those of the sorted dictionary."""
    random, book = Random(seed), OutsideBook()
    plain: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    for step in range(300):
        changes = {side: tuple((random.randrange(1, 40), random.choice((0, 0, 1, 5, 9))) for _ in range(random.randrange(4))) for side in Side}
        book.apply(DepthFrame(step, changes[Side.BUY], changes[Side.SELL]))
        for side in Side:
            sizes = plain[side]
            sizes.update(dict(changes[side]))
            for price in [price for price, lots in sizes.items() if not lots]:
                del sizes[price]
            ordered = sorted(sizes.items(), reverse=side is Side.BUY)
            assert list(book.levels(side)) == ordered, f"seed {seed}, step {step}"
            assert book.best(side) == (ordered[0] if ordered else None), f"seed {seed}, step {step}"
            assert book.ladder(side).top(3) == ordered[:3], f"seed {seed}, step {step}"
            assert len(book.ladder(side)) == len(ordered), f"seed {seed}, step {step}"
            price = random.randrange(1, 40)
            assert book.size(side, price) == sizes.get(price, 0), f"seed {seed}, step {step}"
            front = [other for other, _ in reversed(ordered) if (other - price) * side.sign > 0]
            assert book.ladder(side).better_than(price) == front, f"seed {seed}, step {step}"


def test_taking_removes_no_more_than_is_there() -> None:
    """`take` returns what it removed: in part, the whole level, or nothing where no level stands."""
    book = OutsideBook()
    book.apply(DepthFrame(0, ((100, 5),), ((101, 7),)))
    assert book.take(Side.SELL, 101, 3) == 3
    assert book.best(Side.SELL) == (101, 4)
    assert book.take(Side.SELL, 101, 9) == 4
    assert book.best(Side.SELL) is None
    assert book.take(Side.SELL, 101, 1) == 0
    assert book.best(Side.BUY) == (100, 5)
