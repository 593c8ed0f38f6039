"""Fills: what the outside market does to resting orders, and what taking orders do to the book."""

from __future__ import annotations

from decimal import Decimal

import pytest
from scripted_market import ASKS, World, two_accounts

from mmd.core.units import Side
from mmd.paper.order_request import OrderType, StpMode, TimeInForce
from mmd.paper.orders import OrderStatus

BUY, SELL = Side.BUY, Side.SELL


def prints(world: World) -> list[tuple[str, str, bool]]:
    """(price, quantity, buyer is maker) of the public tape."""
    return [(t["price"], t["qty"], t["isBuyerMaker"]) for t in world.exchange.market.trades(500)]


def test_trades_at_our_price_eat_the_queue_and_then_us() -> None:
    """5000 lots are displayed at our price: the first 5000 traded are theirs, the next ours, partially, then wholly."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    world.trade(199_990, 4_900, SELL)
    assert order.executed_lots == 0 and world.exchange.matching.ahead_lots(order) == 100
    world.trade(199_990, 200, SELL)
    assert (order.executed_lots, order.status) == (100, OrderStatus.PARTIALLY_FILLED)
    world.trade(199_990, 500, SELL)
    assert (order.executed_lots, order.status) == (300, OrderStatus.FILLED)
    assert [(t.price_ticks, t.size_lots, t.maker) for t in world.account.trades] == [(199_990, 100, True), (199_990, 200, True)]
    assert prints(world) == [
        ("1999.90", "4.900", True), ("1999.90", "0.100", True), ("1999.90", "0.100", True), ("1999.90", "0.200", True), ("1999.90", "0.300", True)
    ]


def test_a_trade_and_its_depth_change_fill_once() -> None:
    """The depth change that reports a trade neither fills nor moves us."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    world.trade(199_990, 4_000, SELL)
    world.frame(bids=((199_990, 1_000),))
    assert world.exchange.matching.ahead_lots(order) == 1_000 and order.executed_lots == 0


def test_a_trade_through_our_price_fills_us_limited_by_its_size() -> None:
    """Whatever stood ahead must have gone first: the trade's size is ours, at our price."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    world.trade(199_980, 200, SELL)
    assert order.executed_lots == 200 and world.account.trades[0].price_ticks == 199_990
    world.trade(199_985, 200, SELL)
    assert order.status is OrderStatus.FILLED
    assert prints(world)[-1] == ("1999.85", "0.100", True)


def test_a_buyer_takes_our_offers_the_same_way() -> None:
    """The sell side mirrors the buy side."""
    world = World()
    order = world.place(SELL, 300, 200_010)
    world.trade(200_010, 5_100, BUY)
    assert order.executed_lots == 100
    world.trade(200_011, 10, BUY)
    assert order.executed_lots == 110
    assert world.exchange.accounts["paper"].positions[order.position_side].lots == -110


def test_a_trade_on_the_other_side_is_none_of_ours() -> None:
    """A buyer who takes offers above does not touch our bid."""
    world = World()
    order = world.place(BUY, 300, 200_005)
    world.trade(200_010, 10_000, BUY)
    assert order.executed_lots == 0


def test_a_crossing_book_fills_us_at_our_price_limited_by_what_it_displays() -> None:
    """An offer at or below our bid takes us; what it gave us is gone from the displayed book and is not given again."""
    world = World()
    order = world.place(BUY, 300, 200_005)
    world.frame(asks=((200_004, 120),))
    assert order.executed_lots == 120 and world.account.trades[0].price_ticks == 200_005
    assert world.exchange.market.best(SELL) == (200_010, 5_000)
    world.frame(asks=((200_004, 120),))
    assert order.executed_lots == 120
    world.frame(asks=((200_004, 150),))
    assert order.executed_lots == 150
    world.frame(asks=((200_004, 0),))
    world.frame(asks=((200_004, 100),))
    assert order.executed_lots == 250


def test_a_crossing_offer_waits_for_what_stands_ahead_of_us() -> None:
    """While the outside book still shows bids ahead of us at our price, it contradicts itself and fills nobody."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    world.frame(asks=((199_990, 50),))
    assert order.executed_lots == 0
    world.frame(bids=((199_990, 0),), asks=((199_990, 60),))
    assert order.executed_lots == 60


def test_price_then_time_decides_among_accounts() -> None:
    """The better price goes first, at one price the earlier order."""
    world = World(accounts=two_accounts())
    one, two = world.exchange.accounts.values()
    late = world.place(BUY, 100, 200_000, account=one)
    early = world.place(BUY, 100, 200_001, account=two)
    last = world.place(BUY, 100, 200_000, account=two)
    world.trade(199_999, 250, SELL)
    assert (early.executed_lots, late.executed_lots, last.executed_lots) == (100, 100, 50)


def test_a_taking_order_sweeps_level_by_level() -> None:
    """Each level is a trade of its own with its own id, at the level's price."""
    world = World()
    order = world.place(BUY, 14_000)
    assert order.status is OrderStatus.FILLED
    trades = list(world.account.trades)
    assert [(t.price_ticks, t.size_lots, t.maker) for t in trades] == [(200_010, 5_000, False), (200_020, 8_000, False), (200_030, 1_000, False)]
    assert len({t.trade_id for t in trades}) == 3
    assert world.exchange.market.best(SELL) == (200_030, 8_000)


def test_what_was_taken_stays_taken() -> None:
    """Frames know nothing of our taking: a level returns only after it has shrunk below what we took."""
    world = World()
    world.place(BUY, 5_000)
    world.frame(asks=((200_010, 5_100),))
    assert world.exchange.market.best(SELL) == (200_010, 100)
    world.frame(asks=((200_010, 0),))
    world.frame(asks=((200_010, 700),))
    assert world.exchange.market.best(SELL) == (200_010, 700)


