"""Who asks under /fapi/v3: an agent that signs for a user, once with each nonce.

Source: V3 "API authentication type", "Authentication signature payload" and "V3 Nonce Mechanism".
"""
from __future__ import annotations

import heapq
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mmd.paper.account import AccountSpec
from mmd.paper.agent_signatures import Domain, MissingPackages, recover_signer
from mmd.paper.authority import Request, Security
from mmd.paper.denials import Denied
from mmd.paper.exchange import PaperExchange
from mmd.paper.parameters import Parameter, matching, read_parameters, sent_parameters, text, whole

# The user of V3 "Example of POST /fapi/v3/order".
DEFAULT_USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
ETHEREUM_ADDRESS = r"0[xX][0-9a-fA-F]{40}"
# A user may have come with a Solana wallet (asterdex/api-docs, demo/sol_agent.py); an agent is always Ethereum's.
USER_ADDRESS = rf"{ETHEREUM_ADDRESS}|[1-9A-HJ-NP-Za-km-z]{{32,44}}"

NONCE_WINDOW_US = 10_000_000
NONCES_KEPT = 100
MAX_ACCOUNTS = 1000
AGENT_LIFE_MS = 365 * 86_400_000  # for which an agent counts as approved from its first request on

_ENDS_SIGNED = re.compile(r"(.*)&signature=([^&]*)", re.DOTALL)
_SIGNED_PARAMETERS = (
    Parameter("signer", matching(ETHEREUM_ADDRESS), mandatory=True),
    Parameter("nonce", whole, mandatory=True),
    Parameter("signature", text, mandatory=True),
    Parameter("user", matching(USER_ADDRESS)),
)


@dataclass(frozen=True)
class AgentSettings:
    """Which user's requests go to the exchange's first account, what other users' accounts start with, and the chain that is signed for."""

    user: str = DEFAULT_USER
    chain_id: int = 1666
    deposits: Mapping[str, Decimal] = field(default_factory=lambda: AccountSpec().deposits)


class Agents:
    """Verifies agents' signatures and nonces.  Every agent may sign for every user: it is the signature that is tested, not the approval.

    A user that is seen for the first time gets an account with the same deposits as the first one's, named by its address.
    """

    def __init__(self, exchange: PaperExchange, settings: AgentSettings) -> None:
        self._exchange = exchange
        self._domain = Domain(chain_id=settings.chain_id)
        self._deposits = settings.deposits
        self._first_user = _canonical(settings.user)
        self._accounts = {self._first_user: next(iter(exchange.accounts))}
        self._nonces: dict[str, _Nonces] = {}

    def authenticate(self, request: Request, security: Security, sent: Mapping[str, str], now_ms: int) -> str | None:
        """The API key of the account that is asked for, None where the endpoint is open to everybody.

        `sent` are the request's decoded parameters.  Raises Refused -1102 (signer, nonce or signature missing), -1022 (not the signer's
        signature of everything that is sent), -4225 (a nonce that is used, too old, or too far ahead), -2015 (too many users), and -1020
        where this exchange lacks the packages to verify anything.
        """
        if security in (Security.NONE, Security.MARKET_DATA):
            return None
        values = read_parameters(_SIGNED_PARAMETERS, sent)
        self._check_signature(request, sent, values["signer"])
        # Without a user the agent's own is meant (the document's example leaves it out); here that is the first account's.
        user = self._first_user if values["user"] is None else _canonical(values["user"])
        _check_window(values["nonce"], now_ms)
        api_key = self._account_of(user, now_ms)
        self._nonces.setdefault(user, _Nonces()).take(values["nonce"])
        self._exchange.accounts[api_key].agents.setdefault(values["signer"], now_ms + AGENT_LIFE_MS)
        return api_key

    def _check_signature(self, request: Request, sent: Mapping[str, str], signer: str) -> None:
        """The signature ends the query or the body, and covers every parameter that is read."""
        found = _ENDS_SIGNED.fullmatch(request.query) or (None if request.method == "GET" else _ENDS_SIGNED.fullmatch(request.body))
        if found is None:
            raise _bad_signature()
        message, signature = found.groups()
        covered = sent_parameters(message, "")
        if any(covered.get(name) != value for name, value in sent.items() if name != "signature"):
            raise _bad_signature()
        try:
            recovered = recover_signer(message, signature, self._domain)
        except MissingPackages as error:
            raise Denied(-1020, "This exchange cannot verify an agent's signature until it is given: pip install coincurve pycryptodome") from error
        if recovered != signer.lower():
            raise _bad_signature()

    def _account_of(self, user: str, now_ms: int) -> str:
        if user not in self._accounts:
            if len(self._exchange.accounts) >= MAX_ACCOUNTS:
                raise Denied(-2015, "Invalid API-key, IP, or permissions for action.", 401)
            self._exchange.open_account(AccountSpec(user, "", self._deposits), now_ms)
            self._accounts[user] = user
        return self._accounts[user]


class _Nonces:
    """The newest nonces of one user."""

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._seen: set[int] = set()

    def take(self, nonce: int) -> None:
        """Uses a nonce up.  Raises Refused -4225 where it is used already, or below the least of a full list."""
        if nonce in self._seen:
            raise _expired()
        if len(self._heap) < NONCES_KEPT:
            heapq.heappush(self._heap, nonce)
        elif nonce < self._heap[0]:
            raise _expired()
        else:
            self._seen.remove(heapq.heapreplace(self._heap, nonce))
        self._seen.add(nonce)


def _check_window(nonce: int, now_ms: int) -> None:
    if abs(nonce - now_ms * 1000) > NONCE_WINDOW_US:
        raise _expired()


def _canonical(user: str) -> str:
    """Ethereum's addresses in lower case; in Solana's the case counts."""
    return user.lower() if user[:2] in ("0x", "0X") else user


def _expired() -> Denied:
    """The only code that V3 documents for nonces, in "Noop": an order whose nonce a noop has used before is answered so."""
    return Denied(-4225, "Nonce Expired")


def _bad_signature() -> Denied:
    return Denied(-1022, "Signature for this request is not valid.")
