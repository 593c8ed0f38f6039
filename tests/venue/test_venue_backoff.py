"""Back-off: bounded, growing, jittered, and reset by health alone."""

from __future__ import annotations

import random

import pytest

from mmd.venue.backoff import Backoff


class _Ceiling(random.Random):
    """A generator without luck: the top of the range, always."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_ceiling_doubles_up_to_the_limit() -> None:
    """0.2 s, 0.4 s, … and never above 30 s, however often it fails."""
    backoff = Backoff(_Ceiling())
    assert [backoff.next_delay_s() for _ in range(10)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


@pytest.mark.parametrize("seed", range(20))
def test_jitter_is_full_and_repeatable(seed: int) -> None:
    """Every wait lies between zero and its ceiling, and a seed repeats the series."""
    delays, again, ceilings = Backoff(random.Random(seed)), Backoff(random.Random(seed)), Backoff(_Ceiling())
    for _ in range(12):
        delay_s = delays.next_delay_s()
        assert 0 <= delay_s <= ceilings.next_delay_s(), f"seed {seed}"
        assert delay_s == again.next_delay_s(), f"seed {seed}"


def test_a_connection_that_lasted_starts_the_series_anew() -> None:
    """A healthy minute resets; a connection that was up for a moment only does not (a server that accepts and hangs up)."""
    backoff = Backoff(_Ceiling())
    for _ in range(6):
        backoff.next_delay_s()
    assert backoff.next_delay_s(lasted_s=59.9) == 12.8
    assert backoff.next_delay_s(lasted_s=60.0) == 0.2


@pytest.mark.parametrize(("first_s", "limit_s"), [(0, 1), (-1, 1), (2, 1)])
def test_nonsense_is_refused(first_s: float, limit_s: float) -> None:
    """A first wait that is not positive, or above the limit, is no back-off."""
    with pytest.raises(ValueError, match="first_s"):
        Backoff(random.Random(0), first_s, limit_s)
