"""Lanes: one thread, one keep-alive connection and one queue of requests each, so that a cancel never waits behind a hung POST."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue

from mmd.core.messages import Amend, ArmCountdown, Cancel, CancelAll, Place, Query, Reconcile, Reply, Request
from mmd.venue.gateway import Gateway


class Lane:
    """Performs requests in order and hands each reply to `deliver`."""

    def __init__(self, gateway: Gateway, deliver: Callable[[Reply], None]) -> None:
        self._gateway = gateway
        self._deliver = deliver
        self._queue: SimpleQueue[Request | None] = SimpleQueue()

    def send(self, request: Request) -> None:
        """Queue a request; never blocks."""
        self._queue.put(request)

    def run(self) -> None:
        """Perform what is queued until `stop`; what was queued before it is still performed."""
        while (request := self._queue.get()) is not None:
            self._deliver(self._gateway.perform(request))

    def stop(self) -> None:
        self._queue.put(None)


class Lanes:
    """Which lane a request takes: new exposure on one, its removal and its questions on another, the dead man's switch on a third."""

    def __init__(self, orders: Lane, cancels: Lane, countdown: Lane) -> None:
        self.orders = orders
        self.cancels = cancels
        self.countdown = countdown

    def send(self, request: Request) -> None:
        if isinstance(request, (Place, Amend, Reconcile)):
            self.orders.send(request)
        elif isinstance(request, (Cancel, CancelAll, Query)):
            self.cancels.send(request)
        else:
            assert isinstance(request, ArmCountdown)
            self.countdown.send(request)
