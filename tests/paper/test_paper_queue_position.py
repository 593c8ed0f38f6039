"""The queue-position model, level by level."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from mmd.paper.queue_position import EXPLAIN_MS, Queue


def order(number: int = 1) -> Any:
    return SimpleNamespace(order_id=number)


def queue_of(outside_lots: int, *orders: Any) -> Queue:
    queue = Queue(outside_lots)
    for item in orders or (order(),):
        queue.join(item, 0)
    return queue


def ahead(queue: Queue) -> list[int]:
    return [place.ahead_lots for place in queue.places]


def test_an_order_joins_behind_everything_displayed() -> None:
    """Arriving, the whole displayed size stands ahead; what arrives later stands behind."""
    queue = queue_of(100)
    queue.resize(150, 1)
    queue.join(order(2), 1)
    assert ahead(queue) == [100, 150]


def test_a_trade_moves_everybody_up() -> None:
    """Lots eaten at the front are no longer ahead of anyone, and never less than none are."""
    queue = queue_of(100, order(1), order(2))
    queue.resize(140, 1)
    queue.join(order(3), 1)
    queue.announce_trade(120, 2)
    queue.eat(120)
    assert ahead(queue) == [0, 0, 20]


def test_the_shrink_after_a_trade_is_not_counted_again() -> None:
    """A depth change that reports a trade moves nobody."""
    queue = queue_of(100)
    queue.announce_trade(30, 1)
    queue.eat(30)
    queue.resize(70, 2)
    assert ahead(queue) == [70]


def test_the_trade_after_its_shrink_is_not_counted_again() -> None:
    """Where the depth change comes first, the trade corrects what was taken for cancellations, whatever stood behind."""
    queue = queue_of(100)
    queue.resize(200, 1)
    queue.resize(170, 2)
    assert ahead(queue) == [85]
    queue.announce_trade(30, 3)
    assert ahead(queue) == [100]
    queue.eat(30)
    queue.resize(170, 4)
    assert ahead(queue) == [70]


def test_a_shrink_beyond_the_trades_moves_up_in_proportion_rounded_against_us() -> None:
    """Cancellations are spread evenly over the level; what stands ahead is rounded up."""
    queue = queue_of(10)
    queue.resize(30, 1)
    queue.resize(29, 2)
    assert ahead(queue) == [10]  # 10 × 29/30 = 9.67
    queue.resize(14, 3)
    assert ahead(queue) == [5]  # 10 × 14/29 = 4.83


def test_a_trade_explains_only_its_own_size() -> None:
    """What is left of a shrink after the trade counts as cancelled."""
    queue = queue_of(50)
    queue.resize(100, 1)
    queue.announce_trade(20, 2)
    queue.eat(20)
    queue.resize(40, 3)  # 20 traded, 40 of the 80 that were left cancelled
    assert ahead(queue) == [15]


def test_an_old_trade_explains_nothing() -> None:
    """Beyond the window a shrink is a cancellation again."""
    queue = queue_of(50)
    queue.resize(100, 1)
    queue.announce_trade(20, 2)
    queue.eat(20)
    queue.resize(80, 3 + EXPLAIN_MS)
    assert ahead(queue) == [24]  # 30 × 80/100


def test_an_old_shrink_is_not_handed_back() -> None:
    """A trade long after a shrink is another event."""
    queue = queue_of(100)
    queue.resize(50, 1)
    queue.announce_trade(50, 2 + EXPLAIN_MS)
    assert ahead(queue) == [50]


def test_a_vanished_level_leaves_nobody_ahead() -> None:
    """With nothing displayed any more, we are first."""
    queue = queue_of(100, order(1), order(2))
    queue.resize(0, 1)
    assert ahead(queue) == [0, 0]
    queue.resize(40, 2)
    assert ahead(queue) == [0, 0]


def test_a_newcomer_does_not_wait_behind_lots_already_traded() -> None:
    """The displayed size may still include a trade that was reported before."""
    queue = queue_of(100)
    queue.announce_trade(40, 1)
    queue.join(order(2), 2)
    assert ahead(queue)[1] == 60


def test_leaving_moves_nobody_and_strangers_cannot_leave() -> None:
    """An account's cancel changes no outside lots; an order that does not stand here is an error."""
    first, second = order(1), order(2)
    queue = queue_of(100, first, second)
    queue.leave(first)
    assert [place.order for place in queue.places] == [second] and ahead(queue) == [100]
    with pytest.raises(ValueError, match="order 1"):
        queue.leave(first)


@pytest.mark.parametrize("seed", range(50))
def test_nobody_is_ever_ahead_of_nothing(seed: int) -> None:
    """Under random trades and resizes: places stay in order and non-negative, and nobody waits behind more than is displayed once settled."""
    random, queue, now_ms = Random(seed), Queue(random_size := 100), 0
    assert random_size == queue.outside_lots
    for number in range(200):
        now_ms += random.randrange(0, 400)
        act = random.random()
        if act < 0.2:
            queue.join(order(number), now_ms)
        elif act < 0.3 and queue.places:
            queue.leave(random.choice(queue.places).order)
        elif act < 0.6:
            lots = random.randrange(1, 60)
            queue.announce_trade(lots, now_ms)
            queue.eat(lots)
        else:
            queue.resize(random.choice((0, random.randrange(0, 200))), now_ms)
            assert all(place.ahead_lots <= queue.outside_lots for place in queue.places), f"seed {seed}"
        assert all(place.ahead_lots >= 0 and place.moved_lots >= 0 for place in queue.places), f"seed {seed}"


def test_a_trade_is_used_up_by_its_shrink() -> None:
    """Once a depth change has reported the trade, the next shrink is a cancellation."""
    queue = queue_of(50)
    queue.resize(130, 1)
    queue.announce_trade(30, 2)
    queue.eat(30)
    queue.resize(100, 3)
    queue.resize(50, 4)
    assert ahead(queue) == [10]  # 20 × 50/100


def test_a_shrink_is_handed_back_once() -> None:
    """A second trade of the same size is not the one that the shrink reported: its own shrink is still to come."""
    queue = queue_of(100)
    queue.resize(200, 1)
    queue.resize(170, 2)
    for at_ms in (3, 4):
        queue.announce_trade(30, at_ms)
        queue.eat(30)
    assert ahead(queue) == [40]
    queue.resize(140, 5)
    assert ahead(queue) == [40]


def test_lots_that_an_account_took_are_gone_at_once() -> None:
    """They are no shrink to come, whatever trades were announced before."""
    queue = queue_of(100)
    queue.take(60)
    assert (ahead(queue), queue.outside_lots) == ([40], 40)
    queue.resize(20, 1)
    assert ahead(queue) == [20]
    queue = queue_of(100)
    queue.announce_trade(80, 1)
    queue.take(50)
    queue.join(order(2), 2)
    assert ahead(queue)[1] == 0
