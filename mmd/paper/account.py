"""An account: wallets, positions, orders, settings, and the ledger that must balance."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account to open: its API key and secret, and its first deposits (asset -> amount)."""

    api_key: str = "paper"
    api_secret: str = "paper"
    deposits: Mapping[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal("10000"), "USDF": Decimal("0")})


class Income(NamedTuple):
    """One line of V1 "Get Income History"; `amount` is signed."""

    symbol: str
    income_type: str
    amount: Decimal
    asset: str
    info: str
    at_ms: int
    tran_id: int
    trade_id: int | None


class Account:
    """One account. Attributes for the doors: api_key, api_secret, dual_side, multi_assets, stp_mode, leverage, margin_type, outbox."""

    def __init__(self, spec: AccountSpec) -> None:
        self.api_key = spec.api_key
        self.api_secret = spec.api_secret
        self.outbox: deque[dict[str, Any]] = deque()
