"""Which answers are refusals and which leave the outcome open."""

from __future__ import annotations

import pytest

from mmd.core.messages import Lost, Refusal
from mmd.venue.codes import DEFINITE, classify
from mmd.venue.endpoints import CHANGES_ORDERS, V1, V3, Call

ORDER_CALLS = sorted(CHANGES_ORDERS, key=lambda call: call.name)
OTHER_CALLS = [call for call in Call if call not in CHANGES_ORDERS]
# V1 "Error Codes": the ones whose own words leave it open whether something was done.
OPEN_CODES = [-1000, -1001, -1006, -1007, -1010]


@pytest.mark.parametrize("call", ORDER_CALLS)
@pytest.mark.parametrize("code", [*OPEN_CODES, -4225, -4116, -9999, 0, 7, None])
def test_an_order_call_is_unknown_unless_a_listed_code_refuses_it(call: Call, code: int | None) -> None:
    """FAULTS O1, O9: an open, an undocumented and an absent code all leave the outcome unknown."""
    assert isinstance(classify(call, 400, code, "x", None), Lost)


@pytest.mark.parametrize("call", ORDER_CALLS)
@pytest.mark.parametrize("code", sorted(DEFINITE))
def test_a_listed_code_is_a_refusal_with_all_that_the_venue_said(call: Call, code: int) -> None:
    """Status, code and message are kept; so for -2011 and -2013, which the engine judges."""
    assert classify(call, 400, code, "why", None) == Refusal(400, code, "why")
    assert classify(call, 200, code, "why", None) == Refusal(200, code, "why")


def test_codes_that_leave_the_outcome_open_are_never_listed() -> None:
    """The table and the list of open codes do not overlap, and the post-only rejection is in the table (FAULTS O7)."""
    assert not DEFINITE & set(OPEN_CODES)
    assert {-2011, -2013, -2019, -2022, -1021, -2015, -4164, -5022} <= DEFINITE


@pytest.mark.parametrize("call", list(Call))
@pytest.mark.parametrize("status", [500, 502, 503, 504, 307, 204])
def test_no_status_of_the_server_is_a_refusal(call: Call, status: int) -> None:
    """HTTP 5xx, redirects and odd successes leave the outcome unknown, with or without a code that would be definite."""
    for code in (None, -2010, -1016):
        outcome = classify(call, status, code, "", None)
        assert isinstance(outcome, Lost)
        assert str(status) in outcome.reason


@pytest.mark.parametrize("call", list(Call))
@pytest.mark.parametrize("status", [403, 418, 429])
def test_the_gate_before_the_api_always_refuses(call: Call, status: int) -> None:
    """Firewall and rate limiter turn a request away whatever its body says; the time to wait is kept."""
    assert classify(call, status, None, "", 5000) == Refusal(status, 0, "", 5000)
    assert classify(call, status, -1003, "m", None) == Refusal(status, -1003, "m", None)


@pytest.mark.parametrize("call", OTHER_CALLS)
def test_a_call_that_changes_no_order_is_refused_by_any_4xx(call: Call) -> None:
    """There a wrong guess costs nothing."""
    for code in (None, -9999, -1121):
        assert isinstance(classify(call, 400, code, "", None), Refusal)


def test_every_call_has_a_place_in_the_family() -> None:
    """Each family has every call, but for what only V3 offers."""
    assert set(V3) == set(Call)
    assert set(Call) - set(V1) == {Call.SET_MMP, Call.MMP, Call.RESET_MMP, Call.AGENTS}
