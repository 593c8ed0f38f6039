"""The user stream's payloads, field for field, and the order in which they come."""

from __future__ import annotations

import json
from decimal import Decimal

from scripted_market import World, two_accounts

from mmd.core.units import Side
from mmd.paper.order_request import MarginType, OrderType, PositionSide, TimeInForce

BUY, SELL = Side.BUY, Side.SELL
D = Decimal

ORDER_FIELDS = {*"scSofqp", "ap", "sp", *"xXilzLTtbamR", "wt", "ot", "ps", "cp", "rp"}


def test_a_new_order_looks_as_documented() -> None:
    """V1 "Event: Order Update", of a resting order: no commission, no trade."""
    world = World()
    order = world.place(BUY, 100, 199_900, client_order_id="TEST")
    [event] = world.events()
    assert event == {
        "e": "ORDER_TRADE_UPDATE", "E": world.now_ms, "T": world.now_ms,
        "o": {
            "s": "ETHUSDT", "c": "TEST", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.100", "p": "1999.00", "ap": "0", "sp": "0",
            "x": "NEW", "X": "NEW", "i": order.order_id, "l": "0", "z": "0", "L": "0", "T": world.now_ms, "t": 0,
            "b": "199.90000", "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0",
        },
    }


def test_a_trade_is_an_account_update_and_an_order_update() -> None:
    """Per trade: first balances and position, then the order with the trade's price, size, id, fee and profit."""
    world = World()
    world.place(BUY, 100, 200_000, client_order_id="TEST", time_in_force=TimeInForce.GTX)
    world.events()
    world.trade(200_000, 40, SELL)
    account, order = world.events()
    trade = world.account.trades[0]
    assert account == {
        "e": "ACCOUNT_UPDATE", "E": world.now_ms, "T": world.now_ms,
        "a": {
            "m": "ORDER",
            "B": [{"a": "USDT", "wb": "9999.98400000", "cw": "9999.98400000", "bc": "0"}],
            "P": [{"s": "ETHUSDT", "pa": "0.040", "ep": "2000.00000", "cr": "0", "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH"}],
        },
    }
    detail = order["o"]
    assert set(detail) == ORDER_FIELDS | {"N", "n"}
    assert (detail["x"], detail["X"], detail["l"], detail["z"], detail["L"], detail["ap"]) == (
        "TRADE", "PARTIALLY_FILLED", "0.040", "0.040", "2000.00", "2000.00000")
    assert (detail["N"], D(detail["n"]), detail["t"], detail["m"], detail["T"]) == ("USDT", D("0.016"), trade.trade_id, True, world.now_ms)


def test_a_taking_order_is_new_before_it_trades() -> None:
    """NEW, then a pair of updates a trade; every update after the last shows the order filled."""
    world = World()
    world.place(BUY, 6_000)
    kinds = [(e["e"], e.get("o", {}).get("X")) for e in world.events()]
    pair = ("ACCOUNT_UPDATE", None)
    assert kinds == [
        ("ORDER_TRADE_UPDATE", "NEW"), pair, ("ORDER_TRADE_UPDATE", "PARTIALLY_FILLED"), pair, ("ORDER_TRADE_UPDATE", "FILLED")
    ]


def test_closing_a_position_shows_it_flat() -> None:
    """The position that changed is in the update even at zero, with its realised profit."""
    world = World()
    world.place(BUY, 100)
    world.place(SELL, 100)
    last = world.events("ACCOUNT_UPDATE")[-1]["a"]["P"]
    assert last == [{"s": "ETHUSDT", "pa": "0", "ep": "0.00000", "cr": "-0.02000000", "up": "0", "mt": "cross", "iw": "0", "ps": "BOTH"}]


def test_an_isolated_position_shows_its_wallet() -> None:
    """mt isolated, iw the margin set aside, cw the wallet without it."""
    world = World()
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(BUY, 100)
    update = world.events("ACCOUNT_UPDATE")[-1]["a"]
    assert (update["P"][0]["mt"], update["P"][0]["iw"]) == ("isolated", "10.00050000")
    assert D(update["B"][0]["wb"]) - D(update["B"][0]["cw"]) == D("10.0005")


def test_hedge_updates_show_every_open_position() -> None:
    """The changed side and the other open one."""
    world = World()
    world.exchange.set_dual_side(world.account, True, world.tick())
    world.place(BUY, 100, position_side=PositionSide.LONG)
    world.place(SELL, 50, position_side=PositionSide.SHORT)
    positions = world.events("ACCOUNT_UPDATE")[-1]["a"]["P"]
    assert [(p["ps"], p["pa"]) for p in positions] == [("LONG", "0.100"), ("SHORT", "-0.050")]


def test_conditional_orders_carry_their_own_fields() -> None:
    """Stop price, close-all, activation price and callback rate; the original type survives the trigger."""
    world = World()
    world.place(SELL, 100, type=OrderType.TRAILING_STOP_MARKET, callback_rate=D("0.5"), activation_price=D(2010))
    [event] = world.events()
    assert set(event["o"]) == ORDER_FIELDS | {"AP", "cr"}
    assert (event["o"]["AP"], event["o"]["cr"]) == ("2010.00", "0.5")
    world.place(BUY, 100, type=OrderType.STOP_MARKET, stop_price=D(2100))
    world.events()
    world.trade(210_000, 1, BUY)
    triggered = world.events("ORDER_TRADE_UPDATE")[0]["o"]
    assert (triggered["o"], triggered["ot"], triggered["sp"], triggered["x"]) == ("MARKET", "STOP_MARKET", "2100.00", "NEW")


def test_events_go_to_their_owner_only_and_are_json() -> None:
    """A trade between two accounts tells each its own side; every payload survives JSON."""
    world = World(accounts=two_accounts())
    one, two = world.exchange.accounts.values()
    world.place(SELL, 100, 200_005, account=one)
    world.place(BUY, 100, 200_005, account=two)
    first, second = world.events(account=one), world.events(account=two)
    assert [e["o"]["S"] for e in first if "o" in e] == ["SELL", "SELL"] and [e["o"]["S"] for e in second if "o" in e] == ["BUY", "BUY"]
    assert first[-1]["o"]["t"] == second[-1]["o"]["t"] and (first[-1]["o"]["m"], second[-1]["o"]["m"]) == (True, False)
    assert json.loads(json.dumps(first + second)) == first + second
