"""Orders whose fate is unknown: asked for, never posted again, given up only on proof, and cancelled should they turn up after all."""

from __future__ import annotations

import pytest
from core_rig import Rig, none_of, only

from mmd.core.lifecycle import State
from mmd.core.messages import (
    ArmCountdown,
    Cancel,
    Cause,
    Finished,
    Lost,
    OrderStatus,
    Place,
    Query,
    Reconcile,
    Refusal,
    Stop,
    Stream,
    StreamDown,
    StreamUp,
)
from mmd.core.orders import OrderState

GONE = Refusal(400, -2013, "Order does not exist.")


def lost_post(rig: Rig) -> Place:
    """Brought to where the first POST was lost; its query waits."""
    rig.boot()
    place = rig.pending(Place)
    rig.lose(place)
    return place


def test_a_lost_post_freezes_its_slot_and_is_asked_for(rig: Rig) -> None:
    """One query at once, no second POST, however long the venue does not know (FAULTS O1)."""
    place = lost_post(rig)
    assert rig.order(place.client_order_id).state is OrderState.UNKNOWN
    for _ in range(40):
        if rig.waits(Query):
            rig.answer(rig.pending(Query), Lost("timed out"))
        rig.run(500)
    assert len(rig.all(Place)) == 1
    assert 5 <= len(rig.all(Query)) <= 12, "asked again and again, further and further apart"


def test_a_lost_post_that_lives_works_on(rig: Rig) -> None:
    """The query finds it: the slot has its order, nothing is placed or cancelled."""
    place = lost_post(rig)
    assert none_of(rig.answer(rig.pending(Query), rig.report(place.client_order_id)), Place, Cancel)
    assert rig.order(place.client_order_id).state is OrderState.WORKING


def test_a_lost_post_that_filled_turns_the_mode(rig: Rig) -> None:
    """What the query says is executed counts at once, before its trades come."""
    place = lost_post(rig)
    filled = rig.report(place.client_order_id, OrderStatus.FILLED, place.size_lots)
    closing = only(rig.answer(rig.pending(Query), filled), Place)
    assert closing.reduce_only and closing.size_lots == place.size_lots


def test_no_such_order_proves_nothing_within_the_window(rig: Rig) -> None:
    """Before window and grace are over, -2013 leaves the order unknown (FAULTS O3)."""
    place = lost_post(rig)
    while rig.now_ms < 1_000 + 6_900:
        if rig.waits(Query):
            rig.answer(rig.pending(Query), GONE)
        assert rig.order(place.client_order_id).state is OrderState.UNKNOWN
        rig.run(100)
    assert len(rig.all(Place)) == 1


def test_no_such_order_after_the_window_frees_the_slot(rig: Rig) -> None:
    """Asked at the very end of window and grace, -2013 is proof: said once, and the slot is quoted anew under a new id."""
    place = lost_post(rig)
    while rig.now_ms < 1_000 + 7_000:
        if rig.waits(Query):
            rig.answer(rig.pending(Query), GONE)
        rig.run(100)
    assert rig.sent_ms[id(rig.pending(Query))] == 8_000
    again = only(rig.answer(rig.pending(Query), GONE), Place)
    assert again.client_order_id != place.client_order_id
    assert len(rig.notices("order_gone")) == 1


def test_an_answer_is_as_old_as_its_question(rig: Rig) -> None:
    """-2013 to a query that was sent within the window proves nothing, however late it arrives."""
    place = lost_post(rig)
    query = rig.pending(Query)
    rig.run(20_000)
    rig.answer(query, GONE)
    assert rig.order(place.client_order_id).state is OrderState.UNKNOWN
    assert rig.answer(rig.pending(Query), GONE) and not rig.order(place.client_order_id).is_live


def declared_gone(rig: Rig) -> Place:
    """Brought to where a lost POST was declared gone, and another order works in its slot."""
    place = lost_post(rig)
    while rig.order(place.client_order_id).is_live:
        if rig.waits(Query):
            rig.answer(rig.pending(Query), GONE)
        rig.run(100)
    rig.accept()
    return place


def late_cancel(rig: Rig, place: Place) -> Cancel:
    """The cancel of one order that waits."""
    (cancel,) = [request for request in rig.waiting if isinstance(request, Cancel) and request.client_order_id == place.client_order_id]
    return cancel


