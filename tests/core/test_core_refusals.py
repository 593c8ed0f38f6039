"""Refusals: post-only orders that would take, backing off, the budget, silence, and what a refusal says of position or credentials."""

from __future__ import annotations

from decimal import Decimal

import pytest
from core_rig import MID, Rig, none_of, only

from mmd.core.budget import OrderBudget
from mmd.core.client_ids import ClientIds
from mmd.core.holds import Hold
from mmd.core.lifecycle import State
from mmd.core.messages import (
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    Cause,
    OrderStatus,
    Place,
    Query,
    RateUsed,
    Reconcile,
    Stop,
    Stream,
    StreamDown,
    StreamUp,
    Unsent,
)
from mmd.core.settings import TimingSettings

TIMING = TimingSettings()
SENDS = (Place, Amend, Cancel, CancelAll, Query, Reconcile, ArmCountdown)


def test_a_hold_doubles_up_to_its_bound() -> None:
    """Each refusal in a row doubles the wait, from one second to one minute, for ever."""
    hold = Hold()
    waits = []
    for _ in range(100):
        assert hold.refuse(False, TIMING, 1_000)
        waits.append(hold.until_ms - 1_000)
    assert waits[:8] == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] and set(waits[6:]) == {60_000}
    hold.accept()
    hold.refuse(False, TIMING, 1_000)
    assert hold.until_ms == 2_000


def test_a_hold_lets_five_crossings_pass() -> None:
    """Five post-only refusals in a row cost no wait, every further one does."""
    hold = Hold()
    assert [hold.refuse(True, TIMING, 0) for _ in range(7)] == [False] * 5 + [True] * 2
    assert (hold.crossings, hold.refusals) == (5, 2)


def test_the_budget_counts_any_sixty_seconds() -> None:
    """So many orders fit in a minute; one that is a minute old is forgotten."""
    budget = OrderBudget(3)
    for now_ms in (0, 10, 20):
        assert budget.allows(now_ms)
        budget.spend(now_ms)
    assert not budget.allows(59_999)
    assert budget.allows(60_000) and budget.used(60_000) == 2


def test_silence_only_grows() -> None:
    """A shorter wish for silence does not end a longer one."""
    budget = OrderBudget(3)
    budget.be_silent(5_000)
    budget.be_silent(2_000)
    assert budget.is_silent(4_999) and not budget.is_silent(5_000)


def test_a_budget_is_never_nothing() -> None:
    """However small the fraction, one order a minute fits."""
    assert OrderBudget(0).allows(0)


@pytest.mark.parametrize("prefix", ["m", "mmd", "abcdefghijkl"])
def test_client_ids_fit_the_venue(prefix: str) -> None:
    """Ids keep to 36 characters of the documented set for a million orders, with the longest prefix and a session of our making."""
    ids = ClientIds(prefix, "mhk2z9qx1")
    ids._count = 999_998
    first, second = ids.next(), ids.next()
    assert first != second
    for client_order_id in (first, second):
        assert len(client_order_id) <= 36 and client_order_id.replace("-", "").isalnum()
        assert ids.is_own(client_order_id)


@pytest.mark.parametrize("foreign", ["mmdx-1-1", "mmd", "web_123", "autoclose-1", "adl_autoclose", "", "MMD-s-1"])
def test_other_ids_are_foreign(foreign: str) -> None:
    """Only prefix and dash make an order ours."""
    assert not ClientIds("mmd", "s").is_own(foreign)


@pytest.mark.parametrize("code", [-2021, -4164, -1111, -2010])
def test_refusals_back_off_and_never_loop(rig: Rig, code: int) -> None:
    """However often the venue refuses, the posts of five minutes are few, and each has a new id."""
    rig.boot()
    for _ in range(3_000):
        if rig.waits(Place):
            rig.refuse(code=code)
        rig.run(100)
    places = rig.all(Place)
    assert len(places) == 10
    assert len({place.client_order_id for place in places}) == len(places)


def test_an_unsent_post_backs_off_too(rig: Rig) -> None:
    """No connection could be made: the slot is free, but not at once."""
    rig.boot()
    assert none_of(rig.answer(rig.pending(Place), Unsent("no route")), Place, Query)
    assert none_of(rig.run(900), Place)
    assert only(rig.run(200), Place)


def test_resting_ends_the_backoff(rig: Rig) -> None:
    """Once an order rested and was done with, the next refusal waits one second again."""
    rig.boot()
    for _ in range(3):
        rig.refuse()
        rig.run(8_100)
    place = rig.accept()
    rig.run(60_000)
    rig.cancelled()
    rig.refuse()
    assert not rig.order(place.client_order_id).is_live
    assert only(rig.run(1_100), Place)


def test_a_post_only_refusal_steps_out_a_tick_at_a_time(rig: Rig) -> None:
    """-5022: the next attempts follow at once, each a tick further from the market and still post-only; after five the slot waits."""
    rig.boot()
    for _ in range(6):
        rig.refuse(code=-5022)
    prices = [place.price_ticks for place in rig.all(Place)]
    assert prices == [249_750 - step for step in range(6)]
    assert all(place.post_only for place in rig.all(Place))
    assert not rig.waits(Place)


