"""Mark price, index price and funding."""

from __future__ import annotations

from decimal import Decimal

from mmd.paper.mark_price import MarkPrice

START_MS = 1_700_000_000_500
HOUR_MS = 3_600_000


def test_the_mark_price_follows_the_index_smoothly() -> None:
    """Each second closes a tenth of the gap: the mark moves toward the index, never past it, and arrives."""
    mark = MarkPrice(Decimal(100), START_MS, 8 * HOUR_MS)
    now_ms, before = START_MS, mark.mark_price
    assert before == Decimal(100)
    for second in range(400):
        now_ms += 1000
        mark.sample(Decimal(110), now_ms)
        assert before <= mark.mark_price <= Decimal(110)
        before = mark.mark_price
        if second == 0:
            assert mark.mark_price == Decimal(101)
    assert abs(mark.mark_price - 110) < Decimal("0.0000001")


def test_samples_do_not_depend_on_how_often_they_are_taken() -> None:
    """One call for a minute gives the same price as sixty calls, and the next sample is due at the same time."""
    often, once = (MarkPrice(Decimal(100), START_MS, 8 * HOUR_MS) for _ in range(2))
    for second in range(60):
        often.sample(Decimal("90.005"), 1_700_000_001_000 + second * 1000)
    once.sample(Decimal("90.005"), 1_700_000_060_999)
    assert (once.mark_price, once.index_price, once.next_sample_ms) == (often.mark_price, often.index_price, often.next_sample_ms)
    assert once.next_sample_ms == 1_700_000_061_000


def test_after_a_long_silence_the_mark_is_the_index() -> None:
    """A jump of a year needs no loop of a year."""
    mark = MarkPrice(Decimal(100), START_MS, 8 * HOUR_MS)
    mark.sample(Decimal(200), START_MS + 365 * 24 * HOUR_MS)
    assert mark.mark_price == 200


def test_prices_have_eight_places() -> None:
    """Both prices are multiples of the eighth decimal place, however odd the index."""
    mark = MarkPrice(Decimal(1) / 3, START_MS, 8 * HOUR_MS)
    mark.sample(Decimal(2) / 7, START_MS + 1000)
    assert mark.index_price == Decimal("0.28571429")
    assert mark.mark_price.as_tuple().exponent == -8


def test_funding_is_due_at_whole_intervals_and_goes_on_record() -> None:
    """The first settlement is at the next 00, 08 or 16 UTC; each settles the rate that stands then and moves on by the interval."""
    mark = MarkPrice(Decimal(100), START_MS, 8 * HOUR_MS)
    assert mark.next_funding_ms == 1_700_006_400_000  # 2023-11-15 00:00 UTC
    first = mark.settle()
    mark.last_funding_rate = Decimal("-0.0003")
    second = mark.settle()
    assert (first.at_ms, first.rate, first.mark_price) == (1_700_006_400_000, Decimal("0.0001"), Decimal(100))
    assert (second.at_ms, second.rate) == (1_700_006_400_000 + 8 * HOUR_MS, Decimal("-0.0003"))
    assert mark.fundings.entries() == [first, second]
