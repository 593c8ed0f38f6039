"""What only V3 offers: market-maker protection as settings, and the list of agents."""

from __future__ import annotations

import random
from typing import Any

from mmd.paper.account import AccountSpec
from mmd.paper.endpoint import Call
from mmd.paper.endpoints_v3 import V3_ENDPOINTS
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.rate_limits import Limits
from mmd.paper.symbols import Symbol
from mmd.paper.synthetic import SyntheticSource


def ask(exchange: PaperExchange, method: str, path: str, **values: Any) -> Any:
    (endpoint,) = [each for each in V3_ENDPOINTS if each.method == method and path in each.paths]
    named = {parameter.name: values.get(parameter.name) for parameter in endpoint.parameters}
    return endpoint.answer(Call(exchange, ListenKeys(random.Random(1), 1), Limits(), "paper", named, exchange.now_ms))


def exchange() -> PaperExchange:
    symbol = Symbol.named("ETHUSDT")
    return PaperExchange(symbol, SyntheticSource(symbol, 1), start_ms=1_700_000_000_000, accounts=(AccountSpec("paper", "paper"),))


def test_protection_is_kept_as_it_was_set_until_it_is_deleted() -> None:
    """Limits that were left out are not shown; a reset changes no setting."""
    traded = exchange()
    assert ask(traded, "GET", "/fapi/v3/mmp") == []
    given = {"symbol": "ETHUSDT", "windowTimeInMilliseconds": 5000, "frozenTimeInMilliseconds": 10_000, "qtyLimit": 10}
    assert ask(traded, "POST", "/fapi/v3/mmp", **given) is True
    assert ask(traded, "POST", "/fapi/v3/mmpReset", symbol="ETHUSDT") is True
    assert ask(traded, "GET", "/fapi/v3/mmp", symbol="ETHUSDT") == [given]
    assert ask(traded, "DELETE", "/fapi/v3/mmp", symbol="ETHUSDT") is True
    assert ask(traded, "GET", "/fapi/v3/mmp") == []


def test_agents_are_listed_with_what_they_may_do() -> None:
    """Perpetuals yes, spot and withdrawals no."""
    traded = exchange()
    assert ask(traded, "GET", "/fapi/v3/agent") == []
    traded.accounts["paper"].agents["0xAbc"] = 99
    (agent,) = ask(traded, "GET", "/fapi/v3/agent")
    assert (agent["agentAddress"], agent["expired"]) == ("0xAbc", 99)
    assert (agent["canPerpTrade"], agent["canSpotTrade"], agent["canWithdraw"]) == (True, False, False)
