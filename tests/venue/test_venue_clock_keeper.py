"""The clock keeper: reads the venue's time on time and at once when hurried, and tells how well it is known, failing or not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from mmd.core.messages import ClockReading, Lost, Notice
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.clock_keeper import ClockKeeper
from mmd.venue.endpoints import Call
from mmd.venue.mark_frame import read_mark_price
from mmd.venue.rest_codec import CallFailed
from mmd.venue.signing import Params

WAIT_S = 10.0


class Venue:
    """Tells its time, half a minute ahead, unless it is broken."""

    def __init__(self) -> None:
        self.broken = False
        self.closed = False
        self.asked = 0

    def call(self, call: Call, params: Params = ()) -> Any:
        self.asked += 1
        if self.broken:
            raise CallFailed(call, Lost("timeout"))
        return {"serverTime": monotonic_ms() + 30_000}

    def close(self) -> None:
        self.closed = True


@contextmanager
def keeping(venue: Venue, clock: VenueClock, interval_s: float) -> Iterator[tuple[ClockKeeper, Callable[[], ClockReading], list[Notice]]]:
    """A keeper at work; the second value waits for its next reading."""
    readings: queue.Queue[ClockReading] = queue.Queue()
    notices: list[Notice] = []
    keeper = ClockKeeper(venue, clock, readings.put, notices.append, interval_s, retry_s=0.01)  # type: ignore[arg-type]
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        yield keeper, lambda: readings.get(timeout=WAIT_S), notices
    finally:
        keeper.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive() and venue.closed


def test_the_time_is_read_when_it_is_due() -> None:
    """Each interval; the clock then shows the venue's time, and the reading how well it is known."""
    clock = VenueClock()
    with keeping(Venue(), clock, interval_s=0.01) as (_, reading, notices):
        for _ in range(3):
            uncertainty_ms = reading().uncertainty_ms
            assert uncertainty_ms is not None and uncertainty_ms < 1_000
    assert abs(clock.now_ms(0) - 30_000) < 1_000
    assert notices == []


def test_the_time_is_read_at_once_when_it_is_doubted() -> None:
    """A hurried keeper does not wait for its hour."""
    with keeping(Venue(), VenueClock(), interval_s=3_600) as (keeper, reading, _):
        keeper.hurry()
        assert reading().uncertainty_ms is not None


def test_a_failure_is_told_and_tried_again() -> None:
    """A venue that does not answer leaves the doubt as it is (None: never known), says why, and is asked again soon."""
    venue = Venue()
    venue.broken = True
    with keeping(venue, VenueClock(), interval_s=0.01) as (_, reading, notices):
        assert reading().uncertainty_ms is None
        assert reading().uncertainty_ms is None
        venue.broken = False
        while reading().uncertainty_ms is None:
            pass
    assert notices and all(notice.event == "clock_not_read" for notice in notices)


def test_a_stop_ends_it_at_once_and_asks_nothing() -> None:
    """However long its interval."""
    venue = Venue()
    with keeping(venue, VenueClock(), interval_s=3_600):
        pass
    assert venue.asked == 0


def test_mark_prices_are_read_from_raw_and_combined_frames() -> None:
    """Only the symbol's own; other frames are none."""
    frame = '{"e":"markPriceUpdate","E":1,"s":"ETHUSDT","p":"2500.12345678","i":"2500.1","P":"2500.1","r":"0.0001","T":2}'
    for text in (frame, f'{{"stream":"ethusdt@markPrice@1s","data":{frame}}}'):
        mark = read_mark_price(text, "ETHUSDT")
        assert mark is not None and str(mark.price) == "2500.12345678"
        assert read_mark_price(text, "BTCUSDT") is None
    assert read_mark_price('{"result":null,"id":1}', "ETHUSDT") is None
