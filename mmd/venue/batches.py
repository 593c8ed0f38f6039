"""Several orders in one request, and an outcome for each (V1 "Place Multiple Orders", "Cancel Multiple Orders"; FAULTS O8)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mmd.core.messages import Cancel, Lost, OrderReport, Place, Refusal, Unsent
from mmd.core.rules import SymbolRules
from mmd.venue.codes import classify
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_list, as_object, text, whole
from mmd.venue.new_order import place_params
from mmd.venue.order_reply import read_order
from mmd.venue.redaction import redact
from mmd.venue.rest_codec import Caller, CallFailed
from mmd.venue.signing import Params

MAX_PLACES = 5
MAX_CANCELS = 10

_NO_SUCH_CALL = frozenset({404, 405})

Result = OrderReport | Refusal | Lost | Unsent


class Batch:
    """Several requests as one call, whoever makes it: `ask` is the call, its answer goes into `answered` or `failed`."""

    def __init__(self, rules: SymbolRules, requests: Sequence[Place | Cancel], stp_mode: str | None) -> None:
        """At most `MAX_PLACES` new orders, or at most `MAX_CANCELS` cancels."""
        self._rules = rules
        self._client_order_ids = [request.client_order_id for request in requests]
        self._single, call, params = _call(rules, requests, stp_mode)
        self.ask = call, params

    def answered(self, answer: Any) -> list[Result]:
        """An outcome for each request, in their order."""
        try:
            elements = [as_object(element, "order") for element in as_list(answer, self.ask[0].name)]
        except ParseError as error:
            return [Lost(f"the answer does not read: {error}")] * len(self._client_order_ids)
        return _outcomes(self._single, self._rules, self._client_order_ids, elements)

    def failed(self, outcome: Refusal | Lost | Unsent) -> list[Result] | None:
        """A batch that failed as a whole gives all of them that outcome: without an answer, every one is unknown.

        None where the venue has no such call, and so nothing was done.
        """
        if isinstance(outcome, Refusal) and outcome.status in _NO_SUCH_CALL:
            return None
        return [outcome] * len(self._client_order_ids)


def perform_batch(
    rest: Caller, rules: SymbolRules, requests: Sequence[Place | Cancel], stp_mode: str | None
) -> list[Result] | None:
    """An outcome for each request, in their order; None where the venue has no such call, and so nothing was done."""
    batch = Batch(rules, requests, stp_mode)
    try:
        answer = rest.call(*batch.ask)
    except CallFailed as failure:
        return batch.failed(failure.outcome)
    return batch.answered(answer)


def _call(rules: SymbolRules, requests: Sequence[Place | Cancel], stp_mode: str | None) -> tuple[Call, Call, Params]:
    places = [request for request in requests if isinstance(request, Place)]
    if places:
        assert len(places) == len(requests) <= MAX_PLACES
        orders = [dict(place_params(place, rules, stp_mode)) for place in places]
        return Call.PLACE, Call.PLACE_BATCH, [("batchOrders", json.dumps(orders, separators=(",", ":")))]
    assert len(requests) <= MAX_CANCELS
    client_order_ids = json.dumps([request.client_order_id for request in requests], separators=(",", ":"))
    return Call.CANCEL, Call.CANCEL_BATCH, [("symbol", rules.symbol), ("origClientOrderIdList", client_order_ids)]


def _outcomes(single: Call, rules: SymbolRules, client_order_ids: list[str], elements: list[Any]) -> list[Result]:
    """Orders are told apart by their client ids. A refusal has none, so it counts only where every order stands in its request's place."""
    reports: dict[str, OrderReport] = {}
    in_order = len(elements) == len(client_order_ids)
    refusals: dict[str, Result] = {}
    for place, element in enumerate(elements):
        if "orderId" not in element:
            if place < len(client_order_ids):
                refusals[client_order_ids[place]] = _refusal(single, element)
            continue
        try:
            report = read_order(element, rules)
        except ParseError:
            in_order = False
            continue
        reports[report.client_order_id] = report
        in_order = in_order and client_order_ids[place] == report.client_order_id
    missing = Lost("the batch's answer does not tell")
    return [reports.get(each) or (refusals.get(each, missing) if in_order else missing) for each in client_order_ids]


def _refusal(single: Call, element: Any) -> Result:
    """An element's own error, judged as if the request had been sent alone (then it would come with HTTP 400)."""
    try:
        return classify(single, 400, whole(element, "code"), redact(text(element, "msg")), None)
    except ParseError as error:
        return Lost(f"the answer does not read: {error}")
