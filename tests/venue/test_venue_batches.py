"""Batches: one request for several orders, an outcome for each, and unknown for all of which the answer does not tell (FAULTS O8)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mmd.core.messages import Cancel, Lost, OrderReport, OrderStatus, Place, Refusal, Unsent
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.venue.batches import perform_batch
from mmd.venue.endpoints import Call
from mmd.venue.gateway import Gateway
from mmd.venue.rest_codec import CallFailed
from mmd.venue.signing import Params

PLACES = [Place(f"mmd-{n}", Side.BUY, 268_000 - n, 5, reduce_only=False, post_only=True) for n in range(3)]
CANCELS = [Cancel(f"mmd-{n}") for n in range(3)]


def order(client_order_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "clientOrderId": client_order_id, "orderId": 7, "symbol": "ETHUSDT", "side": "BUY", "status": "NEW", "price": "2681.62", "origQty": "0.005",
        "executedQty": "0.000", "reduceOnly": False, "updateTime": 9, **changes,
    }  # fmt: skip


class Answers:
    """Calls answered from a list, in order; what was asked is kept."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[Call, dict[str, str]]] = []

    def call(self, call: Call, params: Params = ()) -> Any:
        self.asked.append((call, dict(params)))
        answer = self._answers.pop(0)
        if isinstance(answer, (Refusal, Lost, Unsent)):
            raise CallFailed(call, answer)
        return answer


def ids(outcomes: list[Any] | None) -> list[str]:
    """Client ids of reports, names of the rest."""
    assert outcomes is not None
    return [each.client_order_id if isinstance(each, OrderReport) else type(each).__name__ for each in outcomes]


def test_places_go_out_as_one_json_list(rules: SymbolRules) -> None:
    """Every element has the parameters of a new order, `stpMode` among them where it is configured."""
    rest = Answers([order(place.client_order_id) for place in PLACES])
    outcomes = perform_batch(rest, rules, PLACES, "EXPIRE_TAKER")
    assert ids(outcomes) == ["mmd-0", "mmd-1", "mmd-2"]
    ((call, params),) = rest.asked
    assert call is Call.PLACE_BATCH and set(params) == {"batchOrders"}
    sent = json.loads(params["batchOrders"])
    assert [element["newClientOrderId"] for element in sent] == ["mmd-0", "mmd-1", "mmd-2"]
    assert all(element["stpMode"] == "EXPIRE_TAKER" and element["timeInForce"] == "GTX" for element in sent)


def test_cancels_go_out_as_a_list_of_ids(rules: SymbolRules) -> None:
    """No space after a comma, as the document asks."""
    rest = Answers([order(cancel.client_order_id, status="CANCELED") for cancel in CANCELS])
    assert ids(perform_batch(rest, rules, CANCELS, None)) == ["mmd-0", "mmd-1", "mmd-2"]
    assert rest.asked == [(Call.CANCEL_BATCH, {"symbol": "ETHUSDT", "origClientOrderIdList": '["mmd-0","mmd-1","mmd-2"]'})]


REFUSED = {"code": -2022, "msg": "ReduceOnly Order is rejected."}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([order("mmd-0"), REFUSED, order("mmd-2")], ["mmd-0", "Refusal", "mmd-2"]),
        ([order("mmd-2"), order("mmd-0"), order("mmd-1")], ["mmd-0", "mmd-1", "mmd-2"]),
        ([order("mmd-2"), REFUSED, order("mmd-0")], ["mmd-0", "Lost", "mmd-2"]),
        ([order("mmd-0"), order("mmd-1")], ["mmd-0", "mmd-1", "Lost"]),
        ([order("mmd-0"), REFUSED], ["mmd-0", "Lost", "Lost"]),
        ([order("mmd-0"), {"code": -1006, "msg": "unknown"}, {"code": -9999, "msg": "?"}], ["mmd-0", "Lost", "Lost"]),
        ([order("mmd-0"), {"orderId": 1, "price": "x"}, order("mmd-2")], ["mmd-0", "Lost", "mmd-2"]),
        ([order("mmd-0"), order("mmd-9"), order("mmd-2")], ["mmd-0", "Lost", "mmd-2"]),
        ([], ["Lost", "Lost", "Lost"]),
        ({"code": 200}, ["Lost", "Lost", "Lost"]),
        (["x", "y", "z"], ["Lost", "Lost", "Lost"]),
    ],
)
def test_each_element_has_its_own_outcome(rules: SymbolRules, elements: Any, expected: list[str]) -> None:
    """A report belongs to its client id wherever it stands; a refusal is believed only where every order stands in its place; the rest is unknown."""
    assert ids(perform_batch(Answers(elements), rules, PLACES, None)) == expected


@pytest.mark.parametrize("outcome", [Lost("timeout"), Unsent("refused"), Refusal(429, -1003, "slow down", 1000)])
def test_a_batch_that_fails_as_a_whole_fails_for_all(rules: SymbolRules, outcome: Any) -> None:
    """Without an answer every element is unknown."""
    assert perform_batch(Answers(outcome), rules, PLACES, None) == [outcome] * 3


def test_a_venue_without_batches_gets_single_requests_from_then_on(rules: SymbolRules) -> None:
    """404 proves that nothing was done, but no client id is posted twice (FAULTS O2); the second batch does not even try."""
    rest = Answers(Refusal(404, -5000, "Path invalid"), *(order(f"mmd-{n}") for n in (0, 1, 2)))
    gateway = Gateway(rest, rules, now_ms=lambda: 5)
    replies = gateway.perform_batch(PLACES)
    assert [reply.request for reply in replies] == PLACES
    assert all(isinstance(reply.outcome, Unsent) for reply in replies)
    replies = gateway.perform_batch(PLACES)
    assert [reply.request for reply in replies] == PLACES
    assert all(isinstance(reply.outcome, OrderReport) and reply.outcome.status is OrderStatus.NEW for reply in replies)
    assert [call for call, _ in rest.asked] == [Call.PLACE_BATCH] + [Call.PLACE] * 3


def test_cancels_of_an_unknown_batch_go_out_one_by_one(rules: SymbolRules) -> None:
    """A cancel may be sent again at any time, so it does not wait for the engine to ask once more."""
    rest = Answers(Refusal(404, -5000, "Path invalid"), *(order(f"mmd-{n}") for n in (0, 1, 2)))
    assert all(isinstance(reply.outcome, OrderReport) for reply in Gateway(rest, rules, now_ms=lambda: 5).perform_batch(CANCELS))
    assert [call for call, _ in rest.asked] == [Call.CANCEL_BATCH] + [Call.CANCEL] * 3


def test_one_request_alone_is_no_batch(rules: SymbolRules) -> None:
    """A single order goes out as such: it weighs a fifth."""
    rest = Answers(order("mmd-0"))
    Gateway(rest, rules, now_ms=lambda: 5).perform_batch(PLACES[:1])
    assert [call for call, _ in rest.asked] == [Call.PLACE]
