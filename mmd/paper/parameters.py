"""Request parameters: from the text on the wire to typed values, with the exchange's own complaints where that fails.

Source: V1 "General Information on Endpoints" (query and body may be mixed, the query wins) and "11xx - Request issues".
"""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from mmd.paper.denials import Denied
from mmd.paper.refusals import Refused

Reader = Callable[[str, str], Any]
"""Takes a parameter's name and its text (never empty), gives its value; raises Refused."""

_WHOLE = re.compile(r"^[0-9]{1,20}$")
_NUMBER = re.compile(r"^-?([0-9]{1,20})(\.[0-9]{1,20})?$")
_MAX_PARAMETERS = 200


@dataclass(frozen=True)
class Parameter:
    """One parameter of an endpoint: its name, how its text is read, and what holds where it is not sent."""

    name: str
    read: Reader
    mandatory: bool = False
    default: Any = None


def sent_parameters(query: str, body: str) -> dict[str, str]:
    """The parameters of a request, decoded; where query and body both name one, the query's holds.

    Raises Refused -1100 for text that is not UTF-8, -1101 for a name sent twice in the same place or for far too many names.
    """
    merged = _decode(body)
    merged.update(_decode(query))
    return merged


def read_parameters(expected: tuple[Parameter, ...], sent: Mapping[str, str]) -> dict[str, Any]:
    """The value of every expected parameter; names nobody expects are left unread, as the exchange does.

    Raises Refused -1102 where a mandatory one is missing, -1105 where one is sent empty, and what its reader raises.
    """
    values: dict[str, Any] = {}
    for parameter in expected:
        text = sent.get(parameter.name)
        if text is None:
            if parameter.mandatory:
                raise missing(parameter.name)
            values[parameter.name] = parameter.default
        elif text == "":
            raise Denied(-1105, f"Parameter '{parameter.name}' was empty.")
        else:
            values[parameter.name] = parameter.read(parameter.name, text)
    return values


def missing(name: str) -> Refused:
    """The refusal of a request without the mandatory parameter `name`."""
    return Refused(-1102, name)


def not_valid(name: str) -> Refused:
    """The refusal of a value that is well formed and makes no sense."""
    return Refused(-1130, name)


def text(name: str, sent: str) -> str:
    """Text taken as it is."""
    return sent


def whole(name: str, sent: str) -> int:
    """INT and LONG.  Raises Refused -1100 for anything but digits."""
    if not _WHOLE.fullmatch(sent):
        raise _illegal(name, _WHOLE.pattern)
    return int(sent)


def number(name: str, sent: str) -> Decimal:
    """DECIMAL, exactly as sent.  A sign is legal here, so that the filters can answer with their own codes (-4001, -4003)."""
    if not _NUMBER.fullmatch(sent):
        raise _illegal(name, _NUMBER.pattern)
    return Decimal(sent)


def truth(name: str, sent: str) -> bool:
    """"true" or "false", in any case.  Raises Refused -1130 for other words."""
    word = sent.lower()
    if word not in ("true", "false"):
        raise not_valid(name)
    return word == "true"


def between(low: int, high: int) -> Reader:
    """A reader of whole numbers from `low` to `high`; others are Refused with -1130."""

    def read(name: str, sent: str) -> int:
        value = whole(name, sent)
        if not low <= value <= high:
            raise not_valid(name)
        return value

    return read


def choice(words: tuple[str, ...], code: int = -1130, message: str | None = None) -> Reader:
    """A reader of one of `words`; others are Refused with `code` and `message` (%s in it stands for what was sent)."""

    def read(name: str, sent: str) -> str:
        if sent in words:
            return sent
        if message is None:
            raise not_valid(name)
        raise Denied(code, message.replace("%s", sent[:64]))

    return read


def matching(pattern: str, code: int | None = None, message: str = "") -> Reader:
    """A reader of text that matches `pattern` from end to end; other text is Refused with `code`, or with -1100."""
    compiled = re.compile(pattern)

    def read(name: str, sent: str) -> str:
        if compiled.fullmatch(sent):
            return sent
        raise _illegal(name, pattern) if code is None else Denied(code, message)

    return read


def json_list(name: str, sent: str) -> list[Any]:
    """LIST: a JSON array; numbers in it stay text, so that no decimal passes through a float.

    Single quotes are taken for double ones where the text is no JSON without that (the examples of V3 send them).
    """
    for candidate in (sent, sent.replace("'", '"')):
        try:
            value = json.loads(candidate, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list):
            return value
    raise missing(name)


def _decode(form: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(form, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise Denied(-1100, "Illegal characters found in a parameter.") from error
    except ValueError as error:
        raise Denied(-1101, "Too many parameters sent for this endpoint.") from error
    decoded = dict(pairs)
    if len(decoded) != len(pairs):
        raise Denied(-1101, "Duplicate values for a parameter detected.")
    return decoded


def _illegal(name: str, pattern: str) -> Refused:
    return Denied(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")
