"""Fields are taken by name and kind, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from mmd.core.units import Grid, Side
from mmd.venue import json_fields as read
from mmd.venue.json_fields import ParseError

GOOD: list[tuple[Callable[..., Any], Any, Any]] = [
    (read.text, "a", "a"),
    (read.text, "", ""),
    (read.whole, 7, 7),
    (read.whole, "100000", 100_000),
    (read.whole, -3, -3),
    (read.flag, True, True),
    (read.flag, "false", False),
    (read.flag, "TRUE", True),
    (read.number, "0.00000001", Decimal("1E-8")),
    (read.number, -3, Decimal(-3)),
    (read.number, Decimal("1.5"), Decimal("1.5")),
    (read.side, "SELL", Side.SELL),
]



def each(reader: Callable[..., Any], *values: Any) -> list[tuple[Callable[..., Any], Any]]:
    return [(reader, value) for value in values]


BAD = [
    *each(read.text, None, 1, [], {}),
    *each(read.whole, None, True, 1.5, "1.5", "", "-", "1-", "²", "9" * 5000, Decimal(1), []),
    *each(read.flag, None, 1, "yes", "", []),
    *each(read.number, None, True, "", "NaN", "Infinity", "-inf", "x", "1e99", "1e-99", 1.5, [], {}),
    *each(read.side, None, "BOTH", "buy", 1, []),
]


@pytest.mark.parametrize(("reader", "value", "result"), GOOD)
def test_what_is_documented_reads(reader: Callable[..., Any], value: Any, result: Any) -> None:
    """Each kind reads in every form in which the venue sends it."""
    assert reader({"x": value}, "x") == result


@pytest.mark.parametrize(("reader", "value"), BAD)
def test_anything_else_is_a_parse_error_that_names_the_field(reader: Callable[..., Any], value: Any) -> None:
    """A wrong kind never turns into a value."""
    with pytest.raises(ParseError, match="price"):
        reader({"price": value}, "price")


@pytest.mark.parametrize("reader", [read.text, read.whole, read.flag, read.number, read.side])
def test_an_absent_field_is_a_parse_error(reader: Callable[..., Any]) -> None:
    """Absent is not zero, not false and not empty."""
    with pytest.raises(ParseError, match="q is missing"):
        reader({}, "q")


def test_a_size_off_the_step_is_refused_and_a_price_off_the_tick_rounds_down() -> None:
    """Sizes are exact or nothing; prices of orders that are not ours only have to stay readable."""
    assert read.lots({"q": "1.250"}, "q", Grid("0.05")) == 25
    with pytest.raises(ParseError, match="q: "):
        read.lots({"q": "1.26"}, "q", Grid("0.05"))
    assert read.nearest_ticks({"p": "2681.62"}, "p", Grid("0.01")) == 268_162
    assert read.nearest_ticks({"p": "2681.629"}, "p", Grid("0.01")) == 268_162


@pytest.mark.parametrize("text", ["", "{", "nope", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, b"\xff\xfe\xfd", "<html>502</html>"])
def test_what_is_no_json_is_a_parse_error(text: str | bytes) -> None:
    """Halves of documents, pages, NaN, bytes that are no text and bottomless nesting all end in the one error."""
    with pytest.raises(ParseError, match="not JSON"):
        read.load_json(text)


def test_json_numbers_stay_exact() -> None:
    """A number with a fraction becomes a Decimal, not a float."""
    assert read.load_json('{"a": 0.1, "b": 3}') == {"a": Decimal("0.1"), "b": 3}


def test_containers_are_checked() -> None:
    """A list is no object, an object no list, and null is neither."""
    for reader, value in each(read.as_object, [], None, "x", 1) + each(read.as_list, {}, None, "x", 1):
        with pytest.raises(ParseError, match="thing is no"):
            reader(value, "thing")
