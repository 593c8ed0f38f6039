"""Amending through the engine: accepted, refused, lost, overtaken, not offered."""

from __future__ import annotations

import pytest
from core_rig import MID, Rig, none_of, only

from mmd.core.lifecycle import State
from mmd.core.messages import (
    Amend,
    Cancel,
    Lost,
    OrderReport,
    OrderStatus,
    Place,
    Query,
    Refusal,
    Reply,
    Stream,
    StreamDown,
    StreamUp,
    Unsent,
)
from mmd.core.orders import OrderState


def amending(rig: Rig) -> Amend:
    """Brought to where one PUT is on its way."""
    rig.quoting()
    rig.now_ms += 100
    rig.depth(MID + 200)
    return rig.pending(Amend)


def test_a_price_that_moved_is_amended_in_place(rig: Rig) -> None:
    """One PUT with the new price, the order's id and the new total size; no cancel, no POST; then nothing more."""
    amend = amending(rig)
    place = rig.all(Place)[0]
    assert (amend.client_order_id, amend.side) == (place.client_order_id, place.side)
    assert amend.order_id == rig.order(amend.client_order_id).order_id > 0
    assert amend.price_ticks == 249_949
    rig.amended()
    assert rig.order(amend.client_order_id).price_ticks == 249_949
    assert none_of(rig.depth(MID + 200), Place, Amend, Cancel)


def test_the_amended_size_is_a_total(rig: Rig) -> None:
    """What is executed already counts in the size of a PUT (FAULTS O6)."""
    place = rig.quoting()
    rig.fill(place.client_order_id, 4)  # 10 USD: below the threshold, so it still bids for the rest
    rig.now_ms += 100
    rig.depth(MID + 200)
    amend = rig.pending(Amend)
    target = int(1_000 * 1_000 / (amend.price_ticks / 100))
    assert amend.size_lots == target


@pytest.mark.parametrize("code", [-5027, -2010, -4164])
def test_a_refused_amend_leaves_the_order_and_replaces_it(rig: Rig, code: int) -> None:
    """The original stays live until it is cancelled, and only then a new one is placed; this order is never amended again."""
    amend = amending(rig)
    out = rig.refuse(amend, code)
    assert only(out, Cancel).client_order_id == amend.client_order_id
    assert none_of(out, Place, Amend)
    assert only(rig.cancelled(), Place).price_ticks == 249_949


@pytest.mark.parametrize("refusal", [Refusal(404, 0, ""), Refusal(405, 0, ""), Refusal(400, -1020, ""), Refusal(400, -4084, "")])
def test_a_venue_without_amend_is_never_asked_again(rig: Rig, refusal: Refusal) -> None:
    """Where the call is not offered, orders are cancelled and replaced from then on, and this is said once."""
    rig.answer(amending(rig), refusal)
    rig.cancelled()
    rig.accept()
    for mid in (MID, MID + 200, MID):
        rig.now_ms += 100
        rig.depth(mid)
        rig.cancelled()
        rig.accept()
    assert len(rig.all(Amend)) == 1
    assert len(rig.notices("amend_unsupported")) == 1


def test_an_unsent_amend_may_be_tried_again(rig: Rig) -> None:
    """A PUT that surely never left changes nothing, and does not spoil the order for amending."""
    amend = amending(rig)
    again = only(rig.answer(amend, Unsent("no route")), Amend)
    assert again.client_order_id == amend.client_order_id


def test_a_lost_amend_is_asked_for_and_then_cancelled(rig: Rig) -> None:
    """After a lost PUT nobody knows price and size: a query, then a cancel, and a new order only once the old one is proven terminal."""
    amend = amending(rig)
    query = only(rig.lose(amend), Query)
    assert rig.order(amend.client_order_id).state is OrderState.UNKNOWN
    out = rig.answer(query, rig.report(amend.client_order_id))
    assert only(out, Cancel) and none_of(out, Place, Amend)
    assert only(rig.cancelled(), Place)