def test_a_late_order_is_cancelled_until_it_is_gone(rig: Rig) -> None:
    """It lives after all: that is said once, and its cancel is repeated like any other's until it is proven terminal."""
    place = declared_gone(rig)
    rig.update(rig.report(place.client_order_id))
    assert len(rig.notices("late_order")) == 1
    rig.lose(late_cancel(rig, place))
    rig.answer(rig.pending(Query), rig.report(place.client_order_id))
    rig.cancelled(late_cancel(rig, place))
    assert not rig.order(place.client_order_id).is_live
    rig.update(rig.report(place.client_order_id))
    assert not rig.order(place.client_order_id).is_live, "a proven end is for good"
    assert len(rig.notices("late_order")) == 1


def test_a_reply_that_tells_of_another_order_is_news(rig: Rig) -> None:
    """FAULTS O2: the POST was sent twice on its way and the second answer passed on, after the first order had ended: the second one is cancelled."""
    rig.boot()
    place = rig.pending(Place)
    rig.update(rig.report(place.client_order_id))
    rig.update(rig.report(place.client_order_id, OrderStatus.CANCELED))
    rig.answer(place, rig.report(place.client_order_id, order_id=999))
    assert rig.order(place.client_order_id).is_live and rig.pending(Cancel).client_order_id == place.client_order_id
    assert len(rig.notices("late_order")) == 1


def test_a_late_order_that_fills_is_booked(rig: Rig) -> None:
    """Its trades move the position once, whether it lives on or not."""
    place = declared_gone(rig)
    rig.now_ms += 10
    rig.fill(place.client_order_id, 3)
    assert rig.engine.position_lots == 3
    rig.now_ms += 10
    rig.fill(place.client_order_id)
    assert rig.engine.position_lots == place.size_lots
    assert not rig.order(place.client_order_id).is_live


def test_what_a_late_order_may_still_fill_counts_against_the_limit(rig: Rig) -> None:
    """While the late order may fill, the slot has no room left: its order is pulled too, and comes back once the late one is gone (FAULTS A5)."""
    place = declared_gone(rig)
    working = rig.all(Place)[-1]
    rig.update(rig.report(place.client_order_id))
    assert {cancel.client_order_id for cancel in rig.all(Cancel)} == {place.client_order_id, working.client_order_id}
    rig.cancelled(late_cancel(rig, working))
    assert not rig.waits(Place)
    rig.cancelled(late_cancel(rig, place))
    assert rig.pending(Place).size_lots == place.size_lots


def test_a_stop_does_not_end_over_a_late_order(rig: Rig) -> None:
    """The last listing shows an own order that was declared gone: it is cancelled, and only then is the end clean."""
    place = declared_gone(rig)
    rig.step(Stop("asked"))
    rig.cancelled()
    rig.answer(rig.pending(Reconcile), rig.truth(rig.report(place.client_order_id)))
    assert rig.finished is None and rig.all(ArmCountdown)[-1].countdown_ms
    rig.cancelled()
    rig.settle_down()
    assert rig.finished == Finished(0, "asked", Cause.STOP)


def test_a_late_order_waits_for_the_end_of_silence(rig: Rig) -> None:
    """Nothing is sent while the venue asked for silence, a late order's cancel included (FAULTS R1)."""
    place = declared_gone(rig)
    rig.engine.desk.budget.be_silent(rig.now_ms + 1_000)
    rig.update(rig.report(place.client_order_id))
    assert not rig.waits(Cancel)
    rig.run(1_100)
    assert place.client_order_id in [cancel.client_order_id for cancel in rig.all(Cancel)]


@pytest.mark.parametrize("code", [-2011, -2013])
def test_a_refused_cancel_is_asked_for(rig: Rig, code: int) -> None:
    """FAULTS O4: the final state is queried; it had filled, so the position is there and the mode turns."""
    place = rig.quoting()
    rig.step(StreamDown(Stream.MARKET, "closed"))
    query = only(rig.refuse(rig.pending(Cancel), code), Query)
    rig.answer(query, rig.report(place.client_order_id, OrderStatus.FILLED, place.size_lots))
    assert rig.engine.position_lots == place.size_lots
    assert not rig.order(place.client_order_id).is_live


def test_a_lost_cancel_keeps_the_slot(rig: Rig) -> None:
    """FAULTS O5: no replacement before the old order is proven terminal."""
    place = rig.quoting()
    rig.run(60_000)  # max_order_age
    rig.lose(rig.pending(Cancel))
    rig.answer(rig.pending(Query), rig.report(place.client_order_id))
    assert len(rig.all(Place)) == 1
    assert only(rig.cancelled(), Place).client_order_id != place.client_order_id


