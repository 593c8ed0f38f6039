"""REST replies about orders, trades, positions and balances."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mmd.core.messages import Fill, OrderReport, OrderStatus, PositionReport
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.venue.json_fields import ParseError
from mmd.venue.order_reply import read_open_orders, read_order, read_position, read_trades, read_wallets


def order(**changes: Any) -> dict[str, Any]:
    """V1 "New Order", as a limit order."""
    return {
        "clientOrderId": "mmd-1", "cumQty": "0", "cumQuote": "0", "executedQty": "0.050", "orderId": 22542179, "avgPrice": "0.00000",
        "origQty": "0.100", "price": "2681.62", "reduceOnly": False, "side": "BUY", "positionSide": "BOTH", "status": "PARTIALLY_FILLED",
        "stopPrice": "0", "closePosition": False, "symbol": "ETHUSDT", "timeInForce": "GTX", "type": "LIMIT", "origType": "LIMIT",
        "updateTime": 1566818724722, "workingType": "CONTRACT_PRICE", "priceProtect": False, **changes,
    }  # fmt: skip


def trade(**changes: Any) -> dict[str, Any]:
    """V1 "Account Trade List"."""
    return {
        "buyer": False, "commission": "0.07819010", "commissionAsset": "USDT", "id": 698759, "maker": True, "orderId": 25851813,
        "price": "2681.62", "qty": "0.002", "quoteQty": "5.36", "realizedPnl": "-0.91539999", "side": "SELL", "positionSide": "BOTH",
        "symbol": "ETHUSDT", "time": 1569514978020, **changes,
    }  # fmt: skip


def position(**changes: Any) -> dict[str, Any]:
    """V1 "Position Information V2", one-way mode."""
    return {
        "entryPrice": "2680.00000", "marginType": "cross", "isAutoAddMargin": "false", "isolatedMargin": "0.00000000", "leverage": "10",
        "liquidationPrice": "0", "markPrice": "2679.50671178", "maxNotionalValue": "20000000", "positionAmt": "-0.250", "symbol": "ETHUSDT",
        "unRealizedProfit": "0.00000000", "positionSide": "BOTH", "updateTime": 7, **changes,
    }  # fmt: skip


def test_an_order_reads_in_ticks_and_lots(rules: SymbolRules) -> None:
    """Every field of the report comes from the documented field."""
    assert read_order(order(), rules) == OrderReport(
        "mmd-1", 22542179, Side.BUY, OrderStatus.PARTIALLY_FILLED, 268_162, 100, 50, False, 1566818724722
    )


def test_orders_of_others_stay_readable(rules: SymbolRules) -> None:
    """A market order (price 0), a close-all order (size 0) and a price off the tick do not make a list unreadable."""
    reports = read_open_orders(
        [order(price="0", type="MARKET"), order(origQty="0", closePosition=True), order(price="2681.6251", clientOrderId="web_1")], rules
    )
    assert [(report.price_ticks, report.size_lots) for report in reports] == [(0, 100), (268_162, 0), (268_162, 100)]


def test_no_open_orders_is_an_empty_list_and_nothing_else(rules: SymbolRules) -> None:
    """An empty list means none; an object, an error or null never does."""
    assert read_open_orders([], rules) == ()
    broken: list[Any] = [{}, None, {"code": -1, "msg": "x"}, "[]", [None], [[]], [order(), {}]]
    for reply in broken:
        with pytest.raises(ParseError):
            read_open_orders(reply, rules)


@pytest.mark.parametrize("missing", ["clientOrderId", "executedQty", "orderId", "origQty", "price", "reduceOnly", "side", "status", "updateTime", "symbol"])
def test_an_order_without_a_field_is_no_order(rules: SymbolRules, missing: str) -> None:
    """Nothing is filled in."""
    with pytest.raises(ParseError, match=missing):
        read_order({key: value for key, value in order().items() if key != missing}, rules)


@pytest.mark.parametrize(
    "change", [{"status": "DONE"}, {"side": "LONG"}, {"executedQty": "0.0505"}, {"origQty": "NaN"}, {"orderId": None}, {"symbol": "BTCUSDT"}]
)
def test_an_order_with_a_wrong_field_is_no_order(rules: SymbolRules, change: dict[str, Any]) -> None:
    """An undocumented status, a size off the step, another symbol: refused."""
    with pytest.raises(ParseError):
        read_order(order(**change), rules)


def test_trades_read_exactly(rules: SymbolRules) -> None:
    """Money stays Decimal to the last digit, signs as the venue sent them; the client id is not in this reply."""
    assert read_trades([trade(), trade(id=698760, commission="-0.1")], rules) == (
        Fill(698759, 25851813, "", Side.SELL, 268_162, 2, Decimal("0.07819010"), "USDT", Decimal("-0.91539999"), True, 1569514978020),
        Fill(698760, 25851813, "", Side.SELL, 268_162, 2, Decimal("-0.1"), "USDT", Decimal("-0.91539999"), True, 1569514978020),
    )
    with pytest.raises(ParseError):
        read_trades([trade(qty="0.0025")], rules)


def test_a_position_is_signed_and_ours(rules: SymbolRules) -> None:
    """The symbol's row is found among others."""
    assert read_position([position(symbol="BTCUSDT", positionAmt="9"), position()], rules) == PositionReport(-250, Decimal("2680.00000"), 7)


@pytest.mark.parametrize(
    "reply",
    [
        [], {}, None, [position(symbol="BTCUSDT")], [position(), position()], [position(positionSide="LONG")],
        [position(), position(positionSide="SHORT")], [position(positionAmt=None)], [position(positionAmt="")], [{}],
    ],
)  # fmt: skip
def test_what_is_no_position_is_never_flat(rules: SymbolRules, reply: Any) -> None:
    """FAULTS A2: an empty, foreign, doubled, hedged or malformed reply is an error, not a position of zero."""
    with pytest.raises(ParseError):
        read_position(reply, rules)


def test_wallets_read_by_asset() -> None:
    """`balance` is the wallet balance; a broken row breaks the whole reply."""
    rows = [{"asset": "USDT", "balance": "122607.35137903"}, {"asset": "USDF", "balance": "0"}]
    assert read_wallets(rows) == {"USDT": Decimal("122607.35137903"), "USDF": Decimal(0)}
    broken: list[Any] = [{}, None, [{"asset": "USDT"}], [*rows, {"asset": "X", "balance": "NaN"}]]
    for reply in broken:
        with pytest.raises(ParseError):
            read_wallets(reply)