def test_a_limit_order_takes_up_to_its_price_and_rests_with_the_rest() -> None:
    """GTC: what crosses trades, the remainder is displayed."""
    world = World()
    order = world.place(BUY, 6_000, 200_010)
    assert (order.executed_lots, order.status) == (5_000, OrderStatus.PARTIALLY_FILLED)
    assert world.exchange.market.best(BUY) == (200_010, 1_000)


@pytest.mark.parametrize(
    ("tif", "lots", "executed", "status"),
    [
        (TimeInForce.IOC, 6_000, 5_000, OrderStatus.EXPIRED),
        (TimeInForce.IOC, 5_000, 5_000, OrderStatus.FILLED),
        (TimeInForce.FOK, 6_000, 0, OrderStatus.EXPIRED),
        (TimeInForce.FOK, 5_000, 5_000, OrderStatus.FILLED),
        (TimeInForce.GTX, 100, 0, OrderStatus.EXPIRED),
    ],
)
def test_time_in_force_decides_what_happens_to_the_rest(tif: TimeInForce, lots: int, executed: int, status: OrderStatus) -> None:
    """IOC drops its rest, FOK is all or nothing, GTX never takes."""
    world = World()
    order = world.place(BUY, lots, 200_010, time_in_force=tif)
    assert (order.executed_lots, order.status) == (executed, status)
    assert world.exchange.open_orders(world.account) == []


def test_gtx_rests_where_it_does_not_cross() -> None:
    """A post-only order one tick below the offer is displayed."""
    world = World()
    order = world.place(BUY, 100, 200_009, time_in_force=TimeInForce.GTX)
    assert order.status is OrderStatus.NEW and world.exchange.market.best(BUY) == (200_009, 100)


def test_a_hidden_order_trades_but_is_not_displayed() -> None:
    """HIDDEN rests outside the displayed book."""
    world = World()
    order = world.place(BUY, 100, 200_000, time_in_force=TimeInForce.HIDDEN)
    assert world.exchange.market.best(BUY) == (199_990, 5_000)
    world.trade(200_000, 60, SELL)
    assert order.executed_lots == 60


def test_accounts_trade_with_each_other_by_their_place_in_the_queue() -> None:
    """A taker eats the outside lots ahead of a resting order, then the order, then the outside lots behind it."""
    world = World(accounts=two_accounts(100_000))
    one, two = world.exchange.accounts.values()
    maker = world.place(SELL, 100, 200_010, account=one)
    world.frame(asks=((200_010, 6_000),))
    taker = world.place(BUY, 5_600, 200_010, account=two)
    assert taker.status is OrderStatus.FILLED and maker.status is OrderStatus.FILLED
    assert [(t.size_lots, t.maker) for t in two.trades] == [(5_000, False), (100, False), (500, False)]
    assert one.trades[0].trade_id == two.trades[1].trade_id


@pytest.mark.parametrize(
    ("mode", "maker_status", "taker_status", "taken"),
    [
        (StpMode.EXPIRE_TAKER, OrderStatus.NEW, OrderStatus.EXPIRED, 0),
        (StpMode.EXPIRE_MAKER, OrderStatus.EXPIRED, OrderStatus.FILLED, 200),
        (StpMode.EXPIRE_BOTH, OrderStatus.EXPIRED, OrderStatus.EXPIRED, 0),
    ],
)
def test_self_trade_prevention(mode: StpMode, maker_status: OrderStatus, taker_status: OrderStatus, taken: int) -> None:
    """An account never trades with itself; the mode says which order expires."""
    world = World()
    maker = world.place(SELL, 100, 200_005)
    taker = world.place(BUY, 200, 200_010, stp_mode=mode)
    assert (maker.status, taker.status, taker.executed_lots) == (maker_status, taker_status, taken)


def test_fill_or_kill_counts_what_self_trade_prevention_leaves() -> None:
    """An own order in the way makes FOK impossible unless it is the one that expires."""
    world = World()
    world.place(SELL, 100, 200_005)
    killed = world.place(BUY, 200, 200_010, time_in_force=TimeInForce.FOK)
    filled = world.place(BUY, 200, 200_010, time_in_force=TimeInForce.FOK, stp_mode=StpMode.EXPIRE_MAKER)
    assert (killed.executed_lots, filled.executed_lots) == (0, 200)


def test_a_market_order_stops_at_the_take_bound() -> None:
    """A market order goes no further than `marketTakeBound` from the mark price; the rest expires."""
    world = World(asks=((200_010, 100), (215_000, 5_000)), bids=((199_990, 100),))
    order = world.place(BUY, 200)
    assert (order.executed_lots, order.status) == (100, OrderStatus.EXPIRED)
    assert order.type is OrderType.MARKET


def test_a_market_order_into_an_empty_side_expires() -> None:
    """With no counterparty at all, the order is accepted and expires unfilled."""
    world = World()
    world.frame(asks=tuple((price, 0) for price, _ in ASKS))
    order = world.place(BUY, 100)
    assert (order.executed_lots, order.status) == (0, OrderStatus.EXPIRED)


def test_the_displayed_book_contains_our_orders() -> None:
    """Depth is the outside size plus ours, at every level."""
    world = World()
    world.place(BUY, 300, 199_990)
    world.place(SELL, 200, 200_005)
    depth = world.exchange.market.depth(5)
    assert depth["bids"][0] == ["1999.90", "5.300"] and depth["asks"][0] == ["2000.05", "0.200"]


def test_fills_average_exactly() -> None:
    """The average price is the exact mean of the trades, weighted by size."""
    world = World()
    order = world.place(BUY, 10_000)
    assert Decimal(order.executed_tick_lots) / order.executed_lots == Decimal(200_015)