def test_no_such_order_on_amend_is_asked_for(rig: Rig) -> None:
    """-2013 to a PUT may mean filled: the final state is queried, and its executed lots count at once."""
    amend = amending(rig)
    query = only(rig.refuse(amend, -2013), Query)
    size = rig.order(amend.client_order_id).size_lots
    out = rig.answer(query, rig.report(amend.client_order_id, OrderStatus.FILLED, size))
    place = only(out, Place)
    assert (place.side.value, place.size_lots, place.reduce_only) == ("SELL", size, True)


def report_after(rig: Rig, amend: Amend) -> OrderReport:
    return rig.report(amend.client_order_id, price_ticks=amend.price_ticks, size_lots=amend.size_lots)


@pytest.mark.parametrize("late", ["accepted", "refused", "lost"])
def test_the_reply_to_a_put_may_outlive_a_cancel_and_a_query(rig: Rig, late: str) -> None:
    """PUT hangs, quotes are pulled, the DELETE is lost, the query says live: the PUT's reply, whatever it is, harms nothing and the order goes."""
    amend = amending(rig)
    rig.step(StreamDown(Stream.MARKET, "closed"))
    rig.lose(rig.pending(Cancel))
    rig.step(StreamUp(Stream.MARKET))
    rig.depth(MID + 400)
    assert rig.state is State.QUOTE
    out = rig.answer(rig.pending(Query), rig.report(amend.client_order_id))
    assert only(out, Cancel) and none_of(out, Amend, Place)
    rig.lose(rig.pending(Cancel))
    rig.answer(rig.pending(Query), rig.report(amend.client_order_id))
    outcome = {"accepted": report_after(rig, amend), "refused": Refusal(400, -2010, "no"), "lost": Lost("timed out")}[late]
    rig.answer(amend, outcome)
    rig.settle_down()
    assert len(rig.all(Amend)) == 1
    assert not rig.order(amend.client_order_id).is_live


@pytest.mark.parametrize("late", ["accepted", "refused", "lost"])
def test_such_a_reply_may_find_the_order_working_and_silence_all_around(rig: Rig, late: str) -> None:
    """The same, with the venue asking for silence just then, so that the order is still working when the PUT's reply comes."""
    amend = amending(rig)
    rig.step(StreamDown(Stream.MARKET, "closed"))
    rig.lose(rig.pending(Cancel))
    rig.engine.desk.budget.be_silent(rig.now_ms + 3_000)
    rig.answer(rig.pending(Query), rig.report(amend.client_order_id))
    assert rig.order(amend.client_order_id).state is OrderState.WORKING
    outcome = {"accepted": report_after(rig, amend), "refused": Refusal(400, -2010, "no"), "lost": Lost("timed out")}[late]
    rig.answer(amend, outcome)
    assert rig.order(amend.client_order_id).state is (OrderState.UNKNOWN if late == "lost" else OrderState.WORKING)
    rig.run(4_000)
    rig.settle_down()
    assert not rig.order(amend.client_order_id).is_live


def test_pulled_quotes_do_not_wait_for_a_put(rig: Rig) -> None:
    """A cancel overtakes a PUT that hangs; the PUT's reply afterwards changes nothing."""
    amend = amending(rig)
    cancel = only(rig.step(StreamDown(Stream.MARKET, "closed")), Cancel)
    rig.cancelled(cancel)
    assert none_of(rig.answer(amend, Refusal(400, -2013, "gone")), Query, Cancel, Place)
    assert not rig.order(amend.client_order_id).is_live


def test_amending_switched_off_cancels_and_replaces() -> None:
    """`amend: false` never sends a PUT."""
    rig = Rig(amend=False)
    rig.quoting()
    rig.now_ms += 100
    out = rig.depth(MID + 200)
    assert only(out, Cancel) and none_of(out, Place, Amend)
    assert only(rig.cancelled(), Place)


def test_a_stale_reply_does_not_move_a_newer_price(rig: Rig) -> None:
    """A POST's reply that comes after the stream's word on a PUT leaves the newer price."""
    rig.boot()
    place = rig.pending(Place)
    old = rig.report(place.client_order_id)
    rig.update(old)
    rig.now_ms += 100
    rig.depth(MID + 200)
    rig.amended()
    rig.step(Reply(place, old, rig.now_ms - 100))
    assert rig.order(place.client_order_id).price_ticks == 249_949
