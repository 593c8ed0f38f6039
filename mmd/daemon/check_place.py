"""The first part of a check: this machine. Configuration, credentials, files, clock and the way to the venue."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mmd.core.errors import ConfigError
from mmd.daemon.finding import Check, Finding, fail, ok, warn
from mmd.daemon.logbook import INSTALLED_DIRECTORY
from mmd.daemon.state_directory import HaltLatch, market_name, state_directory
from mmd.venue.account import synchronise
from mmd.venue.clock import monotonic_ms
from mmd.venue.endpoints import Call

_PINGS = 20
_CLOCK_WARN_MS = 1_000
_SLOW_MS = 500


def place_findings(check: Check) -> Iterator[Finding]:
    """Raises CallFailed where the venue cannot be reached."""
    config = check.config
    yield ok("config", f"{config.path} symbol={config.symbol} venue={config.exchange.venue} auth={config.exchange.auth}")
    yield ok("credentials", f"from {check.credentials.source}; {check.venue.identity}")
    yield from _files(check)
    yield from _clock(check)


def _files(check: Check) -> Iterator[Finding]:
    mode = stat.S_IMODE(check.config.path.stat().st_mode)
    if mode & 0o022:
        yield warn("file modes", f"{check.config.path} can be written by others (mode {mode:o})", f"chmod go-w {check.config.path}")
    else:
        yield ok("file modes", f"{check.config.path.name} mode {mode:o}")
    log = check.config.logging.file
    path = INSTALLED_DIRECTORY / f"{check.config.name}.log" if log == "auto" else None if log == "none" else Path(log)
    if path is not None and path.parent.is_dir() and os.access(path if path.exists() else path.parent, os.W_OK):
        yield ok("log", str(path))
    elif log == "auto" or path is None:
        yield ok("log", "console only")
    else:
        yield fail("log", f"{path} cannot be written", f"make {path.parent} writable for this user, or change logging.file")
    if not check.config.exchange.is_paper:
        yield from _state(check)


def _state(check: Check) -> Iterator[Finding]:
    try:
        directory = state_directory(os.environ)
    except ConfigError as error:
        yield fail("state", str(error), "")
        return
    halt = HaltLatch(directory, market_name(check.venue.rest_url, check.credentials.account, check.config.symbol)).read()
    if halt is None:
        yield ok("state", f"{directory}, no halt latched")
    else:
        yield fail("state", f"halted at {halt.time}: {halt.reason}", f"look at the account, then `mmd -c {check.config.path} resume`")


def _clock(check: Check) -> Iterator[Finding]:
    """Round trips of a small public request, and how far this machine's wall clock is from the venue's."""
    synchronise(check.rest, check.venue.clock)
    trips = []
    for _ in range(_PINGS):
        begun = time.monotonic_ns()
        check.rest.call(Call.PING)
        trips.append((time.monotonic_ns() - begun) / 1e6)
    trips.sort()
    p50, p99 = trips[len(trips) // 2], trips[-1]
    text = f"p50={p50:.1f} ms p99={p99:.1f} ms ({_PINGS} pings) to {check.venue.rest_url}"
    yield ok("round trip", text) if p99 < _SLOW_MS else warn("round trip", text, "quotes will lag; run closer to the venue")
    now_ms = monotonic_ms()
    off_ms = time.time_ns() // 1_000_000 - check.venue.clock.now_ms(now_ms)
    known = f"the venue's time is known to {check.venue.clock.uncertainty_ms(now_ms)} ms"
    if abs(off_ms) < _CLOCK_WARN_MS:
        yield ok("clock", f"this machine's clock is {off_ms:+d} ms off; {known}")
    else:
        way_out = "requests follow the venue's clock all the same, but set this one right (timedatectl set-ntp true)"
        yield warn("clock", f"this machine's clock is {off_ms / 1000:+.1f} s off the venue's; {known}", way_out)
