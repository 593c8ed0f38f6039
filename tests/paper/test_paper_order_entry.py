"""Amend, cancel, batches, countdown, reduce-only and conditional orders."""

from __future__ import annotations

from decimal import Decimal

import pytest
from scripted_market import ASKS, START_MS, World, request

from mmd.core.units import Side
from mmd.paper.order_entry import MAX_AMENDMENTS
from mmd.paper.order_request import OrderType, PositionSide, TimeInForce, WorkingType
from mmd.paper.orders import Order, OrderStatus
from mmd.paper.refusals import Refused

BUY, SELL = Side.BUY, Side.SELL
D = Decimal


def amend(world: World, order: Order, lots: int, price_ticks: int) -> Order:
    return world.exchange.amend(
        world.account, order_id=order.order_id, quantity=D(lots) / 1000, price=D(price_ticks) / 100, now_ms=world.tick()
    )


def amend_code(world: World, order: Order, lots: int, price_ticks: int) -> int:
    before = (order.original_lots, order.price_ticks, order.status, world.exchange.matching.ahead_lots(order))
    with pytest.raises(Refused) as caught:
        amend(world, order, lots, price_ticks)
    assert (order.original_lots, order.price_ticks, order.status, world.exchange.matching.ahead_lots(order)) == before
    return caught.value.code


def test_a_smaller_order_at_the_same_price_keeps_its_place() -> None:
    """Priority survives only a shrink: growing, or another price, goes to the end of the queue."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    world.trade(199_990, 4_000, SELL)
    world.frame(bids=((199_990, 4_000),))
    amend(world, order, 200, 199_990)
    assert (order.original_lots, world.exchange.matching.ahead_lots(order)) == (200, 1_000)
    amend(world, order, 250, 199_990)
    assert (order.original_lots, world.exchange.matching.ahead_lots(order)) == (250, 4_000)
    amend(world, order, 250, 199_980)
    assert (order.price_ticks, world.exchange.matching.ahead_lots(order)) == (199_980, 8_000)
    assert world.exchange.market.displayed(BUY, 199_990) == 4_000 and world.exchange.market.displayed(BUY, 199_980) == 8_250
    assert world.executions() == [("NEW", "NEW")] + [("AMENDMENT", "NEW")] * 3


def test_an_amended_quantity_counts_the_executed_part() -> None:
    """Amending to what is already executed, or less, cancels the rest."""
    world = World()
    order = world.place(BUY, 300, 200_000)
    world.trade(200_000, 100, SELL)
    amend(world, order, 150, 200_000)
    assert (order.remaining_lots, order.status) == (50, OrderStatus.PARTIALLY_FILLED)
    amend(world, order, 100, 200_000)
    assert (order.executed_lots, order.status) == (100, OrderStatus.CANCELED)


def test_an_amended_order_that_crosses_takes_or_expires() -> None:
    """GTC takes; GTX expires, or is refused and stands where the venue refuses."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    amend(world, order, 300, 200_010)
    assert order.status is OrderStatus.FILLED
    posted = world.place(BUY, 300, 199_990, time_in_force=TimeInForce.GTX)
    world.exchange.gtx_refused = True
    assert amend_code(world, posted, 300, 200_010) == -5022
    world.exchange.gtx_refused = False
    amend(world, posted, 300, 200_010)
    assert (posted.executed_lots, posted.status) == (0, OrderStatus.EXPIRED)


def test_a_refused_amendment_leaves_the_order_as_it_was() -> None:
    """Filters, margin, type and number of amendments are checked before anything changes."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    assert amend_code(world, order, 0, 199_990) == -4003
    assert amend_code(world, order, 300, 230_001) == -4016
    assert amend_code(world, order, 2, 199_990) == -4164
    assert amend_code(world, order, 300, 199_990) == -5027
    assert amend_code(world, order, 1_000_000, 199_990) == -2019
    order.amendments = MAX_AMENDMENTS
    assert amend_code(world, order, 200, 199_990) == -5026
    stop = world.place(BUY, 300, 210_000, type=OrderType.STOP, stop_price=D(2090))
    assert amend_code(world, stop, 200, 210_000) == -5025
    world.exchange.cancel(world.account, order_id=order.order_id, now_ms=world.tick())
    assert amend_code(world, order, 200, 199_990) == -2013


def test_cancel_reports_and_refuses_what_is_not_open() -> None:
    """-2011 for a stranger's, an unknown, or an ended order."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    assert world.exchange.cancel(world.account, order_id=order.order_id, now_ms=world.tick()).status is OrderStatus.CANCELED
    assert world.executions() == [("NEW", "NEW"), ("CANCELED", "CANCELED")]
    for wanted in ({"order_id": order.order_id}, {"order_id": 1}, {"client_order_id": "nobody"}):
        with pytest.raises(Refused) as caught:
            world.exchange.cancel(world.account, **wanted, now_ms=world.tick())  # type: ignore[arg-type]
        assert caught.value.code == -2011


