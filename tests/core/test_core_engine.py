"""The engine's scenarios: boot, the cycle and its flips, streams that fall, truths that differ, and the end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_rig import MID, USDT, VENUE_EPOCH_MS, Rig, none_of, only

from mmd.core.lifecycle import State
from mmd.core.messages import (
    AccountConfigUpdate,
    AccountUpdate,
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    Cause,
    CountdownArmed,
    Depth,
    Finished,
    FrameRefused,
    Level,
    Lost,
    MarginCall,
    OrderReport,
    OrderStatus,
    Place,
    PositionReport,
    Query,
    Reconcile,
    RestartStream,
    Stop,
    Stream,
    StreamDown,
    StreamUp,
)
from mmd.core.orders import OrderState
from mmd.core.units import Side

LEFTOVER = OrderReport("mmd-old-7", 77, Side.SELL, OrderStatus.NEW, 251_000, 30, 0, False, VENUE_EPOCH_MS)
FOREIGN = LEFTOVER._replace(client_order_id="web_1", order_id=78)


# --- boot -----------------------------------------------------------------------------------------------------------------------------


def test_nothing_is_posted_before_everything_is_known(rig: Rig) -> None:
    """Countdown armed, both streams up, a book, the truth read: whichever comes last, the first POST follows it and nothing else does."""
    rig.answers_countdown = False
    rig.tick()
    assert rig.pending(ArmCountdown) == ArmCountdown(30_000)
    rig.streams_up()
    rig.depth()
    assert rig.state is State.BOOT and not rig.waits(Reconcile)
    rig.answer(rig.pending(ArmCountdown), CountdownArmed(30_000))
    assert rig.state is State.SYNC
    assert only(rig.answer(rig.pending(Reconcile), rig.truth()), Place)


@pytest.mark.parametrize("stream", Stream)
def test_one_stream_is_not_enough(rig: Rig, stream: Stream) -> None:
    """With either stream down it stays in BOOT and asks for nothing but the countdown."""
    rig.tick()
    rig.step(StreamUp(stream))
    rig.depth()
    rig.run(5_000)
    assert rig.state is State.BOOT
    assert none_of(rig.actions, Place, Reconcile, Cancel)


def test_a_countdown_that_cannot_be_armed_keeps_it_from_quoting(rig: Rig) -> None:
    """Each failure is said and tried again a second later; never a POST (FAULTS P2)."""
    rig.answers_countdown = False
    rig.tick()
    rig.streams_up()
    for _ in range(50):
        rig.lose(rig.pending(ArmCountdown))
        assert none_of(rig.run(900), ArmCountdown)
        rig.run(100)
    assert none_of(rig.actions, Place)
    assert len(rig.notices("countdown_failed")) == 50


def test_leftovers_go_first(rig: Rig) -> None:
    """An own order of an earlier run is cancelled, the truth is read again without it, and only then a POST."""
    rig.tick()
    rig.streams_up()
    rig.depth()
    out = rig.answer(rig.pending(Reconcile), rig.truth(LEFTOVER))
    assert only(out, Cancel) == Cancel("mmd-old-7") and none_of(out, Place)
    rig.run(300)
    assert not rig.waits(Reconcile)
    rig.cancelled()
    assert not rig.all(Place)
    rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.waits(Place)
    assert len(rig.notices("leftover")) == 1


def test_a_leftover_that_filled_meanwhile_is_in_the_position(rig: Rig) -> None:
    """Its cancel is refused, the query says filled: the second truth has the position, and the first quote closes it."""
    rig.tick()
    rig.streams_up()
    rig.depth()
    rig.answer(rig.pending(Reconcile), rig.truth(LEFTOVER))
    rig.refuse(rig.pending(Cancel), -2011)
    rig.answer(rig.pending(Query), rig.report("mmd-old-7", OrderStatus.FILLED, 30))
    rig.now_ms += 5
    rig.answer(rig.pending(Reconcile), rig.truth(position=-30, update_time_ms=VENUE_EPOCH_MS + rig.now_ms))
    place = rig.pending(Place)
    assert (place.side, place.size_lots, place.reduce_only) == (Side.BUY, 30, True)


def test_foreign_orders_are_reported_and_left_alone(rig: Rig) -> None:
    """`cancel_scope: own`: said once, never touched, and quoting goes on (FAULTS P4)."""
    rig.tick()
    rig.streams_up()
    rig.depth()
    rig.answer(rig.pending(Reconcile), rig.truth(FOREIGN))
    assert rig.accept()
    assert len(rig.notices("foreign_orders")) == 1
    rig.step(Stop("asked"))
    rig.cancelled()
    rig.answer(rig.pending(Reconcile), rig.truth(FOREIGN))
    assert rig.finished == Finished(0, "asked", Cause.STOP)
    assert none_of(rig.actions, CancelAll) and Cancel("web_1") not in rig.actions


def test_foreign_orders_are_cancelled_where_the_symbol_is_ours() -> None:
    """`cancel_scope: symbol`: everything is cancelled and the listing read again until it is empty; then it quotes."""
    rig = Rig(cancel_scope_symbol=True)
    rig.tick()
    rig.streams_up()
    rig.depth()
    assert only(rig.answer(rig.pending(Reconcile), rig.truth(FOREIGN)), CancelAll)
    assert none_of(rig.run(400), Place, Reconcile)
    rig.run(200)
    assert only(rig.answer(rig.pending(Reconcile), rig.truth()), Place)


def test_a_failed_reading_is_never_an_empty_one(rig: Rig) -> None:
    """A truth that could not be read is asked for again each second, and nothing is placed (FAULTS A2)."""
    rig.tick()
    rig.streams_up()
    for _ in range(50):
        if rig.waits(Reconcile):
            rig.lose(rig.pending(Reconcile))
        rig.run(100)
    assert none_of(rig.actions, Place)
    assert 4 <= len(rig.notices("reconcile_failed")) <= 6


# --- the cycle ------------------------------------------------------------------------------------------------------------------------


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


# --- streams --------------------------------------------------------------------------------------------------------------------------


def test_a_stale_book_pulls_the_quotes_and_comes_back(rig: Rig) -> None:
    """FAULTS K1: two seconds without a frame; the next good one quotes again, once the old order is proven gone."""
    rig.quoting()
    assert none_of(rig.run(2_000, mid=None), Cancel)
    assert only(rig.run(100, mid=None), Cancel)
    assert (rig.state, rig.engine.reasons) == (State.PAUSE, ("stale book",))
    assert none_of(rig.depth(), Place)
    assert rig.state is State.QUOTE
    assert only(rig.cancelled(), Place)


@pytest.mark.parametrize("flawed", ["crossed", "refused"])
def test_flawed_frames_do_not_keep_a_book_fresh(rig: Rig, flawed: str) -> None:
    """FAULTS K3: refused frames change no quote, and without a good one the quotes go, with the flaw as the reason."""
    rig.quoting()
    for _ in range(21):
        rig.now_ms += 100
        if flawed == "crossed":
            rig.step(Depth(((300_000, 1),), ((200_000, 1),), 10**9, VENUE_EPOCH_MS + rig.now_ms, rig.now_ms))
        else:
            rig.step(FrameRefused("not JSON"))
    assert rig.pending(Cancel)
    assert rig.engine.reasons == (f"stale book: last frame refused, {'crossed' if flawed == 'crossed' else 'not JSON'}",)


def test_a_frame_from_long_ago_is_stale(rig: Rig) -> None:
    """FAULTS K4: what counts is when the frame was received, not when it is taken in."""
    rig.quoting()
    rig.now_ms += 5_000
    rig.step(Depth(((249_999, 1),), ((250_001, 1),), 10**9, VENUE_EPOCH_MS, rig.now_ms - 2_500))
    assert rig.state is State.PAUSE and rig.waits(Cancel)


def test_a_fallen_user_stream_pulls_reads_and_quotes(rig: Rig) -> None:
    """FAULTS U7: quotes pulled at once; after the reconnect the truth is read before anything is placed."""
    rig.quoting()
    assert only(rig.user_down(), Cancel)
    rig.cancelled()
    assert none_of(rig.run(3_000), Place, Reconcile)
    assert none_of(rig.step(StreamUp(Stream.USER)), Place)
    rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.waits(Place)


def test_trades_of_a_gap_are_booked(rig: Rig) -> None:
    """A fill while the stream was down is read and booked, even the first of the run, and even where the stream already went on."""
    bid = rig.quoting()
    rig.user_down()
    rig.now_ms += 50
    missed = rig.make_fill(bid.client_order_id, 40)._replace(client_order_id="")
    rig.now_ms += 50
    rig.step(StreamUp(Stream.USER))
    asked = rig.pending(Reconcile)
    assert asked.from_trade_id is None
    rig.amount_lots = 40
    rig.now_ms += 5
    rig.fill(bid.client_order_id, 10)
    rig.answer(asked, rig.truth(rig.report(bid.client_order_id, executed=50), fills=(missed,)))
    assert [notice.fields["trade"] for notice in rig.notices("fill")] == [missed.trade_id + 1, missed.trade_id]
    assert rig.engine.position_lots == 50 and not rig.notices("position_adopted")


def test_what_a_lost_stream_said_is_not_compared_with(rig: Rig) -> None:
    """A position heard before the stream fell is no reason for doubt after it."""
    rig.quoting()
    rig.now_ms += 10
    rig.account_says(50)
    rig.user_down()
    assert rig.engine.account.reported is None


def test_a_book_that_stays_stale_on_a_living_stream_is_read_anew(rig: Rig) -> None:
    """One frame with an absurd update id makes all that follow look old: the stream is made anew, once, and it quotes again."""
    rig.quoting()
    rig.now_ms += 100
    rig.step(Depth(((249_999, 1),), ((250_001, 1),), 10**15, VENUE_EPOCH_MS + rig.now_ms, rig.now_ms))
    out = rig.run(9_900)
    assert only(out, Cancel) and none_of(out, RestartStream)
    rig.cancelled()
    assert only(rig.run(5_000), RestartStream).stream is Stream.MARKET
    rig.step(StreamUp(Stream.MARKET))
    assert only(rig.depth(), Place)


def test_a_truth_from_before_the_doubt_is_not_taken(rig: Rig) -> None:
    """Asked for before the stream fell: read again, by a request from after it."""
    rig.tick()
    rig.streams_up()
    rig.depth()
    asked = rig.pending(Reconcile)
    rig.now_ms += 100
    rig.user_down()
    rig.now_ms += 100
    rig.step(StreamUp(Stream.USER))
    assert only(rig.answer(asked, rig.truth()), Reconcile)
    assert rig.state is State.SYNC


def test_a_missing_echo_restarts_the_stream(rig: Rig) -> None:
    """FAULTS U2: accepted by the reply, not echoed in five seconds: quotes pulled, the stream made anew, once."""
    rig.boot()
    rig.accept(echo=False)
    assert none_of(rig.run(4_900), RestartStream)
    out = rig.run(200)
    assert only(out, RestartStream).stream is Stream.USER and only(out, Cancel)
    assert none_of(rig.run(5_000), RestartStream)


def test_an_echoed_order_needs_no_second_echo(rig: Rig) -> None:
    """FAULTS U3: a quiet stream is healthy."""
    rig.quoting()
    assert none_of(rig.run(30_000), RestartStream)


# --- truths that differ ---------------------------------------------------------------------------------------------------------------


def test_a_position_that_differs_is_adopted_and_said(rig: Rig) -> None:
    """FAULTS A1: two seconds of disagreement with ACCOUNT_UPDATE: quotes pulled, read anew, the venue's adopted, quoted again."""
    rig.quoting()
    rig.now_ms += 10
    rig.account_says(50)
    assert none_of(rig.run(1_900), Cancel, Reconcile)
    out = rig.run(100)
    assert only(out, Cancel) and only(out, Reconcile)
    rig.cancelled()
    rig.amount_lots = 50
    rig.settle_down()
    (notice,) = rig.notices("position_adopted")
    assert notice.fields["difference"] == "0.050"
    assert rig.state is State.QUOTE and rig.engine.position_lots == 50


