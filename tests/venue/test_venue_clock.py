"""The venue's clock: how far it may be off is never understated."""

from __future__ import annotations

import random

import pytest

from mmd.venue.clock import ClockUnset, VenueClock


def test_unknown_before_the_first_reading() -> None:
    """Nothing is made up: asking for the time raises, and the uncertainty is None."""
    clock = VenueClock()
    assert clock.uncertainty_ms(0) is None
    with pytest.raises(ClockUnset):
        clock.now_ms(0)


def test_a_reading_is_taken_for_the_middle_of_its_round_trip() -> None:
    """Half of the round trip each way, and a millisecond of doubt for whole-millisecond clocks."""
    clock = VenueClock()
    clock.observe(1_000_050, 100, 200)
    assert clock.now_ms(200) == 1_000_100
    assert clock.uncertainty_ms(200) == 51


@pytest.mark.parametrize("seed", range(40))
def test_the_true_time_is_always_within_the_uncertainty(seed: int) -> None:
    """With any split of the round trip, and a drift within the assumed one, |now − true| ≤ uncertainty."""
    generator = random.Random(seed)
    clock, offset, drift_ppm, monotonic = VenueClock(drift_ppm=100), generator.randint(-10**6, 10**12), generator.uniform(-90, 90), 5_000

    def true_ms(at: int) -> float:
        return at + offset + at * drift_ppm / 1e6

    for _ in range(60):
        sent = monotonic + generator.randint(0, 20_000)
        out, back = generator.randint(0, 400), generator.randint(0, 400)
        clock.observe(int(true_ms(sent + out)), sent, sent + out + back)
        monotonic = sent + out + back
        for later in (0, 500, 30_000):
            uncertainty = clock.uncertainty_ms(monotonic + later)
            assert uncertainty is not None
            assert abs(clock.now_ms(monotonic + later) - true_ms(monotonic + later)) <= uncertainty + 2, f"seed {seed}"


def test_the_shortest_round_trip_wins() -> None:
    """A slow reading after a quick one changes nothing, a quicker one does."""
    clock = VenueClock()
    clock.observe(10_000, 0, 20)
    clock.observe(10_450, 400, 900)
    assert clock.uncertainty_ms(900) == 11
    clock.observe(11_000, 990, 994)
    assert clock.uncertainty_ms(994) == 3


def test_an_old_reading_gives_way_in_time() -> None:
    """Only the last few readings count, so that a lucky one does not rule for ever."""
    clock = VenueClock(kept=3, drift_ppm=0)
    clock.observe(10_000, 0, 0)
    for i in range(1, 4):
        clock.observe(10_000 + i * 100 + 20, i * 100, i * 100 + 40)
    assert clock.uncertainty_ms(400) == 21


def test_a_step_of_the_clock_is_believed_at_once() -> None:
    """A reading that cannot agree with the one in use (a suspended machine) replaces it, however good that was."""
    clock = VenueClock()
    clock.observe(10_000, 0, 2)
    clock.observe(70_300, 200, 400)
    assert clock.now_ms(400) == 70_400


def test_doubt_grows_with_age() -> None:
    """Two clocks drift apart by the assumed parts per million."""
    clock = VenueClock(drift_ppm=100)
    clock.observe(0, 0, 0)
    assert [clock.uncertainty_ms(at) for at in (0, 10_000, 3_600_000)] == [1, 2, 361]


def test_time_does_not_run_backwards() -> None:
    """A reading received before it was sent is a mistake of the caller."""
    with pytest.raises(ValueError, match="before"):
        VenueClock().observe(0, 10, 9)
