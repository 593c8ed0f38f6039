"""The last quarter of an hour, a point a second, so that a page that is opened now does not begin empty."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from typing import Any

from mmd.core.units import Side
from mmd.daemon.published import Published, View
from mmd.daemon.status.event_tail import EventTail
from mmd.venue.clock import monotonic_ms

COLUMNS = ("time_ms", "mid", "buy", "sell", "position", "net")
_EVERY_S = 1.0
_KEPT = 900
# However many ask, it is put into words at most this often: that takes milliseconds, and holds the interpreter that the engine needs too.
_FRESH_MS = 1_000

Point = tuple[float | int | None, ...]


class StatusHistory:
    """The body of the thread that keeps the points. They are for a chart, so they are floats; `time_ms` is this machine's clock."""

    def __init__(self, published: Published, tail: EventTail) -> None:
        self._published = published
        self._tail = tail
        self._points: deque[Point] = deque(maxlen=_KEPT)
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # one at a time puts it into words; guards what follows
        self._text = b""
        self._text_ms: int | None = None

    def run(self) -> None:
        while not self._stopped.wait(_EVERY_S):
            self.keep(int(time.time() * 1000))

    def stop(self) -> None:
        self._stopped.set()

    def keep(self, time_ms: int) -> None:
        """Keep one point, where there is anything to see."""
        view = self._published.get()
        if view is not None:
            self._points.append(point_of(view, time_ms))

    def read(self) -> dict[str, Any]:
        """{"columns": names, "points": rows, "fills": [[time_ms, side, price, size, own]]}, oldest first. From any thread."""
        points = list(self._points.copy())
        since_ms = points[0][0] if points and points[0][0] is not None else 0
        fills = [fill_point(entry.time_s, entry.event, entry.fields) for entry in self._tail.fills()]
        return {"schema": 1, "columns": COLUMNS, "points": points, "fills": [fill for fill in fills if fill[0] >= since_ms]}

    def text(self, now_ms: int | None = None) -> bytes:
        """What `read` says as JSON, at most a second old. From any thread."""
        with self._lock:
            now_ms = monotonic_ms() if now_ms is None else now_ms
            if self._text_ms is None or now_ms - self._text_ms >= _FRESH_MS:
                self._text, self._text_ms = json.dumps(self.read(), separators=(",", ":")).encode(), now_ms
            return self._text


def point_of(view: View, time_ms: int) -> Point:
    """One row; `buy` and `sell` are the prices of our orders nearest to mid, None where there is none."""
    price, mid = view.rules.price, view.mid
    buys = [order.price_ticks for order in view.orders if order.side is Side.BUY]
    sells = [order.price_ticks for order in view.orders if order.side is Side.SELL]
    return (
        time_ms,
        None if mid is None else float(mid),
        float(price.decimal(max(buys))) if buys else None,
        float(price.decimal(min(sells))) if sells else None,
        float(view.position),
        float(view.net_profit),
    )


def fill_point(time_s: float, event: str, fields: Any) -> list[Any]:
    return [int(time_s * 1000), str(fields["side"]), float(fields["price"]), float(fields["size"]), event == "fill"]
