"""The engine from nothing to its first order: nothing is posted before everything is known."""

from __future__ import annotations

from decimal import Decimal

from core_rig import MID, USDT, VENUE_EPOCH_MS, Rig, none_of, only

from mmd.core.lifecycle import State
from mmd.core.messages import (
    ArmCountdown,
    Cancel,
    CancelAll,
    Cause,
    CountdownArmed,
    Finished,
    OrderReport,
    OrderStatus,
    Place,
    PositionReport,
    Query,
    Reconcile,
    Stop,
    Stream,
    StreamUp,
)
from mmd.core.orders import OrderState
from mmd.core.units import Side

LEFTOVER = OrderReport("mmd-old-7", 77, Side.SELL, OrderStatus.NEW, 251_000, 30, 0, False, VENUE_EPOCH_MS)
FOREIGN = LEFTOVER._replace(client_order_id="web_1", order_id=78)


def test_nothing_is_posted_before_everything_is_known(rig: Rig) -> None:
    """Both streams up, a book, the truth read, the countdown armed: the first POST follows what comes last, and nothing else does."""
    rig.answers_countdown = False
    rig.tick()
    assert none_of(rig.actions, ArmCountdown, Reconcile)
    rig.streams_up()
    rig.depth()
    assert rig.state is State.SYNC
    assert none_of(rig.answer(rig.pending(Reconcile), rig.truth()), Place)
    assert rig.state is State.PAUSE and rig.engine.reasons == ("countdown not armed",)
    assert rig.pending(ArmCountdown) == ArmCountdown(30_000)
    assert only(rig.answer(rig.pending(ArmCountdown), CountdownArmed(30_000)), Place)


def test_without_the_user_stream_nothing_is_begun(rig: Rig) -> None:
    """It stays in BOOT, and arms no countdown: one that a killed run has left must run out (FAULTS P2)."""
    rig.tick()
    rig.step(StreamUp(Stream.MARKET))
    rig.depth()
    rig.run(5_000)
    assert rig.state is State.BOOT
    assert none_of(rig.actions, Place, Reconcile, Cancel, ArmCountdown)


def test_without_the_market_stream_leftovers_are_cancelled_all_the_same(rig: Rig) -> None:
    """The account is put in order as soon as it can be listened to; quoting waits for a book."""
    rig.tick()
    rig.step(StreamUp(Stream.USER))
    assert rig.state is State.SYNC
    assert only(rig.answer(rig.pending(Reconcile), rig.truth(LEFTOVER)), Cancel)
    rig.answer(rig.pending(Cancel), LEFTOVER._replace(status=OrderStatus.CANCELED))
    rig.answer(rig.pending(Reconcile), rig.truth())
    rig.run(5_000, mid=None)
    assert rig.state is State.PAUSE and none_of(rig.actions, Place)
    rig.step(StreamUp(Stream.MARKET))
    assert only(rig.depth(), Place)


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
