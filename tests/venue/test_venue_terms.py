"""Fees, the agent's permission, and market-maker protection, against answers of every shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mmd.core.messages import Lost, Refusal
from mmd.core.settings import FillLimits
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError
from mmd.venue.mmp import set_mmp
from mmd.venue.rest_codec import CallFailed
from mmd.venue.signing import Params
from mmd.venue.terms import Agent, CommissionRates, read_agent, read_commission_rates

SIGNER = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"


class Answers:
    """One answer a call; what was asked is kept."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[tuple[str, dict[str, str]]] = []

    def call(self, call: Call, params: Params = ()) -> Any:
        self.asked.append((call.name, dict(params)))
        answer = self._answers[call.name]
        if isinstance(answer, (Refusal, Lost)):
            raise CallFailed(call, answer)
        return answer


def test_fees_are_read_exactly() -> None:
    """As decimals, for the symbol that was asked for; a rebate is negative."""
    rest = Answers(COMMISSION_RATE={"symbol": "ETHUSDT", "makerCommissionRate": "-0.00005", "takerCommissionRate": "0.0004"})
    assert read_commission_rates(rest, "ETHUSDT") == CommissionRates(Decimal("-0.00005"), Decimal("0.0004"))
    assert rest.asked == [("COMMISSION_RATE", {"symbol": "ETHUSDT"})]
    with pytest.raises(ParseError):
        read_commission_rates(Answers(COMMISSION_RATE={"makerCommissionRate": "NaN", "takerCommissionRate": "0"}), "ETHUSDT")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([{"agentAddress": SIGNER.lower(), "canPerpTrade": True, "expired": 99}], Agent(True, 99)),
        ([{"agentAddress": "0x1", "canPerpTrade": True, "expired": 1}, {"agentAddress": SIGNER, "canPerpTrade": False, "expired": 99}], Agent(False, 99)),
        ([{"agentAddress": "0x1", "canPerpTrade": True, "expired": 1}], None),
        ([], None),
        ({"agents": []}, None),
        ([{"agentAddress": SIGNER}], None),
        (Refusal(404, -5000, "Path invalid"), None),
    ],
)
def test_an_agent_s_terms_are_told_or_unknown_never_guessed(answer: Any, expected: Agent | None) -> None:
    """An answer of another shape, a list without the agent, and a refusal all mean that it is not told."""
    assert read_agent(Answers(AGENTS=answer), SIGNER) == expected


def test_no_answer_about_the_agent_is_a_failure() -> None:
    """That the venue could not be asked is not the same as that it does not tell."""
    with pytest.raises(CallFailed):
        read_agent(Answers(AGENTS=Lost("timeout")), SIGNER)


LIMITS = FillLimits(window_ms=5000, frozen_ms=10_000, size=Decimal("10.7"), net_size=Decimal("0.5"))
SHOWN = {"symbol": "ETHUSDT", "windowTimeInMilliseconds": 5000, "frozenTimeInMilliseconds": 10_000, "qtyLimit": 10}


def test_protection_is_set_read_back_and_reset() -> None:
    """Whole numbers only: a fraction is rounded down, and a limit below one stays at home."""
    rest = Answers(SET_MMP=True, MMP=[SHOWN], RESET_MMP=True)
    set_mmp(rest, "ETHUSDT", LIMITS)
    assert [name for name, _ in rest.asked] == ["SET_MMP", "MMP", "RESET_MMP"]
    assert rest.asked[0][1] == {"symbol": "ETHUSDT", "windowTimeInMilliseconds": "5000", "frozenTimeInMilliseconds": "10000", "qtyLimit": "10"}


@pytest.mark.parametrize("shown", [[], [{**SHOWN, "qtyLimit": 11}], [{**SHOWN, "symbol": "BTCUSDT"}], [SHOWN, SHOWN], {}])
def test_protection_that_is_not_shown_is_not_believed(shown: Any) -> None:
    """What the venue shows afterwards decides."""
    with pytest.raises(ParseError):
        set_mmp(Answers(SET_MMP=True, MMP=shown, RESET_MMP=True), "ETHUSDT", LIMITS)
