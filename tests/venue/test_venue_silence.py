"""The venue's wish for silence: how long it lasts, and that it binds every client that shares it."""

from __future__ import annotations

import pytest

from mmd.core.messages import Refusal, Unsent
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1, Call
from mmd.venue.rest_codec import CallFailed, RestCodec
from mmd.venue.signing import V1Signer
from mmd.venue.silence import Silence


class Time:
    now_ms = 5_000

    def __call__(self) -> int:
        return self.now_ms


def codec(silence: Silence | None, time: Time) -> RestCodec:
    clock = VenueClock()
    clock.observe(1_700_000_000_000, 0, 0)
    return RestCodec(V1, V1Signer("k", "s"), clock, time, {}, silence)


def told(rest: RestCodec, status: int, headers: dict[str, str], body: bytes = b"{}") -> Refusal:
    with pytest.raises(CallFailed) as caught:
        rest.answer(Call.PLACE, status, headers, body)
    assert isinstance(caught.value.outcome, Refusal)
    return caught.value.outcome


@pytest.mark.parametrize(("status", "headers", "body", "lasts_ms"), [
    (429, {"Retry-After": "7"}, b"{}", 7_000),
    (429, {}, b"{}", 60_000),
    (418, {}, b"<html>", 120_000),
    (418, {}, b'{"code":-1003,"msg":"Way too many requests; IP banned until 1700000014000."}', 9_001),
])
def test_one_answer_silences_every_client_that_shares_it(status: int, headers: dict[str, str], body: bytes, lasts_ms: int) -> None:
    """FAULTS R1: until the time is over no request of any lane is made, and each is known to be unsent."""
    silence, time = Silence(), Time()
    told(codec(silence, time), status, headers, body)
    other = codec(silence, time)
    for call in (Call.PLACE, Call.CANCEL, Call.NEW_LISTEN_KEY, Call.SERVER_TIME):
        with pytest.raises(CallFailed) as caught:
            other.request(call)
        assert caught.value.outcome == Unsent(f"the venue has asked for silence for {lasts_ms} ms more")
    time.now_ms += lasts_ms - 1
    with pytest.raises(CallFailed):
        other.request(Call.PLACE)
    time.now_ms += 1
    assert other.request(Call.PLACE).method == "POST"


def test_a_ban_is_over_only_when_it_is_for_the_slowest_clock() -> None:
    """Its end is told in the venue's time, which is not known better than half the way of the question: as much longer nothing is sent."""
    clock, time = VenueClock(), Time()
    clock.observe(1_700_000_005_000, 4_000, 5_200)  # 1200 ms there and nothing back: the venue's clock is 600 ms behind what is believed
    rest = RestCodec(V1, V1Signer("k", "s"), clock, time, {}, Silence())
    told(rest, 418, {}, b'{"code":-1003,"msg":"Way too many requests; IP banned until 1700000015000."}')
    time.now_ms = 15_199
    with pytest.raises(CallFailed):
        rest.request(Call.PLACE)
    time.now_ms = 15_202
    assert rest.request(Call.PLACE).method == "POST"


def test_a_shorter_wish_does_not_end_a_longer_one() -> None:
    """A ban stands whatever the rate limiter says after it."""
    silence = Silence()
    silence.begin(418, 90_000, 1_000)
    silence.begin(429, 1_000, 2_000)
    assert (silence.left_ms(2_000), silence.left_ms(91_000), silence.left_ms(92_000)) == (89_000, 0, 0)


@pytest.mark.parametrize("status", [200, 400, 403, 500, 503])
def test_nothing_else_silences(status: int) -> None:
    """Other refusals are answers like any."""
    rest, time = codec(None, Time()), Time()
    with pytest.raises(CallFailed):
        rest.answer(Call.PLACE, status, {"Retry-After": "7"}, b'{"code":-1,"msg":""}')
    assert rest.request(Call.PLACE).method == "POST" and time.now_ms
