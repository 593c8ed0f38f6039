"""Keeps the venue's clock known: reads its time every minute, and at once where something doubts it (FAULTS R3)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mmd.core.messages import ClockReading, Level, Notice
from mmd.venue.account import synchronise
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.json_fields import ParseError
from mmd.venue.rest import RestClient
from mmd.venue.rest_codec import CallFailed

INTERVAL_S = 60.0
RETRY_S = 5.0


class ClockKeeper:
    """The clock thread's body. `rest` is its own client; `put` takes a ClockReading after every attempt, a failed one too: doubt grows with age."""

    def __init__(
        self,
        rest: RestClient,
        clock: VenueClock,
        put: Callable[[ClockReading], None],
        notice: Callable[[Notice], None],
        interval_s: float = INTERVAL_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._put = put
        self._notice = notice
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._wake = threading.Event()
        self._stopped = False

    def run(self, at_work: AtWork = unwatched) -> None:
        """Read the venue's time until `stop`."""
        wait_s = self._interval_s
        try:
            while True:
                self._wake.wait(wait_s)
                self._wake.clear()
                if self._stopped:
                    return
                at_work(True)
                wait_s = self._interval_s if self._read() else self._retry_s
                at_work(False)
        finally:
            self._rest.close()

    def stop(self) -> None:
        """End `run` soon; returns at once."""
        self._stopped = True
        self._wake.set()

    def hurry(self) -> None:
        """Read the time now; returns at once. From any thread."""
        self._wake.set()

    def _read(self) -> bool:
        done = True
        try:
            synchronise(self._rest, self._clock, readings=2)
        except (CallFailed, ParseError) as error:
            self._notice(Notice(Level.WARNING, "clock_not_read", {"why": error, "retry_in_s": self._retry_s}))
            done = False
        self._put(ClockReading(self._clock.uncertainty_ms(monotonic_ms())))
        return done
