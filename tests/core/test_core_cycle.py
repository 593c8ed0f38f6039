"""The engine through the cycle: fills, flips, and trades that come early, late, twice or from elsewhere."""

from __future__ import annotations

import pytest
from core_rig import VENUE_EPOCH_MS, Rig, none_of, only

from mmd.core.messages import (
    Amend,
    ArmCountdown,
    Cancel,
    Level,
    OrderReport,
    OrderStatus,
    Place,
    Stream,
    StreamDown,
)
from mmd.core.units import Side

LEFTOVER = OrderReport("mmd-old-7", 77, Side.SELL, OrderStatus.NEW, 251_000, 30, 0, False, VENUE_EPOCH_MS)
FOREIGN = LEFTOVER._replace(client_order_id="web_1", order_id=78)


def test_a_whole_cycle_and_back(rig: Rig) -> None:
    """Filled bid → the whole position offered reduce-only → filled → a bid again; each mode is said once."""
    bid = rig.quoting()
    rig.now_ms += 10
    rig.fill(bid.client_order_id)
    offer = rig.accept()
    assert (offer.side, offer.price_ticks, offer.size_lots, offer.reduce_only) == (Side.SELL, 250_250, bid.size_lots, True)
    rig.now_ms += 10
    rig.fill(offer.client_order_id)
    again = rig.accept()
    assert (again.side, again.size_lots, again.reduce_only) == (Side.BUY, bid.size_lots, False)
    assert rig.engine.position_lots == 0
    assert [notice.fields["mode"] for notice in rig.notices("mode")] == ["BUY", "SELL", "BUY"]
    assert [notice.level for notice in rig.notices("fill")] == [Level.FILL, Level.FILL]


def test_a_whole_cycle_short() -> None:
    """`bias: short`: an offer opens, a reduce-only bid closes."""
    rig = Rig(opening_side=Side.SELL)
    offer = rig.quoting()
    assert (offer.side, offer.reduce_only) == (Side.SELL, False)
    rig.now_ms += 10
    rig.fill(offer.client_order_id)
    bid = rig.accept()
    assert (bid.side, bid.size_lots, bid.reduce_only) == (Side.BUY, offer.size_lots, True)
    rig.now_ms += 10
    rig.fill(bid.client_order_id)
    assert rig.pending(Place).side is Side.SELL


@pytest.mark.parametrize(("position", "side"), [(400, Side.SELL), (-400, Side.BUY)])
def test_a_position_at_start_sets_the_mode(rig: Rig, position: int, side: Side) -> None:
    """Of either sign: it is closed, whole and reduce-only."""
    place = rig.quoting(position)
    assert (place.side, place.size_lots, place.reduce_only) == (side, 400, True)


def test_a_part_below_the_threshold_keeps_bidding(rig: Rig) -> None:
    """12.50 USD of 15: the order's rest is exactly what is wanted, so it is left alone."""
    bid = rig.quoting()
    rig.now_ms += 10
    rig.fill(bid.client_order_id, 5)
    rig.run(1_000)
    assert not rig.waiting and rig.engine.wanted is not None and rig.engine.wanted.mode is Side.BUY


def test_a_part_above_the_threshold_turns(rig: Rig) -> None:
    """17.50 USD: the bid's rest is cancelled and what is held is offered; a further fill makes the offer follow."""
    bid = rig.quoting()
    rig.now_ms += 10
    rig.fill(bid.client_order_id, 7)
    cancel, offer = rig.pending(Cancel), rig.pending(Place)
    assert cancel.client_order_id == bid.client_order_id
    assert (offer.side, offer.size_lots, offer.reduce_only) == (Side.SELL, 7, True)
    rig.accept(offer)
    rig.now_ms += 10
    rig.fill(bid.client_order_id, 3)
    assert rig.pending(Amend).size_lots == 10


def test_a_rest_of_the_position_below_the_threshold_turns_back(rig: Rig) -> None:
    """All but 12.50 USD sold: the offer's rest is cancelled, and the bid makes up the target."""
    offer = rig.quoting(400)
    rig.now_ms += 10
    rig.fill(offer.client_order_id, 395)
    cancel, bid = rig.pending(Cancel), rig.pending(Place)
    assert cancel.client_order_id == offer.client_order_id
    assert (bid.side, bid.size_lots, bid.reduce_only) == (Side.BUY, 395, False)


