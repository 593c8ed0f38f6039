"""The whole daemon on a rough road to its venue: half-open, hung, dripping, cut. The paper exchange's own records are the judge.

Trials of one kind run side by side, each with an exchange, roads and a daemon of its own, because most of their time is waiting.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from chaos.exchange_records import Records, session_of
from chaos.rough_proxy import Fault, Ill, RoughProxy, Way
from daemon_rig import Daemon, Exchange

STALE_S, STOP_S, COUNTDOWN_S = 0.4, 2.0, 5.0
SLACK_S = 3.0  # for two cores that are busy with other daemons
QUIET = "{buy_spread: 0.004, sell_spread: 0.004}"
TIMING = {
    "stale_book_after": STALE_S, "connect_timeout": 1, "reply_timeout": 1, "stop_deadline": STOP_S, "echo_timeout": 1, "acceptance_window": 1,
    "acceptance_grace": 0.1, "reconcile_retry": 0.2,
}  # fmt: skip
MARKET, USER = rb"^GET /\S*ethusdt@", rb"^GET /ws/[^@ ]+ "
TO_CLIENT = frozenset({Way.TO_CLIENT})
TO_SERVER = frozenset({Way.TO_SERVER})


class Place:
    """An exchange, a rough road to each of its two doors, and the daemons that take them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._daemons: list[Daemon] = []
        self.exchange = Exchange()
        self.records = Records(self.exchange.server)
        self.rest, self.streams = (RoughProxy(("127.0.0.1", port), seed=1) for port in self.exchange.ports)

    def start(self, *, orders: str = "{}", **timing: float) -> Daemon:
        path = self._directory / "market.yaml"
        path.write_text(
            f"symbol: ETHUSDT\nexchange: {{venue: custom, rest_url: 'http://127.0.0.1:{self.rest.port}', ws_url: 'ws://127.0.0.1:{self.streams.port}'}}\n"
            f"strategy: {QUIET}\norders: {orders}\nrisk: {{countdown: {COUNTDOWN_S}}}\n"
            "timing: {" + ", ".join(f"{key}: {value}" for key, value in {**TIMING, **timing}.items()) + "}\nlogging: {level: debug}\n"
        )
        self._daemons.append(Daemon("-c", path, state=self._directory / "state"))
        return self._daemons[-1]

    def quoting(self, *, orders: str = "{}", **timing: float) -> Daemon:
        """A daemon whose first order stands."""
        daemon = self.start(orders=orders, **timing)
        daemon.wait_for(r" placed ")
        return daemon

    def end(self) -> None:
        for daemon in self._daemons:
            daemon.end()
        for proxy in (self.rest, self.streams):
            proxy.stop()
        self.exchange.server.stop()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[[], Place]]:
    places: list[Place] = []

    def make() -> Place:
        places.append(Place(tmp_path / str(len(places))))
        return places[-1]

    yield make
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Place.end, places))


def side_by_side(trials: dict[str, Callable[[], None]]) -> None:
    """Run all at once; fails with the name of each that failed."""
    with ThreadPoolExecutor(len(trials)) as pool:
        running = {name: pool.submit(trial) for name, trial in trials.items()}
    failed = {name: error for name, future in running.items() if (error := future.exception()) is not None}
    assert not failed, "\n\n".join(f"{name}: {error}" for name, error in failed.items())


def until(condition: Callable[[], bool], within_s: float, what: str) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s} s: {what}"
        time.sleep(0.01)


def stop(daemon: Daemon, within_s: float) -> int:
    """SIGTERM; the exit code, which must come in time."""
    began = time.monotonic()
    code = daemon.stop()
    took_s = time.monotonic() - began
    assert took_s < within_s, f"took {took_s:.1f} s to stop:\n" + "\n".join(daemon.lines)
    return code


# --- the start