def test_batches_have_an_outcome_for_each_element() -> None:
    """Good elements act, bad ones are refused, order is kept; too many or none are refused whole."""
    world, exchange = (world := World()), world.exchange
    good, bad = request(BUY, 100, 199_900), request(BUY, 1, 199_900)
    outcomes = exchange.place_batch(world.account, [good, bad, Refused(-1102, "side"), good], world.tick())
    assert [o.code if isinstance(o, Refused) else o.status.value for o in outcomes] == ["NEW", -4164, -1102, "NEW"]
    placed = [o.order_id for o in outcomes if isinstance(o, Order)]
    cancelled = exchange.cancel_batch(world.account, order_ids=[placed[0], 5, placed[1]], now_ms=world.tick())
    assert [o.code if isinstance(o, Refused) else o.status.value for o in cancelled] == ["CANCELED", -2011, "CANCELED"]
    for wrong in ([], [good] * 6):
        with pytest.raises(Refused, match="-4082"):
            exchange.place_batch(world.account, wrong, world.tick())
    with pytest.raises(Refused, match="-4032"):
        exchange.cancel_batch(world.account, order_ids=list(range(11)), now_ms=world.tick())
    assert not exchange.open_orders(world.account)


def test_the_countdown_cancels_everything_unless_renewed() -> None:
    """At its end all orders go, at exactly that time; 0 disarms it."""
    world = World()
    exchange, account = world.exchange, world.account
    order = world.place(BUY, 300, 199_990)
    armed = exchange.countdown(account, 1_000, world.tick())
    assert armed == {"symbol": "ETHUSDT", "countdownTime": "1000"}
    due = world.now_ms + 1_000
    exchange.advance(due - 500)
    exchange.countdown(account, 1_000, world.now_ms)
    exchange.advance(due)
    assert order.open and exchange.next_due_ms() <= due + 500
    exchange.advance(due + 10_000)
    assert order.status is OrderStatus.CANCELED and order.updated_ms == due + 500
    order = world.place(BUY, 300, 199_990)
    exchange.countdown(account, 1_000, world.tick())
    exchange.countdown(account, 0, world.tick())
    exchange.advance(world.now_ms + 5_000)
    assert order.open
    with pytest.raises(Refused, match="-1130"):
        exchange.countdown(account, -1, world.tick())


def test_reduce_only_never_flips_the_position() -> None:
    """An order larger than the position fills the position; its rest expires."""
    world = World()
    world.place(BUY, 100)
    order = world.place(SELL, 300, reduce_only=True)
    assert (order.executed_lots, order.status) == (100, OrderStatus.EXPIRED)
    assert world.account.positions[PositionSide.BOTH].lots == 0


def test_resting_reduce_only_orders_follow_the_position() -> None:
    """They count against the position when more are placed, and expire once the better ones use it up."""
    world = World()
    world.place(BUY, 100)
    near = world.place(SELL, 60, 200_050, reduce_only=True)
    far = world.place(SELL, 60, 200_090, reduce_only=True)
    with pytest.raises(Refused, match="-4118"):
        world.place(SELL, 60, 200_070, reduce_only=True)
    world.place(SELL, 30)
    assert (near.open, far.open) == (True, True)
    world.place(SELL, 10)
    assert (near.open, far.status) == (True, OrderStatus.EXPIRED)
    world.trade(200_060, 500, BUY)
    assert near.status is OrderStatus.FILLED and world.account.positions[PositionSide.BOTH].lots == 0


def test_the_rest_of_a_reduce_only_order_expires_with_the_position() -> None:
    """A resting order that outlives its position ends EXPIRED with what it executed."""
    world = World()
    world.place(BUY, 100)
    order = world.place(SELL, 100, 200_050, reduce_only=True)
    world.trade(200_050, 40, BUY)
    world.place(SELL, 60)
    assert (order.executed_lots, order.status) == (40, OrderStatus.EXPIRED)
    assert world.account.positions[PositionSide.BOTH].lots == 0


def test_a_better_reduce_only_order_knocks_out_a_worse_one() -> None:
    """The position goes to the better price."""
    world = World()
    world.place(BUY, 100)
    worse = world.place(SELL, 60, 200_090, reduce_only=True)
    better = world.place(SELL, 100, 200_050, reduce_only=True)
    assert (better.open, worse.status) == (True, OrderStatus.EXPIRED)