def test_the_event_may_come_before_the_reply(rig: Rig) -> None:
    """FAULTS U6: filled on the stream, and only then the POST's reply: booked once, and the slot is not resurrected."""
    rig.boot()
    place = rig.pending(Place)
    early = rig.report(place.client_order_id)
    rig.now_ms += 10
    rig.fill(place.client_order_id)
    rig.answer(place, early)
    assert rig.engine.position_lots == place.size_lots
    assert not rig.order(place.client_order_id).is_live
    assert len(rig.notices("foreign_fill")) == 0


def test_the_reply_may_come_before_the_trade(rig: Rig) -> None:
    """Executed by the reply's word: the mode turns at once; the trade that follows is booked and counted once."""
    rig.boot()
    place = rig.pending(Place)
    rig.now_ms += 10
    rig.answer(place, rig.report(place.client_order_id, OrderStatus.FILLED, place.size_lots))
    assert rig.pending(Place).side is Side.SELL and rig.engine.position_lots == place.size_lots
    fill = rig.make_fill(place.client_order_id, place.size_lots)
    rig.update(rig.report(place.client_order_id, OrderStatus.FILLED, place.size_lots), fill)
    assert rig.engine.position_lots == rig.engine.account.position.amount_lots == place.size_lots


def test_a_trade_twice_counts_once(rig: Rig) -> None:
    """FAULTS U5."""
    bid = rig.quoting()
    rig.now_ms += 10
    fill = rig.fill(bid.client_order_id, 3)
    rig.update(rig.report(bid.client_order_id, OrderStatus.PARTIALLY_FILLED, 3), fill)
    assert rig.engine.position_lots == 3 and len(rig.notices("fill")) == 1


def test_a_trade_after_the_cancel_counts(rig: Rig) -> None:
    """The cancel's reply says 0 executed, a trade comes after it: booked, and the order stays done."""
    bid = rig.quoting()
    rig.step(StreamDown(Stream.MARKET, "closed"))
    rig.cancelled(executed=0)
    rig.now_ms += 10
    fill = rig.make_fill(bid.client_order_id, 30)
    rig.update(rig.report(bid.client_order_id, OrderStatus.PARTIALLY_FILLED, 30), fill)
    assert rig.engine.position_lots == 30
    assert not rig.order(bid.client_order_id).is_live


def test_a_foreign_trade_moves_the_position(rig: Rig) -> None:
    """The operator trades by hand: booked as foreign, and the quote follows."""
    rig.quoting()
    rig.now_ms += 10
    report = FOREIGN._replace(side=Side.BUY, status=OrderStatus.FILLED, executed_lots=30, update_time_ms=VENUE_EPOCH_MS + rig.now_ms)
    rig.update(report, rig.make_fill("mmd-s1-1", 30, order_id=78, side=Side.BUY)._replace(client_order_id="web_1"))
    assert len(rig.notices("foreign_fill")) == 1
    assert rig.pending(Place).size_lots == 30 and rig.pending(Place).side is Side.SELL


def test_an_old_order_is_renewed(rig: Rig) -> None:
    """`max_order_age`: cancelled, and placed anew once it is proven gone."""
    rig.quoting()
    assert none_of(rig.run(59_900), Cancel, Place, Amend)
    assert only(rig.run(200), Cancel)
    assert only(rig.cancelled(), Place)


def test_a_quiet_market_needs_no_request(rig: Rig) -> None:
    """Frames that move nothing send nothing but the countdown's renewal, every ten seconds."""
    rig.quoting()
    out = [action for action in rig.run(50_000) if not isinstance(action, ArmCountdown)]
    assert out == []
    assert len(rig.all(ArmCountdown)) == 6


def test_a_leftover_first_heard_of_by_a_trade(rig: Rig) -> None:
    """An order of an earlier run trades before it was listed: that trade is booked and counted once, and its rest is cancelled."""
    rig.boot()
    rig.now_ms += 10
    report = LEFTOVER._replace(status=OrderStatus.PARTIALLY_FILLED, executed_lots=12, update_time_ms=VENUE_EPOCH_MS + rig.now_ms)
    trade = rig.make_fill("mmd-s1-1", 5, order_id=77, side=Side.SELL)._replace(client_order_id="mmd-old-7")
    rig.update(report, trade)
    assert Cancel("mmd-old-7") in rig.actions
    order = rig.order("mmd-old-7")
    assert (order.executed_lots, order.booked_lots, order.remaining_lots) == (12, 12, 18)
    assert rig.engine.position_lots == -5
