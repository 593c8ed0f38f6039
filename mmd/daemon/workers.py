"""Threads: named, with one place that catches what they let fall, and joined under one deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from mmd.core.messages import Level, Notice
from mmd.daemon.logs.logbook import log_notice
from mmd.daemon.pulses import WorkPulse
from mmd.venue.at_work import AtWork

# No piece of work is meant to last this long: not a dozen requests that each time out, nor a name server that does not answer.
BUSY_S = 120.0

# Told when a thread falls: its name, and what it fell over.
Died = Callable[[str, BaseException], None]


class Body(Protocol):
    """What runs in a thread and tells when it is at work."""

    def run(self, at_work: AtWork) -> None: ...

    def stop(self) -> None: ...


class Worker:
    """One thread around a blocking `run()`. If `run` raises, `died(name, error)` is told: a dead thread is never left unnoticed (FAULTS P3).

    `stop` must make `run` return soon, and must return at once itself. `run` may raise `pulse` and lower it; a piece of work of more than `busy_s`
    seconds counts as a wedged thread. `may_end` is for one that ends by itself when it is done.
    """

    def __init__(
        self, name: str, run: Callable[[], None], stop: Callable[[], None], died: Died, *,
        pulse: WorkPulse | None = None, busy_s: float = BUSY_S, may_end: bool = False,
    ) -> None:
        self.name = name
        self._run = run
        self._died = died
        self.stop = stop
        self._pulse = pulse or WorkPulse()
        self._busy_s = busy_s
        self._may_end = may_end
        self._thread = threading.Thread(target=self._body, name=name, daemon=True)

    @classmethod
    def of(cls, name: str, body: Body, died: Died, busy_s: float = BUSY_S) -> Worker:
        """A thread that tells when it is at work."""
        pulse = WorkPulse()
        return cls(name, lambda: body.run(pulse.at_work), body.stop, died, pulse=pulse, busy_s=busy_s)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs. From any thread."""
        return self._thread.is_alive()

    def trouble(self) -> str | None:
        """Why the thread makes no progress, or None where it does or waits for work. From any thread, once it was started."""
        if not self._thread.is_alive():
            return None if self._may_end else "has ended"
        busy_s = self._pulse.busy_s
        return f"at one piece of work for {busy_s:.0f} s" if busy_s > self._busy_s else None

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
