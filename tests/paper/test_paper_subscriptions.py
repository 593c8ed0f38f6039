"""A websocket connection's address and its SUBSCRIBE conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmd.paper.subscriptions import MessageRate, Subscriptions, Target, TargetError, parse_target


def ask(subscriptions: Subscriptions, **message: Any) -> dict[str, Any]:
    return subscriptions.answer(json.dumps(message))


@pytest.mark.parametrize("address, target", [
    ("/ws", Target((), False)),
    ("/ws/", Target((), False)),
    ("/ws/ethusdt@depth5@100ms", Target(("ethusdt@depth5@100ms",), False)),
    ("/ws/ethusdt%40aggTrade", Target(("ethusdt@aggTrade",), False)),
    ("/ws/a@x/b@y/a@x", Target(("a@x", "b@y"), False)),
    ("/stream", Target((), True)),
    ("/stream?streams=a@x/b@y", Target(("a@x", "b@y"), True)),
    ("/stream?streams=a%40x%2Fb%40y", Target(("a@x", "b@y"), True)),
])
def test_addresses(address: str, target: Target) -> None:
    """Raw and combined addresses name their first streams once each, encoded or not."""
    assert parse_target(address) == target


@pytest.mark.parametrize("address", ["/", "/fapi/v1/ping", "/stream/x", "/wss/x", "/ws/" + "/".join(f"s{i}" for i in range(201))])
def test_where_no_stream_is_served(address: str) -> None:
    """Other paths, and more than 200 streams, are no target."""
    with pytest.raises(TargetError):
        parse_target(address)


def test_subscribing_and_unsubscribing() -> None:
    """The list follows what was asked for, in its order, and the replies are as documented."""
    subscriptions = Subscriptions(Target(("a@x",), False))
    assert ask(subscriptions, method="SUBSCRIBE", params=["b@y", "a@x", "c@z"], id=1) == {"result": None, "id": 1}
    assert ask(subscriptions, method="LIST_SUBSCRIPTIONS", id=3) == {"result": ["a@x", "b@y", "c@z"], "id": 3}
    assert ask(subscriptions, method="UNSUBSCRIBE", params=["a@x", "nobody"], id=312) == {"result": None, "id": 312}
    assert list(subscriptions.streams) == ["b@y", "c@z"]


def test_the_combined_property() -> None:
    """It is read and set as documented, and decides whether frames carry their stream's name."""
    subscriptions = Subscriptions(parse_target("/ws"))
    assert ask(subscriptions, method="GET_PROPERTY", params=["combined"], id=2) == {"result": False, "id": 2}
    assert subscriptions.wrap("a@x", '{"e":1}') == '{"e":1}'
    assert ask(subscriptions, method="SET_PROPERTY", params=["combined", True], id=5) == {"result": None, "id": 5}
    assert ask(subscriptions, method="GET_PROPERTY", params=["combined"], id=0) == {"result": True, "id": 0}
    assert json.loads(subscriptions.wrap('a"x', '{"e":1}')) == {"stream": 'a"x', "data": {"e": 1}}