@pytest.mark.parametrize("door", ["rest", "streams"])
def test_a_start_that_hangs_is_ended_by_a_signal_at_once(make_place: Callable[[], Place], door: str) -> None:
    """SIGTERM while a connection is not made, not answered or answered by drips: exit code 0 and no order, without waiting for any timeout."""

    def trial(place: Place, ill: Ill) -> None:
        proxy: RoughProxy = getattr(place, door)
        proxy.set(Fault(ill, seconds=1))
        daemon = place.start(connect_timeout=20, reply_timeout=20, stop_deadline=20)
        daemon.wait_for(r" start " if door == "rest" else r" started ")
        if ill is not Ill.HANG:
            until(lambda: bool(proxy.requests()), 10, "a connection")
        assert stop(daemon, SLACK_S) == 0
        assert daemon.lines[-1].endswith(("open_orders=0", 'note="not asked yet"')), daemon.lines
        assert place.records.posted() == []

    side_by_side({ill.value: partial(trial, make_place(), ill) for ill in (Ill.HANG, Ill.SWALLOW, Ill.DRIP, Ill.UNFINISHED)})


# --- blind


def test_blind_it_pulls_its_quotes_and_posts_nothing_until_it_sees_again(make_place: Callable[[], Place]) -> None:
    """Whatever keeps the streams' frames away: quotes are gone soon after the book is stale, none comes while it lasts, one comes afterwards."""

    def trial(place: Place, fault: Fault) -> None:
        daemon = place.quoting()
        place.streams.set(fault)
        if fault.ill in (Ill.REFUSE, Ill.HANG):
            place.streams.reset_all()
        until(lambda: not place.records.open_orders(), STALE_S + SLACK_S, "quotes pulled")
        seen, posted = len(daemon.lines), place.records.posted()
        time.sleep(1.0)
        assert place.records.posted() == posted, "posted while blind"
        place.streams.set(None)
        daemon.wait_for(r" quote from=", since=seen)
        until(lambda: len(place.records.open_orders()) == 1, 5, "a quote")
        assert place.records.most_live_at_once() == 1
        assert stop(daemon, SLACK_S) == 0
        assert place.records.open_orders() == []

    faults = {
        "half-open": Fault(Ill.SWALLOW),
        "half-open, the market alone": Fault(Ill.SWALLOW, asked=MARKET),
        "held": Fault(Ill.HOLD),
        "dripping": Fault(Ill.DRIP, ways=TO_CLIENT),
        "cut in a frame": Fault(Ill.CUT, ways=TO_CLIENT),
        "reset in a frame": Fault(Ill.RESET, ways=TO_CLIENT),
        "unfinished frame": Fault(Ill.UNFINISHED, ways=TO_CLIENT),
        "refused": Fault(Ill.REFUSE),
        "hung": Fault(Ill.HANG),
    }
    side_by_side({name: partial(trial, make_place(), fault) for name, fault in faults.items()})


def test_a_stream_that_has_died_in_silence_is_made_anew(make_place: Callable[[], Place]) -> None:
    """No end and no reset ever comes. The market's: a new connection and a quote within 15 seconds. The user's: an own order's acknowledgement
    that is not echoed in its time pulls the quotes and makes the stream anew."""

    def market(place: Place) -> None:
        daemon = place.quoting()
        seen, began = len(daemon.lines), time.monotonic()
        place.streams.strike(Fault(Ill.SWALLOW, asked=MARKET))
        daemon.wait_for(r" stream_up stream=market", since=seen)
        daemon.wait_for(r" placed ", since=seen)
        assert time.monotonic() - began < 15
        assert stop(daemon, SLACK_S) == 0

    def user(place: Place) -> None:
        daemon = place.quoting(orders="{max_order_age: 1, amend: false}")
        place.streams.strike(Fault(Ill.SWALLOW, asked=USER))
        seen = len(daemon.lines)
        daemon.wait_for(r' stream_down stream=user why="order \S+ was not echoed in 1000 ms"', since=seen)
        daemon.wait_for(r" pause from=quote .*was not echoed", since=seen)
        daemon.wait_for(r" cancelled ", since=seen)
        daemon.wait_for(r" stream_up stream=user", since=seen)
        daemon.wait_for(r" placed ", since=len(daemon.lines))
        assert place.records.most_live_at_once() == 1
        assert stop(daemon, SLACK_S) == 0

    side_by_side({"market": partial(market, make_place()), "user": partial(user, make_place())})