def test_no_tick_further_out_than_the_least_notional_allows() -> None:
    """Two lots at 2500.00 are worth 5.00 and one tick further out less: the next attempt stays where it was wanted."""
    rig = Rig(buy_spread=Decimal(0), max_position_notional=Decimal("5.01"))
    rig.boot()
    assert rig.rules.notional(rig.pending(Place).price_ticks, 2) == 5
    rig.refuse(code=-5022)
    assert [(place.price_ticks, place.size_lots) for place in rig.all(Place)] == [(250_000, 2), (250_000, 2)]


def expire(rig: Rig) -> None:
    """The venue accepts the waiting post-only order, and lets it expire a moment later on the user stream."""
    place = rig.accept(echo=False)
    rig.update(rig.report(place.client_order_id, OrderStatus.EXPIRED))


def test_accepted_and_expired_is_a_post_only_refusal(rig: Rig) -> None:
    """FAULTS O7: understood as such whether the reply or the stream says it, and one tick further out next time."""
    rig.boot()
    rig.answer(rig.pending(Place), rig.report(rig.pending(Place).client_order_id, OrderStatus.EXPIRED))
    expire(rig)
    assert [place.price_ticks for place in rig.all(Place)] == [249_750, 249_749, 249_748]


def test_accepting_and_expiring_is_no_endless_loop(rig: Rig) -> None:
    """A venue that accepts each order and expires it at once gets a handful in five minutes, not a thousand (FAULTS O11)."""
    rig.boot()
    for _ in range(3_000):
        if rig.waits(Place):
            expire(rig)
        rig.run(100)
    assert len(rig.all(Place)) < 20


def test_the_steps_outward_end_once_an_order_rested(rig: Rig) -> None:
    """An order that rested two seconds and is replaced takes its successor back to the wanted price."""
    rig.boot()
    expire(rig)
    rig.accept()
    rig.run(60_000)
    rig.cancelled()
    assert [place.price_ticks for place in rig.all(Place)] == [249_750, 249_749, 249_750]


def test_an_order_that_was_cancelled_at_once_is_no_refusal(rig: Rig) -> None:
    """What we cancel ourselves within two seconds is not held against the slot."""
    rig.quoting()
    rig.step(StreamDown(Stream.MARKET, "closed"))
    rig.cancelled()
    rig.step(StreamUp(Stream.MARKET))
    assert only(rig.depth(), Place).price_ticks == 249_750


def test_reduce_only_refused_reads_the_account_anew(rig: Rig) -> None:
    """-2022 means that the position is not what we think: quotes pulled, truth read, the venue's position adopted and said."""
    rig.boot(position=400)
    rig.refuse(code=-2022)
    assert rig.state is State.SYNC
    rig.answer(rig.pending(Reconcile), rig.truth(position=0))
    assert rig.state is State.QUOTE and rig.engine.position_lots == 0
    assert len(rig.notices("position_adopted")) == 1
    assert not rig.pending(Place).reduce_only


@pytest.mark.parametrize("code", [-2018, -2019])
def test_too_little_money_reads_the_account_anew(rig: Rig, code: int) -> None:
    """A liquidation whose events were all missed shows in a margin that does not do: the position is the venue's at once, not for ever ours."""
    rig.boot(position=400)
    rig.refuse(code=code)
    assert rig.state is State.SYNC
    rig.answer(rig.pending(Reconcile), rig.truth(position=0))
    assert rig.state is State.QUOTE and rig.engine.position_lots == 0


@pytest.mark.parametrize("code", [-2022, -2019])
def test_refused_for_the_account_again_and_again_is_no_loop(rig: Rig, code: int) -> None:
    """Where the venue insists on a position or a balance and refuses what follows from it, posts and readings stay few."""
    rig.boot(position=400)
    for _ in range(3_000):
        if rig.waits(Place):
            rig.refuse(code=code)
        if rig.waits(Reconcile):
            rig.answer(rig.pending(Reconcile), rig.truth())
        rig.run(100)
    assert len(rig.all(Place)) <= 10 and len(rig.all(Reconcile)) <= 11


@pytest.mark.parametrize(("status", "retry_after_ms", "silence_ms"), [(429, None, 60_000), (418, None, 120_000), (429, 3_000, 3_000)])
def test_too_many_requests_is_answered_with_silence(rig: Rig, status: int, retry_after_ms: int | None, silence_ms: int) -> None:
    """Nothing at all is sent until the ban ends; then the quotes come back by themselves (FAULTS R1)."""
    rig.quoting()
    rig.now_ms += 100
    rig.depth(MID + 200)
    rig.answers_countdown = True
    out = rig.refuse(rig.pending(Amend), -1003, status, retry_after_ms=retry_after_ms)
    assert rig.state is State.PAUSE and none_of(out, *SENDS)
    assert none_of(rig.run(silence_ms - 100), *SENDS)
    rig.run(200)
    rig.settle_down()
    rig.run(1_200)
    rig.settle_down()
    assert rig.state is State.QUOTE and rig.engine.desk.has_live


