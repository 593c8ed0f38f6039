"""The endpoints that place, amend, cancel and query orders (V1 "Account/Trades Endpoints", V3 "Modify Order")."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmd.core.units import Side
from mmd.paper.authority import Security
from mmd.paper.denials import Denied
from mmd.paper.endpoint import ANY_SYMBOL, END, START, SYMBOL, Call, Endpoint, both, by_symbol, capped, check_symbol, check_week
from mmd.paper.order_request import OrderRequest, OrderType, PositionSide, StpMode, TimeInForce, WorkingType
from mmd.paper.orders import Order, OrderStatus
from mmd.paper.parameters import Parameter, choice, json_list, number, read_parameters, text, truth, whole
from mmd.paper.refusals import Refused
from mmd.paper.render_orders import render_order, render_order_query
from mmd.paper.symbols import Symbol

Json = Any

NEW_ORDER = (
    SYMBOL,
    Parameter("side", choice(tuple(Side), -1117, "Invalid side."), mandatory=True),
    Parameter("type", choice(tuple(OrderType), -1116, "Invalid orderType."), mandatory=True),
    Parameter("positionSide", choice(tuple(PositionSide), -4060, "Invalid position side.")),
    Parameter("timeInForce", choice(tuple(TimeInForce), -1115, "Invalid timeInForce.")),
    Parameter("quantity", number),
    Parameter("reduceOnly", truth),
    Parameter("price", number),
    Parameter("newClientOrderId", text),
    Parameter("stopPrice", number),
    Parameter("closePosition", truth),
    Parameter("activationPrice", number),
    Parameter("callbackRate", number),
    Parameter("workingType", choice(tuple(WorkingType), -4031, "Invalid parameter working type: `%s`"), default="CONTRACT_PRICE"),
    Parameter("priceProtect", truth, default=False),
    Parameter("newOrderRespType", choice(("ACK", "RESULT"), -1136, "Invalid newOrderRespType."), default="ACK"),
    Parameter("stpMode", choice(tuple(StpMode))),
)
ORDER_ID = Parameter("orderId", whole)
ORIGINAL_ID = Parameter("origClientOrderId", text)


def _place(call: Call) -> Json:
    check_symbol(call)
    order = call.exchange.place(call.account, _order_request(call.values), call.now_ms)
    return _placed(order, call.values["newOrderRespType"], call.exchange.symbol)


def _place_batch(call: Call) -> Json:
    requests: list[OrderRequest | Refused] = []
    response_types: list[str] = []
    for element in call.values["batchOrders"]:
        try:
            values = read_parameters(NEW_ORDER, _element_parameters(element))
            if values["symbol"] != call.exchange.symbol.name:
                raise Refused(-1121)
            requests.append(_order_request(values))
            response_types.append(values["newOrderRespType"])
        except Refused as refusal:
            requests.append(refusal)
            response_types.append("ACK")
    placed = call.exchange.place_batch(call.account, requests, call.now_ms)
    symbol = call.exchange.symbol
    return [_refusal(order) if isinstance(order, Refused) else _placed(order, response_type, symbol)
            for order, response_type in zip(placed, response_types)]


def _amend(call: Call) -> Json:
    check_symbol(call)
    order = call.exchange.amend(
        call.account, **_which(call), quantity=call.values["quantity"], price=call.values["price"], now_ms=call.now_ms)
    return render_order(order, call.exchange.symbol)


def _cancel(call: Call) -> Json:
    check_symbol(call)
    return render_order(call.exchange.cancel(call.account, **_which(call), now_ms=call.now_ms), call.exchange.symbol)


def _cancel_batch(call: Call) -> Json:
    check_symbol(call)
    order_ids, client_order_ids = call.values["orderIdList"], call.values["origClientOrderIdList"]
    if not order_ids and not client_order_ids:
        raise _neither("orderIdList", "origClientOrderIdList")
    cancelled = call.exchange.cancel_batch(
        call.account,
        order_ids=[whole("orderIdList", str(order_id)) for order_id in order_ids or ()],
        client_order_ids=[] if order_ids else [str(name) for name in client_order_ids],
        now_ms=call.now_ms)
    return [_refusal(order) if isinstance(order, Refused) else render_order(order, call.exchange.symbol) for order in cancelled]


def _cancel_all(call: Call) -> Json:
    check_symbol(call)
    call.exchange.cancel_all(call.account, call.now_ms)
    return {"code": "200", "msg": "The operation of cancel all open order is done."}


def _countdown(call: Call) -> Json:
    check_symbol(call)
    return call.exchange.countdown(call.account, call.values["countdownTime"], call.now_ms)


def _noop(call: Call) -> Json:
    """Nothing but the use of its nonce: a request with the same one that arrives later is refused. Here no request waits in a queue."""
    return {"code": 200, "msg": "success"}


def _query(call: Call) -> Json:
    check_symbol(call)
    return render_order_query(call.exchange.find_order(call.account, **_which(call)), call.exchange.symbol)


def _query_open(call: Call) -> Json:
    check_symbol(call)
    return render_order_query(call.exchange.find_open_order(call.account, **_which(call)), call.exchange.symbol)


def _open_orders(call: Call) -> Json:
    check_symbol(call)
    return [render_order_query(order, call.exchange.symbol) for order in call.exchange.open_orders(call.account)]


def _all_orders(call: Call) -> Json:
    check_symbol(call)
    start, end = check_week(call)
    orders = call.exchange.all_orders(call.account, order_id=call.values["orderId"], start_ms=start, end_ms=end, limit=call.values["limit"])
    return [render_order_query(order, call.exchange.symbol) for order in orders]


def _order_request(values: Mapping[str, Any]) -> OrderRequest:
    return OrderRequest(
        symbol=values["symbol"],
        side=Side(values["side"]),
        type=OrderType(values["type"]),
        quantity=values["quantity"],
        price=values["price"],
        time_in_force=_enum(TimeInForce, values["timeInForce"]),
        position_side=_enum(PositionSide, values["positionSide"]),
        reduce_only=values["reduceOnly"],
        client_order_id=values["newClientOrderId"],
        stop_price=values["stopPrice"],
        close_position=values["closePosition"],
        activation_price=values["activationPrice"],
        callback_rate=values["callbackRate"],
        working_type=WorkingType(values["workingType"]),
        price_protect=values["priceProtect"],
        stp_mode=_enum(StpMode, values["stpMode"]),
    )


def _enum(kind: Any, word: str | None) -> Any:
    return None if word is None else kind(word)


def _placed(order: Order, response_type: str, symbol: Symbol) -> Json:
    """An ACK shows the order as it was accepted, whatever became of it since; a RESULT shows what became of it."""
    if response_type == "ACK":
        order = replace(order, status=OrderStatus.NEW, executed_lots=0, executed_tick_lots=0)
    return render_order(order, symbol)


def _refusal(refusal: Refused) -> Json:
    return {"code": refusal.code, "msg": refusal.msg}


def _element_parameters(element: Any) -> dict[str, str]:
    """An element of `batchOrders` as parameters: its numbers are text already, its truth values become text."""
    if not isinstance(element, dict):
        raise Refused(-1130, "batchOrders")
    spelled = {True: "true", False: "false"}
    return {str(name): spelled[value] if isinstance(value, bool) else str(value) for name, value in element.items() if value is not None}


def _which(call: Call) -> dict[str, Any]:
    """The order that a request is about; the order id takes precedence (V3 "Modify Order")."""
    order_id, client_order_id = call.values["orderId"], call.values["origClientOrderId"]
    if order_id is None and client_order_id is None:
        raise _neither("orderId", "origClientOrderId")
    return {"order_id": order_id} if order_id is not None else {"client_order_id": client_order_id}


def _neither(one: str, other: str) -> Denied:
    return Denied(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def _batch_size(sent: Mapping[str, str]) -> int:
    try:
        return len(json_list("batchOrders", sent.get("batchOrders", "")))
    except Refused:
        return 0


_IDS = (ORDER_ID, ORIGINAL_ID)
_AMENDED = (Parameter("quantity", number, mandatory=True), Parameter("price", number, mandatory=True))
_CANCELLED = (Parameter("orderIdList", json_list), Parameter("origClientOrderIdList", json_list))

TRADE_ENDPOINTS = (
    Endpoint("POST", both("order"), Security.TRADE, 1, _place, NEW_ORDER, orders=1),
    Endpoint("PUT", both("order"), Security.TRADE, 1, _amend, (SYMBOL, *_IDS, *_AMENDED), orders=1),
    Endpoint("DELETE", both("order"), Security.TRADE, 1, _cancel, (SYMBOL, *_IDS)),
    Endpoint("GET", both("order"), Security.USER_DATA, 1, _query, (SYMBOL, *_IDS)),
    Endpoint("POST", both("batchOrders"), Security.TRADE, 5, _place_batch, (Parameter("batchOrders", json_list, mandatory=True),), _batch_size),
    Endpoint("DELETE", both("batchOrders"), Security.TRADE, 1, _cancel_batch, (SYMBOL, *_CANCELLED)),
    Endpoint("DELETE", both("allOpenOrders"), Security.TRADE, 1, _cancel_all, (SYMBOL,)),
    Endpoint("POST", both("countdownCancelAll"), Security.TRADE, 10, _countdown, (SYMBOL, Parameter("countdownTime", whole, mandatory=True))),
    Endpoint("POST", ("/fapi/v3/noop",), Security.TRADE, 1, _noop),
    Endpoint("GET", both("openOrder"), Security.USER_DATA, 1, _query_open, (SYMBOL, *_IDS)),
    Endpoint("GET", both("openOrders"), Security.USER_DATA, by_symbol(1, 40), _open_orders, (ANY_SYMBOL,)),
    Endpoint("GET", both("allOrders"), Security.USER_DATA, 5, _all_orders, (SYMBOL, ORDER_ID, START, END, capped(500, 1000))),
)
