"""Payloads of the user stream to the core's messages (V1 "User Data Streams")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mmd.core.messages import AccountConfigUpdate, AccountUpdate, Fill, MarginCall, OrderReport, OrderUpdate, PositionReport
from mmd.core.rules import SymbolRules
from mmd.venue.json_fields import as_list, as_object, flag, load_json, lots, nearest_ticks, number, side, text, whole
from mmd.venue.order_reply import order_status


@dataclass(frozen=True)
class ListenKeyExpired:
    """No event follows on this connection until it is made anew with a valid key."""


@dataclass(frozen=True)
class UnknownEvent:
    """An event type that this module does not know; the venue may add some at any time."""

    event_type: str


UserEvent = OrderUpdate | AccountUpdate | AccountConfigUpdate | MarginCall | ListenKeyExpired | UnknownEvent


def read_user_event(frame: str | bytes, rules: SymbolRules) -> UserEvent | None:
    """One payload, raw or in the combined wrapper; None for what concerns other symbols only. Raises ParseError."""
    fields = as_object(load_json(frame), "user event")
    if isinstance(fields.get("data"), dict):
        fields = fields["data"]
    event_type = text(fields, "e")
    if event_type == "ORDER_TRADE_UPDATE":
        return _order_update(fields, rules)
    if event_type == "ACCOUNT_UPDATE":
        return _account_update(fields, rules)
    if event_type == "ACCOUNT_CONFIG_UPDATE":
        return _account_config_update(fields, rules)
    if event_type == "MARGIN_CALL":
        return _margin_call(fields, rules)
    if event_type == "listenKeyExpired":
        return ListenKeyExpired()
    return UnknownEvent(event_type[:40])


def _order_update(event: Mapping[str, Any], rules: SymbolRules) -> OrderUpdate | None:
    order = as_object(event.get("o"), "o")
    if text(order, "s") != rules.symbol:
        return None
    execution, client_order_id = text(order, "x"), text(order, "c")
    report = OrderReport(
        client_order_id=client_order_id,
        order_id=whole(order, "i"),
        side=side(order, "S"),
        status=order_status(order, "X"),
        price_ticks=nearest_ticks(order, "p", rules.price),
        size_lots=lots(order, "q", rules.size),
        executed_lots=lots(order, "z", rules.size),
        reduce_only=flag(order, "R"),
        update_time_ms=whole(event, "T"),
    )
    forced = execution == "CALCULATED" or client_order_id.startswith("autoclose-") or client_order_id == "adl_autoclose"
    # A liquidation's execution is a trade too where it carries one: a size and a trade id.
    traded = execution == "TRADE" or (execution == "CALCULATED" and number(order, "l") > 0 and whole(order, "t") > 0)
    return OrderUpdate(report, _fill(order, report, rules) if traded else None, forced, whole(event, "E"))


def _fill(order: Mapping[str, Any], report: OrderReport, rules: SymbolRules) -> Fill:
    charged = "n" in order  # "Commission, will not push if no commission"
    return Fill(
        trade_id=whole(order, "t"),
        order_id=report.order_id,
        client_order_id=report.client_order_id,
        side=report.side,
        price_ticks=nearest_ticks(order, "L", rules.price),
        size_lots=lots(order, "l", rules.size),
        commission=number(order, "n") if charged else Decimal(0),
        commission_asset=text(order, "N") if charged else "",
        realized_profit=number(order, "rp"),
        maker=flag(order, "m"),
        trade_time_ms=whole(order, "T"),
    )


def _account_update(event: Mapping[str, Any], rules: SymbolRules) -> AccountUpdate:
    change = as_object(event.get("a"), "a")
    balances = [as_object(entry, "balance") for entry in as_list(change.get("B", []), "B")]
    positions = [as_object(entry, "position") for entry in as_list(change.get("P", []), "P")]
    position = None
    for entry in positions:
        # Rows of LONG and SHORT belong to hedge mode, in which the daemon does not trade.
        if text(entry, "s") == rules.symbol and text(entry, "ps") == "BOTH":
            position = PositionReport(lots(entry, "pa", rules.size), number(entry, "ep"), whole(event, "T"))
    return AccountUpdate(
        reason=text(change, "m"),
        balances={text(entry, "a"): number(entry, "wb") for entry in balances},
        position=position,
        event_time_ms=whole(event, "E"),
        transaction_time_ms=whole(event, "T") if "T" in event else 0,
    )


def _account_config_update(event: Mapping[str, Any], rules: SymbolRules) -> AccountConfigUpdate | None:
    if "ac" in event:
        pair = as_object(event["ac"], "ac")
        return AccountConfigUpdate(leverage=whole(pair, "l")) if text(pair, "s") == rules.symbol else None
    account = as_object(event.get("ai"), "ai")
    return AccountConfigUpdate(
        dual_side_position=flag(account, "d") if "d" in account else None,
        multi_assets_margin=flag(account, "j") if "j" in account else None,
    )


def _margin_call(event: Mapping[str, Any], rules: SymbolRules) -> MarginCall | None:
    for entry in as_list(event.get("p"), "p"):
        position = as_object(entry, "position")
        if text(position, "s") == rules.symbol:
            return MarginCall(maintenance_margin=number(position, "mm"), unrealized_profit=number(position, "up"))
    return None
