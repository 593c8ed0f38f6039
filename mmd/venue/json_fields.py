"""Reading the venue's JSON without trusting it: every field is taken by name and kind, and anything else is one `ParseError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from mmd.core.errors import MmdError
from mmd.core.units import Grid, OffGridError, Side


class ParseError(MmdError):
    """The venue sent something that does not read as documented; the text names the field, never its surroundings."""


def load_json(text: str | bytes) -> Any:
    """JSON with its numbers exact (`Decimal` where they have a fraction). Raises ParseError; NaN and infinities are none."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON ({type(error).__name__})") from None


def as_object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ParseError(f"{what} is no object")
    return value


def as_list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ParseError(f"{what} is no list")
    return value


def text(fields: Mapping[str, Any], name: str) -> str:
    value = _field(fields, name)
    if not isinstance(value, str):
        raise ParseError(f"{name} is no text")
    return value


def whole(fields: Mapping[str, Any], name: str) -> int:
    """A whole number; the venue sends some as text (`leverage`, `countdownTime`)."""
    value = _field(fields, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit():
        try:
            return int(value)
        except ValueError:
            pass
    raise ParseError(f"{name} is no whole number")


def flag(fields: Mapping[str, Any], name: str) -> bool:
    """A boolean; as text ("true", "false") in some replies."""
    value = _field(fields, name)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ParseError(f"{name} is no boolean")


def number(fields: Mapping[str, Any], name: str) -> Decimal:
    """A finite decimal, sent as text or as a number."""
    value = _field(fields, name)
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            result = Decimal(value)
        except InvalidOperation:
            pass
        else:
            if result.is_finite() and abs(result.adjusted()) < 40:
                return result
    raise ParseError(f"{name} is no number")


def side(fields: Mapping[str, Any], name: str) -> Side:
    try:
        return Side(_field(fields, name))
    except ValueError:
        raise ParseError(f"{name} is neither BUY nor SELL") from None


def lots(fields: Mapping[str, Any], name: str, size: Grid) -> int:
    """A size in whole lots. Raises ParseError off the step: a wrong size is worse than none."""
    try:
        return size.units(number(fields, name))
    except OffGridError as error:
        raise ParseError(f"{name}: {error}") from None


def nearest_ticks(fields: Mapping[str, Any], name: str, price: Grid) -> int:
    """A price in ticks, rounded down where it is off the tick.

    Only orders that are not ours can be off the tick (placed before a change of tick, forced by the venue): they have to stay readable.
    """
    return price.floor(number(fields, name))


def _field(fields: Mapping[str, Any], name: str) -> Any:
    try:
        return fields[name]
    except KeyError:
        raise ParseError(f"{name} is missing") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
