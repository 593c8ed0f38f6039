"""New orders, amendments, cancels and triggers: from a checked request to what stands in the book."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from mmd.core.units import Side
from mmd.paper import order_checks
from mmd.paper.account import Account
from mmd.paper.conditional import fires, stop_reached, working_price
from mmd.paper.margin_checks import check_margin
from mmd.paper.market_data import MarketData
from mmd.paper.matching import Matching
from mmd.paper.order_request import OrderRequest, OrderType, PositionSide, TimeInForce
from mmd.paper.orders import Order, OrderStatus
from mmd.paper.refusals import Refused
from mmd.paper.settlement import Settlement

MAX_AMENDMENTS = 10_000  # V3 "Modify Order"
TRIGGERED_AS = {OrderType.STOP: OrderType.LIMIT, OrderType.TAKE_PROFIT: OrderType.LIMIT}


class OrderEntry:
    """The road of an order into the book. `gtx_refused` chooses how a post-only order that would cross ends: refused, or accepted and expired."""

    def __init__(self, market: MarketData, matching: Matching, settlement: Settlement, next_order_id: Callable[[], int]) -> None:
        self._market = market
        self._matching = matching
        self._settlement = settlement
        self._next_order_id = next_order_id
        self.gtx_refused = False

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        """Checks the request, takes the order in and lets it trade. Raises Refused, and then nothing has changed."""
        symbol = self._market.symbol
        order_checks.check_shape(account, request, symbol)
        order = self._build(account, request, now_ms)
        order_checks.check_order_count(account, symbol, order.type.conditional)
        if order.type.conditional:
            self._check_trigger(order, request)
        self._check_size(order, request)
        if order.type is OrderType.LIMIT and self._refuses_gtx(order, order.price_ticks):
            raise Refused(-5022)
        self._settlement.accept(order, now_ms)
        if not order.type.conditional:
            self._execute(order, now_ms)
            self._matching.knock_out(account, order.position_side, now_ms)
        return order

    def amend(self, order: Order, quantity: Decimal, price: Decimal, now_ms: int) -> None:
        """V3 "Modify Order": a new total quantity (executed part included) and price. Raises Refused, and then the order stands as it was.

        As on Binance, a quantity that is already executed cancels the rest. The place in the queue is kept only where the price stays
        and the quantity shrinks.
        """
        symbol, account = self._market.symbol, order.account
        if order.type is not OrderType.LIMIT:
            raise Refused(-5025)
        if order.amendments >= MAX_AMENDMENTS:
            raise Refused(-5026)
        lots = order_checks.checked_lots(quantity, symbol, False)
        ticks = order_checks.checked_price_ticks(price, symbol)
        if (lots, ticks) == (order.original_lots, order.price_ticks):
            raise Refused(-5027)
        order_checks.check_percent_price(order.side, ticks, self._market)
        rest = lots - order.executed_lots
        if rest > 0:
            if order.closes:
                if account.reducible_lots(order.position_side, order.side, besides=order) <= 0:
                    raise Refused(-4118)
            else:
                order_checks.check_min_notional(symbol.notional(ticks, lots), symbol)
                value, size = symbol.price_grid.decimal(ticks), symbol.lot_grid.decimal(rest)
                check_margin(account, symbol, self._market.mark_price, order.position_side, order.side, value, size, replaces=order)
            if self._refuses_gtx(order, ticks):
                raise Refused(-5022)
        order.amendments += 1
        if rest <= 0:
            self._matching.end(order, OrderStatus.CANCELED, now_ms, "amended below what is executed")
        elif ticks == order.price_ticks and lots < order.original_lots:
            self._matching.shrink(order, lots)
            self._settlement.amended(order, now_ms)
        else:
            self._matching.withdraw(order)
            order.original_lots, order.price_ticks = lots, ticks
            self._settlement.amended(order, now_ms)
            self._execute(order, now_ms)
        self._matching.knock_out(account, order.position_side, now_ms)

    def cancel(self, order: Order, now_ms: int, why: str) -> None:
        self._matching.end(order, OrderStatus.CANCELED, now_ms, why)

    def fire(self, account: Account, now_ms: int) -> bool:
        """Triggers the account's conditional orders that the present prices reach; whether any was."""
        fired = [order for order in account.open_orders.values() if order.waits_for_trigger and fires(order, self._market)]
        for order in fired:
            if not order.open:
                continue
            position = account.positions[order.position_side]
            if order.closes and not position.closable_lots(order.side):
                self._matching.end(order, OrderStatus.EXPIRED, now_ms, "nothing to reduce")
                continue
            if order.close_position:
                order.original_lots = position.closable_lots(order.side)
            order.type = TRIGGERED_AS.get(order.type, OrderType.MARKET)
            self._settlement.triggered(order, now_ms)
            self._execute(order, now_ms)
        return bool(fired)

    def liquidate(self, account: Account, position_side: PositionSide, side: Side, lots: int, price_ticks: int, now_ms: int) -> Order:
        """The exchange's own closing order: LIMIT IOC at the bankruptcy price, client order id autoclose-… (V1 "User's Force Orders")."""
        order_id = self._next_order_id()
        order = Order(
            order_id, f"autoclose-{order_id}", account, self._market.symbol.name, side, OrderType.LIMIT, TimeInForce.IOC, position_side,
            lots, price_ticks, now_ms, updated_ms=now_ms, liquidates=True,
        )
        self._settlement.accept(order, now_ms)
        self._matching.sweep(order, price_ticks, now_ms)
        return order

    def _build(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        symbol = self._market.symbol
        market_order = not request.type.takes_price
        lots = 0 if request.quantity is None else order_checks.checked_lots(request.quantity, symbol, market_order)
        price = 0 if request.price is None else order_checks.checked_price_ticks(request.price, symbol)
        stop = 0 if request.stop_price is None else order_checks.checked_stop_ticks(request.stop_price, symbol)
        if price and request.type is OrderType.LIMIT:
            order_checks.check_percent_price(request.side, price, self._market)
        activation = 0
        if request.type is OrderType.TRAILING_STOP_MARKET:
            latest = working_price(request.working_type, self._market)
            activation = symbol.price_grid.floor(latest)
            if request.activation_price is not None:
                activation = order_checks.checked_stop_ticks(request.activation_price, symbol)
                if (request.activation_price - latest) * request.side.sign >= 0:
                    raise Refused(-2021)
        order_id = self._next_order_id()
        return Order(
            order_id, request.client_order_id or f"paper-{order_id}", account, symbol.name, request.side, request.type,
            order_checks.time_in_force_of(request), request.position_side or PositionSide.BOTH, lots, price, now_ms,
            reduce_only=bool(request.reduce_only), close_position=bool(request.close_position), stop_ticks=stop, activation_ticks=activation,
            callback_rate=request.callback_rate, working_type=request.working_type, price_protect=request.price_protect,
            stp_mode=request.stp_mode or account.stp_mode, original_type=request.type, updated_ms=now_ms,
        )

    def _check_trigger(self, order: Order, request: OrderRequest) -> None:
        if order.type is OrderType.TRAILING_STOP_MARKET:
            return
        price = working_price(request.working_type, self._market)
        if stop_reached(order.type, order.side, order.stop_ticks, price, self._market):
            raise Refused(-2021)

    def _check_size(self, order: Order, request: OrderRequest) -> None:
        """Minimum notional, margin, and for orders that only close, that there is something to close."""
        account, symbol, market = order.account, self._market.symbol, self._market
        if order.closes:
            if not account.positions[order.position_side].closable_lots(order.side) and not order.close_position:
                raise Refused(-2022)
            if not order.type.conditional and account.reducible_lots(order.position_side, order.side) <= 0:
                raise Refused(-4118)
            return
        quantity = symbol.lot_grid.decimal(order.original_lots)
        ticks = order.price_ticks or order.stop_ticks or order.activation_ticks
        if ticks:
            price = symbol.price_grid.decimal(ticks)
            order_checks.check_min_notional(price * quantity, symbol)
        else:
            order_checks.check_min_notional(market.mark_price * quantity, symbol)
            best = market.outside.best(order.side.opposite)
            price = symbol.price_grid.decimal(best[0]) if best else market.mark_price
            if best and (best[0] - order_checks.market_limit_ticks(order.side, market)) * order.side.sign > 0:
                raise Refused(-4131)
        check_margin(account, symbol, market.mark_price, order.position_side, order.side, price, quantity)

    def _refuses_gtx(self, order: Order, price_ticks: int) -> bool:
        return self.gtx_refused and order.time_in_force is TimeInForce.GTX and self._matching.crosses(order.side, price_ticks)

    def _execute(self, order: Order, now_ms: int) -> None:
        """An open LIMIT or MARKET order meets the book; what is left rests or expires as its time in force says."""
        matching, tif = self._matching, order.time_in_force
        resting = order.type is OrderType.LIMIT and tif not in (TimeInForce.IOC, TimeInForce.FOK)
        limit = order.price_ticks if order.type is OrderType.LIMIT else order_checks.market_limit_ticks(order.side, self._market)
        if tif is TimeInForce.GTX and order.type is OrderType.LIMIT and matching.crosses(order.side, limit):
            matching.end(order, OrderStatus.EXPIRED, now_ms, "post-only order would cross")
            return
        if tif is TimeInForce.FOK and matching.takeable_lots(order, limit) < order.remaining_lots:
            matching.end(order, OrderStatus.EXPIRED, now_ms, "cannot be filled whole")
            return
        matching.sweep(order, limit, now_ms)
        if not order.open:
            return
        if resting and (not order.closes or matching.fillable_lots(order)):
            matching.rest(order, now_ms)
        else:
            matching.end(order, OrderStatus.EXPIRED, now_ms, "unfilled rest")
