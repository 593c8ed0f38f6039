"""Which orders the exchange refuses before they reach the book (V1 "Filters", "New Order"), each with its code."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from mmd.core.units import Grid, OffGridError, Side
from mmd.paper.account import Account
from mmd.paper.market_data import MarketData
from mmd.paper.order_request import OrderRequest, OrderType, PositionSide, TimeInForce
from mmd.paper.refusals import Refused
from mmd.paper.symbols import Symbol

CLIENT_ORDER_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
MIN_CALLBACK_RATE, MAX_CALLBACK_RATE = Decimal("0.1"), Decimal(5)  # per cent


def check_shape(account: Account, request: OrderRequest, symbol: Symbol) -> None:
    """What can be said from the request alone: symbol, status, which parameters belong together, the client order id."""
    if request.symbol != symbol.name:
        raise Refused(-1121)
    if symbol.status != "TRADING" and not (symbol.status in ("PRE_SETTLE", "SETTLING") and request.reduce_only):
        raise Refused(-4141 if symbol.status == "CLOSE" else -4140)
    kind = request.type
    limited = kind.takes_price
    if limited:
        _require(request.price, "price")
        if kind is OrderType.LIMIT:
            _require(request.time_in_force, "timeInForce")
    elif request.price is not None:
        raise Refused(-1106, "price")
    elif kind is OrderType.MARKET and request.time_in_force is not None:
        raise Refused(-1114)
    _check_trigger_parameters(request)
    if request.close_position:
        _check_close_position(request)
    else:
        _require(request.quantity, "quantity")
    if request.client_order_id is not None:
        if not CLIENT_ORDER_ID.fullmatch(request.client_order_id):
            raise Refused(-4015)
        known = account.find(None, request.client_order_id)
        if known is not None and known.open:
            raise Refused(-4116)
    _check_position_side(account, request)


def _require(value: object, name: str) -> None:
    if value is None:
        raise Refused(-1102, name)


def _check_trigger_parameters(request: OrderRequest) -> None:
    kind = request.type
    if kind is OrderType.TRAILING_STOP_MARKET:
        _require(request.callback_rate, "callbackRate")
        assert request.callback_rate is not None
        if not MIN_CALLBACK_RATE <= request.callback_rate <= MAX_CALLBACK_RATE:
            raise Refused(-1130, "callbackRate")
    elif kind.conditional:
        _require(request.stop_price, "stopPrice")
    elif request.stop_price is not None:
        raise Refused(-1106, "stopPrice")


def _check_close_position(request: OrderRequest) -> None:
    if request.type not in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET):
        raise Refused(-1106, "closePosition")
    if request.quantity is not None:
        raise Refused(-4137)
    if request.reduce_only is not None:
        raise Refused(-1106, "reduceOnly")
    opening = {(Side.BUY, PositionSide.LONG), (Side.SELL, PositionSide.SHORT)}
    if (request.side, request.position_side) in opening:
        raise Refused(-4060)


def _check_position_side(account: Account, request: OrderRequest) -> None:
    one_way = request.position_side in (None, PositionSide.BOTH)
    if one_way == account.dual_side:
        raise Refused(-4061)
    if account.dual_side and request.reduce_only is not None:
        raise Refused(-1106, "reduceOnly")


def time_in_force_of(request: OrderRequest) -> TimeInForce:
    """As sent, GTC where it may be left out."""
    return request.time_in_force or TimeInForce.GTC


def checked_lots(quantity: Decimal, symbol: Symbol, market_order: bool) -> int:
    """The quantity in lots. Raises Refused where it breaks LOT_SIZE or, for market orders, MARKET_LOT_SIZE."""
    if not quantity.is_finite():
        raise Refused(-1102, "quantity")
    if quantity <= 0:
        raise Refused(-4003)
    lots = _units(symbol.lot_grid, quantity, -4023)
    if lots < symbol.min_lots:
        raise Refused(-4004)
    if lots > (symbol.market_max_lots if market_order else symbol.max_lots):
        raise Refused(-4005)
    return lots


def checked_price_ticks(price: Decimal, symbol: Symbol) -> int:
    """The price in ticks. Raises Refused where it breaks PRICE_FILTER."""
    if not price.is_finite():
        raise Refused(-1102, "price")
    if price <= 0:
        raise Refused(-4001)
    ticks = _units(symbol.price_grid, price, -4014)
    if ticks > symbol.max_price_ticks:
        raise Refused(-4002)
    if ticks < symbol.min_price_ticks:
        raise Refused(-4013)
    return ticks


def checked_stop_ticks(price: Decimal, symbol: Symbol) -> int:
    """A trigger or activation price in ticks. Raises Refused where it breaks PRICE_FILTER."""
    if not price.is_finite():
        raise Refused(-1102, "stopPrice")
    if price <= 0:
        raise Refused(-4006)
    ticks = _units(symbol.price_grid, price, -4014)
    if ticks > symbol.max_price_ticks:
        raise Refused(-4007)
    return ticks


def _units(grid: Grid, value: Decimal, code: int) -> int:
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if -exponent > grid.decimals:
        raise Refused(-1111)
    try:
        return grid.units(value)
    except OffGridError as error:
        raise Refused(code) from error


def check_percent_price(side: Side, price_ticks: int, market: MarketData) -> None:
    """PERCENT_PRICE: no buying far above the mark price, no selling far below it."""
    symbol = market.symbol
    price = symbol.price_grid.decimal(price_ticks)
    if side is Side.BUY and price > market.mark_price * symbol.multiplier_up:
        raise Refused(-4016)
    if side is Side.SELL and price < market.mark_price * symbol.multiplier_down:
        raise Refused(-4024)


def check_min_notional(notional: Decimal, symbol: Symbol) -> None:
    """MIN_NOTIONAL; orders that only close are exempt and not to be asked about."""
    if notional < symbol.min_notional:
        raise Refused(-4164, symbol.min_notional)


def market_limit_ticks(side: Side, market: MarketData) -> int:
    """How far a market order may go: `marketTakeBound` from the mark price, within PERCENT_PRICE."""
    symbol = market.symbol
    if side is Side.BUY:
        bound = market.mark_price * min(1 + symbol.market_take_bound, symbol.multiplier_up)
        return int((bound / symbol.price_grid.step).to_integral_value(ROUND_FLOOR))
    bound = market.mark_price * max(1 - symbol.market_take_bound, symbol.multiplier_down)
    return int((bound / symbol.price_grid.step).to_integral_value(ROUND_CEILING))


def check_order_count(account: Account, symbol: Symbol, conditional: bool) -> None:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS."""
    if len(account.open_orders) >= symbol.max_orders:
        raise Refused(-2025)
    if conditional and sum(o.waits_for_trigger for o in account.open_orders.values()) >= symbol.max_algo_orders:
        raise Refused(-4045)