# --- REST


def test_cancels_go_out_while_the_answer_to_a_post_never_ends(make_place: Callable[[], Place]) -> None:
    """On SIGTERM the order whose answer hangs is cancelled at once on the other lane; the exit is clean."""
    place = make_place()
    daemon = place.quoting(orders="{max_order_age: 1, amend: false}", reply_timeout=2, stop_deadline=6)
    place.rest.set(Fault(Ill.UNFINISHED, asked=rb"^POST /fapi/v1/order", ways=TO_CLIENT))
    until(lambda: len(place.records.posted()) == 2 and len(place.records.open_orders()) == 1, 8, "a second order")
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: not place.records.open_orders(), 1.5, "cancelled before the answer to the POST was given up")
    assert daemon.exit_code() == 0
    assert daemon.lines[-1].endswith("open_orders=0")


def test_answers_that_do_not_arrive_lead_to_no_second_order(make_place: Callable[[], Place]) -> None:
    """However answers or requests get lost: never two orders at once, no id posted twice, and afterwards exactly one quote stands."""

    def trial(place: Place, fault: Fault) -> None:
        daemon = place.quoting(orders="{max_order_age: 1, amend: false, order_refresh_interval: 0.2}", stale_book_after=2)
        place.rest.set(fault)
        time.sleep(2)
        place.rest.set(None)
        before = place.records.posted()
        until(lambda: len(place.records.posted()) > len(before) + 1, 20, "new quotes")
        assert place.records.most_live_at_once() == 1
        assert len(place.records.posted()) == len(set(place.records.posted()))
        assert stop(daemon, STOP_S) == 0
        assert place.records.open_orders() == []

    faults = {
        "answers swallowed": Fault(Ill.SWALLOW, ways=TO_CLIENT),
        "requests swallowed": Fault(Ill.SWALLOW, ways=TO_SERVER),
        "answers cut": Fault(Ill.CUT, ways=TO_CLIENT),
        "answers reset": Fault(Ill.RESET, ways=TO_CLIENT),
        "requests reset": Fault(Ill.RESET, ways=TO_SERVER),
        "answers dripping": Fault(Ill.DRIP, ways=TO_CLIENT, seconds=0.05),
        "all late": Fault(Ill.DELAY, seconds=1.2),
        "requests held": Fault(Ill.HOLD, ways=TO_SERVER),
    }
    side_by_side({name: partial(trial, make_place(), fault) for name, fault in faults.items()})


# --- all of it


def test_a_reset_of_every_connection_at_once_is_lived_through(make_place: Callable[[], Place]) -> None:
    """Lanes and streams lose their connections in the same instant, three times; each time it ends up with one quote."""
    place = make_place()
    daemon = place.quoting()
    for _ in range(3):
        seen = len(daemon.lines)
        for proxy in (place.rest, place.streams):
            proxy.reset_all()
        daemon.wait_for(r" quote from=", since=seen)
        daemon.wait_for(r" placed ", since=seen)
        until(lambda: len(place.records.open_orders()) == 1, 5, "one quote")
    assert place.records.most_live_at_once() == 1
    assert stop(daemon, SLACK_S) == 0


