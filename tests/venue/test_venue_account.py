"""The calls of the start, each against the documented reply, and against a wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from mmd.core.errors import ConfigError
from mmd.core.rules import RulesError
from mmd.venue import account
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1
from mmd.venue.json_fields import ParseError
from mmd.venue.rest import CallFailed, RestClient
from mmd.venue.signing import V1Signer


@pytest.fixture
def answering(serve: Any, wire: Any, request: pytest.FixtureRequest) -> Callable[..., tuple[RestClient, list[bytes]]]:
    """A client whose venue gives one answer to everything, and what the venue was asked."""

    def make(answer: Any, status: int = 200) -> tuple[RestClient, list[bytes]]:
        server = serve(wire.answer(json.dumps(answer).encode(), status))
        clock = VenueClock()
        clock.observe(1_700_000_000_000, 0, 0)
        rest = RestClient(server.url, V1, V1Signer("k", "s"), clock)
        request.addfinalizer(rest.close)
        return rest, server.requests

    return make


def test_the_clock_takes_the_best_of_some_readings(answering: Any) -> None:
    """The server's time is read as often as asked, each with its own round trip."""
    rest, requests = answering({"serverTime": 1_700_000_000_123})
    ticks = iter([0, 300, 300, 310, 310, 330])
    clock = VenueClock(drift_ppm=0)
    account.synchronise(rest, clock, 1, now_ms=lambda: next(ticks))
    assert (clock.now_ms(300), clock.uncertainty_ms(300)) == (1_700_000_000_273, 151)
    account.synchronise(rest, clock, 2, now_ms=lambda: next(ticks))
    assert clock.uncertainty_ms(330) == 6
    assert len(requests) == 3 and all(request.startswith(b"GET /fapi/v1/time ") for request in requests)


def test_modes_read_as_documented(answering: Any) -> None:
    """V1 "Get Current Position Mode", "Get Current Multi-Assets Mode"."""
    for value in (True, False):
        assert account.read_dual_side_position(answering({"dualSidePosition": value})[0]) is value
        assert account.read_multi_assets_margin(answering({"multiAssetsMargin": value})[0]) is value
    with pytest.raises(ParseError):
        account.read_dual_side_position(answering({})[0])


@pytest.mark.parametrize(("shown", "meant"), [("cross", "CROSSED"), ("isolated", "ISOLATED"), ("CROSSED", "CROSSED")])
def test_leverage_and_margin_type_come_from_the_position(answering: Any, shown: str, meant: str) -> None:
    """positionRisk spells the margin type otherwise than the call that changes it."""
    rest, _ = answering([{"symbol": "ETHUSDT", "positionSide": "BOTH", "leverage": "10", "marginType": shown}])
    assert account.read_position_settings(rest, "ETHUSDT") == account.PositionSettings(10, meant)


def test_hedge_mode_has_no_settings_of_the_position(answering: Any) -> None:
    """Rows of LONG and SHORT, no row, or an unknown margin type are errors."""
    row = {"symbol": "ETHUSDT", "positionSide": "BOTH", "leverage": "10", "marginType": "cross"}
    replies: list[Any] = [[], [{**row, "positionSide": "LONG"}, {**row, "positionSide": "SHORT"}], [{**row, "marginType": "?"}], {}]
    for reply in replies:
        with pytest.raises(ParseError):
            account.read_position_settings(answering(reply)[0], "ETHUSDT")


def test_leverage_is_set_and_confirmed(answering: Any) -> None:
    """The venue has to name the leverage that was asked for."""
    rest, requests = answering({"leverage": 21, "maxNotionalValue": "1000000", "symbol": "ETHUSDT"})
    account.set_leverage(rest, "ETHUSDT", 21)
    assert requests[0].startswith(b"POST /fapi/v1/leverage ") and b"symbol=ETHUSDT&leverage=21&" in requests[0]
    with pytest.raises(ParseError, match="asked for 20"):
        account.set_leverage(rest, "ETHUSDT", 20)


def test_margin_type_is_set_or_was_so_already(answering: Any) -> None:
    """-4046 "No need to change margin type." is success; -4047 (open orders) is not."""
    rest, requests = answering({"code": 200, "msg": "success"})
    account.set_margin_type(rest, "ETHUSDT", "CROSSED")
    assert b"symbol=ETHUSDT&marginType=CROSSED&" in requests[0]
    account.set_margin_type(answering({"code": -4046, "msg": "No need to change margin type."}, 400)[0], "ETHUSDT", "CROSSED")
    with pytest.raises(CallFailed, match="-4047"):
        account.set_margin_type(answering({"code": -4047, "msg": "there exists open orders"}, 400)[0], "ETHUSDT", "CROSSED")


def test_balances_by_asset(answering: Any) -> None:
    """Wallet balances, exact."""
    rest, _ = answering([{"asset": "USDT", "balance": "0.00000001", "availableBalance": "9"}])
    assert account.read_balances(rest) == {"USDT": Decimal("0.00000001")}


def test_rules_of_an_unknown_symbol_are_a_config_error(answering: Any) -> None:
    """The operator's mistake is told from the venue's."""
    rest, _ = answering({"symbols": [{"symbol": "BTCUSDT"}], "rateLimits": []})
    with pytest.raises(ConfigError, match="ETHUSDT"):
        account.read_rules(rest, "ETHUSDT")
    with pytest.raises(RulesError):
        account.read_rules(answering({})[0], "ETHUSDT")
