"""REST replies about orders and accounts, field for field as in the document."""

from __future__ import annotations

import json
from decimal import Decimal

from scripted_market import START_MS, World

from mmd.core.units import Side
from mmd.paper.order_request import MarginType, OrderType
from mmd.paper.render_account import (
    render_account,
    render_adl_quantile,
    render_balance,
    render_commission_rate,
    render_income,
    render_leverage_brackets,
    render_position_risk,
)
from mmd.paper.render_orders import render_order, render_order_query, render_user_trade

BUY, SELL = Side.BUY, Side.SELL
D = Decimal


def test_order_replies_are_as_documented() -> None:
    """V1 "New Order" and "Query Order", of a partly filled order."""
    world = World()
    order = world.place(BUY, 100, 200_000, client_order_id="testOrder")
    world.trade(200_000, 40, SELL)
    expected = {
        "clientOrderId": "testOrder", "cumQuote": "80.00000", "executedQty": "0.040", "orderId": order.order_id, "avgPrice": "2000.00000",
        "origQty": "0.100", "price": "2000.00", "reduceOnly": False, "side": "BUY", "positionSide": "BOTH", "status": "PARTIALLY_FILLED",
        "stopPrice": "0", "closePosition": False, "symbol": "ETHUSDT", "timeInForce": "GTC", "type": "LIMIT", "origType": "LIMIT",
        "updateTime": world.now_ms, "workingType": "CONTRACT_PRICE", "priceProtect": False,
    }
    assert render_order(order, world.exchange.symbol) == {**expected, "cumQty": "0.040"}
    assert render_order_query(order, world.exchange.symbol) == {**expected, "time": START_MS + 1}


def test_a_fresh_order_shows_zeros_as_the_document_does() -> None:
    """ "0" for what is nothing, "0.00000" for the average price; a trailing stop adds its two fields."""
    world = World()
    order = world.place(SELL, 100, type=OrderType.TRAILING_STOP_MARKET, callback_rate=D("0.3"), activation_price=D("2020"))
    reply = render_order(order, world.exchange.symbol)
    assert (reply["price"], reply["executedQty"], reply["cumQty"], reply["cumQuote"], reply["avgPrice"]) == ("0", "0", "0", "0", "0.00000")
    assert (reply["activatePrice"], reply["priceRate"]) == ("2020.00", "0.3")


def test_an_average_price_shows_the_places_it_needs() -> None:
    """Two trades at different prices: exact to eight places, at least five."""
    world = World(asks=((200_010, 100), (200_020, 500)))
    order = world.place(BUY, 300)
    assert render_order(order, world.exchange.symbol)["avgPrice"] == "2000.16666667"


def test_user_trades_are_as_documented() -> None:
    """V1 "Account Trade List"."""
    world = World()
    world.place(BUY, 100)
    world.place(SELL, 100, reduce_only=True)
    opened, closed = (render_user_trade(trade, world.exchange.symbol) for trade in world.account.trades)
    assert opened == {
        "buyer": True, "commission": "0.08000400", "commissionAsset": "USDT", "id": world.account.trades[0].trade_id, "maker": False,
        "orderId": world.account.trades[0].order_id, "price": "2000.10", "qty": "0.100", "quoteQty": "200.01000", "realizedPnl": "0",
        "side": "BUY", "positionSide": "BOTH", "symbol": "ETHUSDT", "time": START_MS + 1,
    }
    assert (closed["buyer"], closed["realizedPnl"]) == (False, "-0.02000000")


def test_income_is_as_documented() -> None:
    """V1 "Get Income History": text amounts, unique transaction ids, a trade id where there is one."""
    world = World()
    world.place(BUY, 100)
    transfer, commission = (render_income(income) for income in world.exchange.income(world.account))
    assert transfer == {
        "symbol": "", "incomeType": "TRANSFER", "income": "10000.00000000", "asset": "USDT", "info": "TRANSFER", "time": START_MS,
        "tranId": "1", "tradeId": "",
    }
    assert (commission["incomeType"], commission["income"], commission["tradeId"]) == (
        "COMMISSION", "-0.08000400", str(world.account.trades[0].trade_id))


