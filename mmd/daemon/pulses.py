"""Whether every thread makes progress: one that waits for work is well, one that is at a single piece of it for too long is wedged (FAULTS P3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from mmd.core.messages import Level, Notice
from mmd.daemon.logs.logbook import log_notice
from mmd.daemon.notify import Notifier

# How often the threads are looked at where no supervisor wants to know.
_LOOK_S = 5.0


class WorkPulse:
    """Since when one thread is at its piece of work. Written by that thread alone, a word at a time, and read by any."""

    __slots__ = ("_now_s", "_since_s")

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._since_s: float | None = None

    def at_work(self, working: bool) -> None:
        """True: a piece of work begins, and the one before it is done. False: the thread waits, for as long as it takes."""
        self._since_s = self._now_s() if working else None

    @property
    def busy_s(self) -> float:
        """How long the thread has been at its piece of work; 0 while it waits."""
        since_s = self._since_s
        return 0.0 if since_s is None else self._now_s() - since_s


class Watched(Protocol):
    """A thread as the watchdog sees it."""

    @property
    def name(self) -> str: ...

    def trouble(self) -> str | None:
        """What is wrong with it, or None."""


class Watchdog:
    """Feeds the supervisor's watchdog for as long as every thread that it was told of is well. On the main thread, whose own life `feed` proves."""

    def __init__(self, notifier: Notifier, now_s: Callable[[], float] = time.monotonic, log: Callable[[Notice], None] = log_notice) -> None:
        self._notifier = notifier
        self._now_s = now_s
        self._log = log
        self._threads: tuple[Watched, ...] = ()
        self._due_s = now_s()
        self._reported: set[str] = set()
        # Four times within the supervisor's patience, so that neither a late one nor a lost one costs the process its life.
        self.every_s = _LOOK_S if notifier.watchdog_s is None else notifier.watchdog_s / 4

    def watch(self, threads: Iterable[Watched]) -> None:
        """From now on these, and no others."""
        self._threads = tuple(threads)
        self._reported.clear()

    def feed(self) -> None:
        """Look and feed, where it is time to. To be called at least every `every_s`; costs nothing when it is called more often."""
        now_s = self._now_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + self.every_s
        troubles = [(thread.name, trouble) for thread in self._threads if (trouble := thread.trouble()) is not None]
        for name, trouble in troubles:
            if name not in self._reported:
                self._reported.add(name)
                does = "feeds the watchdog no more, which ends the process" if self._notifier.watchdog_s is not None else "goes on without it"
                self._log(Notice(Level.ERROR, "thread_stuck", {"thread": name, "why": trouble, "does": does}))
        for name in self._reported - {name for name, _ in troubles}:
            self._reported.discard(name)
            self._log(Notice(Level.WARNING, "thread_goes_on", {"thread": name}))
        if not troubles:
            self._notifier.alive()
