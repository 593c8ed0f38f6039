"""From options to an exchange."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mmd.core.errors import ConfigError
from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.render_account import render_balance

START_MS = 1_700_000_000_000


def test_the_account_has_the_options_key_secret_and_deposits() -> None:
    """Key, secret, USDT and USDF are those of the options."""
    options = PaperOptions(balance=Decimal("12.5"), balance_usdf=Decimal(3), api_key="k", api_secret="s")
    exchange = build_exchange(options, START_MS)
    account = exchange.accounts["k"]
    assert account.api_secret == "s"
    balances = {line["asset"]: Decimal(line["balance"]) for line in render_balance(exchange, account)}
    assert (balances["USDT"], balances["USDF"]) == (Decimal("12.5"), Decimal(3))
    assert list(exchange.accounts) == ["k"]


def depth_after(options: PaperOptions, milliseconds: int = 5_000) -> object:
    exchange = build_exchange(options, START_MS)
    exchange.advance(START_MS + milliseconds)
    depth = exchange.market.depth(20)
    return depth["bids"], depth["asks"]


def test_the_synthetic_market_is_the_seeds() -> None:
    """The same seed makes the same market, another one another, and volatility changes it."""
    one = depth_after(PaperOptions(seed=1))
    assert depth_after(PaperOptions(seed=1)) == one
    assert depth_after(PaperOptions(seed=2)) != one
    assert depth_after(PaperOptions(seed=1, volatility=0.001)) != one


@pytest.mark.parametrize("options, said", [
    (PaperOptions(symbol="ETH"), "ETH"),
    (PaperOptions(market="live"), "'live'"),
    (PaperOptions(market="replay"), "data"),
    (PaperOptions(data=Path("day.gz")), "market replay"),
    (PaperOptions(market="replay", data=Path("/nonexistent/day.gz")), "/nonexistent/day.gz"),
    (PaperOptions(volatility=float("nan")), "volatility"),
])
def test_options_that_make_no_exchange(options: PaperOptions, said: str) -> None:
    """Each is a ConfigError that names what is wrong."""
    with pytest.raises(ConfigError) as caught:
        build_exchange(options, START_MS)
    assert said in str(caught.value)
