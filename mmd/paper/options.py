"""What one paper exchange is made of: its options, and the exchange built from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from mmd.core.errors import ConfigError
from mmd.paper.account import AccountSpec
from mmd.paper.agents import DEFAULT_USER, USER_ADDRESS, AgentSettings
from mmd.paper.exchange import PaperExchange
from mmd.paper.market_source import MarketSource
from mmd.paper.replay import ReplaySource
from mmd.paper.symbols import Symbol
from mmd.paper.synthetic import SyntheticParameters, SyntheticSource

MARKETS = ("synthetic", "replay")
BPS = 10_000


@dataclass(frozen=True)
class PaperOptions:
    """Everything that `mmd paper` and the daemon's `paper` section can set.

    `speed` is a factor on recorded time, `volatility` the standard deviation of the synthetic price after one second as a fraction of it
    (None: the market's own); balances are the account's first deposits. `user` is who agents sign for that trade on the account (V3), `chain_id`
    the chain in what they sign.
    """

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
    user: str = DEFAULT_USER
    chain_id: int = 1666

    @property
    def deposits(self) -> dict[str, Decimal]:
        """What an account starts with, by asset."""
        return {"USDT": self.balance, "USDF": self.balance_usdf}

    @property
    def agents(self) -> AgentSettings:
        """Who is who under V3. Raises ConfigError for a `user` that is no address."""
        if not re.fullmatch(USER_ADDRESS, self.user):
            raise ConfigError(f"user {self.user[:50]!r} is no address: 0x and 40 hexadecimal digits, or a Solana address")
        return AgentSettings(self.user, self.chain_id, self.deposits)


def build_exchange(options: PaperOptions, start_ms: int) -> PaperExchange:
    """The exchange that `options` describe, its market starting at `start_ms` (exchange time).

    Raises ConfigError for an option or a recording that cannot be used.
    """
    symbol = Symbol.named(options.symbol)
    account = AccountSpec(options.api_key, options.api_secret, options.deposits)
    return PaperExchange(symbol, _source(options, symbol), start_ms=start_ms, accounts=(account,))


def _source(options: PaperOptions, symbol: Symbol) -> MarketSource:
    if options.market == "replay":
        if options.data is None:
            raise ConfigError("market replay needs data: the path of a recording")
        return ReplaySource(options.data, symbol, speed=options.speed, loop=options.loop)
    if options.market != "synthetic":
        raise ConfigError(f"market {options.market!r} is not one of {', '.join(MARKETS)}")
    if options.data is not None:
        raise ConfigError("data is for market replay; market synthetic is made from a seed")
    parameters = SyntheticParameters()
    if options.volatility is not None:
        parameters = replace(parameters, volatility_bps=options.volatility * BPS)
    return SyntheticSource(symbol, options.seed, parameters)
