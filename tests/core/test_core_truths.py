"""The engine when streams fall, and when what it believes of the account turns out to be wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_rig import MID, VENUE_EPOCH_MS, Rig, none_of, only

from mmd.core.lifecycle import State
from mmd.core.messages import (
    AccountUpdate,
    Cancel,
    Depth,
    Fill,
    FrameRefused,
    OrderStatus,
    Place,
    Reconcile,
    RestartStream,
    Stop,
    Stream,
    StreamUp,
)
from mmd.core.units import Side


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


def test_a_stop_waits_for_the_trade_that_explains_the_position(rig: Rig) -> None:
    """A foreign trade moved the position, and the list of trades is behind: the account is read again until the trade is booked."""
    rig.quoting()
    rig.step(Stop("SIGTERM"))
    rig.cancelled()
    missing = Fill(77, 7, "", Side.BUY, MID, 30, Decimal("0.01"), "USDT", Decimal(0), False, VENUE_EPOCH_MS + rig.now_ms)
    rig.changed_ms = rig.now_ms
    rig.answer(rig.pending(Reconcile), rig.truth(position=30))
    assert rig.finished is None and rig.engine.position_lots == 30
    rig.tick(1_000)
    rig.answer(rig.pending(Reconcile), rig.truth(position=30))
    assert rig.finished is None
    rig.tick(1_000)
    rig.answer(rig.pending(Reconcile), rig.truth(position=30, fills=(missing,)))
    assert rig.finished is not None and rig.finished.clean
    assert rig.engine.position_lots == 30 and rig.engine.account.fills == 1


def test_a_stop_does_not_wait_for_ever_for_a_trade(rig: Rig) -> None:
    """Where no trade explains the position the end comes all the same, and in time."""
    rig.quoting()
    rig.step(Stop("SIGTERM"))
    rig.cancelled()
    began_ms = rig.now_ms
    while rig.finished is None and rig.now_ms < began_ms + 15_000:
        if rig.waits(Reconcile):
            rig.answer(rig.pending(Reconcile), rig.truth(position=30))
        rig.tick(100)
    assert rig.finished is not None and rig.finished.clean
    assert 4_000 < rig.now_ms - began_ms < 7_000


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


def test_a_late_reply_leaves_less_time_for_the_echo(rig: Rig) -> None:
    """FAULTS U2: the venue took the order before it answered, so the five seconds do not begin with an answer that was three on its way."""
    rig.boot()
    place = rig.pending(Place)
    sent_ms = rig.now_ms
    rig.run(3_000)
    rig.answer(place, rig.report(place.client_order_id), sent_ms=sent_ms)
    assert none_of(rig.run(1_900), RestartStream)
    assert only(rig.run(200), RestartStream).stream is Stream.USER


def test_an_order_that_ended_before_its_echo_still_needs_it(rig: Rig) -> None:
    """FAULTS U2: where orders live shorter than the wait for an echo, a deaf stream is found all the same."""
    rig.boot()
    rig.accept(echo=False)
    rig.run(2_100, mid=None)
    rig.cancelled()
    assert none_of(rig.run(2_800), RestartStream)
    assert only(rig.run(200), RestartStream).stream is Stream.USER


def test_an_echoed_order_needs_no_second_echo(rig: Rig) -> None:
    """FAULTS U3: a quiet stream is healthy."""
    rig.quoting()
    assert none_of(rig.run(30_000), RestartStream)


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