def test_a_position_that_differs_for_a_moment_is_none(rig: Rig) -> None:
    """ACCOUNT_UPDATE comes before the order's own event: no alarm."""
    bid = rig.quoting()
    rig.now_ms += 10
    rig.account_says(5)
    rig.now_ms += 500
    rig.fill(bid.client_order_id, 5)
    assert none_of(rig.run(5_000), Reconcile)


def test_an_update_without_the_position_leaves_it(rig: Rig) -> None:
    """FAULTS A4: funding names balances only."""
    rig.quoting(400)
    rig.step(AccountUpdate("FUNDING_FEE", {"USDT": Decimal(9_999)}, None, VENUE_EPOCH_MS + rig.now_ms))
    assert rig.engine.position_lots == 400
    assert rig.engine.account.balance(("USDT",)) == 9_999


def test_a_trade_that_never_comes_is_looked_for(rig: Rig) -> None:
    """Executed by the reply's word, and no trade in two seconds: the truth is read, with the trades, and nothing is counted twice."""
    rig.boot()
    place = rig.pending(Place)
    rig.now_ms += 10
    rig.answer(place, rig.report(place.client_order_id, OrderStatus.FILLED, place.size_lots))
    rig.accept()
    rig.run(2_000)
    assert len(rig.notices("fill_missing")) == 1
    rig.amount_lots, rig.changed_ms = place.size_lots, rig.now_ms - 2_000
    rig.settle_down()
    assert rig.state is State.QUOTE
    assert rig.engine.position_lots == rig.engine.account.position.amount_lots == place.size_lots


