"""A call to the HTTP request that carries it, and the answer back to JSON or to what is known of a failure: REST without a socket.

The live lane and the simulated network share it, so that what is simulated is the code that trades.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn, Protocol

from mmd.core.errors import MmdError
from mmd.core.messages import Lost, Refusal, Unsent
from mmd.venue.clock import VenueClock
from mmd.venue.codes import classify
from mmd.venue.endpoints import Call, Family, Security
from mmd.venue.json_fields import ParseError, load_json, whole
from mmd.venue.redaction import redact
from mmd.venue.signing import CannotSign, Params, Signer, urlencode
from mmd.venue.silence import DEFAULT_MS, Silence
from mmd.venue.usage import Usage, UsageMeter

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


class Caller(Protocol):
    """Whatever makes calls and waits for their answers."""

    def call(self, call: Call, params: Params = ()) -> Any:
        """The parsed JSON of the venue's answer. Raises CallFailed."""


class Outgoing(NamedTuple):
    """One request: `target` is path and query, `body` None where the method has none."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


class RestCodec:
    """Requests and answers of one family, for one lane."""

    def __init__(
        self, family: Family, signer: Signer | None, clock: VenueClock, now_ms: Callable[[], int], headers: Mapping[str, str],
        silence: Silence | None = None, meter: UsageMeter | None = None,
    ) -> None:
        """`headers` go out with every request, the signer's with the private ones. Without a signer only public calls work.

        `silence` and `meter` are those that all clients of a venue share: what one of them is told binds, and goes for, all.
        """
        self._family = family
        self._signer = signer
        self._clock = clock
        self._now_ms = now_ms
        self._public_headers = dict(headers)
        self._private_headers = {**headers, **(signer.headers if signer else {})}
        self._silence = silence or Silence()
        self._meter = meter or UsageMeter()

    @property
    def usage(self) -> Usage:
        """May be read from any thread."""
        return self._meter.last

    def request(self, call: Call, params: Params = ()) -> Outgoing:
        """The request, signed for now.

        Raises CallFailed where it cannot be signed or the venue has asked for silence, and ClockUnset before the venue's time is known.
        """
        silent_ms = self._silence.left_ms(self._now_ms())
        if silent_ms:
            raise CallFailed(call, Unsent(f"the venue has asked for silence for {silent_ms} ms more"))
        method, path, security = self._family[call]
        headers = self._public_headers if security is Security.NONE else self._private_headers
        if security is not Security.NONE and self._signer is None:
            raise ValueError(f"{call.name} needs a signer")
        if security is Security.SIGNED:
            assert self._signer is not None
            try:
                payload = self._signer.sign(params, self._clock.now_ms(self._now_ms()))
            except CannotSign as error:
                raise CallFailed(call, Unsent(str(error))) from None
        else:
            payload = urlencode(params)
        if method == "GET":
            return Outgoing(method, f"{path}?{payload}" if payload else path, headers, None)
        body = payload.encode("ascii")
        return Outgoing(method, path, {
            **headers, "Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body)),
        }, body)  # fmt: skip

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> Any:
        """The JSON of a whole answer. Raises CallFailed for everything that is no success."""
        self._meter.note(headers.get("X-MBX-USED-WEIGHT-1M"), headers.get("X-MBX-ORDER-COUNT-1M"), self._now_ms())
        try:
            answer = load_json(body)
        except ParseError as error:
            if status == 200:
                raise CallFailed(call, Lost(f"HTTP 200, {error}")) from None
            self._refuse(call, status, headers, None, "")
        code, message = None, ""
        if isinstance(answer, dict):
            code = _code(answer.get("code"))
            message = redact(answer["msg"]) if isinstance(answer.get("msg"), str) else ""
        if status == 200 and (code is None or code >= 0):
            return answer
        self._refuse(call, status, headers, code, message)

    def _refuse(self, call: Call, status: int, headers: Mapping[str, str], code: int | None, message: str) -> NoReturn:
        retry_after_ms = None
        if status in DEFAULT_MS:
            retry_after_ms = self._retry_after_ms(headers.get("Retry-After"), message)
            self._silence.begin(status, retry_after_ms, self._now_ms())
        raise CallFailed(call, classify(call, status, code, message, retry_after_ms))

    def _retry_after_ms(self, header: str | None, message: str) -> int | None:
        """From "IP banned until <ms>" (error -1003), with as much more as our idea of the venue's time may be ahead of it, else from the header (seconds)."""
        banned, doubt_ms = _BANNED_UNTIL.search(message), self._clock.uncertainty_ms(self._now_ms())
        if banned and doubt_ms is not None:
            return max(0, int(banned[1]) - self._clock.now_ms(self._now_ms()) + doubt_ms)
        if header is not None and header.isascii() and header.isdigit() and len(header) <= 9:
            return int(header) * 1000
        return None


def _code(value: Any) -> int | None:
    """An error's code; "Cancel All Open Orders" sends it as text."""
    try:
        return whole({"code": value}, "code")
    except ParseError:
        return None
