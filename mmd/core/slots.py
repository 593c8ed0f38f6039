"""Wanted against working: for one slot, the least that must be done.

A slot holds at most one order. `STEPS` is the slot's state table: what to do in each state, with and without a wanted quote; where the
order is working and a quote is wanted, `good_enough` and the venue's means decide between keeping, amending and cancelling. A new order is placed
only into an empty slot, that is once the old one is proven terminal (FAULTS O5).
"""

from __future__ import annotations

from enum import Enum

from mmd.core.orders import Order, OrderState
from mmd.core.quoting import Quote
from mmd.core.settings import OrderSettings


class Step(Enum):
    NOTHING = "nothing"
    PLACE = "place"
    CANCEL = "cancel"
    COMPARE = "compare"  # keep, amend or cancel, by what the order is
    AMEND = "amend"


# None is the empty slot (no order, or one that is DONE).
STEPS: dict[tuple[OrderState | None, bool], Step] = {
    (None, False): Step.NOTHING,
    (None, True): Step.PLACE,
    (OrderState.PLACING, False): Step.NOTHING,
    (OrderState.PLACING, True): Step.NOTHING,
    (OrderState.WORKING, False): Step.CANCEL,
    (OrderState.WORKING, True): Step.COMPARE,
    (OrderState.AMENDING, False): Step.CANCEL,
    (OrderState.AMENDING, True): Step.NOTHING,
    (OrderState.CANCELLING, False): Step.NOTHING,
    (OrderState.CANCELLING, True): Step.NOTHING,
    (OrderState.UNKNOWN, False): Step.NOTHING,
    (OrderState.UNKNOWN, True): Step.NOTHING,
    (OrderState.DONE, False): Step.NOTHING,
    (OrderState.DONE, True): Step.PLACE,
}


def next_step(order: Order | None, quote: Quote | None, settings: OrderSettings, may_amend: bool, now_ms: int) -> Step:
    """What the slot needs now: NOTHING, PLACE, AMEND or CANCEL."""
    step = STEPS[order.state if order is not None else None, quote is not None]
    if step is not Step.COMPARE:
        return step
    assert order is not None and quote is not None
    if order.distrusted or order.reduce_only != quote.reduce_only or now_ms - order.requested_ms >= settings.max_order_age_ms:
        return Step.CANCEL
    if good_enough(order, quote, settings):
        return Step.NOTHING
    return Step.AMEND if may_amend and order.amendable else Step.CANCEL


def good_enough(order: Order, quote: Quote, settings: OrderSettings) -> bool:
    """The order-reuse rule: the price has moved by less than `price_change_threshold`, and the size that is left is the wanted one.

    An opening order's size follows the price, so it may differ by `size_change_threshold`; a closing one must cover the position exactly.
    """
    moved = abs(order.price_ticks - quote.price_ticks)
    if moved and moved >= settings.price_change_threshold * quote.price_ticks:
        return False
    missing = abs(order.size_lots - order.executed_lots - quote.size_lots)
    if quote.reduce_only:
        return missing == 0
    return missing <= settings.size_change_threshold * quote.size_lots