def test_a_stop_waits_for_an_unknown_order(rig: Rig) -> None:
    """With a lost POST it is asked for until the window is over, and only then is the end declared and the countdown disarmed."""
    lost_post(rig)
    rig.step(Stop("asked"))
    while rig.now_ms < 1_000 + 7_000:
        if rig.waits(Query):
            rig.answer(rig.pending(Query), GONE)
        assert rig.finished is None and not rig.waits(Reconcile)
        rig.run(100, mid=None)
    rig.answer(rig.pending(Query), GONE)
    rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.finished == Finished(0, "asked", Cause.STOP)
    assert rig.all(ArmCountdown)[-1].countdown_ms == 0


@pytest.mark.parametrize("window_ms", [5_000, 10_000])
def test_the_end_of_the_window_comes_before_the_stop_deadline(window_ms: int) -> None:
    """Under either way of signing, a stop over a POST that never arrived ends clean, without waiting for its deadline."""
    rig = Rig(acceptance_window_ms=window_ms)
    lost_post(rig)
    rig.step(Stop("asked"))
    for _ in range(149):
        rig.run(100, mid=None)
        if rig.waits(Query):
            rig.answer(rig.pending(Query), GONE)
        if rig.waits(Reconcile):
            rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.finished is not None and rig.finished.clean


def test_a_stop_that_cannot_be_verified_leaves_the_countdown(rig: Rig) -> None:
    """At the deadline it ends without a count of open orders, and the venue's countdown stays armed."""
    rig.quoting()
    rig.step(Stop("asked"))
    rig.run(14_900, mid=None)
    assert rig.finished is None
    rig.run(200, mid=None)
    assert rig.state is State.STOPPED
    assert rig.finished == Finished(None, "asked", Cause.STOP) and not rig.finished.clean
    assert 0 not in [action.countdown_ms for action in rig.all(ArmCountdown)]


def test_an_order_missing_from_the_listing_is_asked_for(rig: Rig) -> None:
    """A working order that the listing of open orders lacks is unknown until queried; here it had filled while the stream was down."""
    place = rig.quoting()
    rig.user_down()
    rig.lose(rig.pending(Cancel))
    rig.now_ms += 100
    rig.step(StreamUp(Stream.USER))
    rig.engine.desk.budget.be_silent(rig.now_ms + 500)  # so that it is not cancelled once more
    rig.answer(rig.pending(Query), rig.report(place.client_order_id))
    assert rig.order(place.client_order_id).state is OrderState.WORKING
    rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.order(place.client_order_id).state is OrderState.UNKNOWN
    rig.run(600)
    filled = rig.report(place.client_order_id, OrderStatus.FILLED, place.size_lots)
    rig.answer(rig.pending(Query), filled)
    assert rig.engine.position_lots == place.size_lots


def test_a_post_newer_than_the_listing_is_not_missing_from_it(rig: Rig) -> None:
    """The desk asks only for orders that are older than the question."""
    place = rig.quoting()
    rig.engine.desk.miss((), asked_ms=rig.now_ms, now_ms=rig.now_ms)
    assert rig.order(place.client_order_id).state is OrderState.WORKING
    rig.engine.desk.miss((), asked_ms=rig.now_ms + 1, now_ms=rig.now_ms)
    assert rig.order(place.client_order_id).state is OrderState.UNKNOWN


def test_the_window_begins_when_the_post_was_sent(rig: Rig) -> None:
    """A POST that waited three seconds for its lane can be accepted three seconds longer."""
    rig.boot()
    place = rig.pending(Place)
    rig.run(4_000)
    rig.answer(place, Lost("timed out"), sent_ms=4_000)
    while rig.now_ms < 4_000 + 6_900:
        if rig.waits(Query):
            rig.answer(rig.pending(Query), GONE)
        rig.run(100)
    assert rig.order(place.client_order_id).is_live
    rig.run(200)
    rig.answer(rig.pending(Query), GONE)
    assert not rig.order(place.client_order_id).is_live


def test_a_second_order_of_one_client_id_is_cancelled(rig: Rig) -> None:
    """FAULTS O2: a POST that something on the way sent twice is taken twice where the first order has ended meanwhile."""
    place = rig.quoting()
    first = rig.report(place.client_order_id)
    rig.user_down()
    rig.cancelled()
    assert not rig.order(place.client_order_id).is_live
    rig.update(first)
    assert not rig.order(place.client_order_id).is_live, "the same order's own past is no news"
    rig.update(first._replace(order_id=first.order_id + 1_000))
    assert rig.pending(Cancel).client_order_id == place.client_order_id
