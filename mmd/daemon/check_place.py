"""The first part of a check: this machine. Configuration, credentials, files and packages, then the clock and the way to the venue."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from mmd.core.errors import ConfigError, MmdError
from mmd.daemon.finding import Check, Finding, fail, ok, warn
from mmd.daemon.logs.logbook import INSTALLED_DIRECTORY
from mmd.daemon.record.ledger_place import ledger_place
from mmd.daemon.state_directory import HaltLatch, market_name, state_directory
from mmd.ledger.opening import open_for_reading
from mmd.venue.account import synchronise
from mmd.venue.clock import monotonic_ms
from mmd.venue.endpoints import Call

_PINGS = 20
_CLOCK_WARN_MS = 1_000
_SLOW_MS = 500


def place_findings(check: Check) -> Iterator[Finding]:
    """Raises CallFailed where the venue cannot be reached."""
    yield from offline_findings(check)
    yield from _clock(check)


def offline_findings(check: Check) -> Iterator[Finding]:
    """What can be told without the network."""
    config = check.config
    yield ok("config", f"{config.path} symbol={config.symbol} venue={config.exchange.venue} auth={config.exchange.auth}")
    yield ok("credentials", f"from {check.credentials.source}; {check.venue.identity}")
    yield from _packages(check)
    yield from _files(check)


def _packages(check: Check) -> Iterator[Finding]:
    """The optional packages that this configuration needs. Those for signing as an agent were needed before there was a venue to check."""
    config = check.config
    needed = [(key, module, package) for key, module, package, is_needed in (
        ("exchange.venue: paper", "websockets", "websockets", config.exchange.is_paper),
        ("exchange.auth: v3", "coincurve", "coincurve", config.exchange.auth == "v3"),
        ("exchange.auth: v3", "Crypto", "pycryptodome", config.exchange.auth == "v3"),
    ) if is_needed]
    missing = [each for each in needed if find_spec(each[1]) is None]
    for key, _, package in missing:
        yield fail("packages", f"{key} needs the package {package}, which is not installed", f"pip install {package}")
    if not missing:
        yield ok("packages", ", ".join(package for _, _, package in needed) or "none needed beyond those of every installation")


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
    if not check.config.exchange.is_paper or check.config.ledger.file == "auto":
        yield from _state(check)


def _state(check: Check) -> Iterator[Finding]:
    try:
        directory = state_directory(os.environ)
    except ConfigError as error:
        yield fail("state", str(error), "")
        return
    yield from _ledger(check, directory)
    if check.config.exchange.is_paper:
        yield ok("state", str(directory))
        return
    halt = HaltLatch(directory, market_name(check.venue.rest_url, check.credentials.account, check.config.symbol), check.config.name).read()
    if halt is None:
        yield ok("state", f"{directory}, no halt latched")
    else:
        yield fail("state", f"halted at {halt.time}: {halt.reason}", f"look at the account, then `mmd -c {check.config.path} resume`")


def _ledger(check: Check, directory: Path) -> Iterator[Finding]:
    """A ledger that is there has to be one, and the next line must find room in a file that can be written."""
    path = ledger_place(check.config, directory)
    if path is None:
        yield ok("ledger", "none is kept")
        return
    found = path.exists()
    if not os.access(path if found else path.parent, os.W_OK):
        yield fail("ledger", f"{path} cannot be written", f"make {path if found else path.parent} writable for this user, or change ledger.file")
        return
    try:
        if found:
            open_for_reading(path).close()
    except (MmdError, sqlite3.Error) as error:
        yield fail("ledger", str(error) if str(path) in str(error) else f"{path}: {error}", "move it away, or change ledger.file")
        return
    yield ok("ledger", f"{path}, {path.stat().st_size} bytes" if found else f"{path}, made by the first run")


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
