"""What is read and set once at the start: time, rules, modes, leverage, margin type, balances. Each raises CallFailed or ParseError."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from mmd.core.messages import Refusal
from mmd.core.rules import SymbolRules, parse_rules
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_object, flag, text, whole
from mmd.venue.order_reply import position_row, read_wallets
from mmd.venue.rest_codec import Caller, CallFailed

# How `positionRisk` spells what "Change Margin Type" calls by another name.
_MARGIN_TYPES = {"cross": "CROSSED", "crossed": "CROSSED", "isolated": "ISOLATED"}
_NO_NEED_TO_CHANGE_MARGIN_TYPE = -4046


class PositionSettings(NamedTuple):
    """`margin_type` is "CROSSED" or "ISOLATED", as "Change Margin Type" spells it."""

    leverage: int
    margin_type: str


def synchronise(rest: Caller, clock: VenueClock, readings: int = 3, now_ms: Callable[[], int] = monotonic_ms) -> None:
    """Read the server's time a few times into `clock` (V1 "Check Server Time"). The first reading pays for the connection."""
    for _ in range(readings):
        sent_ms = now_ms()
        answer = as_object(rest.call(Call.SERVER_TIME), "time")
        clock.observe(whole(answer, "serverTime"), sent_ms, now_ms())


def read_rules(rest: Caller, symbol: str) -> SymbolRules:
    """The symbol's rules. Raises ConfigError for an unknown symbol, RulesError for an unusable reply."""
    return parse_rules(as_object(rest.call(Call.EXCHANGE_INFO), "exchangeInfo"), symbol)


def read_dual_side_position(rest: Caller) -> bool:
    """Whether the account is in hedge mode (V1 "Get Current Position Mode"; weight 30)."""
    return flag(as_object(rest.call(Call.POSITION_MODE), "positionSide/dual"), "dualSidePosition")


def read_multi_assets_margin(rest: Caller) -> bool:
    """Whether every margin asset backs every position (V1 "Get Current Multi-Assets Mode"; weight 30)."""
    return flag(as_object(rest.call(Call.MULTI_ASSETS_MARGIN), "multiAssetsMargin"), "multiAssetsMargin")


def read_position_settings(rest: Caller, symbol: str) -> PositionSettings:
    """Leverage and margin type of the symbol in one-way mode (V1 "Position Information V2")."""
    row = position_row(rest.call(Call.POSITION_RISK, [("symbol", symbol)]), symbol)
    try:
        margin_type = _MARGIN_TYPES[text(row, "marginType").lower()]
    except KeyError:
        raise ParseError("marginType is neither cross nor isolated") from None
    return PositionSettings(whole(row, "leverage"), margin_type)


def set_leverage(rest: Caller, symbol: str, leverage: int) -> None:
    """Change it (V1 "Change Initial Leverage"). Raises ParseError where the venue then names another leverage."""
    answer = as_object(rest.call(Call.SET_LEVERAGE, [("symbol", symbol), ("leverage", str(leverage))]), "leverage")
    if whole(answer, "leverage") != leverage:
        raise ParseError(f"leverage: asked for {leverage}, the venue set {whole(answer, 'leverage')}")


def set_margin_type(rest: Caller, symbol: str, margin_type: str) -> None:
    """Change it to "CROSSED" or "ISOLATED" (V1 "Change Margin Type"); that it is so already (-4046) is success."""
    try:
        rest.call(Call.SET_MARGIN_TYPE, [("symbol", symbol), ("marginType", margin_type)])
    except CallFailed as failure:
        if not (isinstance(failure.outcome, Refusal) and failure.outcome.code == _NO_NEED_TO_CHANGE_MARGIN_TYPE):
            raise


def read_balances(rest: Caller) -> dict[str, Decimal]:
    """Wallet balance by asset (V1 "Futures Account Balance V2")."""
    return read_wallets(rest.call(Call.BALANCE))