def test_reduce_only_is_exempt_from_margin_and_minimum_notional() -> None:
    """What only shrinks the risk needs no money."""
    world = World()
    world.place(BUY, 3)
    world.exchange.deposit(world.account, "USDT", D("0.1") - world.account.wallets["USDT"], world.tick())
    order = world.place(SELL, 1, 200_050, reduce_only=True)
    assert order.open
    with pytest.raises(Refused, match="-2019"):
        world.place(BUY, 3, 199_950)


def test_hedge_positions_live_side_by_side() -> None:
    """LONG and SHORT are separate, and closing orders stop at zero."""
    world = World()
    world.exchange.set_dual_side(world.account, True, world.tick())
    world.place(BUY, 100, position_side=PositionSide.LONG)
    world.place(SELL, 50, position_side=PositionSide.SHORT)
    closing = world.place(SELL, 300, position_side=PositionSide.LONG)
    lots = {side: position.lots for side, position in world.account.positions.items()}
    assert lots == {PositionSide.BOTH: 0, PositionSide.LONG: 0, PositionSide.SHORT: -50}
    assert (closing.executed_lots, closing.status) == (100, OrderStatus.EXPIRED)


@pytest.mark.parametrize(
    ("kind", "side", "stop", "quiet", "trigger"),
    [
        (OrderType.STOP_MARKET, BUY, 200_100, 200_099, 200_100),
        (OrderType.STOP_MARKET, SELL, 199_900, 199_901, 199_900),
        (OrderType.TAKE_PROFIT_MARKET, BUY, 199_900, 199_901, 199_900),
        (OrderType.TAKE_PROFIT_MARKET, SELL, 200_100, 200_099, 200_100),
    ],
)
def test_stops_fire_at_their_price_and_not_before(kind: OrderType, side: Side, stop: int, quiet: int, trigger: int) -> None:
    """The last trade's price triggers; the order becomes a market order that keeps its original type."""
    world = World()
    order = world.place(side, 100, type=kind, stop_price=D(stop) / 100)
    world.trade(quiet, 1, BUY)
    assert order.type is kind and order.status is OrderStatus.NEW
    world.trade(trigger, 1, BUY)
    assert (order.type, order.original_type, order.status) == (OrderType.MARKET, kind, OrderStatus.FILLED)


def test_a_stop_limit_rests_at_its_price_once_triggered() -> None:
    """STOP becomes LIMIT."""
    world = World()
    order = world.place(BUY, 100, 199_950, type=OrderType.STOP, stop_price=D("2001.00"))
    assert world.exchange.matching.ahead_lots(order) is None
    world.trade(200_100, 1, BUY)
    assert order.type is OrderType.LIMIT and world.exchange.matching.ahead_lots(order) == 0


def test_the_mark_price_triggers_where_it_is_the_working_type() -> None:
    """A trade far away does not trigger a MARK_PRICE stop; the mark price does."""
    world = World()
    order = world.place(BUY, 100, type=OrderType.STOP_MARKET, stop_price=D(2010), working_type=WorkingType.MARK_PRICE)
    world.trade(202_000, 1, BUY)
    assert order.type is OrderType.STOP_MARKET
    move_market(world, 203_000)
    assert order.type is OrderType.MARKET


def test_a_protected_stop_waits_while_the_last_price_is_far_from_the_mark_price() -> None:
    """`priceProtect`: beyond `triggerProtect` of the mark price nothing fires."""
    world = World()
    order = world.place(SELL, 100, type=OrderType.STOP_MARKET, stop_price=D(1900), price_protect=True)
    world.trade(188_000, 1, SELL)
    assert order.type is OrderType.STOP_MARKET
    world.trade(190_000, 1, SELL)
    assert order.type is OrderType.MARKET


def test_a_trailing_stop_follows_the_extreme_price() -> None:
    """SELL: active above the activation price, fires when the price falls by the rate from the highest."""
    world = World()
    order = world.place(SELL, 100, type=OrderType.TRAILING_STOP_MARKET, callback_rate=D(1), activation_price=D(2010))
    for price in (200_500, 198_000, 201_000, 202_000, 200_000):
        world.trade(price, 1, BUY)
        assert order.type is OrderType.TRAILING_STOP_MARKET, price
    world.trade(199_980, 1, SELL)
    assert order.type is OrderType.MARKET


def test_close_position_closes_whatever_is_there() -> None:
    """Close-all takes the position's size when it fires, and expires where there is none."""
    world = World()
    world.place(BUY, 170)
    fields = {"type": OrderType.STOP_MARKET, "close_position": True, "stop_price": D("1999.00")}
    first = world.place(SELL, None, **fields)
    second = world.place(SELL, None, **fields)
    world.trade(199_900, 1, SELL)
    assert (first.executed_lots, first.status) == (170, OrderStatus.FILLED)
    assert (second.executed_lots, second.status) == (0, OrderStatus.EXPIRED)


