"""What makes the engine doubt its surroundings: old or absurd books, the clock, time that stood still, rules that changed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from core_rig import MID, Rig, depth_at, none_of, only

from mmd.core.book import Book
from mmd.core.lifecycle import State
from mmd.core.messages import Amend, Cancel, Cause, CheckClock, ClockReading, Lost, MarkPrice, Place, ReadRules, Stop
from mmd.core.settings import TimingSettings


def test_an_old_event_is_no_fresh_book() -> None:
    """A frame whose event is older than the limit by the venue's clock is refused, however lately it came (FAULTS K4)."""
    book = Book(max_age_ms=2_000)
    assert book.apply(depth_at(now_ms=0)._replace(age_ms=2_000)) is None
    assert book.apply(depth_at(now_ms=1, update_id=2)._replace(age_ms=2_001)) == "the event was 2001 ms old"


def test_a_book_far_from_the_mark_price_is_refused_while_the_mark_is_fresh() -> None:
    """Beyond the fraction on either side; without a mark price, or with one that has not come for long, nothing can be said (FAULTS K3)."""
    book = Book(max_mark_deviation=Decimal("0.05"))
    assert book.apply(depth_at(MID * 2, now_ms=0)) is None
    book.hear_mark(Decimal(MID), now_ms=0)
    for mid, flaw in ((262_500, None), (262_501, "far from the mark price"), (237_500, None), (237_499, "far from the mark price")):
        assert book.apply(depth_at(mid, now_ms=1)) == flaw, mid
    assert book.apply(depth_at(MID * 2, now_ms=10_000)) is None
    book.hear_mark(Decimal(0), now_ms=10_000)
    assert book.apply(depth_at(MID * 2, now_ms=10_001)) is None


def test_absurd_books_pull_the_quotes_and_say_why() -> None:
    """The mark price says 2500, the book says 3500 for longer than the limit: pause, with the reason; a good book ends it."""
    rig = Rig()
    rig.boot()
    rig.accept()
    rig.step(MarkPrice(Decimal(2500)))
    rig.run(2_500, mid=MID + 100_000)
    assert rig.state is State.PAUSE
    assert rig.engine.reasons == ("stale book: last frame refused, far from the mark price",)
    assert rig.pending(Cancel)
    rig.cancelled()
    rig.depth()
    assert rig.state is State.QUOTE


def test_an_uncertain_clock_pauses() -> None:
    """Beyond half a second, or with no reading at all, nothing is quoted (FAULTS R3)."""
    rig = Rig()
    rig.boot()
    for uncertainty_ms, state in ((500, State.QUOTE), (501, State.PAUSE), (3, State.QUOTE), (None, State.PAUSE), (0, State.QUOTE)):
        rig.step(ClockReading(uncertainty_ms))
        assert rig.state is state, uncertainty_ms


def test_a_timestamp_that_was_refused_asks_for_the_time() -> None:
    """-1021 makes the clock be read at once."""
    rig = Rig()
    rig.boot()
    assert only(rig.refuse(rig.pending(Place), code=-1021), CheckClock)


def test_time_that_stood_still_makes_everything_be_read_anew() -> None:
    """After a suspend quotes are pulled, the clock is read, and the account too, before anything is quoted (FAULTS P7)."""
    rig = Rig()
    rig.boot()
    rig.accept()
    patience = rig.settings.orders.refresh_interval_ms + TimingSettings().gap_ms
    assert none_of(rig.tick(patience - 1), CheckClock)
    rig.depth()
    rig.settle_down()
    actions = rig.tick(patience)
    assert only(actions, CheckClock)
    assert rig.state is State.SYNC and rig.notices("time_gap")
    rig.settle_down()
    rig.depth()
    assert rig.state is State.QUOTE


@pytest.mark.parametrize("code", [-4014, -4023, -1111, -4164, -4140, -1016])
def test_a_filter_s_refusal_asks_for_the_rules_once(code: int) -> None:
    """However often it is refused within half a minute; rules that are the same change nothing (FAULTS O10)."""
    rig = Rig(refusal_backoff_ms=100, refusal_backoff_max_ms=100)
    rig.boot()
    asked = only(rig.refuse(rig.pending(Place), code=code), ReadRules)
    rig.answer(asked, rig.rules)
    assert rig.state is State.QUOTE
    rig.run(1_000)
    assert none_of(rig.refuse(rig.pending(Place), code=code), ReadRules)


@pytest.mark.parametrize("changes", [{"min_notional": Decimal(20)}, {"status": "SETTLING"}])
def test_changed_rules_end_the_engine_cleanly_to_start_anew(changes: dict[str, object]) -> None:
    """Orders are cancelled and the venue is asked, as on a stop; the cause says that it is no stop."""
    rig = Rig()
    rig.boot()
    asked = only(rig.refuse(rig.pending(Place), code=-4164), ReadRules)
    rig.answer(asked, replace(rig.rules, **changes))  # type: ignore[arg-type]
    assert rig.state is State.STOP
    rig.settle_down()
    finished = rig.finished
    assert finished is not None and finished.cause is Cause.RULES and finished.clean


def test_nothing_is_placed_by_rules_that_cannot_be_read() -> None:
    """A lost reading pauses, and is made again every five seconds, until it tells that the rules are as they were."""
    rig = Rig(refusal_backoff_ms=100, refusal_backoff_max_ms=100)
    rig.boot()
    asked = only(rig.refuse(rig.pending(Place), code=-4023), ReadRules)
    rig.answer(asked, Lost("timeout"))
    for _ in range(3):
        assert rig.state is State.PAUSE and rig.engine.reasons == ("the symbol's rules are in doubt and cannot be read",)
        assert none_of(rig.run(4_900), ReadRules, Place)
        asked = only(rig.run(200), ReadRules)
        rig.answer(asked, Lost("timeout"))
    asked = only(rig.run(5_100), ReadRules)
    assert only(rig.answer(asked, rig.rules), Place)
    assert rig.state is State.QUOTE


def test_rules_that_cannot_be_read_keep_no_stop_waiting() -> None:
    """Once it stops nothing is placed, so nothing is asked."""
    rig = Rig()
    rig.boot()
    rig.answer(only(rig.refuse(rig.pending(Place), code=-4023), ReadRules), Lost("timeout"))
    rig.step(Stop("SIGTERM"))
    assert none_of(rig.tick(5_000), ReadRules)
    rig.settle_down()
    assert rig.finished is not None and rig.finished.clean


def test_a_stop_while_rules_change_is_a_stop() -> None:
    """The operator's wish takes over: the process ends and is not started anew."""
    rig = Rig()
    rig.boot()
    asked = only(rig.refuse(rig.pending(Place), code=-4164), ReadRules)
    rig.answer(asked, replace(rig.rules, min_notional=Decimal(20)))
    rig.step(Stop("SIGTERM"))
    rig.settle_down()
    assert rig.finished is not None and rig.finished.cause is Cause.STOP
    assert none_of(rig.actions, Amend)
