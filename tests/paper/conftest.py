"""A paper exchange whose outside market stands still, pure and served."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from mmd.paper.account import AccountSpec
from mmd.paper.exchange import PaperExchange
from mmd.paper.market_source import DepthFrame, MarketEvent
from mmd.paper.runtime import ExchangeClock, PaperServer
from mmd.paper.symbols import Symbol

START_MS = 1_700_000_000_000


class StillMarket:
    """Ten levels a side around 2500.00, a tick apart, five ETH each; nothing ever happens in it."""

    def snapshot(self) -> DepthFrame:
        bids = tuple((249_999 - i, 5_000) for i in range(10))
        asks = tuple((250_001 + i, 5_000) for i in range(10))
        return DepthFrame(0, bids, asks)

    def peek_ms(self) -> int | None:
        return None

    def pop(self) -> MarketEvent:
        raise IndexError("nothing happens here")


def still_exchange(start_ms: int) -> PaperExchange:
    """Two accounts, `paper` and `second`, with 10,000 USDT and 1,000 USDF each."""
    deposits = {"USDT": Decimal(10_000), "USDF": Decimal(1_000)}
    accounts = (AccountSpec("paper", "paper", deposits), AccountSpec("second", "second-secret", deposits))
    return PaperExchange(Symbol.named("ETHUSDT"), StillMarket(), start_ms=start_ms, accounts=accounts)


@pytest.fixture
def exchange() -> PaperExchange:
    """The still exchange at the start of its time, 1,700,000,000,000 ms after the epoch."""
    return still_exchange(START_MS)


@pytest.fixture
def served() -> Iterator[PaperServer]:
    """The still exchange behind both doors, with the documented limits."""
    clock = ExchangeClock()
    server = PaperServer(still_exchange(clock.now_ms()), clock=clock)
    server.start()
    try:
        yield server
    finally:
        server.stop()
