"""Who asks: API keys, HMAC signatures, and the time window of a signed request.

Source: V1 "Endpoint Security Type" and "SIGNED (TRADE and USER_DATA) Endpoint Security".
"""
from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from mmd.paper.denials import Denied
from mmd.paper.parameters import Parameter, between, read_parameters, text, whole

DEFAULT_RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000
FUTURE_TOLERANCE_MS = 1_000

_API_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
_FINAL_SIGNATURE = re.compile(r"(?:^|&)signature=[^&]*$")
_SIGNED_PARAMETERS = (
    Parameter("signature", text, mandatory=True),
    Parameter("timestamp", whole, mandatory=True),
    Parameter("recvWindow", between(0, MAX_RECV_WINDOW_MS), default=DEFAULT_RECV_WINDOW_MS),
)


class Security(Enum):
    """What an endpoint asks of its caller."""

    NONE = "NONE"
    MARKET_DATA = "MARKET_DATA"
    USER_STREAM = "USER_STREAM"
    USER_DATA = "USER_DATA"
    TRADE = "TRADE"

    @property
    def signed(self) -> bool:
        """Whether the request must carry a signature; a key it must carry wherever this is not NONE."""
        return self in (Security.USER_DATA, Security.TRADE)


class Request(NamedTuple):
    """A request as it came in: `query` and `body` are undecoded text, `address` is the caller's IP."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    api_key: str | None = None
    address: str = ""


class Authority:
    """Knows the secret of every API key."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def authenticate(self, request: Request, security: Security, sent: Mapping[str, str], now_ms: int) -> str | None:
        """The API key of the account that asks, None where the endpoint is open to everybody.

        `sent` are the request's decoded parameters.  Raises Refused -2014 (no key, or none that could be one), -2015 (unknown key),
        -1102 (signature or timestamp missing), -1021 (outside of the time window) and -1022 (wrong signature, or a V3 agent's).
        """
        if security is Security.NONE:
            return None
        if request.api_key is None and "signer" in sent:
            raise _bad_signature()
        if request.api_key is None or not _API_KEY.fullmatch(request.api_key):
            raise Denied(-2014, "API-key format invalid.", 401)
        secret = self._secrets.get(request.api_key)
        if secret is None:
            raise Denied(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        if security.signed:
            _check_signed(request, secret, sent, now_ms)
        return request.api_key


def sign(secret: str, query: str, body: str = "") -> str:
    """The HMAC-SHA256 of query and body, joined without anything between them, in lower-case hexadecimal digits."""
    return hmac.new(secret.encode(), (query + body).encode(), hashlib.sha256).hexdigest()


def _check_signed(request: Request, secret: str, sent: Mapping[str, str], now_ms: int) -> None:
    values = read_parameters(_SIGNED_PARAMETERS, sent)
    if values["timestamp"] >= now_ms + FUTURE_TOLERANCE_MS:
        raise Denied(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - values["timestamp"] > values["recvWindow"]:
        raise Denied(-1021, "Timestamp for this request is outside of the recvWindow.")
    # The signature must end the query or the body; anywhere else it stays in what is signed, and cannot be right.
    signed_query = _FINAL_SIGNATURE.sub("", request.query)
    signed_body = _FINAL_SIGNATURE.sub("", request.body)
    expected = sign(secret, signed_query, signed_body)
    if not hmac.compare_digest(values["signature"].lower().encode(), expected.encode()):
        raise _bad_signature()


def _bad_signature() -> Denied:
    return Denied(-1022, "Signature for this request is not valid.")
