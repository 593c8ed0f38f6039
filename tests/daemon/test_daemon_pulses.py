"""The watchdog is fed exactly while every thread waits for work or gets it done."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest

from mmd.core.messages import Level, Notice, Query, Reply, Request, Stream
from mmd.daemon.lanes import Lane
from mmd.daemon.notify import Notifier
from mmd.daemon.published import Published
from mmd.daemon.pulses import Watchdog, WorkPulse
from mmd.daemon.reporters import Reporter
from mmd.daemon.workers import Body, Worker
from mmd.venue.at_work import AtWork
from mmd.venue.clock import VenueClock
from mmd.venue.clock_keeper import ClockKeeper
from mmd.venue.connection import ConnectionLost
from mmd.venue.listen_key import ListenKeyKeeper
from mmd.venue.stream_loop import StreamLoop

WAIT_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Thread:
    """A thread with a trouble that the test sets."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_wrong: str | None = None

    def trouble(self) -> str | None:
        return self.is_wrong


class Supervisor:
    """Counts the signs of life that arrive on a socket of its own."""

    def __init__(self, directory: Path) -> None:
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wire.bind(str(directory / "notify"))
        self._wire.setblocking(False)
        self.notifier = Notifier({"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "20000000"})
        self.notifier.ready("quote")
        self.heard()

    def heard(self) -> int:
        count = 0
        while True:
            try:
                count += self._wire.recv(4096) == b"WATCHDOG=1"
            except BlockingIOError:
                return count

    def close(self) -> None:
        self._wire.close()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path)
    yield made
    made.close()


def test_the_watchdog_is_fed_four_times_within_its_patience(supervisor: Supervisor) -> None:
    """However often the main loop turns, a sign of life goes out every 5 s of 20 s, and the first at once."""
    clock = Clock()
    watchdog = Watchdog(supervisor.notifier, clock)
    counts = []
    for _ in range(100):
        watchdog.feed()
        counts.append(supervisor.heard())
        clock.now_s += 0.5
    assert watchdog.every_s == 5
    assert [index for index, count in enumerate(counts) if count] == list(range(0, 100, 10))


def test_one_stuck_thread_starves_the_watchdog_until_it_goes_on(supervisor: Supervisor) -> None:
    """Nothing is fed while one of two is stuck; the log names it once, with the cause and what comes of it, and says when it goes on."""
    clock, notices = Clock(), list[Notice]()
    watchdog = Watchdog(supervisor.notifier, clock, notices.append)
    well, stuck = Thread("market-stream"), Thread("orders-lane")
    watchdog.watch([well, stuck])
    fed = []
    for round_ in range(6):
        stuck.is_wrong = "at one piece of work for 121 s" if 2 <= round_ < 4 else None
        watchdog.feed()
        fed.append(supervisor.heard())
        clock.now_s += 5
    assert fed == [1, 1, 0, 0, 1, 1]
    assert [(notice.level, notice.event, notice.fields["thread"]) for notice in notices] == [
        (Level.ERROR, "thread_stuck", "orders-lane"), (Level.WARNING, "thread_goes_on", "orders-lane")]
    assert notices[0].fields["why"] == "at one piece of work for 121 s" and "ends the process" in str(notices[0].fields["does"])


def test_without_a_supervisor_a_stuck_thread_is_named_all_the_same() -> None:
    """The log has the same line, and no promise that somebody will act."""
    notices = list[Notice]()
    watchdog = Watchdog(Notifier({}), Clock(), notices.append)
    stuck = Thread("orders-lane")
    stuck.is_wrong = "has ended"
    watchdog.watch([stuck])
    watchdog.feed()
    assert [(notice.event, notice.fields["does"]) for notice in notices] == [("thread_stuck", "goes on without it")]


def test_a_pulse_counts_work_and_not_waiting() -> None:
    """Waiting is no work however long it takes, and each piece of work counts from its own beginning."""
    clock = Clock()
    pulse = WorkPulse(clock)
    clock.now_s += 1e6
    assert pulse.busy_s == 0
    pulse.at_work(True)
    clock.now_s += 3
    assert pulse.busy_s == 3
    pulse.at_work(True)
    assert pulse.busy_s == 0
    clock.now_s += 2
    pulse.at_work(False)
    assert pulse.busy_s == 0


class Stuck:
    """A body that gets to work when it is told to, and is stuck in it until it is let go."""

    def __init__(self) -> None:
        self.begin, self.begun, self.go_on, self.waits = threading.Event(), threading.Event(), threading.Event(), threading.Event()

    def run(self, at_work: AtWork) -> None:
        self.begin.wait(WAIT_S)
        at_work(True)
        self.begun.set()
        self.go_on.wait(WAIT_S)
        at_work(False)
        self.waits.set()
        self.begin.clear()
        self.begin.wait(WAIT_S)

    def stop(self) -> None:
        self.begin.set()
        self.go_on.set()


def test_a_worker_is_in_trouble_while_it_is_stuck_and_when_it_has_ended() -> None:
    """A waiting thread is well, one beyond its bound at one piece of work is not, and neither is one that has ended unasked."""
    body = Stuck()
    worker = Worker.of("lane", body, lambda name, error: None, busy_s=0.0)
    worker.start()
    assert worker.trouble() is None
    body.begin.set()
    assert body.begun.wait(WAIT_S)
    assert worker.trouble() == "at one piece of work for 0 s"
    body.go_on.set()
    assert body.waits.wait(WAIT_S)
    assert worker.trouble() is None
    worker.stop()
    assert worker.join(WAIT_S)
    assert worker.trouble() == "has ended"


def test_a_worker_that_may_end_is_well_when_it_has() -> None:
    """The start's own thread is done when it is done."""
    worker = Worker("startup", lambda: None, lambda: None, lambda name, error: None, may_end=True)
    worker.start()
    assert worker.join(WAIT_S)
    assert worker.trouble() is None


class Rest:
    """A client whose calls tell the test that they have begun, and hang until it lets them go."""

    def __init__(self) -> None:
        self.called, self.go_on = threading.Event(), threading.Event()

    def call(self, *_: object) -> dict[str, int]:
        self.called.set()
        self.go_on.wait(WAIT_S)
        return {"serverTime": 0}

    def close(self) -> None:
        pass


class Gateway:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def perform(self, request: Request) -> Reply:
        self._rest.call()
        return Reply(request, None, 0)


def lane(rest: Rest) -> tuple[Body, Callable[[], None]]:
    made = Lane(Gateway(rest), lambda reply: None)  # type: ignore[arg-type]
    return made, lambda: made.send(Query("mmd-s-1"))


def clock_keeper(rest: Rest) -> tuple[Body, Callable[[], None]]:
    made = ClockKeeper(rest, VenueClock(), lambda event: None, lambda notice: None)  # type: ignore[arg-type]
    return made, made.hurry


def listen_key_keeper(rest: Rest) -> tuple[Body, Callable[[], None]]:
    return ListenKeyKeeper(rest, lambda reason: None, lambda notice: None, 0.2), lambda: None  # type: ignore[arg-type]


def reporter(rest: Rest) -> tuple[Body, Callable[[], None]]:
    class Slow(Published):
        def get(self) -> None:
            rest.call()

    return Reporter(Slow(), lambda view: None, 200, lambda notice: None), lambda: None


def stream(rest: Rest) -> tuple[Body, Callable[[], None]]:
    def address() -> str:
        rest.call()
        raise ConnectionLost("nobody there")

    return StreamLoop(Stream.USER, address, lambda data, at: None, lambda event: None, lambda notice: None, random.Random(1)), lambda: None


@pytest.mark.parametrize("make", [lane, clock_keeper, listen_key_keeper, reporter, stream])
def test_each_thread_tells_when_it_is_at_work(make: Callable[[Rest], tuple[Body, Callable[[], None]]]) -> None:
    """The real bodies: at work for as long as a call hangs, and waiting soon after it came back."""
    rest, words = Rest(), SimpleQueue[bool]()
    body, trigger = make(rest)
    now = [False]

    def at_work(working: bool) -> None:
        now[0] = working
        words.put(working)

    thread = threading.Thread(target=body.run, args=(at_work,), daemon=True)
    thread.start()
    trigger()
    assert rest.called.wait(WAIT_S)
    assert now[0]
    rest.go_on.set()
    while words.get(timeout=WAIT_S) or not words.empty():
        pass
    body.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_quiet_stream_looks_up_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream on which nothing is said for an hour begins a new piece of work every quarter of a minute at least, and stays connected."""
    waits, words = list[float](), list[bool]()

    class Quiet:
        def __init__(self, limits: object) -> None:
            pass

        def open(self, url: str) -> None:
            words.clear()

        def receive(self, wait_s: float) -> None:
            waits.append(wait_s)
            if len(waits) == 240:
                loop.stop()
                raise ConnectionLost("aborted")

        def abort(self) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr("mmd.venue.stream_loop.Connection", Quiet)
    loop = StreamLoop(Stream.USER, lambda: "ws://nowhere", lambda data, at: None, lambda event: None, lambda notice: None, random.Random(1))
    loop.run(words.append)
    assert max(waits) <= 15
    assert words == [True] * 240 + [False]
