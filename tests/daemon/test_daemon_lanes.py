"""Lanes: order, batching, and what is queued before a stop."""

from __future__ import annotations

from collections.abc import Sequence

from mmd.core.messages import Amend, Cancel, Place, Query, Reconcile, Reply, Request, Unsent
from mmd.core.units import Side
from mmd.daemon.lanes import STALE_MS, Lane


class Gateway:
    """Answers everything with None, and notes what went out together."""

    def __init__(self) -> None:
        self.sent: list[list[Request]] = []

    def perform(self, request: Request) -> Reply:
        self.sent.append([request])
        return Reply(request, None, 0)

    def perform_batch(self, requests: Sequence[Place | Cancel]) -> list[Reply]:
        self.sent.append(list(requests))
        return [Reply(request, None, 0) for request in requests]


def place(n: int) -> Place:
    return Place(f"mmd-s-{n}", Side.BUY, 100, 1, reduce_only=False, post_only=True)


def run(*requests: Request) -> tuple[list[list[Request]], list[Reply]]:
    """What went out, and the replies, of a lane that found all these waiting."""
    gateway, replies = Gateway(), list[Reply]()
    lane = Lane(gateway, replies.append)  # type: ignore[arg-type]
    for request in requests:
        lane.send(request)
    lane.stop()
    lane.run()
    return gateway.sent, replies


def test_new_orders_that_wait_together_go_out_together_five_at_a_time() -> None:
    """Seven become five and two; every one gets its reply, in order."""
    places = [place(n) for n in range(7)]
    sent, replies = run(*places)
    assert sent == [places[:5], places[5:]]
    assert [reply.request for reply in replies] == places


def test_cancels_go_out_ten_at_a_time() -> None:
    """Twelve become ten and two."""
    cancels = [Cancel(f"mmd-s-{n}") for n in range(12)]
    assert [len(batch) for batch in run(*cancels)[0]] == [10, 2]


def test_only_neighbours_of_one_kind_are_joined() -> None:
    """Nothing overtakes anything: a request of another kind ends a batch and keeps its place."""
    amend, query = Amend("mmd-s-0", 1, Side.BUY, 100, 1), Query("mmd-s-0")
    sent, _ = run(place(1), place(2), amend, place(3), Cancel("mmd-s-1"), Cancel("mmd-s-2"), query, Reconcile(None))
    assert sent == [[place(1), place(2)], [amend], [place(3)], [Cancel("mmd-s-1"), Cancel("mmd-s-2")], [query], [Reconcile(None)]]


def test_an_order_that_waited_too_long_is_never_sent() -> None:
    """A POST or PUT behind a hung request is answered as unsent; a cancel goes out however late."""
    now_ms = [0]
    gateway, replies = Gateway(), list[Reply]()
    lane = Lane(gateway, replies.append, lambda: now_ms[0])  # type: ignore[arg-type]
    amend = Amend("mmd-s-9", 1, Side.BUY, 100, 1)
    for request in (place(1), amend, Cancel("mmd-s-2"), Cancel("mmd-s-3")):
        lane.send(request)
    now_ms[0] = STALE_MS + 1
    lane.send(place(4))
    lane.stop()
    lane.run()
    assert gateway.sent == [[Cancel("mmd-s-2"), Cancel("mmd-s-3")], [place(4)]]
    assert [reply.request for reply in replies if isinstance(reply.outcome, Unsent)] == [place(1), amend]


def test_a_stop_behind_a_batch_still_stops() -> None:
    """The stop that ends a batch is not lost, and nothing after it is performed."""
    gateway, replies = Gateway(), list[Reply]()
    lane = Lane(gateway, replies.append)  # type: ignore[arg-type]
    lane.send(place(1))
    lane.stop()
    lane.send(place(2))
    lane.run()
    assert gateway.sent == [[place(1)]]
