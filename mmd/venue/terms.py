"""On what terms the account trades: its real fees, and what its agent may do and for how long."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mmd.core.messages import Refusal
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_list, as_object, flag, number, text, whole
from mmd.venue.rest_codec import Caller, CallFailed


class CommissionRates(NamedTuple):
    """Fees as fractions of the notional; a negative one is a rebate."""

    maker: Decimal
    taker: Decimal


class Agent(NamedTuple):
    """What an agent wallet is permitted; `expires_ms` on the venue's clock."""

    may_trade: bool
    expires_ms: int


def read_commission_rates(rest: Caller, symbol: str) -> CommissionRates:
    """The account's own fees on the symbol (V1 "User Commission Rate"; weight 20). Raises CallFailed, ParseError."""
    answer = as_object(rest.call(Call.COMMISSION_RATE, [("symbol", symbol)]), "commissionRate")
    return CommissionRates(number(answer, "makerCommissionRate"), number(answer, "takerCommissionRate"))


def read_agent(rest: Caller, signer: str) -> Agent | None:
    """The permission of the agent `signer`; None where the venue does not tell.

    The API text has no such call: path and field names are those of the venue's demo/aster-code.py (`getAgents`, `approveAgent`), so an answer
    of another shape, or a refusal, only means that it is not told. Raises CallFailed where there was no answer at all.
    """
    try:
        listed = [as_object(entry, "agent") for entry in as_list(rest.call(Call.AGENTS), "agent")]
        found = [agent for agent in listed if text(agent, "agentAddress").lower() == signer.lower()]
        return Agent(flag(found[0], "canPerpTrade"), whole(found[0], "expired")) if found else None
    except CallFailed as failure:
        if isinstance(failure.outcome, Refusal):
            return None
        raise
    except ParseError:
        return None
