"""Wanted against working: the slot's table entry by entry, and the order-reuse rule at its edges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from core_rig import make_settings

from mmd.core.orders import Order, OrderState
from mmd.core.quoting import Quote
from mmd.core.settings import OrderSettings
from mmd.core.slots import STEPS, Step, good_enough, next_step
from mmd.core.units import Side

SETTINGS = OrderSettings()
QUOTE = Quote(Side.BUY, 0, 250_000, 100, False)
# Without and with a wanted quote.
MATRIX: dict[OrderState | None, tuple[Step, Step]] = {
    None: (Step.NOTHING, Step.PLACE),
    OrderState.PLACING: (Step.NOTHING, Step.NOTHING),
    OrderState.WORKING: (Step.CANCEL, Step.COMPARE),
    OrderState.AMENDING: (Step.CANCEL, Step.NOTHING),
    OrderState.CANCELLING: (Step.NOTHING, Step.NOTHING),
    OrderState.UNKNOWN: (Step.NOTHING, Step.NOTHING),
    OrderState.DONE: (Step.NOTHING, Step.PLACE),
}


def make_order(**changes: Any) -> Order:
    order = Order("mmd-s-1", Side.BUY, (Side.BUY, 0), 250_000, 100, False, True, requested_ms=1_000, state=OrderState.WORKING)
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def step_for(order: Order | None, quote: Quote | None, may_amend: bool = True, now_ms: int = 1_000, **changes: Any) -> Step:
    return next_step(order, quote, make_settings(**changes).orders, may_amend, now_ms)


def test_the_table_has_every_state() -> None:
    """Each state and the empty slot, with and without a wanted quote."""
    assert set(STEPS) == {(state, wanted) for state in MATRIX for wanted in (False, True)}
    assert set(MATRIX) == {None, *OrderState}


@pytest.mark.parametrize("state", MATRIX)
@pytest.mark.parametrize("wanted", [False, True])
def test_each_entry(state: OrderState | None, wanted: bool) -> None:
    """Through `next_step` every entry does what the second writing of the table says; a comparison that finds all well does nothing."""
    expected = MATRIX[state][wanted]
    assert STEPS[state, wanted] is expected
    order = None if state is None else make_order(state=state)
    found = step_for(order, QUOTE if wanted else None)
    assert found is (Step.NOTHING if expected is Step.COMPARE else expected)


@pytest.mark.parametrize("may_amend", [False, True])
def test_what_is_not_good_enough_is_amended_or_cancelled(may_amend: bool) -> None:
    """The venue's means decide."""
    order = make_order(price_ticks=240_000)
    assert step_for(order, QUOTE, may_amend) is (Step.AMEND if may_amend else Step.CANCEL)
    assert step_for(make_order(price_ticks=240_000, amendable=False), QUOTE, may_amend) is Step.CANCEL


@pytest.mark.parametrize("changes", [{"distrusted": True}, {"reduce_only": True}, {"requested_ms": -59_000}])
def test_some_orders_are_only_ever_cancelled(changes: dict[str, Any]) -> None:
    """Distrusted, of the other kind, or as old as `max_order_age`: however good its price and size."""
    assert step_for(make_order(**changes), QUOTE) is Step.CANCEL


def test_age_counts_from_the_last_request() -> None:
    """A millisecond short of `max_order_age` it is kept."""
    assert step_for(make_order(), QUOTE, now_ms=60_999) is Step.NOTHING
    assert step_for(make_order(), QUOTE, now_ms=61_000) is Step.CANCEL


@pytest.mark.parametrize(("price", "good"), [(250_000, True), (250_049, True), (249_951, True), (250_050, False), (249_950, False)])
def test_the_price_threshold_is_exclusive(price: int, good: bool) -> None:
    """2 bps of 250,000 ticks are 50: less is reused, 50 is not (DESIGN: "moved less than")."""
    assert good_enough(make_order(price_ticks=price), QUOTE, SETTINGS) is good


def test_a_threshold_of_zero_reuses_the_same_price_only() -> None:
    """Equal is always good enough, one tick is not."""
    settings = make_settings(price_change_threshold=Decimal(0)).orders
    assert good_enough(make_order(), QUOTE, settings)
    assert not good_enough(make_order(price_ticks=250_001), QUOTE, settings)


@pytest.mark.parametrize(("size", "executed", "good"), [(100, 0, True), (102, 0, True), (98, 0, True), (103, 0, False), (97, 0, False), (150, 50, True), (100, 3, False)])
def test_an_opening_size_may_differ_a_little(size: int, executed: int, good: bool) -> None:
    """What is left, within 2 % of what is wanted, the edge included."""
    assert good_enough(make_order(size_lots=size, executed_lots=executed), QUOTE, SETTINGS) is good


@pytest.mark.parametrize(("size", "executed", "good"), [(100, 0, True), (101, 0, False), (99, 0, False), (130, 30, True)])
def test_a_closing_size_is_exact(size: int, executed: int, good: bool) -> None:
    """A reduce-only order covers the position to the lot."""
    quote = QUOTE._replace(reduce_only=True)
    assert good_enough(make_order(size_lots=size, executed_lots=executed, reduce_only=True), quote, SETTINGS) is good
