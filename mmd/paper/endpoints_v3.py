"""Endpoints that only the V3 family has: market-maker protection, and the agents that sign for an account."""

from __future__ import annotations

from typing import Any

from mmd.paper.authority import Security
from mmd.paper.endpoint import ANY_SYMBOL, SYMBOL, Call, Endpoint, check_symbol
from mmd.paper.parameters import Parameter, whole

_MMP_LIMITS = ("qtyLimit", "valueLimit", "deltaLimit")


def _set_mmp(call: Call) -> Any:
    """Kept as settings (V3 "Update User MMP"). It freezes nothing here: it acts on orders that are marked for it, and new orders have no such mark."""
    check_symbol(call)
    call.account.mmp = {name: value for name, value in call.values.items() if value is not None}
    return True


def _mmp(call: Call) -> Any:
    check_symbol(call)
    return [call.account.mmp] if call.account.mmp is not None else []


def _delete_mmp(call: Call) -> Any:
    check_symbol(call)
    call.account.mmp = None
    return True


def _reset_mmp(call: Call) -> Any:
    check_symbol(call)
    return True


def _agents(call: Call) -> Any:
    """Every agent that has signed for the account (asterdex/api-docs, demo/aster-code.py: `getAgents`, with the fields of `approveAgent`)."""
    terms = {"agentName": "paper", "ipWhitelist": "", "canSpotTrade": False, "canPerpTrade": True, "canWithdraw": False}
    return [{"agentAddress": address, "expired": expires_ms, **terms} for address, expires_ms in call.account.agents.items()]


V3_ENDPOINTS = (
    Endpoint("POST", ("/fapi/v3/mmp",), Security.USER_DATA, 1, _set_mmp, (
        SYMBOL,
        Parameter("windowTimeInMilliseconds", whole, mandatory=True),
        Parameter("frozenTimeInMilliseconds", whole, mandatory=True),
        *(Parameter(name, whole) for name in _MMP_LIMITS),
    )),
    Endpoint("GET", ("/fapi/v3/mmp",), Security.USER_DATA, 1, _mmp, (ANY_SYMBOL,)),
    Endpoint("DELETE", ("/fapi/v3/mmp",), Security.USER_DATA, 1, _delete_mmp, (SYMBOL,)),
    Endpoint("POST", ("/fapi/v3/mmpReset",), Security.USER_DATA, 1, _reset_mmp, (SYMBOL,)),
    Endpoint("GET", ("/fapi/v3/agent",), Security.USER_DATA, 1, _agents),
)
