"""Replies about an account, field for field as documented; every number is plain decimal text."""

from __future__ import annotations

from typing import Any

from mmd.paper.account import Account, Income
from mmd.paper.exchange import PaperExchange

Json = dict[str, Any]


def render_income(income: Income) -> Json:
    """V1 "Get Income History"."""
    raise NotImplementedError


def render_balance(exchange: PaperExchange, account: Account) -> list[Json]:
    """V1 "Futures Account Balance V2"."""
    raise NotImplementedError


def render_account(exchange: PaperExchange, account: Account) -> Json:
    """V1 "Account Information V4", V3 "Account Information v3" (`accountWithJoinMargin`)."""
    raise NotImplementedError


def render_position_risk(exchange: PaperExchange, account: Account) -> list[Json]:
    """V1 "Position Information V2"."""
    raise NotImplementedError


def render_leverage_brackets(exchange: PaperExchange) -> Json:
    """V1 "Notional and Leverage Brackets", the object of the one symbol."""
    raise NotImplementedError


def render_commission_rate(exchange: PaperExchange) -> Json:
    """V1 "User Commission Rate"."""
    raise NotImplementedError


def render_adl_quantile(exchange: PaperExchange, account: Account) -> list[Json]:
    """V1 "Position ADL Quantile Estimation"."""
    raise NotImplementedError
