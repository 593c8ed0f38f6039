"""`mmd -c FILE status [--json] [--watch]`: what the running daemon is doing. It needs no credentials and asks no venue.

Exit codes: 0 a daemon answered, 1 none runs (or it does not answer), 78 the configuration.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmd.core.errors import ConfigError, MmdError
from mmd.daemon.config import Config
from mmd.daemon.state_directory import HaltLatch, state_path
from mmd.daemon.status.control_client import ControlClient, NotRunning
from mmd.daemon.status.text import printable, status_text


def show_status(config: Config, environ: Mapping[str, str], *, as_json: bool, watch: bool) -> int:
    """Print it, or watch it. Raises ConfigError for `watch` where it cannot be done."""
    if as_json and watch:
        raise ConfigError("--json and --watch do not go together")
    client = ControlClient(config.name, environ)
    if watch:
        try:
            from mmd.daemon.status.watch import watch_status
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "rich":
                raise
            raise ConfigError("status --watch needs the package rich: pip install rich") from error
        return watch_status(client, lambda: what_is_left(config, environ))
    try:
        status = client.status()
    except MmdError as error:
        left = what_is_left(config, environ) if isinstance(error, NotRunning) else []
        if as_json:
            print(json.dumps({"schema": 1, "running": False, "why": str(error), "notes": left}))
        else:
            print("\n".join(map(printable, [f"mmd: {error}", *left])), file=sys.stderr)
        return 1
    print(json.dumps(status, indent=2) if as_json else status_text(status))
    return 0


def what_is_left(config: Config, environ: Mapping[str, str]) -> list[str]:
    """What a daemon that is not running has left behind: its halt, and the end of its last run."""
    directory, found = state_path(environ), []
    for path in sorted(directory.glob(f"{config.symbol}-*.halt")):
        halt = HaltLatch(directory, path.stem).read()
        if halt is not None:
            found.append(f"trading of {config.symbol} was halted at {halt.time}: {halt.reason}; clear it with `mmd -c {config.path} resume`")
    ledger = directory / f"{config.name}.ledger" if config.ledger.file == "auto" else Path(config.ledger.file)
    end = end_of_last_run(ledger) if config.ledger.file != "none" and ledger.is_file() else None
    return [*found, end] if end is not None else found


def end_of_last_run(ledger: Path) -> str | None:
    """How the last run ended, in words, by its ledger; None where that does not tell."""
    last = _last_run(ledger)
    if last is None:
        return None
    alive_ms, ended_ms, cause, why = last
    return "the last run " + (f"ended at {_utc(ended_ms)}: {printable(f'{cause}, {why}')}" if ended_ms is not None else f"was cut off; the last sign of life is of {_utc(alive_ms)}")


def _last_run(ledger: Path) -> Any:
    """(alive_ms, ended_ms, cause, why), or None where the ledger does not tell."""
    try:
        with closing(sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            return connection.execute("SELECT alive_ms, ended_ms, cause, why FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return None


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