def test_what_was_executed_during_the_reading_is_read_again(rig: Rig) -> None:
    """The cancel's reply says 40 executed while a truth from before is on its way: nothing is placed on that one, and 40 count once."""
    bid = rig.quoting()
    rig.user_down()
    rig.now_ms += 100
    rig.step(StreamUp(Stream.USER))
    stale = rig.truth(rig.report(bid.client_order_id))
    asked = rig.pending(Reconcile)
    rig.now_ms += 5
    rig.cancelled(executed=40)
    rig.now_ms += 5
    out = rig.answer(asked, stale)
    assert only(out, Reconcile) and none_of(out, Place)
    rig.amount_lots, rig.changed_ms = 40, rig.now_ms - 7
    rig.settle_down()
    assert rig.state is State.QUOTE and rig.engine.position_lots == 40
    late = rig.make_fill(bid.client_order_id, 40, trade_time_ms=VENUE_EPOCH_MS + rig.changed_ms)
    rig.update(rig.report(bid.client_order_id, OrderStatus.CANCELED, 40), late)
    assert rig.engine.position_lots == 40 and rig.order(bid.client_order_id).executed_lots == 40


# --- the end --------------------------------------------------------------------------------------------------------------------------


def test_a_stop_cancels_verifies_disarms_and_ends(rig: Rig) -> None:
    """FAULTS P1: cancel, then the venue's own word that nothing is open, then the countdown off, then the end, in this order."""
    rig.quoting()
    out = rig.step(Stop("SIGTERM"))
    assert only(out, Cancel) and none_of(out, Reconcile, Finished)
    assert only(rig.cancelled(), Reconcile)
    out = rig.answer(rig.pending(Reconcile), rig.truth())
    assert [action for action in out if isinstance(action, (ArmCountdown, Finished))] == [
        ArmCountdown(0), Finished(0, "SIGTERM", Cause.STOP),
    ]  # fmt: skip


