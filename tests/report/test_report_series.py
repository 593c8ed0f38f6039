"""The series of the charts: thinned while they grow, without losing an extreme or a fill."""

from __future__ import annotations

import random

import pytest

from mmd.report.series import Dots, Histogram, Line


@pytest.mark.parametrize("seed", range(10))
def test_a_line_keeps_its_extremes_and_ends(seed: int) -> None:
    """However many points, few are kept, in order, all of them true, with the very first, last, lowest and highest."""
    rng = random.Random(seed)
    line = Line(most=50)
    points = []
    at = 0
    for _ in range(rng.randint(100, 5_000)):
        at += rng.choice((0, 1, 7, 1_000))
        points.append((at, rng.gauss(0, 1)))
        line.add(*points[-1])
    kept = list(line.points())
    assert len(kept) <= 4 * 50, f"seed {seed}"
    assert [time for time, _ in kept] == sorted(time for time, _ in kept), f"seed {seed}"
    assert set(kept) <= set(points), f"seed {seed}"
    values = [value for _, value in points]
    assert {min(values), max(values)} <= {value for _, value in kept}, f"seed {seed}"
    assert points[0] in kept and points[-1] in kept, f"seed {seed}"
    assert (min(low for _, low, _ in line.ranges()), max(high for _, _, high in line.ranges())) == (min(values), max(values)), (
        f"seed {seed}"
    )


def test_a_short_line_is_kept_whole() -> None:
    """Nothing is thinned that need not be."""
    line = Line(most=50)
    points = [(number * 10, float(number % 7)) for number in range(50)]
    for point in points:
        line.add(*point)
    assert list(line.points()) == points
    assert not line.is_thinned


@pytest.mark.parametrize("seed", range(10))
def test_dots_lose_no_fill(seed: int) -> None:
    """Number, quantity and notional of all of them are those of what was added, and those that are one stretch are near."""
    rng = random.Random(seed)
    dots = Dots(most=40)
    at, added = 0, []
    for _ in range(rng.randint(50, 3_000)):
        at += rng.choice((0, 1, 300, 20_000))
        added.append((at, rng.randint(1, 10**12), rng.randint(1, 10**9)))
        dots.add(*added[-1])
    found = dots.dots()
    assert len(found) <= 40, f"seed {seed}"
    assert sum(dot.fills for dot in found) == len(added), f"seed {seed}"
    assert sum(dot.size for dot in found) == sum(size for _, _, size in added), f"seed {seed}"
    assert sum(dot.price * dot.size for dot in found) == pytest.approx(sum(price * size for _, price, size in added)), f"seed {seed}"
    assert all(dot.last_ms - dot.first_ms < dots.stretch_ms for dot in found), f"seed {seed}"


def test_few_dots_are_the_fills_themselves() -> None:
    """Each one with its own time and price, also two in the same millisecond."""
    dots = Dots(most=40)
    for number in range(40):
        dots.add(number // 2, 100 + number, 1)
    assert [(dot.first_ms, dot.fills, dot.price) for dot in dots.dots()] == [(number // 2, 1, 100.0 + number) for number in range(40)]


def test_a_histogram_counts_every_fill() -> None:
    """Those beyond its axis are counted beside it."""
    rng = random.Random(7)
    histogram = Histogram()
    for _ in range(5_000):
        histogram.add(rng.gauss(1, 2))
    histogram.add(1e9)
    histogram.add(-1e9)
    bins = histogram.bins()
    assert bins is not None
    assert sum(bins.counts) + bins.below + bins.above == 5_002
    assert bins.below and bins.above
    assert len(bins.counts) <= 61
    assert bins.edges_bps[0] < 1 < bins.edges_bps[-1]
    assert sum(count for edge, count in zip(bins.edges_bps, bins.counts) if edge + bins.width_bps / 2 < 1) / 5_002 == pytest.approx(
        0.5, abs=0.05
    )


def test_one_fill_and_none() -> None:
    """One bin of one; nothing of nothing."""
    histogram = Histogram()
    assert histogram.bins() is None
    histogram.add(2.5)
    bins = histogram.bins()
    assert bins is not None and bins.counts == [1]
