"""One lane of REST: a session with one keep-alive connection, no retries, no redirects, and a deadline for the whole answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response
from urllib3.exceptions import HTTPError

from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Lost, Refusal, Unsent
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.codes import classify
from mmd.venue.endpoints import Call, Family, Security
from mmd.venue.json_fields import ParseError, load_json, whole
from mmd.venue.lane_transport import Exchange, LaneSession
from mmd.venue.redaction import describe, redact
from mmd.venue.signing import CannotSign, Params, Signer, urlencode

MAX_BODY_BYTES = 8 << 20

_BANNED_UNTIL = re.compile(r"banned until (\d{12,15})")


class CallFailed(MmdError):
    """A REST call without a usable answer; `outcome` says what is known of it."""

    def __init__(self, call: Call, outcome: Refusal | Lost | Unsent) -> None:
        if isinstance(outcome, Refusal):
            reason = f"refused, HTTP {outcome.status}, code {outcome.code}: {outcome.message}"
        elif isinstance(outcome, Lost):
            reason = f"outcome unknown: {outcome.reason}"
        else:
            reason = f"never sent: {outcome.reason}"
        super().__init__(f"{call.name.lower()}: {reason}")
        self.call = call
        self.outcome = outcome


class Timeouts(NamedTuple):
    """`connect_s` for the connection, `answer_s` from sending to the last byte of the answer."""

    connect_s: float = 3.0
    answer_s: float = 5.0


class Usage(NamedTuple):
    """The rate-limit headers as last seen on this lane; None until the venue sends them (V1 "LIMITS")."""

    weight_1m: int | None = None
    orders_1m: int | None = None
    seen_ms: int | None = None


DEFAULT_TIMEOUTS = Timeouts()


class RestClient:
    """Calls of one family on one host, e.g. `https://fapi.asterdex.com`. For one thread at a time: each lane has its own."""

    def __init__(self, base_url: str, family: Family, signer: Signer | None, clock: VenueClock, timeouts: Timeouts = DEFAULT_TIMEOUTS,
                 now_ms: Callable[[], int] = monotonic_ms) -> None:
        """Opens nothing yet. Raises ConfigError for a URL that is no plain http(s) origin. Without a signer only public calls work."""
        base_url = base_url.rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ConfigError("rest_url: must look like https://host[:port]")
        self._base_url = base_url
        self._family = family
        self._signer = signer
        self._clock = clock
        self._timeouts = timeouts
        self._now_ms = now_ms
        self._exchange = Exchange()
        self._session = LaneSession(base_url, self._exchange, timeouts.answer_s)
        self._public_headers = {"Host": parts.netloc, "User-Agent": "mmd", "Accept-Encoding": "identity"}
        self._private_headers = {**self._public_headers, **(signer.headers if signer else {})}
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """May be read from any thread."""
        return self._usage

    def call(self, call: Call, params: Params = ()) -> Any:
        """The parsed JSON of the venue's answer. Raises CallFailed, and ClockUnset before the venue's time is known."""
        try:
            request = self._prepare(call, params)
        except CannotSign as error:
            raise CallFailed(call, Unsent(str(error))) from None
        self._exchange.begin(self._timeouts.answer_s)
        try:
            response = self._session.send(request, stream=True, allow_redirects=False, proxies={}, timeout=self._timeouts)
            body = _read_body(response)
        except _BodyRefused as error:
            raise CallFailed(call, Lost(str(error))) from None
        except (RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            reason = describe(error)
            raise CallFailed(call, Lost(reason) if self._exchange.sent else Unsent(reason)) from None
        self._note_usage(response)
        return self._judge(call, response, body)

    def close(self) -> None:
        """Drop the connection. The client can be used again. On the thread that uses it."""
        self._session.close()

    def _prepare(self, call: Call, params: Params) -> PreparedRequest:
        """What `requests` would prepare, without its merging of headers, cookies, hooks and environment."""
        method, path, security = self._family[call]
        if security is Security.NONE:
            payload, headers = urlencode(params), self._public_headers
        else:
            if self._signer is None:
                raise ValueError(f"{call.name} needs a signer")
            headers = self._private_headers
            if security is Security.SIGNED:
                payload = self._signer.sign(params, self._clock.now_ms(self._now_ms()))
            else:
                payload = urlencode(params)
        request = PreparedRequest()
        request.method = method
        if method == "GET":
            request.url = f"{self._base_url}{path}?{payload}" if payload else self._base_url + path
            request.headers = headers  # type: ignore[assignment]
        else:
            body = payload.encode("ascii")
            request.url = self._base_url + path
            request.body = body
            request.headers = {  # type: ignore[assignment]
                **headers, "Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body)),
            }
        return request

    def _judge(self, call: Call, response: Response, body: bytes) -> Any:
        status = response.status_code
        try:
            answer = load_json(body)
        except ParseError as error:
            if status == 200:
                raise CallFailed(call, Lost(f"HTTP 200, {error}")) from None
            self._refuse(call, response, None, "")
        code, message = None, ""
        if isinstance(answer, dict):
            code = _code(answer.get("code"))
            message = redact(answer["msg"]) if isinstance(answer.get("msg"), str) else ""
        if status == 200 and (code is None or code >= 0):
            return answer
        self._refuse(call, response, code, message)

    def _refuse(self, call: Call, response: Response, code: int | None, message: str) -> NoReturn:
        status = response.status_code
        retry_after_ms = None
        if status in (418, 429):
            retry_after_ms = self._retry_after_ms(response.headers.get("Retry-After"), message)
        raise CallFailed(call, classify(call, status, code, message, retry_after_ms))

    def _retry_after_ms(self, header: str | None, message: str) -> int | None:
        """From "IP banned until <ms>" (error -1003), else from the header (seconds)."""
        banned = _BANNED_UNTIL.search(message)
        if banned and self._clock.uncertainty_ms(self._now_ms()) is not None:
            return max(0, int(banned[1]) - self._clock.now_ms(self._now_ms()))
        if header is not None and header.isascii() and header.isdigit() and len(header) <= 9:
            return int(header) * 1000
        return None

    def _note_usage(self, response: Response) -> None:
        weight, orders = response.headers.get("X-MBX-USED-WEIGHT-1M"), response.headers.get("X-MBX-ORDER-COUNT-1M")
        if weight is not None or orders is not None:
            last = self._usage
            self._usage = Usage(_count(weight, last.weight_1m), _count(orders, last.orders_1m), self._now_ms())


def _read_body(response: Response) -> bytes:
    """Raises _BodyRefused for a body that is cut short, too long, or compressed although nobody asked for that (a bomb, FAULTS S4)."""
    raw = response.raw
    if raw.headers.get("Content-Encoding", "identity") != "identity":
        _drop(raw)
        raise _BodyRefused("the answer is compressed")
    body: bytes = raw.read(MAX_BODY_BYTES + 1, decode_content=False)
    if len(body) > MAX_BODY_BYTES:
        _drop(raw)
        raise _BodyRefused("the answer is too long")
    if raw.length_remaining:
        # urllib3 would only notice at the next read that less came than was announced.
        _drop(raw)
        raise _BodyRefused("the answer broke off")
    return body


class _BodyRefused(MmdError):
    """The venue answered, but with a body that is not read."""


def _drop(raw: Any) -> None:
    raw.close()
    raw.release_conn()


def _code(value: Any) -> int | None:
    """An error's code; "Cancel All Open Orders" sends it as text."""
    try:
        return whole({"code": value}, "code")
    except ParseError:
        return None


def _count(header: str | None, last: int | None) -> int | None:
    return int(header) if header is not None and header.isascii() and header.isdigit() and len(header) <= 9 else last
