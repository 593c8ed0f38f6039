"""The endpoints about an account: balances, positions, trades, income, settings, and its listen key."""
from __future__ import annotations

from typing import Any

from mmd.paper.authority import Security
from mmd.paper.denials import Denied
from mmd.paper.endpoint import (
    ANY_SYMBOL,
    END,
    START,
    SYMBOL,
    Call,
    Endpoint,
    both,
    by_symbol,
    capped,
    check_period,
    check_symbol,
    check_week,
)
from mmd.paper.order_request import MarginType, PositionSide, StpMode
from mmd.paper.parameters import Parameter, between, choice, number, text, truth, whole
from mmd.paper.render_account import (
    render_account,
    render_adl_quantile,
    render_balance,
    render_commission_rate,
    render_income,
    render_leverage_brackets,
    render_position_risk,
)
from mmd.paper.render_orders import render_order_query, render_user_trade

Json = Any

SUCCESS = {"code": 200, "msg": "success"}
INCOME_TYPES = (
    "TRANSFER", "WELCOME_BONUS", "REALIZED_PNL", "FUNDING_FEE", "COMMISSION", "INSURANCE_CLEAR", "MARKET_MERCHANT_RETURN_REWARD",
)


def _balance(call: Call) -> Json:
    return render_balance(call.exchange, call.account)


def _account(call: Call) -> Json:
    return render_account(call.exchange, call.account)


def _position_risk(call: Call) -> Json:
    check_symbol(call)
    return render_position_risk(call.exchange, call.account)


def _user_trades(call: Call) -> Json:
    check_symbol(call)
    start, end = check_week(call)
    from_id = call.values["fromId"]
    if from_id is not None and (start is not None or end is not None):
        raise Denied(-1128, "Combination of optional parameters invalid.")
    trades = call.exchange.user_trades(call.account, from_id=from_id, start_ms=start, end_ms=end, limit=call.values["limit"])
    return [render_user_trade(trade, call.exchange.symbol) for trade in trades]


def _income(call: Call) -> Json:
    check_symbol(call)
    start, end = check_period(call)
    income = call.exchange.income(
        call.account, income_type=call.values["incomeType"], start_ms=start, end_ms=end, limit=call.values["limit"])
    return [render_income(line) for line in income]


def _commission_rate(call: Call) -> Json:
    check_symbol(call)
    return render_commission_rate(call.exchange)


def _leverage_bracket(call: Call) -> Json:
    brackets = render_leverage_brackets(call.exchange)
    return brackets if check_symbol(call) else [brackets]


def _adl_quantile(call: Call) -> Json:
    check_symbol(call)
    return render_adl_quantile(call.exchange, call.account)


def _force_orders(call: Call) -> Json:
    check_symbol(call)
    start, end = check_week(call)
    orders = call.exchange.force_orders(
        call.account, auto_close_type=call.values["autoCloseType"], start_ms=start, end_ms=end, limit=call.values["limit"])
    return [render_order_query(order, call.exchange.symbol) for order in orders]


def _leverage(call: Call) -> Json:
    check_symbol(call)
    return call.exchange.set_leverage(call.account, call.values["leverage"], call.now_ms)


def _margin_type(call: Call) -> Json:
    check_symbol(call)
    call.exchange.set_margin_type(call.account, MarginType(call.values["marginType"]), call.now_ms)
    return SUCCESS


def _position_margin(call: Call) -> Json:
    check_symbol(call)
    side = call.values["positionSide"]
    return call.exchange.set_position_margin(
        call.account, None if side is None else PositionSide(side), call.values["amount"], call.values["type"], call.now_ms)


def _position_margin_history(call: Call) -> Json:
    check_symbol(call)
    start, end = check_period(call)
    return call.exchange.position_margin_history(
        call.account, kind=call.values["type"], start_ms=start, end_ms=end, limit=call.values["limit"])


def _dual_side(call: Call) -> Json:
    return {"dualSidePosition": call.account.dual_side}


def _set_dual_side(call: Call) -> Json:
    call.exchange.set_dual_side(call.account, call.values["dualSidePosition"], call.now_ms)
    return SUCCESS


def _multi_assets(call: Call) -> Json:
    return {"multiAssetsMargin": call.account.multi_assets}


def _set_multi_assets(call: Call) -> Json:
    call.exchange.set_multi_assets(call.account, call.values["multiAssetsMargin"], call.now_ms)
    return SUCCESS


def _stp_mode(call: Call) -> Json:
    return {"stpMode": call.account.stp_mode.value}


def _set_stp_mode(call: Call) -> Json:
    call.exchange.set_stp_mode(call.account, StpMode(call.values["stpMode"]))
    return SUCCESS


def _builders(call: Call) -> Json:
    """Nobody here shares fees with the maker of a client (asterdex/api-docs, demo/aster-code.py `getBuilders`)."""
    return []