def test_a_stop_while_a_post_is_on_its_way(rig: Rig) -> None:
    """The reply is waited for, and what it brought is cancelled."""
    rig.boot()
    assert none_of(rig.step(Stop("SIGTERM")), Reconcile, Cancel, Finished)
    rig.accept()
    rig.cancelled()
    rig.settle_down()
    assert rig.finished is not None and rig.finished.clean


def test_a_stop_keeps_cancelling(rig: Rig) -> None:
    """A lost cancel is asked for and repeated until the order is gone."""
    bid = rig.quoting()
    rig.step(Stop("SIGTERM"))
    for _ in range(3):
        rig.lose(rig.pending(Cancel))
        rig.answer(rig.pending(Query), rig.report(bid.client_order_id))
    rig.cancelled()
    rig.settle_down()
    assert rig.finished is not None and rig.finished.clean


def test_the_countdown_is_renewed_while_it_stops(rig: Rig) -> None:
    """Draining may take longer than the countdown's third: it stays armed (FAULTS P2)."""
    rig.quoting()
    rig.step(Stop("SIGTERM"))
    armed = len(rig.all(ArmCountdown))
    rig.run(12_000)
    assert len(rig.all(ArmCountdown)) == armed + 1


def test_an_order_that_shows_up_at_the_end_is_cancelled_too(rig: Rig) -> None:
    """The last listing holds an own order that nobody knew: not the end yet."""
    rig.quoting()
    rig.step(Stop("SIGTERM"))
    rig.cancelled()
    assert only(rig.answer(rig.pending(Reconcile), rig.truth(LEFTOVER)), Cancel).client_order_id == "mmd-old-7"
    rig.cancelled()
    rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.finished is not None and rig.finished.clean


def test_a_liquidation_halts(rig: Rig) -> None:
    """FAULTS A6: a forced order of the account ends it, with the cause; its trade is booked."""
    rig.quoting(400)
    rig.now_ms += 10
    report = FOREIGN._replace(client_order_id="autoclose-1", side=Side.SELL, status=OrderStatus.FILLED, executed_lots=400)
    rig.update(report, rig.make_fill("mmd-s1-1", 400, order_id=78, side=Side.SELL)._replace(client_order_id="autoclose-1"), forced=True)
    rig.amount_lots = 0
    assert rig.state is State.STOP and rig.engine.position_lots == 0
    rig.settle_down()
    assert rig.finished is not None and rig.finished.cause is Cause.HALT
    assert rig.notices("liquidated")[0].level is Level.ERROR