def test_balances_are_as_documented() -> None:
    """V1 "Futures Account Balance V2": one object an asset."""
    world = World()
    world.place(BUY, 1_000)
    usdt, usdf = render_balance(world.exchange, world.account)
    assert set(usdt) == {
        "accountAlias", "asset", "balance", "crossWalletBalance", "crossUnPnl", "availableBalance", "maxWithdrawAmount", "marginAvailable", "updateTime",
    }
    assert (usdt["asset"], usdt["balance"], usdt["crossUnPnl"]) == ("USDT", "9999.19996000", "-0.10000000")
    assert D(usdt["availableBalance"]) == D("9999.19996") - D("0.1") - D(100)
    assert (usdf["asset"], usdf["balance"], usdf["availableBalance"]) == ("USDF", "0.00000000", "0.00000000")


def test_the_account_is_as_documented_and_adds_up() -> None:
    """V1 "Account Information V4"."""
    world = World()
    world.place(BUY, 1_000)
    world.place(BUY, 1_000, 199_000)
    reply = render_account(world.exchange, world.account)
    assert D(reply["totalMarginBalance"]) == D(reply["totalWalletBalance"]) + D(reply["totalUnrealizedProfit"])
    assert D(reply["totalInitialMargin"]) == D(reply["totalPositionInitialMargin"]) + D(reply["totalOpenOrderInitialMargin"]) == D("199.5")
    assert [asset["asset"] for asset in reply["assets"]] == ["USDT", "USDF"] and len(reply["assets"][0]) == 14
    [position] = reply["positions"]
    assert position == {
        "symbol": "ETHUSDT", "initialMargin": "199.50000000", "maintMargin": "8.00000000", "unrealizedProfit": "-0.10000000",
        "positionInitialMargin": "100.00000000", "openOrderInitialMargin": "99.50000000", "leverage": "20", "isolated": False,
        "entryPrice": "2000.10000", "maxNotional": "20000000", "positionSide": "BOTH", "positionAmt": "1.000", "updateTime": START_MS + 1,
    }


def test_position_risk_is_as_documented() -> None:
    """V1 "Position Information V2": BOTH in one-way mode, LONG and SHORT in hedge mode, flat or not."""
    world = World()
    assert [p["positionAmt"] for p in render_position_risk(world.exchange, world.account)] == ["0.000"]
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(SELL, 1_000)
    [risk] = render_position_risk(world.exchange, world.account)
    assert set(risk) == {
        "entryPrice", "marginType", "isAutoAddMargin", "isolatedMargin", "leverage", "liquidationPrice", "markPrice", "maxNotionalValue",
        "positionAmt", "symbol", "unRealizedProfit", "positionSide", "updateTime",
    }
    assert (risk["entryPrice"], risk["marginType"], risk["positionAmt"], risk["markPrice"]) == ("1999.90000", "isolated", "-1.000", "2000.00000000")
    assert (risk["isolatedMargin"], risk["unRealizedProfit"]) == ("99.89500000", "-0.10000000")
    world.place(BUY, 1_000)
    world.exchange.set_dual_side(world.account, True, world.tick())
    assert [p["positionSide"] for p in render_position_risk(world.exchange, world.account)] == ["LONG", "SHORT"]


def test_the_small_replies() -> None:
    """Brackets ascend without gaps, the commission rates are the symbol's, nobody is queued for auto-deleveraging."""
    world = World()
    brackets = render_leverage_brackets(world.exchange)["brackets"]
    assert [b["notionalFloor"] for b in brackets][1:] == [b["notionalCap"] for b in brackets][:-1]
    assert set(brackets[0]) == {"bracket", "initialLeverage", "notionalCap", "notionalFloor", "maintMarginRatio", "cum"}
    assert render_commission_rate(world.exchange) == {"symbol": "ETHUSDT", "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0004"}
    assert render_adl_quantile(world.exchange, world.account) == [{"symbol": "ETHUSDT", "adlQuantile": {"LONG": 0, "SHORT": 0, "BOTH": 0}}]
    everything = [render_account(world.exchange, world.account), render_balance(world.exchange, world.account), brackets]
    assert json.loads(json.dumps(everything)) == everything