def _open_listen_key(call: Call) -> Json:
    return {"listenKey": call.listen_keys.open(call.account.api_key, call.now_ms)}


def _keep_listen_key(call: Call) -> Json:
    call.listen_keys.keep_alive(call.account.api_key, call.values["listenKey"], call.now_ms)
    return {}


def _close_listen_key(call: Call) -> Json:
    call.listen_keys.close(call.account.api_key, call.values["listenKey"], call.now_ms)
    return {}


_LISTEN_KEY = (Parameter("listenKey", text),)
_POSITION_SIDE = Parameter("positionSide", choice(tuple(PositionSide), -4060, "Invalid position side."))
_MARGIN_KIND = between(1, 2)


def _listen_key_endpoints(path: str, security: Security) -> tuple[Endpoint, ...]:
    return (
        Endpoint("POST", (path,), security, 1, _open_listen_key),
        Endpoint("PUT", (path,), security, 1, _keep_listen_key, _LISTEN_KEY),
        Endpoint("DELETE", (path,), security, 1, _close_listen_key, _LISTEN_KEY),
    )


ACCOUNT_ENDPOINTS = (
    Endpoint("GET", ("/fapi/v2/balance", "/fapi/v3/balance"), Security.USER_DATA, 5, _balance),
    Endpoint("GET", ("/fapi/v2/account", "/fapi/v3/account", "/fapi/v4/account", "/fapi/v3/accountWithJoinMargin"),
             Security.USER_DATA, 5, _account),
    Endpoint("GET", ("/fapi/v2/positionRisk", "/fapi/v3/positionRisk"), Security.USER_DATA, 5, _position_risk, (ANY_SYMBOL,)),
    Endpoint("GET", both("userTrades"), Security.USER_DATA, 5, _user_trades,
             (SYMBOL, START, END, Parameter("fromId", whole), capped(500, 1000))),
    Endpoint("GET", both("income"), Security.USER_DATA, 30, _income,
             (ANY_SYMBOL, Parameter("incomeType", choice(INCOME_TYPES)), START, END, capped(100, 1000))),
    Endpoint("GET", both("commissionRate"), Security.USER_DATA, 20, _commission_rate, (SYMBOL,)),
    Endpoint("GET", both("leverageBracket"), Security.USER_DATA, 1, _leverage_bracket, (ANY_SYMBOL,)),
    Endpoint("GET", both("adlQuantile"), Security.USER_DATA, 5, _adl_quantile, (ANY_SYMBOL,)),
    Endpoint("GET", both("forceOrders"), Security.USER_DATA, by_symbol(20, 50), _force_orders,
             (ANY_SYMBOL, Parameter("autoCloseType", choice(("LIQUIDATION", "ADL"))), START, END, capped(50, 100))),
    # Leverage is read as any whole number: one outside of 1..125 has its own code (-4028), which is the exchange's to give.
    Endpoint("POST", both("leverage"), Security.TRADE, 1, _leverage, (SYMBOL, Parameter("leverage", whole, mandatory=True))),
    Endpoint("POST", both("marginType"), Security.TRADE, 1, _margin_type,
             (SYMBOL, Parameter("marginType", choice(tuple(MarginType)), mandatory=True))),
    Endpoint("POST", both("positionMargin"), Security.TRADE, 1, _position_margin,
             (SYMBOL, _POSITION_SIDE, Parameter("amount", number, mandatory=True), Parameter("type", _MARGIN_KIND, mandatory=True))),
    Endpoint("GET", both("positionMargin/history"), Security.TRADE, 1, _position_margin_history,
             (SYMBOL, Parameter("type", _MARGIN_KIND), START, END, capped(500, 1000))),
    Endpoint("GET", ("/fapi/v3/builder",), Security.USER_DATA, 1, _builders),
    Endpoint("GET", both("positionSide/dual"), Security.USER_DATA, 30, _dual_side),
    Endpoint("POST", both("positionSide/dual"), Security.TRADE, 1, _set_dual_side,
             (Parameter("dualSidePosition", truth, mandatory=True),)),
    Endpoint("GET", both("multiAssetsMargin"), Security.USER_DATA, 30, _multi_assets),
    Endpoint("POST", both("multiAssetsMargin"), Security.TRADE, 1, _set_multi_assets,
             (Parameter("multiAssetsMargin", truth, mandatory=True),)),
    Endpoint("GET", ("/fapi/v3/stpMode",), Security.USER_DATA, 30, _stp_mode),
    Endpoint("POST", ("/fapi/v3/stpMode",), Security.TRADE, 1, _set_stp_mode,
             (Parameter("stpMode", choice(tuple(StpMode)), mandatory=True),)),
    *_listen_key_endpoints("/fapi/v1/listenKey", Security.USER_STREAM),
    # The V3 document asks for a signature here too.
    *_listen_key_endpoints("/fapi/v3/listenKey", Security.USER_DATA),
)