@pytest.mark.parametrize("message, code, text", [
    ({"method": "SET_PROPERTY", "params": ["colour", True], "id": 1}, 0, "Unknown property"),
    ({"method": "GET_PROPERTY", "params": ["colour"], "id": 1}, 0, "Unknown property"),
    ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1, "Invalid value type: expected Boolean"),
    ({"method": "SET_PROPERTY", "params": ["combined"], "id": 1}, 1, "Invalid value type: expected Boolean"),
    ({"method": "SET_PROPERTY", "params": [1, True], "id": 1}, 2, "Invalid request: property name must be a string"),
    ({"method": "GET_PROPERTY", "id": 1}, 2, "Invalid request: property name must be a string"),
    ({"method": "GET_PROPERTY", "params": ["combined", "x"], "id": 1}, 2, "Invalid request: too many parameters"),
    ({"method": "LIST_SUBSCRIPTIONS", "params": ["x"], "id": 1}, 2, "Invalid request: too many parameters"),
    ({"method": "LIST_SUBSCRIPTIONS", "id": 1, "colour": 2}, 2, "Invalid request: too many parameters"),
    ({"method": "LIST_SUBSCRIPTIONS"}, 2, "Invalid request: request ID must be an unsigned integer"),
    ({"method": "LIST_SUBSCRIPTIONS", "id": -1}, 2, "Invalid request: request ID must be an unsigned integer"),
    ({"method": "LIST_SUBSCRIPTIONS", "id": "1"}, 2, "Invalid request: request ID must be an unsigned integer"),
    ({"method": "LIST_SUBSCRIPTIONS", "id": True}, 2, "Invalid request: request ID must be an unsigned integer"),
    ({"params": [], "id": 1}, 2, "Invalid request: missing field `method` at line 1 column 23"),
    ({"method": "SUBSCRIBE", "params": "a@x", "id": 1}, 2, "Invalid request: params must be an array of stream names"),
    ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2, "Invalid request: params must be an array of stream names"),
])
def test_bad_requests_have_the_documented_replies_and_change_nothing(message: dict[str, Any], code: int, text: str) -> None:
    """Every row of V1 "Error Messages", and the state as it was."""
    subscriptions = Subscriptions(Target(("a@x",), False))
    assert ask(subscriptions, **message) == {"code": code, "msg": text}
    assert (list(subscriptions.streams), subscriptions.combined) == (["a@x"], False)


def test_an_unknown_method_is_quoted_with_what_was_expected() -> None:
    """The reply names the variant, the methods there are, and the column, as the document's example does."""
    reply = Subscriptions(parse_target("/ws")).answer('{ "method": "SUBSCRIBED", "id": 1}')
    assert reply == {"code": 2, "msg": (
        "Invalid request: unknown variant `SUBSCRIBED`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, "
        "`SET_PROPERTY`, `GET_PROPERTY` at line 1 column 24")}


@pytest.mark.parametrize("message, text", [
    ("SUBSCRIBE", "Invalid JSON: expected value at line 1 column 1"),
    ('{\n "a": }', "Invalid JSON: expected value at line 2 column 7"),
    (b"\xff\xfe\xfd", "Invalid JSON: expected value at line 1 column 1"),
    ("[" * 100_000, "Invalid JSON: expected value at line 1 column 1"),
])
def test_what_is_no_json_is_answered_with_its_place(message: str | bytes, text: str) -> None:
    """Broken, binary and bottomless JSON get code 3, never a crash."""
    assert Subscriptions(parse_target("/ws")).answer(message) == {"code": 3, "msg": text}


@pytest.mark.parametrize("method", [["SUBSCRIBE"], {"a": 1}, 7, None])
def test_a_method_that_is_no_text_is_an_unknown_variant(method: Any) -> None:
    """Any JSON value may stand where the method's name belongs."""
    assert ask(Subscriptions(parse_target("/ws")), method=method, id=1)["code"] == 2


def test_a_connection_carries_at_most_200_streams() -> None:
    """The 201st is refused, and none of that request is taken."""
    subscriptions = Subscriptions(Target(tuple(f"s{i}" for i in range(199)), False))
    assert ask(subscriptions, method="SUBSCRIBE", params=["x", "y"], id=1)["code"] == 2
    assert len(subscriptions.streams) == 199
    assert ask(subscriptions, method="SUBSCRIBE", params=["x", "s0"], id=2) == {"result": None, "id": 2}


def test_ten_messages_a_second_are_admitted() -> None:
    """The eleventh within any second is one too many, wherever that second begins."""
    rate = MessageRate()
    assert all(rate.admit(100 * i) for i in range(30))
    assert [rate.admit(3000) for _ in range(3)] == [True, False, False]
    assert rate.admit(3000 + 1000)
