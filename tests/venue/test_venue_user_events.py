"""Payloads of the user stream, built from the document's own samples."""

from __future__ import annotations

import copy
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from mmd.core.messages import AccountConfigUpdate, AccountUpdate, Fill, MarginCall, OrderReport, OrderStatus, OrderUpdate, PositionReport
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.venue.json_fields import ParseError
from mmd.venue.user_events import ListenKeyExpired, UnknownEvent, UserEvent, read_user_event


def order_event(**changes: Any) -> dict[str, Any]:
    """V1 "Event: Order Update" for a limit order that trades."""
    order = {
        "s": "ETHUSDT", "c": "mmd-1", "S": "SELL", "o": "LIMIT", "f": "GTX", "q": "0.100", "p": "2681.62", "ap": "2681.62", "sp": "0",
        "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 8886774, "l": "0.040", "z": "0.060", "L": "2681.62", "N": "USDT", "n": "0.02145296",
        "T": 1568879465651, "t": 77, "b": "0", "a": "9.91", "m": True, "R": True, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH",
        "cp": False, "rp": "1.25",
    }  # fmt: skip
    order.update(changes)
    return {"e": "ORDER_TRADE_UPDATE", "E": 1568879465653, "T": 1568879465650, "o": order}


def account_event(**changes: Any) -> dict[str, Any]:
    """V1 "Event: Balance and Position Update", one-way mode."""
    balances = [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"}, {"a": "USDF", "wb": "1.00000000", "cw": "0"}]
    positions = [
        {"s": "BTCUSDT", "pa": "3", "ep": "9000.1", "cr": "200", "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH"},
        {"s": "ETHUSDT", "pa": "-0.250", "ep": "2680.10000", "cr": "0", "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH"},
    ]
    change = {"m": "ORDER", "B": balances, "P": positions, **changes}
    return {"e": "ACCOUNT_UPDATE", "E": 1564745798939, "T": 1564745798938, "a": change}


def read(event: Any, rules: SymbolRules) -> UserEvent | None:
    return read_user_event(json.dumps(event).encode(), rules)


def order_update(event: Any, rules: SymbolRules) -> OrderUpdate:
    update = read(event, rules)
    assert isinstance(update, OrderUpdate)
    return update


def test_a_trade_carries_its_fill(rules: SymbolRules) -> None:
    """Order state and trade come in one event, raw or wrapped."""
    expected = OrderUpdate(
        OrderReport("mmd-1", 8886774, Side.SELL, OrderStatus.PARTIALLY_FILLED, 268_162, 100, 60, True, 1568879465650),
        Fill(77, 8886774, "mmd-1", Side.SELL, 268_162, 40, Decimal("0.02145296"), "USDT", Decimal("1.25"), True, 1568879465651),
        False,
        1568879465653,
    )
    assert read(order_event(), rules) == expected
    assert read({"stream": "key", "data": order_event()}, rules) == expected


@pytest.mark.parametrize("execution", ["NEW", "CANCELED", "EXPIRED", "AMENDMENT"])
def test_other_executions_carry_no_fill(rules: SymbolRules, execution: str) -> None:
    """Only a trade is a trade."""
    update = order_update(order_event(x=execution, X="NEW", l="0", t=0), rules)
    assert update.fill is None and not update.forced


def test_a_trade_without_commission_costs_nothing(rules: SymbolRules) -> None:
    """"Commission, will not push if no commission"."""
    event = order_event()
    del event["o"]["n"], event["o"]["N"]
    fill = order_update(event, rules).fill
    assert fill is not None and (fill.commission, fill.commission_asset) == (Decimal(0), "")


@pytest.mark.parametrize(
    ("changes", "forced", "filled"),
    [
        ({"c": "autoclose-1568879465651"}, True, True),
        ({"c": "adl_autoclose"}, True, True),
        ({"c": "autoclose-1", "x": "NEW", "X": "NEW", "l": "0", "t": 0}, True, False),
        ({"x": "CALCULATED"}, True, True),
        ({"x": "CALCULATED", "l": "0", "t": 0, "X": "NEW_INSURANCE"}, True, False),
        ({"x": "CALCULATED", "t": 0, "X": "NEW_ADL"}, True, False),
        ({"c": "my-autoclose-1"}, False, True),
    ],
)
def test_liquidation_and_adl_are_marked(rules: SymbolRules, changes: dict[str, Any], forced: bool, filled: bool) -> None:
    """FAULTS A6: told by the client id's prefix or by the execution type, traded or not."""
    update = order_update(order_event(**changes), rules)
    assert (update.forced, update.fill is not None) == (forced, filled)


def test_a_price_off_the_tick_does_not_kill_the_stream(rules: SymbolRules) -> None:
    """The venue's own orders and those from before a change of tick stay readable, rounded down."""
    update = order_update(order_event(c="web_1", p="2681.6299", L="2681.6299"), rules)
    assert update.report.price_ticks == 268_162 and update.fill is not None and update.fill.price_ticks == 268_162


def test_what_concerns_other_symbols_is_nothing(rules: SymbolRules) -> None:
    """Orders, leverage and margin calls of other symbols are passed over."""
    assert read(order_event(s="BTCUSDT", q="garbage"), rules) is None
    assert read({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, "ac": {"s": "BTCUSDT", "l": 25}}, rules) is None
    assert read({"e": "MARGIN_CALL", "E": 1, "p": [{"s": "BTCUSDT"}]}, rules) is None


def test_an_account_update_names_what_changed(rules: SymbolRules) -> None:
    """Wallet balances by asset, and our position among others."""
    assert read(account_event(), rules) == AccountUpdate(
        "ORDER", {"USDT": Decimal("122624.12345678"), "USDF": Decimal("1.00000000")}, PositionReport(-250, Decimal("2680.10000"), 1564745798938),
        1564745798939, 1564745798938,
    )  # fmt: skip


def test_a_position_that_is_left_out_is_unknown_not_flat(rules: SymbolRules) -> None:
    """FAULTS A4: funding of a crossed position brings balances only; other symbols and hedge rows say nothing of ours."""
    funding = account_event(m="FUNDING_FEE")
    del funding["a"]["P"]
    others = account_event(P=account_event()["a"]["P"][:1])
    hedged = account_event()
    hedged["a"]["P"][1]["ps"] = "SHORT"
    for event in (funding, others, hedged, account_event(P=[])):
        update = read(event, rules)
        assert isinstance(update, AccountUpdate) and update.position is None
    update = read(account_event(B=[]), rules)
    assert isinstance(update, AccountUpdate) and update.balances == {}


def test_account_configuration(rules: SymbolRules) -> None:
    """Leverage of our symbol, or the account's modes; what the event does not name is None."""
    assert read({"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, "ac": {"s": "ETHUSDT", "l": 25}}, rules) == AccountConfigUpdate(leverage=25)
    event = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 1, "T": 1, "ai": {"j": True, "f": True, "d": False}}
    assert read(event, rules) == AccountConfigUpdate(dual_side_position=False, multi_assets_margin=True)
    del event["ai"]["d"]  # type: ignore[attr-defined]
    assert read(event, rules) == AccountConfigUpdate(multi_assets_margin=True)


def test_margin_call_and_expiry_and_the_unknown(rules: SymbolRules) -> None:
    """A margin call of our symbol, the end of the listen key, and an event type that the venue invents tomorrow."""
    call = {"e": "MARGIN_CALL", "E": 1587727187525, "cw": "3.1", "p": [{"s": "ETHUSDT", "ps": "BOTH", "pa": "1.327", "mt": "CROSSED", "iw": "0",
            "mp": "187.17127", "up": "-1.166074", "mm": "1.614445"}]}  # fmt: skip
    assert read(call, rules) == MarginCall(Decimal("1.614445"), Decimal("-1.166074"))
    assert read({"e": "listenKeyExpired", "E": 1576653824250}, rules) == ListenKeyExpired()
    assert read({"e": "STRATEGY_UPDATE", "E": 1}, rules) == UnknownEvent("STRATEGY_UPDATE")


@pytest.mark.parametrize("frame", [b"", b"{", b"[]", b"1", b"{}", b'{"e": 1}', b'{"e": "ORDER_TRADE_UPDATE"}', b'{"e": "ACCOUNT_UPDATE", "a": 1}'])
def test_what_is_no_event_is_a_parse_error(rules: SymbolRules, frame: bytes) -> None:
    """Anything that is not a documented payload ends in the one error."""
    with pytest.raises(ParseError):
        read_user_event(frame, rules)


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_event_is_read_or_refused(rules: SymbolRules, seed: int) -> None:
    """One field lost or replaced by nonsense: the event reads, or is a ParseError; nothing else is ever raised."""
    generator = random.Random(seed)
    event = copy.deepcopy(generator.choice([order_event(), account_event(), {"e": "MARGIN_CALL", "p": [{"s": "ETHUSDT", "mm": "1", "up": "1"}]},
                                            {"e": "ACCOUNT_CONFIG_UPDATE", "ac": {"s": "ETHUSDT", "l": 3}}]))  # fmt: skip
    target: Any = event
    while generator.random() < 0.8:
        nested = [value for value in (target.values() if isinstance(target, dict) else target) if isinstance(value, (dict, list)) and value]
        if not nested:
            break
        target = generator.choice(nested)
    key = generator.choice(list(target)) if isinstance(target, dict) else generator.randrange(len(target))
    if generator.random() < 0.3:
        del target[key]
    else:
        target[key] = generator.choice([None, "", "x", -1, 1.5, [], {}, [None], {"s": 1}, True, "NaN", 10**30, "9" * 50])
    try:
        read(event, rules)
    except ParseError:
        pass
    except Exception as error:
        raise AssertionError(f"seed {seed}: {json.dumps(event)}") from error
