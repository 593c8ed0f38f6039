"""Margin calls and liquidations."""

from __future__ import annotations

from decimal import Decimal

import pytest
from scripted_market import World

from mmd.core.units import Side
from mmd.paper.account import AccountSpec
from mmd.paper.order_request import MarginType, PositionSide
from mmd.paper.orders import OrderStatus

BUY, SELL = Side.BUY, Side.SELL
D = Decimal


def poor_world(usdt: str = "120") -> World:
    return World(accounts=(AccountSpec(deposits={"USDT": D(usdt)}),))


def move_book(world: World, mid_ticks: int, size_lots: int = 5_000) -> None:
    """The outside book jumps to `mid_ticks`, three levels a side, and the mark price is given a second at a time to follow."""
    outside = world.exchange.market.outside
    bids = {price: 0 for price, _ in outside.levels(BUY)} | {mid_ticks - 10 * i: size_lots for i in (1, 2, 3)}
    asks = {price: 0 for price, _ in outside.levels(SELL)} | {mid_ticks + 10 * i: size_lots for i in (1, 2, 3)}
    world.frame(tuple(bids.items()), tuple(asks.items()))


def until_liquidated(world: World, seconds: int = 600) -> None:
    for _ in range(seconds):
        if not world.account.open_positions():
            return
        world.exchange.advance(world.now_ms + 1_000)
    raise AssertionError("never liquidated")


@pytest.mark.parametrize(("side", "mid"), [(BUY, 190_500), (SELL, 209_500)])
def test_a_cross_account_is_called_then_liquidated(side: Side, mid: int) -> None:
    """Open orders expire, a MARGIN_CALL precedes the autoclose- order, the position ends flat and the ledger balances."""
    world = poor_world()
    world.exchange.set_leverage(world.account, 100, world.tick())
    world.place(side, 1_200)
    resting = world.place(side, 3, 200_000 - side.sign * 20_000)
    world.events()
    move_book(world, mid)
    until_liquidated(world)
    events = world.events()
    kinds = [event["e"] for event in events]
    updates = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    assert kinds[0] == "MARGIN_CALL" and kinds.count("MARGIN_CALL") == 1
    assert resting.status is OrderStatus.EXPIRED
    [order] = world.exchange.force_orders(world.account)
    assert order.client_order_id.startswith("autoclose-") and order.status is OrderStatus.FILLED
    assert {(o["x"], o["o"]) for o in updates if o["i"] == order.order_id} == {("NEW", "LIQUIDATION"), ("CALCULATED", "LIQUIDATION")}
    assert updates[-1]["X"] == "FILLED"
    assert world.account.wallets["USDT"] >= 0
    assert world.account.wallets["USDT"] == sum(income.amount for income in world.account.incomes)
    assert world.exchange.income(world.account, income_type="INSURANCE_CLEAR")[0].amount < 0
    assert world.exchange.force_orders(world.account, auto_close_type="ADL") == []


def test_the_insurance_fund_takes_what_the_book_does_not() -> None:
    """With almost nothing bid, the rest is taken over at the bankruptcy price and the wallet does not go below zero."""
    world = poor_world()
    world.exchange.set_leverage(world.account, 100, world.tick())
    world.place(BUY, 1_200)
    move_book(world, 190_500, size_lots=10)
    until_liquidated(world)
    assert world.account.positions[PositionSide.BOTH].lots == 0
    assert world.account.wallets["USDT"] >= 0
    [order] = world.exchange.force_orders(world.account)
    assert (order.status, order.executed_lots) == (OrderStatus.FILLED, 1_200)


def test_an_isolated_position_loses_no_more_than_its_margin() -> None:
    """Whatever the gap, the rest of the wallet stays whole."""
    world = World()
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(BUY, 1_000)
    margin = world.account.positions[PositionSide.BOTH].isolated_wallet
    before = world.account.wallets["USDT"]
    move_book(world, 150_000)
    until_liquidated(world)
    assert before - margin <= world.account.wallets["USDT"] < before
    assert world.account.positions[PositionSide.BOTH].isolated_wallet == 0


def test_a_rich_account_is_left_alone() -> None:
    """No call and no liquidation while the margin suffices."""
    world = World()
    world.place(BUY, 1_000)
    world.events()
    move_book(world, 190_500)
    world.exchange.advance(world.now_ms + 60_000)
    assert world.events() == [] and world.account.positions[PositionSide.BOTH].lots == 1_000


def test_a_hedged_cross_account_is_closed_on_both_sides() -> None:
    """The margin stands behind both positions, so both go."""
    world = poor_world("60")
    world.exchange.set_dual_side(world.account, True, world.tick())
    world.exchange.set_leverage(world.account, 100, world.tick())
    world.place(BUY, 1_200, position_side=PositionSide.LONG)
    world.place(SELL, 200, position_side=PositionSide.SHORT)
    move_book(world, 192_000)
    until_liquidated(world)
    assert [o.position_side for o in world.exchange.force_orders(world.account)] == [PositionSide.LONG, PositionSide.SHORT]
    assert world.account.wallets["USDT"] >= 0
    assert world.account.wallets["USDT"] == sum(income.amount for income in world.account.incomes)


def test_a_wallet_that_its_owner_overdrew_is_made_whole() -> None:
    """Closing at the market while the mark price still lags can lose more than there is; the insurance fund pays the rest at once."""
    world = poor_world()
    world.exchange.set_leverage(world.account, 100, world.tick())
    world.place(BUY, 1_200)
    move_book(world, 185_000)
    world.place(SELL, 1_200, 180_000, reduce_only=True)
    assert not world.account.force_orders and world.account.wallets["USDT"] == 0
    assert [i.amount > 0 for i in world.exchange.income(world.account, income_type="INSURANCE_CLEAR")] == [True]
    assert world.events("ACCOUNT_UPDATE")[-1]["a"]["m"] == "INSURANCE_CLEAR"
