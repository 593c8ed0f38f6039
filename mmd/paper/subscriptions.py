"""One websocket connection's streams: what its address asks for, and the SUBSCRIBE conversation.

Source: V1 "Websocket Market Streams" and "Live Subscribing/Unsubscribing to streams".
"""
from __future__ import annotations

import json
from collections import deque
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from mmd.core.errors import MmdError

MAX_STREAMS = 200
MAX_MESSAGES_A_SECOND = 10

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_MEMBERS = ("method", "params", "id")


class TargetError(MmdError):
    """A connection to an address where no stream is served."""


class Target(NamedTuple):
    """What the address of a connection says: the first streams, and whether payloads come wrapped in their stream's name."""

    streams: tuple[str, ...]
    combined: bool


class InvalidRequestError(MmdError):
    """A message that is no proper request; `code` is the document's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_target(target: str) -> Target:
    """`/ws`, `/ws/<stream>[/<stream>…]`, `/stream` or `/stream?streams=<stream>/<stream>…`.  Raises TargetError."""
    parts = urlsplit(target)
    door, _, rest = parts.path.strip("/").partition("/")
    if door == "ws":
        names, combined = unquote(rest), False
    elif door == "stream" and not rest:
        names, combined = parse_qs(parts.query).get("streams", [""])[0], True
    else:
        raise TargetError(f"no stream is served at {parts.path[:64]}")
    streams = tuple(dict.fromkeys(name for name in names.split("/") if name))
    if len(streams) > MAX_STREAMS:
        raise TargetError(f"a connection carries at most {MAX_STREAMS} streams, not {len(streams)}")
    return Target(streams, combined)


class Subscriptions:
    """The streams of one connection, in the order in which they were asked for."""

    def __init__(self, target: Target) -> None:
        self.combined = target.combined
        self.streams: dict[str, None] = dict.fromkeys(target.streams)

    def answer(self, message: str | bytes) -> dict[str, Any]:
        """Does what `message` asks and gives the reply, which for a bad message is the documented error; then nothing has changed."""
        try:
            request = _parse(message)
            return {"result": self._perform(request["method"], request.get("params")), "id": request["id"]}
        except InvalidRequestError as error:
            return {"code": error.code, "msg": str(error)}

    def wrap(self, stream: str, payload: str) -> str:
        """The frame that carries `payload` (JSON text) on this connection."""
        return f'{{"stream":{json.dumps(stream)},"data":{payload}}}' if self.combined else payload

    def _perform(self, method: str, params: Any) -> Any:
        if method == "LIST_SUBSCRIPTIONS":
            if params:
                raise InvalidRequestError(2, "Invalid request: too many parameters")
            return list(self.streams)
        if method == "SUBSCRIBE":
            return self._subscribe(_stream_names(params))
        if method == "UNSUBSCRIBE":
            for name in _stream_names(params):
                self.streams.pop(name, None)
            return None
        return self._property(method == "SET_PROPERTY", params)

    def _subscribe(self, names: list[str]) -> None:
        wanted = self.streams | dict.fromkeys(names)
        if len(wanted) > MAX_STREAMS:
            raise InvalidRequestError(2, f"Invalid request: a connection carries at most {MAX_STREAMS} streams")
        self.streams = wanted

    def _property(self, setting: bool, params: Any) -> Any:
        if not isinstance(params, list) or not params or not isinstance(params[0], str):
            raise InvalidRequestError(2, "Invalid request: property name must be a string")
        if len(params) > (2 if setting else 1):
            raise InvalidRequestError(2, "Invalid request: too many parameters")
        if params[0] != "combined":
            raise InvalidRequestError(0, "Unknown property")
        if not setting:
            return self.combined
        if len(params) < 2 or not isinstance(params[1], bool):
            raise InvalidRequestError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None


class MessageRate:
    """How many messages came in within the last second."""

    def __init__(self, limit: int = MAX_MESSAGES_A_SECOND) -> None:
        self._limit = limit
        self._times: deque[int] = deque()

    def admit(self, now_ms: int) -> bool:
        """Counts one message; False where it is one too many within a second."""
        self._times.append(now_ms)
        while now_ms - self._times[0] >= 1000:
            self._times.popleft()
        return len(self._times) <= self._limit


def _parse(message: str | bytes) -> dict[str, Any]:
    try:
        request = json.loads(message)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(3, "Invalid JSON: expected value at line 1 column 1") from error
    if not isinstance(request, dict) or "method" not in request:
        raise InvalidRequestError(2, f"Invalid request: missing field `method` at line 1 column {len(message)}")
    if request["method"] not in _METHODS:
        expected = ", ".join(f"`{method}`" for method in _METHODS)
        column = _column_after(message, request["method"])
        raise InvalidRequestError(2, f"Invalid request: unknown variant `{request['method']}`, expected one of {expected} at line 1 column {column}")
    if type(request.get("id")) is not int or not 0 <= request["id"] < 2**64:
        raise InvalidRequestError(2, "Invalid request: request ID must be an unsigned integer")
    if any(member not in _MEMBERS for member in request):
        raise InvalidRequestError(2, "Invalid request: too many parameters")
    return request


def _column_after(message: str | bytes, value: Any) -> int:
    """The column where `value` ends in the message, as far as it can be found there."""
    source = message if isinstance(message, str) else message.decode()
    quoted = json.dumps(value)
    return max(0, source.find(quoted)) + len(quoted)


def _stream_names(params: Any) -> list[str]:
    if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
        raise InvalidRequestError(2, "Invalid request: params must be an array of stream names")
    return params
