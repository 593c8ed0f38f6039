"""The time that a report is about: how it is asked for, and its hours and days in UTC or local time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from mmd.core.errors import ConfigError

HOUR_MS = 3_600_000
_YEAR_9999_MS = 253_370_764_800_000  # local time of later moments may be more than a calendar holds
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": HOUR_MS, "d": 24 * HOUR_MS, "w": 7 * 24 * HOUR_MS}
_AGO = re.compile(r"(\d{1,9})([smhdw])")
_ALLOWED = "a span like 90m, 24h, 7d or 2w, a date like 2026-11-20, or an ISO time like 2026-11-20T08:00 (with or without Z or +02:00)"


class Zone:
    """How times are read and shown: UTC, or the machine's local time."""

    def __init__(self, utc: bool) -> None:
        self.utc = utc

    def __repr__(self) -> str:
        return "UTC" if self.utc else "local"

    def at(self, time_ms: int) -> datetime:
        """The moment, aware of its zone."""
        moment = datetime.fromtimestamp(time_ms // 1000, timezone.utc) + timedelta(milliseconds=time_ms % 1000)
        return moment if self.utc else moment.astimezone()

    def hour_ms(self, time_ms: int) -> int:
        """When the clock hour of this moment began (local zones may be half an hour off)."""
        at = self.at(time_ms)
        return time_ms - (at.minute * 60 + at.second) * 1000 - at.microsecond // 1000

    def day(self, time_ms: int) -> str:
        return f"{self.at(time_ms):%Y-%m-%d}"

    def minute(self, time_ms: int) -> str:
        return f"{self.at(time_ms):%Y-%m-%d %H:%M}"

    def second(self, time_ms: int) -> str:
        return f"{self.at(time_ms):%Y-%m-%d %H:%M:%S}"

    def iso(self, time_ms: int) -> str:
        text = self.at(time_ms).isoformat(timespec="milliseconds")
        return text.replace("+00:00", "Z") if self.utc else text


class Period(NamedTuple):
    """From `since_ms` on and before `until_ms`."""

    since_ms: int
    until_ms: int

    @property
    def length_ms(self) -> int:
        return self.until_ms - self.since_ms

    def overlap_ms(self, start_ms: int, end_ms: int) -> int:
        """How much of [start, end) lies within."""
        return max(0, min(end_ms, self.until_ms) - max(start_ms, self.since_ms))


def parse_moment(option: str, text: str, now_ms: int, zone: Zone) -> int:
    """Milliseconds since the epoch of what `--since` or `--until` says; a date is its first instant. Raises ConfigError."""
    ago = _AGO.fullmatch(text.strip())
    if ago:
        found_ms = now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    else:
        try:
            moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.utc) if zone.utc else moment.astimezone()
            found_ms = int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(milliseconds=1))
        except (ValueError, OverflowError) as error:
            raise ConfigError(f"{option}: {text!r} is no time; give {_ALLOWED}") from error
    if found_ms < 0:
        raise ConfigError(f"{option}: {text!r} lies before 1970; give {_ALLOWED}")
    if found_ms >= _YEAR_9999_MS:
        raise ConfigError(f"{option}: {text!r} lies after the year 9998; give {_ALLOWED}")
    return found_ms


def asked_period(since: str | None, until: str | None, now_ms: int, zone: Zone) -> tuple[int | None, int | None]:
    """What was asked for, None where it was not. Raises ConfigError where a time cannot be read or the period has no length."""
    since_ms = parse_moment("--since", since, now_ms, zone) if since is not None else None
    until_ms = parse_moment("--until", until, now_ms, zone) if until is not None else None
    end_ms = now_ms if until_ms is None else until_ms
    if since_ms is not None and since_ms >= end_ms:
        raise ConfigError(
            f"--since {since} ({zone.second(since_ms)}) is not before {f'--until {until}' if until else 'now'} ({zone.second(end_ms)})"
        )
    return since_ms, until_ms


def resolve_period(asked: tuple[int | None, int | None], first_ms: int | None, last_ms: int | None, now_ms: int) -> Period:
    """The period itself: where it was not asked otherwise, from the ledger's first entry to its last; with a beginning asked for, until
    now."""
    since_ms, until_ms = asked
    if until_ms is None:
        end_ms = last_ms + 1 if last_ms is not None else now_ms
        until_ms = end_ms if since_ms is None else max(end_ms, now_ms)
    if since_ms is None:
        since_ms = min(first_ms, until_ms) if first_ms is not None else until_ms
    return Period(since_ms, max(since_ms, until_ms))
