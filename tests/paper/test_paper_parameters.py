"""Request parameters: what is read from them, and what is refused with which code."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from mmd.paper.parameters import (
    Parameter,
    Reader,
    between,
    choice,
    json_list,
    matching,
    number,
    read_parameters,
    sent_parameters,
    text,
    truth,
    whole,
)
from mmd.paper.refusals import Refused


def read_one(read: Reader, sent: str) -> Any:
    return read_parameters((Parameter("p", read, mandatory=True),), {"p": sent})["p"]


def refusal_of(read: Reader, sent: str) -> Refused:
    with pytest.raises(Refused) as caught:
        read_one(read, sent)
    return caught.value


def test_query_and_body_are_mixed_and_the_query_wins() -> None:
    """A parameter sent in both places has the query's value; the others come from wherever they are."""
    assert sent_parameters("a=1&b=2", "b=3&c=4") == {"a": "1", "b": "2", "c": "4"}


def test_parameters_are_percent_decoded() -> None:
    """Encoded characters and plus signs are decoded, in names as in values."""
    assert sent_parameters("batch%4frders=%5B1%2C+2%5D", "") == {"batchOrders": "[1, 2]"}


@pytest.mark.parametrize("query, body", [("a=1&a=1", ""), ("", "a=1&b=2&a=3")])
def test_a_name_sent_twice_in_one_place_is_refused(query: str, body: str) -> None:
    """Duplicates within the query, or within the body, are refused with -1101 even where they agree."""
    with pytest.raises(Refused) as caught:
        sent_parameters(query, body)
    assert (caught.value.code, caught.value.msg) == (-1101, "Duplicate values for a parameter detected.")


def test_text_that_is_not_utf_8_is_refused() -> None:
    """Bytes that decode to nothing are illegal characters, not a crash."""
    with pytest.raises(Refused) as caught:
        sent_parameters("a=%ff", "")
    assert caught.value.code == -1100


def test_a_flood_of_parameters_is_refused() -> None:
    """A request with hundreds of parameters is refused as a whole."""
    with pytest.raises(Refused) as caught:
        sent_parameters("&".join(f"p{i}=1" for i in range(500)), "")
    assert caught.value.code == -1101


def test_a_missing_mandatory_parameter_is_named() -> None:
    """-1102 says which parameter is missing."""
    with pytest.raises(Refused) as caught:
        read_parameters((Parameter("symbol", text, mandatory=True),), {"other": "x"})
    assert (caught.value.code, caught.value.msg, caught.value.status) == (
        -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.", 400)


@pytest.mark.parametrize("mandatory", [True, False])
def test_an_empty_parameter_is_named(mandatory: bool) -> None:
    """-1105 says which parameter was sent without a value, mandatory or not."""
    with pytest.raises(Refused) as caught:
        read_parameters((Parameter("limit", whole, mandatory),), {"limit": ""})
    assert (caught.value.code, caught.value.msg) == (-1105, "Parameter 'limit' was empty.")


def test_defaults_stand_for_what_is_not_sent_and_strangers_are_left_unread() -> None:
    """An optional parameter has its default, and a name that nobody expects changes nothing."""
    expected = (Parameter("limit", whole, default=500), Parameter("fromId", whole))
    assert read_parameters(expected, {"stranger": "?"}) == {"limit": 500, "fromId": None}


@pytest.mark.parametrize("sent, value", [("0", 0), ("42", 42), ("99999999999999999999", 99999999999999999999)])
def test_whole_numbers(sent: str, value: int) -> None:
    """Up to twenty digits are a whole number."""
    assert read_one(whole, sent) == value


@pytest.mark.parametrize("sent", ["-1", "+1", "1.0", "1e3", "0x10", " 1", "1\n", "١", "9" * 21])
def test_what_is_no_whole_number_is_illegal(sent: str) -> None:
    """Signs, points, exponents, blanks, foreign digits and endless digits are refused with -1100 and the legal range."""
    refusal = refusal_of(whole, sent)
    assert refusal.code == -1100
    assert "'p'; legal range is '^[0-9]{1,20}$'" in refusal.msg


@pytest.mark.parametrize("sent", ["0", "0.001", "-3.50", "12345678901234567890.12345678901234567890"])
def test_numbers_are_exact(sent: str) -> None:
    """A decimal keeps every digit that was sent, trailing zeros included."""
    assert str(read_one(number, sent)) == str(Decimal(sent))


@pytest.mark.parametrize("sent", ["NaN", "Infinity", "1e5", ".5", "5.", "1,5", "--1", "0.1 ", "1\n"])
def test_what_is_no_number_is_illegal(sent: str) -> None:
    """NaN, infinities, exponents and bare points are refused with -1100."""
    assert refusal_of(number, sent).code == -1100


@pytest.mark.parametrize("sent, value", [("true", True), ("TRUE", True), ("False", False)])
def test_truth_values_in_any_case(sent: str, value: bool) -> None:
    """The document writes "true" and "TRUE"; Python clients send "True"."""
    assert read_one(truth, sent) is value


def test_other_words_are_no_truth_values() -> None:
    """"1" and "yes" are refused with -1130 and the parameter's name."""
    assert refusal_of(truth, "1").msg == "Data sent for parameter 'p' is not valid."


@pytest.mark.parametrize("sent, fits", [("1", True), ("1000", True), ("0", False), ("1001", False)])
def test_bounds_are_inclusive(sent: str, fits: bool) -> None:
    """Both ends of a range are in it; beyond them it is -1130."""
    if fits:
        assert read_one(between(1, 1000), sent) == int(sent)
    else:
        assert refusal_of(between(1, 1000), sent).code == -1130


def test_a_choice_has_its_own_code_and_text() -> None:
    """Enumerations answer with the code of their kind, and quote what was sent."""
    working_type = choice(("MARK_PRICE",), -4031, "Invalid parameter working type: `%s`")
    assert read_one(working_type, "MARK_PRICE") == "MARK_PRICE"
    refusal = refusal_of(working_type, "mark_price")
    assert (refusal.code, refusal.msg) == (-4031, "Invalid parameter working type: `mark_price`")


def test_a_pattern_must_match_from_end_to_end() -> None:
    """A pattern that matches only a part is a refusal."""
    assert read_one(matching(r"[A-Z]+"), "ETH") == "ETH"
    assert refusal_of(matching(r"[A-Z]+"), "ETH\n").code == -1100
    assert refusal_of(matching(r"[A-Z]+", -1121, "Invalid symbol."), "eth").code == -1121


def test_numbers_in_a_json_list_stay_text() -> None:
    """No decimal of a batch order passes through a float."""
    assert read_one(json_list, '[{"price": 0.10, "quantity": 3, "reduceOnly": true}]') == [
        {"price": "0.10", "quantity": "3", "reduceOnly": True}]


def test_the_documents_single_quotes_are_understood() -> None:
    """The V3 document's example sends a Python list's text."""
    assert read_one(json_list, "[{'symbol':'ASTERUSDT','price':'0.5'}]") == [{"symbol": "ASTERUSDT", "price": "0.5"}]


@pytest.mark.parametrize("sent", ["", "{}", "[", "1", "[" * 100_000])
def test_what_is_no_json_list_is_refused(sent: str) -> None:
    """Other JSON, broken JSON and bottomless JSON are refused with a code, never with a crash."""
    assert refusal_of(json_list, sent).code in (-1102, -1105)
