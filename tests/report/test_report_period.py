"""The time a report is about: what can be asked for, and where hours and days begin."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from mmd.core.errors import ConfigError
from mmd.report.period import Zone, asked_period, parse_moment, resolve_period

NOW = 1_795_392_000_000  # 2026-11-23T00:00:00Z
UTC = Zone(True)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """Local time with a clock change."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield Zone(False)
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("text", "expected"), [
    ("24h", NOW - 86_400_000), ("7d", NOW - 7 * 86_400_000), ("90m", NOW - 5_400_000), ("30s", NOW - 30_000), ("2w", NOW - 14 * 86_400_000),
    ("2026-11-22", NOW - 86_400_000), ("2026-11-22T12:00", NOW - 43_200_000), ("2026-11-22T12:00:00Z", NOW - 43_200_000),
    ("2026-11-22T14:00+02:00", NOW - 43_200_000), ("2026-11-22 23:59:59.500", NOW - 500),
])  # fmt: skip
def test_a_moment_is_read(text: str, expected: int) -> None:
    """Spans count back from now; dates are their first instant; times may carry an offset."""
    assert parse_moment("--since", text, NOW, UTC) == expected


@pytest.mark.parametrize(
    "text",
    ["", "24", "h", "yesterday", "2026-13-01", "-1d", "1.5h", "99999999999d", "999999999w", "0001-01-01", "2026-11-22T25:00", "9999-12-31T23:59:59-12:00", "１２h x"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """The message names the option, the text, and what is allowed."""
    with pytest.raises(ConfigError, match=r"--until: .*24h"):
        parse_moment("--until", text, NOW, UTC)


def test_a_period_has_a_length() -> None:
    """The beginning lies before the end, and before now where no end is given."""
    assert asked_period("24h", "12h", NOW, UTC) == (NOW - 86_400_000, NOW - 43_200_000)
    assert asked_period(None, None, NOW, UTC) == (None, None)
    for since, until in (("12h", "24h"), ("1h", "1h"), ("2026-11-24", None)):
        with pytest.raises(ConfigError, match="is not before"):
            asked_period(since, until, NOW, UTC)


def test_what_is_not_asked_comes_from_the_ledger() -> None:
    """All of it by default; until now (or its last entry, should its clock be ahead) where only a beginning is given; nothing of an
    empty one."""
    assert resolve_period((None, None), 100, 200, 1_000) == (100, 201)
    assert resolve_period((150, None), 100, 200, 1_000) == (150, 1_000)
    assert resolve_period((150, None), 100, 2_000, 1_000) == (150, 2_001)
    assert resolve_period((None, 50), 100, 200, 1_000) == (50, 50)
    assert resolve_period((None, None), None, None, 1_000) == (1_000, 1_000)


def test_hours_and_days_are_of_the_zone(new_york: Zone) -> None:
    """A local day begins five hours after that of UTC, and a date on the command line means the local one."""
    at = NOW + 61_500  # 00:01:01.5 UTC
    assert (UTC.hour_ms(at), UTC.day(at), UTC.second(at)) == (NOW, "2026-11-23", "2026-11-23 00:01:01")
    assert (new_york.hour_ms(at), new_york.day(at), new_york.minute(at)) == (NOW, "2026-11-22", "2026-11-22 19:01")
    assert new_york.iso(at) == "2026-11-22T19:01:01.500-05:00"
    assert UTC.iso(at) == "2026-11-23T00:01:01.500Z"
    assert parse_moment("--since", "2026-11-22", NOW, new_york) == NOW - 86_400_000 + 5 * 3_600_000
    assert parse_moment("--since", "2026-07-01", NOW, new_york) % 86_400_000 == 4 * 3_600_000


def test_an_hour_may_begin_at_the_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where local time is half an hour off, so are its hours."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert Zone(False).hour_ms(NOW + 1_000) == NOW - 1_800_000
    finally:
        monkeypatch.undo()
        time.tzset()