def test_queries_find_what_is_documented() -> None:
    """Open orders, all orders by id, time and limit, and the seven days of an unfilled ended order."""
    world = World()
    exchange, account = world.exchange, world.account
    orders = [world.place(BUY, 100, 199_900 - i) for i in range(4)]
    exchange.cancel(account, order_id=orders[0].order_id, now_ms=world.tick())
    assert exchange.open_orders(account) == orders[1:]
    assert exchange.all_orders(account, limit=2) == orders[2:]
    assert exchange.all_orders(account, order_id=orders[1].order_id, limit=2) == orders[1:3]
    assert exchange.all_orders(account, start_ms=orders[1].created_ms, end_ms=orders[2].created_ms) == orders[1:3]
    assert exchange.find_open_order(account, order_id=orders[1].order_id) is orders[1]
    assert exchange.find_order(account, order_id=orders[0].order_id) is orders[0]
    with pytest.raises(Refused, match="-2013"):
        exchange.find_open_order(account, order_id=orders[0].order_id)
    exchange.advance(START_MS + 8 * 86_400_000)
    with pytest.raises(Refused, match="-2013"):
        exchange.find_order(account, order_id=orders[0].order_id)
    assert exchange.find_order(account, order_id=orders[1].order_id).open


def move_market(world: World, mid_ticks: int) -> None:
    """Moves the whole outside book to `mid_ticks` and waits until the mark price has followed."""
    market = world.exchange.market
    gone_bids = {price: 0 for price, _ in market.outside.levels(BUY)}
    gone_asks = {price: 0 for price, _ in market.outside.levels(SELL)}
    shift = mid_ticks - 200_000
    asks = {price + shift: size for price, size in ASKS}
    bids = {mid_ticks - 10 - 10 * i: 5_000 for i in range(3)}
    world.frame(bids=tuple({**gone_bids, **bids}.items()), asks=tuple({**gone_asks, **asks}.items()))
    for _ in range(600):
        world.exchange.advance(world.now_ms + 1_000)


def test_a_smaller_order_at_another_price_goes_to_the_end() -> None:
    """Shrinking keeps a place only at the same price."""
    world = World()
    order = world.place(BUY, 300, 199_990)
    amend(world, order, 200, 199_980)
    assert (order.original_lots, order.price_ticks, world.exchange.matching.ahead_lots(order)) == (200, 199_980, 8_000)


def test_a_reduce_only_order_can_be_moved_at_full_size() -> None:
    """It does not stand in its own way; grown over another, it knocks the worse one out."""
    world = World()
    world.place(BUY, 100)
    order = world.place(SELL, 60, 200_050, reduce_only=True)
    other = world.place(SELL, 40, 200_060, reduce_only=True)
    amend(world, order, 60, 200_040)
    assert order.open and other.open
    amend(world, order, 100, 200_040)
    assert order.open and other.status is OrderStatus.EXPIRED
    amend(world, order, 100, 200_045)
    assert order.price_ticks == 200_045 and order.open
    with pytest.raises(Refused, match="-4118"):
        world.place(SELL, 10, 200_050, reduce_only=True)


def test_a_waiting_stop_does_not_use_up_the_position() -> None:
    """Conditional orders count against the position only once triggered."""
    world = World()
    world.place(BUY, 100)
    stop = world.place(SELL, 100, type=OrderType.STOP_MARKET, stop_price=D(1900), reduce_only=True)
    assert world.place(SELL, 100, 200_050, reduce_only=True).open and stop.open


def test_a_fill_by_the_market_knocks_out_what_it_leaves_nothing_to() -> None:
    """Not only requests: a resting sell that closes the position expires the reduce-only orders behind it at once."""
    world = World()
    world.place(BUY, 100)
    plain, closing = world.place(SELL, 100, 200_005), world.place(SELL, 100, 200_050, reduce_only=True)
    world.trade(200_005, 100, BUY)
    assert (plain.status, closing.status) == (OrderStatus.FILLED, OrderStatus.EXPIRED)


def test_an_amendment_frees_the_margin_that_it_replaces() -> None:
    """An order that uses nearly all margin can still be moved by a tick, but not doubled."""
    world = World()
    order = world.place(BUY, 100_000, 199_000)
    amend(world, order, 100_000, 199_001)
    assert order.price_ticks == 199_001
    assert amend_code(world, order, 200_000, 199_001) == -2019
