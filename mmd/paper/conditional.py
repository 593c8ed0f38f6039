"""When a conditional order fires (V1 "New Order", "Condition orders will be triggered when")."""

from __future__ import annotations

from decimal import Decimal

from mmd.core.units import Side
from mmd.paper.market_data import MarketData
from mmd.paper.order_request import OrderType, WorkingType
from mmd.paper.orders import Order


def working_price(working_type: WorkingType, market: MarketData) -> Decimal:
    """The price that triggers: the mark price, or the last trade's (the mark price before the first)."""
    if working_type is WorkingType.MARK_PRICE or market.last_price_ticks is None:
        return market.mark_price
    return market.symbol.price_grid.decimal(market.last_price_ticks)


def stop_reached(kind: OrderType, side: Side, stop_ticks: int, price: Decimal, market: MarketData) -> bool:
    """STOP waits for a price that goes against the side's own interest, TAKE_PROFIT for one that comes towards it."""
    stop = market.symbol.price_grid.decimal(stop_ticks)
    upwards = (side is Side.BUY) == (kind in (OrderType.STOP, OrderType.STOP_MARKET))
    return price >= stop if upwards else price <= stop


def fires(order: Order, market: MarketData) -> bool:
    """Whether the order is triggered by the present prices. Follows the extreme price of a trailing stop (`order.extreme_price`)."""
    price = working_price(order.working_type, market)
    if order.type is OrderType.TRAILING_STOP_MARKET:
        return _trails(order, price, market)
    if not stop_reached(order.type, order.side, order.stop_ticks, price, market):
        return False
    if order.price_protect:
        last = working_price(WorkingType.CONTRACT_PRICE, market)
        return abs(market.mark_price - last) <= market.symbol.trigger_protect * market.mark_price
    return True


def _trails(order: Order, price: Decimal, market: MarketData) -> bool:
    """BUY: the lowest price was at or below the activation price, and the price is up by the callback rate from it; SELL mirrors it."""
    assert order.callback_rate is not None
    activation = market.symbol.price_grid.decimal(order.activation_ticks)
    rate = order.callback_rate / 100
    extreme = order.extreme_price if order.extreme_price is not None else price
    if order.side is Side.BUY:
        order.extreme_price = min(extreme, price)
        return order.extreme_price <= activation and price >= order.extreme_price * (1 + rate)
    order.extreme_price = max(extreme, price)
    return order.extreme_price >= activation and price <= order.extreme_price * (1 - rate)
