"""The engine's end, whatever brought it about, and its deadlines in every state."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_rig import VENUE_EPOCH_MS, Rig, none_of, only

from mmd.core.lifecycle import State
from mmd.core.messages import (
    AccountConfigUpdate,
    ArmCountdown,
    Cancel,
    CancelAll,
    Cause,
    Finished,
    Level,
    Lost,
    MarginCall,
    OrderReport,
    OrderStatus,
    Place,
    Query,
    Reconcile,
    Stop,
)
from mmd.core.units import Side

LEFTOVER = OrderReport("mmd-old-7", 77, Side.SELL, OrderStatus.NEW, 251_000, 30, 0, False, VENUE_EPOCH_MS)
FOREIGN = LEFTOVER._replace(client_order_id="web_1", order_id=78)


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


@pytest.mark.parametrize(("first", "then", "counts"), [
    (Cause.STOP, Cause.FAILURE, Cause.FAILURE), (Cause.FAILURE, Cause.STOP, Cause.FAILURE), (Cause.FAILURE, Cause.HALT, Cause.HALT),
    (Cause.RULES, Cause.FAILURE, Cause.FAILURE), (Cause.CREDENTIALS, Cause.FAILURE, Cause.CREDENTIALS),
])  # fmt: skip
def test_the_worse_cause_counts_while_it_ends(first: Cause, then: Cause, counts: Cause) -> None:
    """Two causes to stop, one after the other: it ends once, with the worse of them and that one's reason."""
    rig = Rig()
    rig.quoting()
    rig.step(Stop("first", first))
    rig.step(Stop("then", then))
    rig.settle_down()
    assert rig.finished == Finished(0, "first" if counts is first else "then", counts)
