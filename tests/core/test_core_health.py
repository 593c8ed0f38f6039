"""Every reason to pause, by itself, and when the next may come."""

from __future__ import annotations

import pytest
from core_rig import MID, depth_at, eth_rules, make_settings

from mmd.core.book import Book
from mmd.core.breaker import FillBreaker
from mmd.core.budget import OrderBudget
from mmd.core.health import Health
from mmd.core.messages import Stream


class Bench:
    """A health with all well at 1,000 ms: streams up, a book of that moment, the countdown armed."""

    def __init__(self, **changes: object) -> None:
        self.book, self.budget = Book(), OrderBudget(100)
        settings = make_settings(**changes)
        self.health = Health(settings, self.book, self.budget, FillBreaker(eth_rules(), settings.risk.fills))
        self.health.stream_up(Stream.MARKET)
        self.health.stream_up(Stream.USER)
        self.book.apply(depth_at(MID, now_ms=1_000))
        self.health.countdown_armed(30_000, 1_000)
        self.health.countdown_sent(1_000)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_all_well_is_no_reason(bench: Bench) -> None:
    """Nothing wrong: nothing said."""
    assert bench.health.reasons(1_000) == ()


def test_at_first_nothing_is_known() -> None:
    """Neither stream has connected, and the countdown is not armed."""
    settings = make_settings()
    health = Health(settings, Book(), OrderBudget(1), FillBreaker(eth_rules(), settings.risk.fills))
    assert health.reasons(0) == ("market stream: not connected yet", "user stream: not connected yet", "countdown not armed")


@pytest.mark.parametrize("stream", Stream)
def test_a_stream_that_is_down(bench: Bench, stream: Stream) -> None:
    """Named, with the reason; up again, it is no reason any more."""
    bench.health.stream_down(stream, "closed by peer")
    assert bench.health.reasons(1_000) == (f"{stream.value} stream: closed by peer",)
    bench.health.stream_up(stream)
    assert bench.health.reasons(1_000) == ()


def test_no_book_yet(bench: Bench) -> None:
    """A market stream without a frame."""
    bench.book.forget()
    assert bench.health.reasons(1_000) == ("no book yet",)


def test_a_stale_book(bench: Bench) -> None:
    """Two seconds old is good, a millisecond more is stale; with the flaw of the last frame where one was refused (FAULTS K1, K3)."""
    assert bench.health.reasons(3_000) == ()
    assert bench.health.reasons(3_001) == ("stale book",)
    bench.health.last_refused_frame = "crossed"
    assert bench.health.reasons(3_001) == ("stale book: last frame refused, crossed",)


def test_the_countdown_runs_out(bench: Bench) -> None:
    """Armed until 30 s after the request was sent, not a millisecond longer (FAULTS P2)."""
    for now_ms, reasons in ((30_999, ()), (31_000, ("countdown not armed",))):
        bench.book.received_ms = now_ms
        assert bench.health.reasons(now_ms) == reasons


def test_without_a_countdown_none_is_missed() -> None:
    """`countdown_ms: 0` does without."""
    bench = Bench(countdown_ms=0)
    bench.book.received_ms = 100_000
    assert bench.health.reasons(100_000) == ()


def test_silence(bench: Bench) -> None:
    """As long as the venue wants it."""
    bench.budget.be_silent(2_000)
    assert bench.health.reasons(1_999) == ("the venue asked for silence",)
    assert bench.health.reasons(2_000) == ()


def test_the_countdown_is_renewed_after_a_third_or_soon_after_a_failure(bench: Bench) -> None:
    """At most T/3 between renewals; a failed one is tried again in a second."""
    assert bench.health.countdown_due_ms == 11_000
    bench.health.countdown_failed(5_000)
    assert bench.health.countdown_due_ms == 6_000


def test_the_deadline_is_the_first_of_all_dues(bench: Bench) -> None:
    """The refresh interval, the moment the book turns stale, the countdown's renewal, the end of silence."""
    assert bench.health.deadline_ms(1_000) == 2_000
    assert bench.health.deadline_ms(2_500) == 3_001
    bench.book.received_ms = 10_900
    assert bench.health.deadline_ms(10_900) == 11_900
    bench.health.countdown_wanted = True
    assert bench.health.deadline_ms(10_900) == 11_000
    bench.budget.be_silent(11_100)
    assert bench.health.deadline_ms(10_900) == 11_100
    assert bench.health.deadline_ms(10_000) == 11_000
