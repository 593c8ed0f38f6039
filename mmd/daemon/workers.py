"""Threads: named, with one place that catches what they let fall, and joined under one deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from mmd.core.messages import Level, Notice
from mmd.daemon.logbook import log_notice


class Worker:
    """One thread around a blocking `run()`. If `run` raises, `died(name, error)` is told: a dead thread is never left unnoticed (FAULTS P3).

    `stop` must make `run` return soon, and must return at once itself.
    """

    def __init__(self, name: str, run: Callable[[], None], stop: Callable[[], None], died: Callable[[str, BaseException], None]) -> None:
        self.name = name
        self._run = run
        self._died = died
        self.stop = stop
        self._thread = threading.Thread(target=self._body, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs. From any thread."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; False where it has not in time."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _body(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 (the top of a thread)
            self._died(self.name, error)


def stop_all(workers: Iterable[Worker], within_s: float) -> None:
    """Stop all at once, then join all under one deadline; name those that outlive it (they are daemon threads and die with the process)."""
    workers = list(workers)
    deadline = time.monotonic() + within_s
    for worker in workers:
        worker.stop()
    late = [worker.name for worker in workers if not worker.join(deadline - time.monotonic())]
    if late:
        log_notice(Notice(Level.WARNING, "threads_late", {"threads": ",".join(late), "does": "leaves them"}))
