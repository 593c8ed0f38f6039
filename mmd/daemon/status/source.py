"""Where a status comes from: the published view, and what else the process knows of itself. Reads only; any thread may ask."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from mmd.core.messages import Stream
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.published import Published
from mmd.daemon.status.event_tail import EventTail
from mmd.daemon.status.history import StatusHistory
from mmd.daemon.status.snapshot import Facts, status_of
from mmd.daemon.workers import Worker
from mmd.venue.clock import monotonic_ms
from mmd.venue.market_stream import MarketStream
from mmd.venue.user_stream import UserStream

# However many ask, the status is drawn up at most this often.
_FRESH_MS = 100


@dataclass(frozen=True, slots=True)
class _Running:
    """The threads and streams of the engine that runs, replaced whole."""

    config: Config
    threads: tuple[Worker, ...] = ()
    streams: Mapping[Stream, MarketStream | UserStream] | None = None
    maker_fee: Decimal | None = None


class Drawn(NamedTuple):
    """One status: as it is, as JSON text, and when it was drawn up (monotonic)."""

    status: Mapping[str, Any]
    text: bytes
    drawn_ms: int


class StatusSource:
    """Made by the main thread, which also tells what is running (`attend`)."""

    def __init__(self, config: Config, published: Published, venue: Venue, tail: EventTail) -> None:
        self._published = published
        self._venue = venue
        self._tail = tail
        self.history = StatusHistory(published, tail)
        self._started_s = time.time()
        self._running = _Running(config)
        self._servants: tuple[Worker, ...] = ()
        self._lock = threading.Lock()  # one at a time draws up the status; never held while anything is written
        self._drawn: Drawn | None = None

    def attend(
        self, config: Config, threads: Iterable[Worker], streams: Mapping[Stream, MarketStream | UserStream], maker_fee: Decimal | None = None
    ) -> None:
        """What runs from now on, instead of what ran before."""
        self._running = _Running(config, tuple(threads), dict(streams), maker_fee)

    def count_in(self, threads: Iterable[Worker]) -> None:
        """Threads that run whatever the engine does."""
        self._servants = tuple(threads)

    def drawn(self) -> Drawn:
        """The status, at most 0.1 s old."""
        with self._lock:
            now_ms = monotonic_ms()
            if self._drawn is None or now_ms - self._drawn.drawn_ms >= _FRESH_MS:
                status = self.status(now_ms)
                self._drawn = Drawn(status, json.dumps(status, separators=(",", ":")).encode(), now_ms)
            return self._drawn

    def status(self, now_ms: int) -> dict[str, Any]:
        """The status of this moment, drawn up anew."""
        running, clock = self._running, self._venue.clock
        now_s, uncertainty_ms = time.time(), clock.uncertainty_ms(now_ms)
        view, about = self._published.get(), self._published.about
        facts = Facts(
            config=running.config,
            venue=self._venue.rest_url,
            pid=os.getpid(),
            about=about,
            now_ms=now_ms,
            now_s=now_s,
            started_s=self._started_s,
            usage=self._venue.meter.last,
            offset_ms=None if uncertainty_ms is None else clock.now_ms(now_ms) - int(now_s * 1000),
            uncertainty_ms=uncertainty_ms,
            streams={stream.value: each.pulse for stream, each in (running.streams or {}).items()},
            threads=[("main", True), *((worker.name, worker.is_alive) for worker in (*running.threads, *self._servants))],
            events=self._tail.events(),
            fills=self._tail.fills(),
            notices=self._tail.counts(),
            maker_fee=running.maker_fee,
        )
        return status_of(view, facts)
