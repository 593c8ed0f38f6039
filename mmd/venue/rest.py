"""One lane of REST: a session with one keep-alive connection, no retries, no redirects, and a deadline for the whole answer."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response
from urllib3.exceptions import HTTPError

from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Lost, Unsent
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.endpoints import Call, Family
from mmd.venue.lane_transport import Exchange, LaneSession
from mmd.venue.redaction import describe
from mmd.venue.rest_codec import CallFailed, Outgoing, RestCodec
from mmd.venue.signing import Params, Signer
from mmd.venue.silence import Silence
from mmd.venue.usage import Usage, UsageMeter

__all__ = ["DEFAULT_TIMEOUTS", "MAX_BODY_BYTES", "CallFailed", "RestClient", "Timeouts", "Usage"]

MAX_BODY_BYTES = 8 << 20


class Timeouts(NamedTuple):
    """`connect_s` for the connection, `answer_s` from sending to the last byte of the answer."""

    connect_s: float = 3.0
    answer_s: float = 5.0


DEFAULT_TIMEOUTS = Timeouts()


class RestClient:
    """Calls of one family on one host, e.g. `https://fapi.asterdex.com`. For one thread at a time: each lane has its own."""

    def __init__(self, base_url: str, family: Family, signer: Signer | None, clock: VenueClock, timeouts: Timeouts = DEFAULT_TIMEOUTS,
                 now_ms: Callable[[], int] = monotonic_ms, silence: Silence | None = None, meter: UsageMeter | None = None) -> None:
        """Opens nothing yet. Raises ConfigError for a URL that is no plain http(s) origin. Without a signer only public calls work.

        `silence` and `meter` are to be shared by all clients of a venue: a 429 or 418 to one of them stops all, and the limits are common.
        """
        base_url = base_url.rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ConfigError("rest_url: must look like https://host[:port]")
        self._base_url = base_url
        self._timeouts = timeouts
        self._exchange = Exchange()
        self._session = LaneSession(base_url, self._exchange, timeouts.answer_s)
        self._codec = RestCodec(
            family, signer, clock, now_ms, {"Host": parts.netloc, "User-Agent": "mmd", "Accept-Encoding": "identity"}, silence, meter
        )  # fmt: skip

    @property
    def usage(self) -> Usage:
        """May be read from any thread."""
        return self._codec.usage

    def call(self, call: Call, params: Params = ()) -> Any:
        """The parsed JSON of the venue's answer. Raises CallFailed, and ClockUnset before the venue's time is known."""
        request = self._prepared(self._codec.request(call, params))
        self._exchange.begin(self._timeouts.answer_s)
        try:
            response = self._session.send(request, stream=True, allow_redirects=False, proxies={}, timeout=self._timeouts)
            body = _read_body(response)
        except _BodyRefused as error:
            raise CallFailed(call, Lost(str(error))) from None
        except (RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            reason = describe(error)
            raise CallFailed(call, Lost(reason) if self._exchange.sent else Unsent(reason)) from None
        return self._codec.answer(call, response.status_code, response.headers, body)

    def close(self) -> None:
        """Drop the connection. The client can be used again. On the thread that uses it."""
        self._session.close()

    def _prepared(self, outgoing: Outgoing) -> PreparedRequest:
        """What `requests` would prepare, without its merging of headers, cookies, hooks and environment."""
        request = PreparedRequest()
        request.method, target, headers, request.body = outgoing
        request.url = self._base_url + target
        request.headers = headers  # type: ignore[assignment]
        return request


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
