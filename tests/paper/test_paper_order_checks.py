"""Every filter and rule for a new order has its own refusal, and a refused order changes nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from scripted_market import World, request

from mmd.core.units import Grid, Side
from mmd.paper.order_request import OrderType, PositionSide, TimeInForce, WorkingType
from mmd.paper.refusals import MESSAGES, Refused

BUY, SELL = Side.BUY, Side.SELL
D = Decimal


def refusal(world: World, *args: Any, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        world.place(*args, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        (-1121, {"symbol": "BTCUSDT"}),
        (-1102, {"price": None}),
        (-1102, {"quantity": None}),
        (-1102, {"time_in_force": None}),
        (-1102, {"price": D("NaN")}),
        (-1102, {"quantity": D("Infinity")}),
        (-1106, {"stop_price": D(1900)}),
        (-1106, {"type": OrderType.MARKET, "time_in_force": None}),
        (-1114, {"type": OrderType.MARKET, "price": None}),
        (-1111, {"price": D("1999.001")}),
        (-1111, {"quantity": D("0.1001")}),
        (-4001, {"price": D(0)}),
        (-4001, {"price": D(-5)}),
        (-4002, {"side": SELL, "price": D(1_000_001)}),
        (-4003, {"quantity": D(0)}),
        (-4003, {"quantity": D(-1)}),
        (-4005, {"quantity": D(10_001)}),
        (-4005, {"type": OrderType.MARKET, "price": None, "time_in_force": None, "quantity": D(2_001)}),
        (-4015, {"client_order_id": "space is not allowed"}),
        (-4015, {"client_order_id": "x" * 37}),
        (-4015, {"client_order_id": ""}),
        (-4016, {"price": D("2300.01")}),
        (-4024, {"side": SELL, "price": D("1699.99")}),
        (-4061, {"position_side": PositionSide.LONG}),
        (-4164, {"quantity": D("0.002")}),
        (-4164, {"type": OrderType.MARKET, "price": None, "time_in_force": None, "quantity": D("0.002")}),
        (-2022, {"reduce_only": True}),
        (-2019, {"quantity": D(1000)}),
        (-2027, {"quantity": D(10_000), "price": D("2200")}),
        (-2021, {"type": OrderType.STOP_MARKET, "price": None, "stop_price": D("1999.00")}),
        (-2021, {"type": OrderType.TAKE_PROFIT, "stop_price": D("2000.00")}),
        (-2021, {"type": OrderType.TRAILING_STOP_MARKET, "price": None, "callback_rate": D(1), "activation_price": D("2000.00")}),
        (-1102, {"type": OrderType.STOP_MARKET, "price": None}),
        (-1102, {"type": OrderType.TRAILING_STOP_MARKET, "price": None}),
        (-1130, {"type": OrderType.TRAILING_STOP_MARKET, "price": None, "callback_rate": D("5.1")}),
        (-4006, {"type": OrderType.STOP_MARKET, "price": None, "stop_price": D(-1)}),
        (-4007, {"type": OrderType.STOP_MARKET, "price": None, "stop_price": D(1_000_001)}),
        (-1106, {"close_position": True}),
        (-4137, {"type": OrderType.STOP_MARKET, "price": None, "stop_price": D(2100), "close_position": True}),
        (-1106, {"type": OrderType.STOP_MARKET, "price": None, "stop_price": D(2100), "close_position": True, "quantity": None, "reduce_only": True}),
    ],
)
def test_a_bad_order_is_refused_by_its_code(code: int, fields: dict[str, Any]) -> None:
    """A good order with one thing wrong is refused for that thing; nothing is emitted, booked or left open."""
    world = World()
    base = replace(request(BUY, 100, 199_900), **fields)
    with pytest.raises(Refused) as caught:
        world.exchange.place(world.account, base, world.tick())
    assert caught.value.code == code and caught.value.status == 400
    assert not world.account.orders and not world.events()
    assert world.exchange.journal[-1].details["code"] == code


def test_coarse_grids_have_their_own_refusals() -> None:
    """Where the step is no power of ten, a value of the right precision can still be off the grid."""
    world = World()
    symbol = replace(world.exchange.symbol, price_grid=Grid("0.05"), lot_grid=Grid("0.005"), min_lots=2)
    world.exchange.market.symbol = symbol
    assert refusal(world, BUY, 100, price=D("1999.01"), type=OrderType.LIMIT, time_in_force=TimeInForce.GTC).code == -4014
    assert refusal(world, BUY, None, 199_900, quantity=D("0.101")).code == -4023
    assert refusal(world, BUY, None, 199_900, quantity=D("0.005")).code == -4004


def test_trailing_zeros_are_no_precision() -> None:
    """"1999.0000" is on the grid."""
    world = World()
    order = world.place(BUY, None, 199_900, price=D("1999.0000"), quantity=D("0.10000"))
    assert (order.price_ticks, order.original_lots) == (199_900, 100)


def test_client_order_ids_are_unique_among_open_orders_only() -> None:
    """An id is free again once its order has ended; a query by it finds the latest order."""
    world = World()
    first = world.place(BUY, 100, 199_900, client_order_id="mine")
    assert refusal(world, BUY, 100, 199_900, client_order_id="mine").code == -4116
    world.exchange.cancel(world.account, client_order_id="mine", now_ms=world.tick())
    second = world.place(BUY, 100, 199_900, client_order_id="mine")
    assert world.exchange.find_order(world.account, client_order_id="mine") is second is not first


def test_a_missing_client_order_id_is_made_up() -> None:
    """Generated ids are valid and differ."""
    world = World()
    names = {world.place(BUY, 100, 199_900).client_order_id for _ in range(5)}
    assert len(names) == 5 and all(0 < len(name) <= 36 for name in names)


def test_at_most_two_hundred_orders_are_open_and_a_hundred_wait() -> None:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS."""
    world = World()
    stop = {"type": OrderType.STOP_MARKET, "stop_price": D(2100), "working_type": WorkingType.MARK_PRICE}
    for _ in range(100):
        world.place(BUY, 3, **stop)
    assert refusal(world, BUY, 3, **stop).code == -4045
    for _ in range(100):
        world.place(BUY, 3, 199_900)
    assert refusal(world, BUY, 3, 199_900).code == -2025
    world.exchange.cancel_all(world.account, world.tick())
    assert world.place(BUY, 3, 199_900).open


