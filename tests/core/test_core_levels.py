"""Several levels a side: how the size is split, and that no side ever has more on the way than it wants."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_rig import MID, Rig

from mmd.core.messages import Amend, Cancel, Place, Query
from mmd.core.quoting import Quote, Wanted
from mmd.core.units import Side


def levels(rig: Rig) -> list[Place]:
    """The places that wait for an answer, nearest to mid first."""
    return [request for request in rig.waiting if isinstance(request, Place)]


def booted(count: int, **changes: object) -> Rig:
    rig = Rig(levels=count, level_step=Decimal("0.001"), balance_fraction=Decimal("0.1"), **changes)
    rig.boot()
    return rig


def test_the_size_is_split_and_the_levels_step_out() -> None:
    """Three levels share 0.400: the first takes what does not divide, each stands ten basis points further out."""
    rig = booted(3)
    places = levels(rig)
    assert [place.size_lots for place in places] == [134, 133, 133]
    prices = [place.price_ticks for place in places]
    assert prices == [249_750, 249_500, 249_250]


@pytest.mark.parametrize(("fraction", "expected"), [("0.0009", 1), ("0.0016", 2), ("0.0024", 3), ("0.1", 5)])
def test_there_are_only_as_many_levels_as_can_be_orders(fraction: str, expected: int) -> None:
    """Every level reaches the minimum notional of 5, or there are fewer levels."""
    rig = Rig(levels=5, balance_fraction=Decimal(fraction))
    rig.boot()
    assert len(levels(rig)) == expected


def test_a_fill_at_one_level_lets_nothing_grow_before_another_has_shrunk() -> None:
    """After a partial fill the levels are evened out, and at each moment position and all that may still fill stay within the target."""
    rig = booted(2, position_threshold=Decimal(10_000), price_change_threshold=Decimal("0.01"))
    first, second = levels(rig)
    for place in (first, second):
        rig.accept(place)
    target = first.size_lots + second.size_lots
    rig.fill(first.client_order_id, 100)
    (shrink,) = [request for request in rig.waiting if isinstance(request, Amend)]
    assert shrink.client_order_id == second.client_order_id and shrink.size_lots < second.size_lots
    assert rig.engine.position_lots + rig.engine.desk.resting_lots(Side.BUY) <= target
    rig.amended()
    (grow,) = [request for request in rig.waiting if isinstance(request, Amend)]
    assert grow.client_order_id == first.client_order_id and grow.size_lots > first.size_lots
    assert rig.engine.position_lots + rig.engine.desk.resting_lots(Side.BUY) <= target


def test_amends_of_one_step_keep_to_the_budget_together() -> None:
    """FAULTS O11: three levels are to move and the budget has room for one more order, so one is amended and the others are cancelled."""
    rig = booted(3, price_change_threshold=Decimal(0))
    for place in levels(rig):
        rig.accept(place)
    budget = rig.engine.desk.budget
    while budget.used(rig.now_ms) < budget.per_minute - 1:
        budget.spend(rig.now_ms)
    rig.depth(mid=MID + 10)
    assert len([each for each in rig.waiting if isinstance(each, Amend)]) == 1
    assert len([each for each in rig.waiting if isinstance(each, Cancel)]) == 2
    assert budget.used(rig.now_ms) == budget.per_minute


def test_all_levels_go_when_the_mode_flips() -> None:
    """A fill past the threshold cancels the other bids, and the whole position is offered in as many levels."""
    rig = booted(2)
    first, second = levels(rig)
    for place in (first, second):
        rig.accept(place)
    rig.fill(first.client_order_id)
    assert [request.client_order_id for request in rig.waiting if isinstance(request, Cancel)] == [second.client_order_id]
    asks = levels(rig)
    assert [ask.side for ask in asks] == [Side.SELL, Side.SELL] and all(ask.reduce_only for ask in asks)
    assert sum(ask.size_lots for ask in asks) == first.size_lots
    assert MID < asks[0].price_ticks < asks[1].price_ticks


def test_one_unknown_order_freezes_its_side() -> None:
    """FAULTS O1: while nobody knows what became of one level, no other level of the side is posted either."""
    rig = booted(2)
    first, second = levels(rig)
    rig.lose(first)
    rig.refuse(second, code=-2010)
    rig.run(rig.settings.timing.refusal_backoff_ms + 1_000)
    assert levels(rig) == []
    rig.answer(rig.pending(Query), rig.report(first.client_order_id))
    rig.run(rig.settings.timing.refusal_backoff_ms + 1_000)
    assert [place.side for place in levels(rig)] == [Side.BUY]


def test_what_would_be_amended_below_a_filter_is_cancelled() -> None:
    """Room for no more lots and a lower price would make an order of less than the minimum notional of 5: it goes, it is not amended."""
    quotes = [Quote(Side.BUY, 0, 250_010, 2, False), Quote(Side.BUY, 1, 249_000, 5, False)]
    rig = Rig(quote_model=lambda view: Wanted(Side.BUY, tuple(quotes), None)).boot()
    for place in levels(rig):
        rig.accept(place)
    quotes[:] = [Quote(Side.BUY, 0, 249_900, 3, False), Quote(Side.BUY, 1, 249_000, 4, False)]
    rig.now_ms += 100
    rig.depth()
    first = rig.all(Place)[0].client_order_id
    assert [request.client_order_id for request in rig.waiting if isinstance(request, Cancel)] == [first]
    assert first not in [request.client_order_id for request in rig.waiting if isinstance(request, Amend)]
