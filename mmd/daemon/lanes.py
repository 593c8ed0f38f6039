"""Lanes: one thread, one keep-alive connection and one queue of requests each, so that a cancel never waits behind a hung POST."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

from mmd.core.messages import Amend, ArmCountdown, Cancel, CancelAll, Place, Query, ReadRules, Reconcile, Reply, Request, Unsent
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.batches import MAX_CANCELS, MAX_PLACES
from mmd.venue.clock import monotonic_ms
from mmd.venue.gateway import Gateway

STALE_MS = 2_000


class Lane:
    """Performs requests in order and hands each reply to `deliver`. New orders that wait together go out as one batch, and so do cancels."""

    def __init__(self, gateway: Gateway, deliver: Callable[[Reply], None], now_ms: Callable[[], int] = monotonic_ms) -> None:
        self._gateway = gateway
        self._deliver = deliver
        self._now_ms = now_ms
        self._queue: SimpleQueue[tuple[Request, int] | None] = SimpleQueue()
        self._ahead: list[tuple[Request, int] | None] = []  # taken from the queue, but not part of the last batch

    def send(self, request: Request) -> None:
        """Queue a request; never blocks."""
        self._queue.put((request, self._now_ms()))

    def run(self, at_work: AtWork = unwatched) -> None:
        """Perform what is queued until `stop`; what was queued before it is still performed."""
        while True:
            at_work(False)
            taken = self._take()
            if taken is None:
                return
            at_work(True)
            request, queued_ms = taken
            if isinstance(request, (Place, Amend)) and self._now_ms() - queued_ms > STALE_MS:
                # Decided on a market that is gone, perhaps in a state that is over; nothing of it has left yet.
                replies = [Reply(request, Unsent("waited too long behind another request"), self._now_ms())]
            elif isinstance(request, Place):
                replies = self._gateway.perform_batch([request, *self._more(Place, MAX_PLACES - 1)])
            elif isinstance(request, Cancel):
                replies = self._gateway.perform_batch([request, *self._more(Cancel, MAX_CANCELS - 1)])
            else:
                replies = [self._gateway.perform(request)]
            for reply in replies:
                self._deliver(reply)

    def stop(self) -> None:
        self._queue.put(None)

    def _take(self) -> tuple[Request, int] | None:
        return self._ahead.pop() if self._ahead else self._queue.get()

    def _more(self, kind: type[Place | Cancel], most: int) -> list[Place | Cancel]:
        """The requests of one kind that wait right behind the one just taken."""
        found: list[Place | Cancel] = []
        while len(found) < most and not self._ahead:
            try:
                taken = self._queue.get_nowait()
            except Empty:
                break
            if taken is not None and isinstance(taken[0], kind) and (kind is Cancel or self._now_ms() - taken[1] <= STALE_MS):
                found.append(taken[0])
            else:
                self._ahead.append(taken)
        return found


class Lanes:
    """Which lane a request takes: new exposure on one, its removal and its questions on another, the dead man's switch on a third."""

    def __init__(self, orders: Lane, cancels: Lane, countdown: Lane) -> None:
        self.orders = orders
        self.cancels = cancels
        self.countdown = countdown

    def send(self, request: Request) -> None:
        if isinstance(request, (Place, Amend, Reconcile, ReadRules)):
            self.orders.send(request)
        elif isinstance(request, (Cancel, CancelAll, Query)):
            self.cancels.send(request)
        else:
            assert isinstance(request, ArmCountdown)
            self.countdown.send(request)
