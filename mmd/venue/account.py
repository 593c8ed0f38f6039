"""What is read and set once at the start: time, rules, modes, leverage, margin type, balances. Each raises CallFailed or ParseError."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from mmd.core.rules import SymbolRules
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.rest import RestClient


class PositionSettings(NamedTuple):
    """`margin_type` is "CROSSED" or "ISOLATED", as "Change Margin Type" spells it."""

    leverage: int
    margin_type: str


def synchronise(rest: RestClient, clock: VenueClock, readings: int = 3, now_ms: Callable[[], int] = monotonic_ms) -> None:
    """Read the server's time a few times into `clock`."""
    raise NotImplementedError


def read_rules(rest: RestClient, symbol: str) -> SymbolRules:
    """The symbol's rules. Raises ConfigError for an unknown symbol, RulesError for an unusable reply."""
    raise NotImplementedError


def read_dual_side_position(rest: RestClient) -> bool:
    """Whether the account is in hedge mode."""
    raise NotImplementedError


def read_multi_assets_margin(rest: RestClient) -> bool:
    """Whether every margin asset backs every position."""
    raise NotImplementedError


def read_position_settings(rest: RestClient, symbol: str) -> PositionSettings:
    """Leverage and margin type of the symbol in one-way mode."""
    raise NotImplementedError


def set_leverage(rest: RestClient, symbol: str, leverage: int) -> None:
    raise NotImplementedError


def set_margin_type(rest: RestClient, symbol: str, margin_type: str) -> None:
    """Change it to "CROSSED" or "ISOLATED"; that it is so already (-4046) is success."""
    raise NotImplementedError


def read_balances(rest: RestClient) -> dict[str, Decimal]:
    """Wallet balance by asset."""
    raise NotImplementedError
