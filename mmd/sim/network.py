"""The simulated network: requests travel there and back, and some suffer a fault on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import NamedTuple

from mmd.core.messages import Lost, Unsent
from mmd.sim.faults import REQUEST_KINDS, Fault, Kind
from mmd.sim.venue_side import HttpAnswer, VenueSide, json_answer
from mmd.sim.virtual_time import Timeline
from mmd.venue.endpoints import Call
from mmd.venue.rest_codec import Outgoing

# What the caller learns: the whole answer, or what is known without one.
Outcome = HttpAnswer | Lost | Unsent
Done = Callable[[Outcome], None]

_HTML = b"<html><head><title>Error</title></head><body><center><h1>Error</h1></center></body></html>"


# What breaks for a while, breaks alone and in batches.
_TOGETHER: tuple[frozenset[Call | None], ...] = (frozenset({Call.PLACE, Call.PLACE_BATCH}), frozenset({Call.CANCEL, Call.CANCEL_BATCH}))


_LASTING = frozenset({Kind.CALL_BROKEN, Kind.CALL_SLOW})


class _Broken(NamedTuple):
    fault: Fault
    until_ms: int


class Network:
    """Between one process and the venue. Faults strike the next request of their call, each once, from their time on."""

    def __init__(self, timeline: Timeline, venue: VenueSide, random: Random, latency_ms: int, struck: Callable[[Fault], None]) -> None:
        """`struck` is told each fault that has found its request; `latency_ms` is the usual time of one way."""
        self._timeline = timeline
        self._venue = venue
        self._random = random
        self._latency_ms = latency_ms
        self._struck = struck
        self._waiting: list[Fault] = []
        self._broken: list[_Broken] = []
        self.silent_until_ms = 0  # true time until which the process has been told to be silent

    def lay(self, fault: Fault) -> None:
        """From now on `fault` waits for its request, or for a while strikes each."""
        assert fault.kind in REQUEST_KINDS
        if fault.kind in _LASTING:
            self._broken.append(_Broken(fault, self._timeline.now_ms + fault.for_ms))
            self._struck(fault)
        else:
            self._waiting.append(fault)

    def calm(self) -> None:
        """No more faults."""
        self._waiting.clear()
        self._broken.clear()

    def delay_ms(self) -> int:
        """One way, jittered."""
        return self._random.randint(self._latency_ms // 2, self._latency_ms + self._latency_ms // 2)

    def send(self, call: Call, outgoing: Outgoing, timeout_ms: int, done: Done) -> None:
        """Send now; `done` is told once, within `timeout_ms`, what came of it."""
        now_ms = self._timeline.now_ms
        self._broken = [fault for fault in self._broken if fault.until_ms > now_ms]
        broken = next((broken.fault for broken in self._broken if _breaks(broken.fault.call, call)), None)
        fault = broken or next((fault for fault in self._waiting if fault.call is call), None)
        if fault is not None and fault is not broken:
            self._waiting.remove(fault)
            self._struck(fault)
        _Trip(self._timeline, self._venue, outgoing, timeout_ms, lambda outcome: self._over(outcome, done)).go(
            fault, self.delay_ms(), self.delay_ms()
        )

    def _over(self, outcome: Outcome, done: Done) -> None:
        if isinstance(outcome, HttpAnswer) and "Silence-For-Ms" in outcome.headers:
            self.silent_until_ms = max(self.silent_until_ms, self._timeline.now_ms + int(outcome.headers["Silence-For-Ms"]))
        done(outcome)


class _Trip:
    """One request on its way."""

    def __init__(self, timeline: Timeline, venue: VenueSide, outgoing: Outgoing, timeout_ms: int, done: Done) -> None:
        self._timeline = timeline
        self._venue = venue
        self._outgoing = outgoing
        self._timeout_ms = timeout_ms
        self._done: Done | None = done

    def go(self, fault: Fault | None, there_ms: int, back_ms: int) -> None:
        timeline, kind = self._timeline, fault.kind if fault is not None else None
        if kind is Kind.REFUSED_CONNECTION or self._venue.is_down:
            timeline.after(there_ms, lambda: self._end(Unsent("connection refused")))
            return
        timeline.after(self._timeout_ms, lambda: self._end(Lost("the answer did not end in time")))
        if fault is None:
            arrive: Callable[[], None] = lambda: self._arrive(back_ms)
        else:
            if kind is Kind.REQUEST_LATE:
                there_ms += fault.for_ms
            elif kind is Kind.REPLY_LATE:
                back_ms += fault.for_ms
            elif kind is Kind.CALL_SLOW:
                there_ms += fault.amount
            elif kind is Kind.REQUEST_TWICE:
                # Whatever sends it again may pass on the second answer only.
                timeline.after(there_ms + fault.for_ms, lambda: self._arrive(back_ms if fault.amount else None))
            elif kind is Kind.RESET_BEFORE:
                timeline.after(there_ms, lambda: self._end(Lost("connection reset by peer")))
            arrive = lambda: self._arrive_struck(fault, back_ms)
        if kind not in (Kind.REQUEST_LOST, Kind.RESET_BEFORE):
            timeline.after(there_ms, arrive)

    def _arrive(self, back_ms: int | None) -> None:
        """The venue takes the request; its answer travels back, unless nobody waits for it."""
        if self._venue.is_down:
            self._timeline.after(back_ms or 0, lambda: self._end(Lost("connection reset by peer")))
            return
        answer = self._venue.answer(self._outgoing)
        if back_ms is not None:
            self._timeline.after(back_ms, lambda: self._end(answer))

    def _arrive_struck(self, fault: Fault, back_ms: int) -> None:
        kind = fault.kind
        if kind in (Kind.ERROR_BEFORE, Kind.CALL_BROKEN):
            answer: Outcome = _error(fault)
        elif kind in (Kind.RATE_LIMITED, Kind.BANNED):
            answer = _too_many(fault, self._timeline.now_ms)
        elif kind in (Kind.REQUEST_LATE, Kind.REPLY_LATE, Kind.REQUEST_TWICE, Kind.CALL_SLOW):
            self._arrive(None if kind is Kind.REQUEST_TWICE and fault.amount else back_ms)
            return
        elif kind in (Kind.REPLY_EARLY, Kind.TRADES_BEHIND):
            if self._venue.is_down:
                answer = Lost("connection reset by peer")
            elif kind is Kind.REPLY_EARLY:
                answer = _before_the_end(self._venue.answer(self._outgoing))
            else:
                answer = _without_newest(self._venue.answer(self._outgoing), self._timeline.now_ms - fault.for_ms)
        else:
            self._arrive(None)
            if kind is Kind.REPLY_LOST:
                return
            if kind is Kind.RESET_AFTER:
                answer = Lost("connection reset by peer")
            elif kind is Kind.BODY_CUT:
                answer = HttpAnswer(200, {}, b'{"orderId":1795395354096,"symbol":"ETHU')
            else:
                assert kind is Kind.ERROR_AFTER
                answer = _error(fault)
        self._timeline.after(back_ms, lambda: self._end(answer))

    def _end(self, outcome: Outcome) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


def _breaks(broken: Call | None, call: Call) -> bool:
    return broken is call or any({broken, call} == pair for pair in _TOGETHER)


def _error(fault: Fault) -> HttpAnswer:
    if fault.code is None:
        return HttpAnswer(fault.status, {"Content-Type": "text/html"}, _HTML)
    return json_answer(fault.status, {"code": fault.code, "msg": "injected"})


def _before_the_end(answer: HttpAnswer) -> HttpAnswer:
    """What an exchange answers that takes a cancel in and does it a moment later: the order is still live."""
    payload = json.loads(answer.body)
    for entry in payload if isinstance(payload, list) else [payload]:
        if entry.get("status") == "CANCELED":
            entry["status"] = "PARTIALLY_FILLED" if Decimal(entry["executedQty"]) else "NEW"
    return json_answer(answer.status, payload, answer.headers)


def _without_newest(answer: HttpAnswer, known_ms: int) -> HttpAnswer:
    """What an exchange answers whose list of trades is written behind its orders and positions."""
    payload = json.loads(answer.body)
    if isinstance(payload, list):
        payload = [trade for trade in payload if trade["time"] <= known_ms]
    return json_answer(answer.status, payload, answer.headers)


def _too_many(fault: Fault, now_ms: int) -> HttpAnswer:
    """What the rate limiter says (V1 "LIMITS"): for how long, in a header or, banned, in the text."""
    wait_ms = fault.amount * 1000
    known = {"Silence-For-Ms": str(wait_ms)}  # for the oracle: no client looks at it
    if fault.kind is Kind.BANNED:
        return json_answer(418, {"code": -1003, "msg": f"Way too many requests; IP banned until {now_ms + wait_ms}."}, known)
    return json_answer(429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": str(fault.amount), **known})
