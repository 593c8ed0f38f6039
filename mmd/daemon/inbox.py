"""The one queue that the main thread blocks on: every event in order, and of the depth frames only the latest (FAULTS K4)."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TypeVar

from mmd.core.messages import Depth, Event

Extra = TypeVar("Extra")


class _DepthToken:
    """Stands in the queue for "take the latest depth frame"."""


_TOKEN = _DepthToken()


class Inbox:
    """Any thread may put; the main thread alone gets. `put` is safe in a signal handler, `put_depth` is not."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | _DepthToken] = SimpleQueue()
        self._lock = threading.Lock()  # guards _latest alone, and is never held while anything blocks
        self._latest: Depth | None = None

    def put(self, event: Event) -> None:
        """Add an event; none is ever dropped."""
        self._queue.put(event)

    def put_depth(self, depth: Depth) -> None:
        """Replace the depth frame that the main thread has not yet taken, or queue this one where there is none."""
        with self._lock:
            waiting, self._latest = self._latest is not None, depth
        if not waiting:
            self._queue.put(_TOKEN)

    def get(self, timeout_s: float) -> Event | None:
        """The next event, or None where none came in time."""
        try:
            event = self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except Empty:
            return None
        if not isinstance(event, _DepthToken):
            return event
        with self._lock:
            latest, self._latest = self._latest, None
        return latest
