"""Weights, order counts, and bans."""

from __future__ import annotations

import pytest

from mmd.paper.rate_limits import Limits, OverLimit, RateLimits

NOON_MS = 28_000_000 * 60_000  # a whole minute
LIMITS = Limits(weight=10, orders=3, tolerated_violations=2, first_ban_ms=120_000, longest_ban_ms=1_000_000)


def refusal_of(limits: RateLimits, now_ms: int, weight: int = 1) -> OverLimit:
    with pytest.raises(OverLimit) as caught:
        limits.charge_weight("1.2.3.4", weight, now_ms)
    return caught.value


def exhausted(now_ms: int) -> RateLimits:
    limits = RateLimits(LIMITS)
    limits.charge_weight("1.2.3.4", 10, now_ms)
    return limits


def banned(now_ms: int) -> RateLimits:
    limits = exhausted(now_ms)
    for _ in range(3):
        refusal_of(limits, now_ms)
    return limits


def test_weight_is_counted_up_to_the_limit_and_anew_every_minute() -> None:
    """The limit itself is allowed, one more is 429, and the next whole minute starts from nothing."""
    limits = exhausted(NOON_MS + 59_999)
    assert limits.used_weight("1.2.3.4", NOON_MS + 59_999) == 10
    assert refusal_of(limits, NOON_MS + 59_999).status == 429
    limits.charge_weight("1.2.3.4", 10, NOON_MS + 60_000)
    assert limits.used_weight("1.2.3.4", NOON_MS + 60_000) == 10


def test_addresses_are_counted_apart() -> None:
    """"The limits on the API are based on the IPs": another address is not touched."""
    limits = banned(NOON_MS)
    limits.charge_weight("5.6.7.8", 10, NOON_MS)
    assert limits.used_weight("5.6.7.8", NOON_MS) == 10


@pytest.mark.parametrize("at_ms, seconds", [(0, 60), (1, 60), (59_000, 1), (59_001, 1)])
def test_429_says_when_to_come_back(at_ms: int, seconds: int) -> None:
    """Retry-After reaches into the next minute, in whole seconds and never 0."""
    refusal = refusal_of(exhausted(NOON_MS + at_ms), NOON_MS + at_ms)
    assert (refusal.code, refusal.status, refusal.retry_after_s) == (-1003, 429, seconds)
    assert "current limit is 10 requests per minute" in refusal.msg


def test_who_does_not_back_off_is_banned() -> None:
    """After the tolerated violations comes 418, for two minutes, the message naming the end; then all is well again."""
    limits = exhausted(NOON_MS)
    assert [refusal_of(limits, NOON_MS).status for _ in range(3)] == [429, 429, 418]
    refusal = refusal_of(limits, NOON_MS + 119_999)
    assert (refusal.status, refusal.retry_after_s) == (418, 1)
    assert refusal.msg.startswith(f"Way too many requests; IP banned until {NOON_MS + 120_000}.")
    limits.charge_weight("1.2.3.4", 1, NOON_MS + 120_000)


def test_bans_grow_up_to_the_longest_and_are_forgiven() -> None:
    """Each ban is four times the one before, up to the longest; after as long a silence the count starts again."""
    limits, now_ms = RateLimits(LIMITS), NOON_MS
    lengths = []
    for _ in range(4):
        limits.charge_weight("1.2.3.4", 10, now_ms)
        seconds = [refusal_of(limits, now_ms).retry_after_s for _ in range(3)][-1]
        lengths.append(seconds)
        now_ms += seconds * 1000
        now_ms += -now_ms % 60_000
    assert lengths == [120, 480, 1000, 1000]
    now_ms += LIMITS.longest_ban_ms + 60_000
    limits.charge_weight("1.2.3.4", 10, now_ms)
    assert [refusal_of(limits, now_ms).retry_after_s for _ in range(3)][-1] == 120


def test_orders_are_counted_by_account_and_minute() -> None:
    """The order limit is the account's; above it comes -1015 with status 429."""
    limits = RateLimits(LIMITS)
    limits.charge_orders("a", 3, NOON_MS)
    limits.charge_orders("b", 1, NOON_MS)
    with pytest.raises(OverLimit) as caught:
        limits.charge_orders("a", 1, NOON_MS)
    assert (caught.value.code, caught.value.status) == (-1015, 429)
    assert caught.value.msg == "Too many new orders; current limit is 3 orders per MINUTE."
    limits.charge_orders("a", 1, NOON_MS + 60_000)
    assert limits.order_count("a", NOON_MS + 60_000) == 1
