"""What one paper exchange is made of: its options, and the exchange built from them."""
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mmd.paper.exchange import PaperExchange


@dataclass(frozen=True)
class PaperOptions:
    """Everything that `mmd paper` and the daemon's `paper` section can set."""

    symbol: str = "ETHUSDT"
    market: str = "synthetic"
    data: Path | None = None
    speed: float = 1.0
    loop: bool = True
    seed: int = 1
    volatility: float | None = None
    balance: Decimal = Decimal(10000)
    balance_usdf: Decimal = Decimal(0)
    api_key: str = "paper"
    api_secret: str = "paper"


def build_exchange(options: PaperOptions, start_ms: int) -> PaperExchange:
    """The exchange that `options` describe, its market starting at `start_ms` (exchange time).

    Raises ConfigError for an option or a recording that cannot be used.
    """
    raise NotImplementedError