def test_a_post_only_order_can_be_refused_instead_of_expired() -> None:
    """With `gtx_refused` the venue says -5022, as Binance does."""
    world = World()
    world.exchange.gtx_refused = True
    assert refusal(world, BUY, 100, 200_010, time_in_force=TimeInForce.GTX).code == -5022
    assert world.place(BUY, 100, 200_009, time_in_force=TimeInForce.GTX).open


def test_a_market_order_whose_counterparty_is_too_far_is_refused() -> None:
    """-4131: the best offer is beyond what a market order may take."""
    world = World(asks=((200_010, 100), (215_000, 5_000)), bids=((199_990, 100),))
    world.place(BUY, 100)
    assert refusal(world, BUY, 100).code == -4131


@pytest.mark.parametrize(("status", "code"), [("SETTLING", -4140), ("PENDING_TRADING", -4140), ("CLOSE", -4141)])
def test_a_symbol_that_is_not_trading_takes_no_new_positions(status: str, code: int) -> None:
    """The symbol's status decides."""
    world = World()
    world.exchange.change_symbol(replace(world.exchange.symbol, status=status))
    assert refusal(world, BUY, 100, 199_900).code == code


def test_hedge_mode_wants_a_position_side_and_no_reduce_only() -> None:
    """LONG or SHORT must be sent, reduceOnly must not; closing orders need something to close."""
    world = World()
    world.exchange.set_dual_side(world.account, True, world.tick())
    assert refusal(world, BUY, 100, 199_900).code == -4061
    assert refusal(world, BUY, 100, 199_900, position_side=PositionSide.BOTH).code == -4061
    assert refusal(world, BUY, 100, 199_900, position_side=PositionSide.LONG, reduce_only=False).code == -1106
    assert refusal(world, SELL, 100, 200_100, position_side=PositionSide.LONG).code == -2022
    closing = {"position_side": PositionSide.LONG, "close_position": True, "type": OrderType.STOP_MARKET, "stop_price": D(2100)}
    assert refusal(world, BUY, None, **closing).code == -4060


def test_every_message_is_complete() -> None:
    """A refusal fills in its text; the codes are negative."""
    for code, text in MESSAGES.items():
        refused = Refused(code, "x")
        assert code < 0 and refused.msg and "%s" not in refused.msg and str(code) in str(refused), text