def test_a_stop_in_silence_sends_nothing_until_it_ends(rig: Rig) -> None:
    """SIGTERM during a ban: silence first, then cancel and verify; a ban beyond the deadline leaves it to the countdown."""
    rig.quoting()
    rig.engine.desk.budget.be_silent(rig.now_ms + 5_000)
    assert none_of(rig.step(Stop("asked")), *SENDS)
    assert none_of(rig.run(4_900), *SENDS)
    rig.run(200)
    rig.settle_down()
    assert rig.finished is not None and rig.finished.clean


def test_a_clean_end_in_silence_disarms_nothing(rig: Rig) -> None:
    """The last word of the venue comes while it wants silence: the end is clean, and the countdown is left to run out over nothing."""
    rig.quoting()
    rig.step(Stop("asked"))
    rig.cancelled()
    rig.engine.desk.budget.be_silent(rig.now_ms + 5_000)
    out = rig.answer(rig.pending(Reconcile), rig.truth())
    assert rig.finished is not None and rig.finished.clean
    assert none_of(out, *SENDS)


@pytest.mark.parametrize("code", [-2014, -2015, -1022])
def test_refused_credentials_end_it(rig: Rig, code: int) -> None:
    """FAULTS R7: whatever call hears it, the end begins, with its own cause; without proof of no open order the countdown stays."""
    rig.boot()
    rig.refuse(code=code, status=401)
    assert rig.state is State.STOP
    for _ in range(160):
        if rig.waits(Reconcile):
            rig.refuse(rig.pending(Reconcile), code, 401)
        rig.run(100)
    assert rig.finished is not None
    assert (rig.finished.cause, rig.finished.open_orders) == (Cause.CREDENTIALS, None)
    assert len(rig.notices("credentials_refused")) >= 1


def test_an_order_below_the_minimum_is_said_once_and_never_sent(rig: Rig) -> None:
    """10 % of 40 USDT is below the minimum notional of 5: one warning, no POST, for as long as it lasts; then it quotes."""
    rig.boot(balances={"USDT": Decimal(40)})
    rig.run(60_000)
    assert not rig.all(Place)
    (notice,) = rig.notices("waiting")
    assert "minimum notional 5" in str(notice.fields["why"])
    rig.account_says(0, USDT=Decimal(1_000))
    assert rig.pending(Place).size_lots == 40


def test_a_spent_budget_pulls_what_is_not_good_enough_and_waits(rig: Rig) -> None:
    """No more orders this minute: said once, a bad quote is cancelled and not replaced, and the next minute quotes again."""
    rig = Rig(order_rate_fraction=Decimal("0.0025"))  # three a minute
    rig.quoting()
    for mid in (MID + 200, MID, MID + 200, MID):
        rig.now_ms += 100
        rig.depth(mid)
        rig.settle_down()
    assert len(rig.all(Place)) + len(rig.all(Amend)) == 3
    assert not rig.engine.desk.has_live
    assert len(rig.notices("budget_spent")) == 1
    rig.run(61_000)
    assert rig.waits(Place)


def test_hedge_mode_halts_whatever_tells_of_it(rig: Rig) -> None:
    """FAULTS A3: where the event was missed, the refusal of an order or of a reading (-4061) says the same."""
    rig.boot()
    rig.refuse(code=-4061)
    assert rig.state is State.STOP
    assert rig.notices("account_changed")[0].fields["does"] == "stops"


def test_hedge_mode_found_while_it_stops_halts(rig: Rig) -> None:
    """The last reading may be the first that tells of it: the end is a halt, said once, and latched."""
    rig.quoting()
    rig.step(Stop("SIGTERM"))
    rig.cancelled()
    rig.refuse(rig.pending(Reconcile), code=-4061)
    rig.tick(1_000)
    rig.refuse(rig.pending(Reconcile), code=-4061)
    assert rig.engine.halt_reason == "the account was switched to hedge mode" and len(rig.notices("account_changed")) == 1
    rig.run(15_000)
    assert rig.finished is not None and rig.finished.cause is Cause.HALT and not rig.finished.clean


@pytest.mark.parametrize(("weight", "orders", "held"), [(1_919, 959, False), (1_920, None, True), (None, 960, True), (None, None, False)])
def test_a_limit_that_others_have_nearly_spent_is_kept_for_cancels(rig: Rig, weight: int | None, orders: int | None, held: bool) -> None:
    """By the venue's own count: until its minute ends a bad quote is cancelled and not replaced; said once, and then it quotes again."""
    rig.quoting()
    rig.step(RateUsed(weight, orders, rig.now_ms + 20_000))
    rig.now_ms += 100
    rig.depth(MID + 200)
    rig.settle_down()
    assert rig.engine.desk.has_live is not held
    assert len(rig.all(Cancel)) == held and len(rig.all(Amend)) == (not held)
    rig.run(10_000, mid=MID + 200)
    assert rig.engine.desk.has_live is not held
    assert [notice.fields["by"] for notice in rig.notices("budget_spent")] == ["the venue's count, of all who share it"] * held
    if held:
        rig.run(10_000, mid=MID + 200)
        assert rig.waits(Place)
