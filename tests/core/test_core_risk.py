"""The limits that pause or halt a run."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from core_rig import MID, Rig, eth_rules

from mmd.core.breaker import FillBreaker
from mmd.core.lifecycle import State
from mmd.core.messages import Action, Cause, Fill, Notice, PositionReport, Stop
from mmd.core.position import Account
from mmd.core.risk import RiskGuard
from mmd.core.settings import EngineSettings, FillLimits, RiskSettings
from mmd.core.units import Side

RULES = eth_rules()


def fill(trade_id: int, side: Side = Side.BUY, price_ticks: int = 250_000, size_lots: int = 100, fee: str = "0.1") -> Fill:
    return Fill(trade_id, 1, "mmd-s-1", side, price_ticks, size_lots, Decimal(fee), "USDT", Decimal(0), True, trade_id)


def guard(**risk: object) -> tuple[RiskGuard, list[Action]]:
    said: list[Action] = []
    settings = replace(EngineSettings(), risk=replace(RiskSettings(), **risk))  # type: ignore[arg-type]
    return RiskGuard(RULES, settings, said.append), said


@pytest.mark.parametrize(
    ("limits", "sides", "trips_at"),
    [
        (FillLimits(size=Decimal("0.3")), (Side.BUY, Side.SELL, Side.BUY), 3),
        (FillLimits(notional=Decimal(500)), (Side.BUY, Side.SELL, Side.BUY), 2),
        (FillLimits(net_size=Decimal("0.2")), (Side.SELL, Side.BUY, Side.SELL, Side.SELL), 4),
        (FillLimits(), (Side.BUY,) * 5, None),
    ],
)
def test_each_limit_trips_when_it_is_reached(limits: FillLimits, sides: tuple[Side, ...], trips_at: int | None) -> None:
    """Size and notional count both sides, the net size buys less sells; no limit, no trip."""
    breaker = FillBreaker(RULES, limits)
    tripped = [n for n, side in enumerate(sides, 1) if breaker.count(fill(n, side), now_ms=n)]
    assert tripped == ([] if trips_at is None else [trips_at])
    assert breaker.is_frozen(len(sides)) == (trips_at is not None)


def test_fills_leave_the_window_and_the_freeze_ends() -> None:
    """Old fills no longer count, and after the freeze counting starts anew."""
    breaker = FillBreaker(RULES, FillLimits(window_ms=1000, frozen_ms=5000, size=Decimal("0.2")))
    assert breaker.count(fill(1), 0) is None
    assert breaker.count(fill(2), 1000) is None
    assert breaker.count(fill(3), 1500) == "size"
    assert breaker.is_frozen(6499) and not breaker.is_frozen(6500)
    assert breaker.count(fill(4), 1600) is None
    assert breaker.count(fill(5), 6500) is None


def test_a_loss_counts_fees_and_the_open_position() -> None:
    """Realised less fees plus the position at mid; the limit itself is the breach."""
    risk, _ = guard(max_loss=Decimal(10))
    account = Account(RULES)
    account.book(fill(1, size_lots=1000, fee="2"), 0)
    assert risk.profit(account, Decimal(250_000)) == Decimal(-2)
    assert risk.breach(account, Decimal(250_000), 0) is None
    assert risk.breach(account, Decimal(249_201), 0) is None
    assert risk.breach(account, Decimal(249_200), 0) == "this run has lost 10 (risk.max_loss is 10)"
    assert risk.breach(account, None, 0) is None
    unlimited, _ = guard()
    assert unlimited.breach(account, Decimal(1), 0) is None


def test_too_many_refusals_in_a_minute_are_a_breach() -> None:
    """They age out after a minute."""
    risk, _ = guard(max_refusals=3)
    account = Account(RULES)
    for now_ms in (0, 1000):
        risk.refusal(now_ms)
    assert risk.breach(account, None, 1000) is None
    risk.refusal(59_999)
    assert risk.breach(account, None, 59_999) == "3 orders were refused within a minute (risk.max_refusals)"
    assert risk.breach(account, None, 60_000) is None


def test_a_reached_limit_is_said_once() -> None:
    """One line with the limit's name; fills during the freeze say nothing."""
    risk, said = guard(fills=FillLimits(size=Decimal("0.1")))
    for n in range(1, 4):
        risk.fill(fill(n), n)
    assert [action.event for action in said if isinstance(action, Notice)] == ["fill_limit"]
    assert risk.breaker.is_frozen(3)


def test_the_engine_pauses_on_a_fill_limit_and_quotes_again_after_the_freeze() -> None:
    """Quotes are pulled with the reason, and come back by time alone."""
    rig = Rig(fills=FillLimits(size=Decimal("0.1"), frozen_ms=5000))
    rig.boot()
    place = rig.accept()
    rig.fill(place.client_order_id)
    assert rig.state is State.PAUSE
    assert rig.engine.reasons == ("too much filled at once",)
    rig.run(6000)
    assert rig.state is State.QUOTE


def test_the_engine_halts_on_a_loss() -> None:
    """Orders are cancelled, the venue is asked, and the end says that it is a halt."""
    rig = Rig(max_loss=Decimal(10))
    rig.boot()
    place = rig.accept()
    rig.fill(place.client_order_id)
    rig.accept()
    assert rig.engine.halt_reason is None
    rig.depth(MID - 30_000)
    assert rig.state is State.STOP and rig.finished is None
    assert "risk.max_loss" in (rig.engine.halt_reason or ""), "to be latched before the end is reached"
    rig.settle_down()
    finished = rig.finished
    assert finished is not None and finished.cause is Cause.HALT and finished.open_orders == 0
    assert "risk.max_loss" in finished.reason


def test_what_a_position_had_lost_before_the_run_is_not_the_run_s_loss() -> None:
    """A position taken up under water halts nothing; what it loses from then on counts."""
    risk, _ = guard(max_loss=Decimal(10))
    account = Account(RULES)
    account.start_from(PositionReport(1000, Decimal(2600), 1), {}, (), 0, 0)
    assert risk.breach(account, Decimal(250_000), 0) is None
    assert risk.breach(account, Decimal(249_001), 1) is None
    assert risk.breach(account, Decimal(249_000), 2) == "this run has lost 10 (risk.max_loss is 10)"


def test_a_halt_takes_over_an_orderly_stop_and_never_the_other_way_round() -> None:
    """A liquidation in the middle of a stop makes it a halt; a signal in the middle of a halt leaves it one."""
    for first, second in ((Cause.STOP, Cause.HALT), (Cause.HALT, Cause.STOP)):
        rig = Rig()
        rig.boot()
        rig.accept()
        rig.step(Stop("one", first))
        rig.step(Stop("two", second))
        rig.settle_down()
        finished = rig.finished
        assert finished is not None and finished.cause is Cause.HALT
        assert finished.reason == ("two" if second is Cause.HALT else "one")