@pytest.mark.parametrize("change", [{"leverage": 50}, {"dual_side_position": True}, {"multi_assets_margin": True}])
def test_a_changed_account_mode_halts(rig: Rig, change: dict[str, int | bool]) -> None:
    """FAULTS A3: what was changed is named."""
    rig.quoting()
    rig.step(AccountConfigUpdate(**change))  # type: ignore[arg-type]
    rig.settle_down()
    assert rig.finished is not None and rig.finished.cause is Cause.HALT
    (name,) = change
    assert name in rig.notices("account_changed")[0].fields


def test_a_margin_call_is_said(rig: Rig) -> None:
    """An error line; quoting goes on, for closing the position is what helps."""
    rig.quoting(400)
    rig.step(MarginCall(Decimal(10), Decimal(-9)))
    assert rig.notices("margin_call")[0].level is Level.ERROR and rig.state is State.QUOTE


def test_a_failed_cancel_all_is_said() -> None:
    """The outcome of a CancelAll that failed is a warning, and the listing decides."""
    rig = Rig(cancel_scope_symbol=True)
    rig.tick()
    rig.streams_up()
    rig.depth()
    cancel_all = only(rig.answer(rig.pending(Reconcile), rig.truth(FOREIGN)), CancelAll)
    rig.sent_ms[id(cancel_all)] = rig.now_ms
    rig.answer(cancel_all, Lost("timed out"))
    assert len(rig.notices("cancel_all_failed")) == 1
    assert none_of(rig.actions, Place)


# --- deadlines ------------------------------------------------------------------------------------------------------------------------


def steps_over(rig: Rig, span_ms: int) -> int:
    """How many ticks at the engine's own deadlines fit in a span of time, with nothing else happening."""
    steps, end_ms = 0, rig.now_ms + span_ms
    while rig.now_ms < end_ms and steps < 100_000:
        due_ms = rig.engine.deadline_ms(rig.now_ms)
        assert due_ms >= rig.now_ms
        rig.now_ms = due_ms
        rig.tick()
        steps += 1
    return steps


@pytest.mark.parametrize("situation", ["boot", "sync", "quote", "unknown", "pause", "silence", "stop", "stopped", "no echo", "differs", "placing"])
def test_deadlines_never_spin(situation: str) -> None:
    """In every state, with everything unanswered or answered, five minutes of deadlines are some hundred steps, not thousands."""
    rig = Rig()
    if situation == "boot":
        rig.tick()
    elif situation == "sync":
        rig.tick()
        rig.streams_up()
        rig.depth()
    elif situation == "placing":
        rig.boot()
    elif situation == "no echo":
        rig.boot()
        rig.accept(echo=False)
    else:
        rig.quoting()
    if situation == "unknown":
        rig.user_down()
        rig.lose(rig.pending(Cancel))
        rig.lose(rig.pending(Query))
    elif situation == "silence":
        rig.engine.desk.budget.be_silent(rig.now_ms + 100_000)
    elif situation == "differs":
        rig.account_says(7)
    elif situation in ("stop", "stopped"):
        rig.step(Stop("asked"))
        if situation == "stopped":
            rig.settle_down()
    assert steps_over(rig, 300_000) < 700


def test_deadlines_with_a_market_that_moves(rig: Rig) -> None:
    """With frames in between, a tick at each deadline adds less than one step a frame."""
    rig.quoting()
    steps = 0
    for _ in range(600):
        steps += steps_over(rig, 100)
        rig.depth()
        rig.settle_down()
    assert steps < 700


def test_the_balances_are_taken_from_the_truth(rig: Rig) -> None:
    """Nothing but what the venue said counts."""
    rig.boot()
    assert rig.engine.account.balances == USDT
    assert rig.engine.account.reported == PositionReport(0, Decimal(0), VENUE_EPOCH_MS)


def test_the_first_order_state(rig: Rig) -> None:
    """An order is registered before it is posted (FAULTS U6)."""
    rig.boot()
    assert rig.order(rig.pending(Place).client_order_id).state is OrderState.PLACING
    assert rig.order(rig.pending(Place).client_order_id).price_ticks == MID - 250