def test_sigterm_amid_faults_ends_it_in_time_with_no_order_left(make_place: Callable[[], Place]) -> None:
    """Exit code 0 where the venue could still say that nothing is open; else 1 within the stop deadline, and the countdown removes what was left."""

    def trial(place: Place, door: str, fault: Fault, code: int) -> None:
        daemon = place.quoting()
        proxy: RoughProxy = getattr(place, door)
        proxy.set(fault)
        if fault.ill in (Ill.REFUSE, Ill.HANG):
            proxy.reset_all()
        time.sleep(0.3)
        assert stop(daemon, (0 if code == 0 else STOP_S) + SLACK_S + 2) == code, "\n".join(daemon.lines)
        if code == 0:
            assert daemon.lines[-1].endswith("open_orders=0") and place.records.open_orders() == []
        else:
            assert "open_orders=unknown" in daemon.lines[-1] and "leaves the venue's countdown armed" in daemon.lines[-1]
            until(lambda: not place.records.open_orders(), COUNTDOWN_S + 1, "the countdown's work")

    trials = {
        "streams half-open": ("streams", Fault(Ill.SWALLOW), 0),
        "streams dripping": ("streams", Fault(Ill.DRIP, ways=TO_CLIENT), 0),
        "streams refused": ("streams", Fault(Ill.REFUSE), 0),
        "streams hung": ("streams", Fault(Ill.HANG), 0),
        "answers late": ("rest", Fault(Ill.DELAY, seconds=0.1), 0),
        "rest half-open": ("rest", Fault(Ill.SWALLOW), 1),
        "answers dripping": ("rest", Fault(Ill.DRIP, ways=TO_CLIENT), 1),
        "answers unfinished": ("rest", Fault(Ill.UNFINISHED, ways=TO_CLIENT), 1),
        "answers cut": ("rest", Fault(Ill.CUT, ways=TO_CLIENT), 1),
        "requests reset": ("rest", Fault(Ill.RESET), 1),
        "rest refused": ("rest", Fault(Ill.REFUSE), 1),
        "rest hung": ("rest", Fault(Ill.HANG), 1),
    }
    side_by_side({name: partial(trial, make_place(), *each) for name, each in trials.items()})


def test_an_order_that_arrives_after_its_sender_was_killed_is_cancelled_by_the_next(make_place: Callable[[], Place]) -> None:
    """The POST was under way when the process died; it comes in while the next one quotes, which finds and cancels it at once."""
    place = make_place()
    killed = place.quoting(orders="{max_order_age: 1, amend: false}", acceptance_window=15, stop_deadline=20)
    place.rest.strike(Fault(Ill.HOLD, asked=rb"^POST /fapi/v1/order ", ways=TO_SERVER))
    until(lambda: not place.records.open_orders(), 5, "the first order's end")
    time.sleep(0.3)
    killed.stop(signal.SIGKILL)
    daemon = place.quoting(acceptance_window=15, stop_deadline=20)
    first, second = place.records.posted()
    place.rest.set(None)
    until(lambda: len(place.records.posted()) > 2, 5, "the late order")
    late = place.records.posted()[2]
    assert session_of(late) == session_of(first) != session_of(second)
    daemon.wait_for(rf" leftover order={late} ")
    until(lambda: [session_of(order.client_order_id) for order in place.records.open_orders()] == [session_of(second)], SLACK_S, "one order, its own")
    assert stop(daemon, SLACK_S) == 0
    assert place.records.open_orders() == []


def test_threads_and_descriptors_do_not_pile_up(make_place: Callable[[], Place]) -> None:
    """After thirty resets of the lanes and some of the streams there are no more threads and descriptors than before."""
    place = make_place()
    daemon = place.quoting(orders="{max_order_age: 1, amend: false, order_refresh_interval: 0.05}")

    def count(kind: str) -> int:
        return len(os.listdir(f"/proc/{daemon.process.pid}/{kind}"))

    until(lambda: len(place.records.posted()) > 1, 5, "every lane in use")
    before = {kind: count(kind) for kind in ("task", "fd")}
    for _ in range(3):
        seen = len(daemon.lines)
        place.streams.reset_all()
        for _ in range(10):
            place.rest.reset_all()
            time.sleep(0.03)
        daemon.wait_for(r" placed ", since=seen)
    until(lambda: count("task") == before["task"] and count("fd") <= before["fd"], 10, f"threads and descriptors {before}")
    assert stop(daemon, STOP_S) == 0
