"""`mmd -c FILE report`: what happened, from the ledger file alone, daemon up or down; no credentials, no network."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config
from mmd.daemon.record.ledger_place import ledger_place
from mmd.daemon.state_directory import state_path
from mmd.ledger.opening import LedgerError, advice, open_for_reading
from mmd.report.figures import Listeners, Question, Report, make_report
from mmd.report.json_text import json_text
from mmd.report.period import Zone, asked_period
from mmd.report.rows import LedgerRows
from mmd.report.series import Series
from mmd.report.tables import RoundTripTable, paths_in, write_fills, write_slots
from mmd.report.text import text_report
from mmd.report.whole_file import OutputError, make_directory, whole_files

_LEAST_ALIVE_MS = 60_000
_MARKS_ALIVE = 6  # a daemon that has not left a mark in so many intervals is not running


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What the command line asks for; at most one of the three forms."""

    since: str | None = None
    until: str | None = None
    as_json: bool = False
    csv: str | None = None
    html: str | None = None


def run_report(config: Config, options: ReportOptions, environ: Mapping[str, str], now_ms: int | None = None) -> None:
    """Make the report and write it: text and JSON to standard output, CSV and HTML to files.

    Raises ConfigError for options that cannot be met, a missing package, or where there is no ledger; LedgerError where it cannot be
    read; OutputError where a file cannot be written.
    """
    if sum((options.as_json, options.csv is not None, options.html is not None)) > 1:
        raise ConfigError("--json, --csv and --html are three forms of one report: give one of them (see mmd --help)")
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    zone = Zone(config.logging.utc)
    asked = asked_period(options.since, options.until, now_ms, zone)
    question = Question(asked, now_ms, zone, config.ledger.keep_orders_days, max(_LEAST_ALIVE_MS, _MARKS_ALIVE * config.ledger.mark_ms))
    page = _page_module(config) if options.html is not None else None
    with _snapshot(_place(config, environ)) as connection:
        _check_symbol(connection, config)
        if options.csv is not None:
            said = _write_tables(connection, question, Path(options.csv))
        elif options.html is not None and page is not None:
            said = _write_page(connection, question, Path(options.html), page)
        else:
            form: Callable[[Report], str] = json_text if options.as_json else text_report
            said = form(make_report(connection, question))
    _print(said)  # Whoever reads it may take their time, and holds no snapshot meanwhile.


def _write_tables(connection: sqlite3.Connection, question: Question, directory: Path) -> str:
    make_directory(directory)
    paths = paths_in(directory)
    with whole_files(paths) as (fills, hours, days, round_trips):
        table = RoundTripTable(round_trips, question.zone)
        report = make_report(connection, question, Listeners(round_trip=table.add))
        write_slots(hours, report.hours, question.zone)
        write_slots(days, report.days, question.zone)
        write_fills(fills, LedgerRows(connection).named_fills(report.period), question.zone)
    return "".join(f"{path}\n" for path in paths)


def _write_page(connection: sqlite3.Connection, question: Question, path: Path, page: ModuleType) -> str:
    with whole_files([path]) as (file,):
        series = Series()
        report = make_report(connection, question, Listeners(fill=series.fill, mark=series.mark))
        file.write(page.html_report(report, series))
    return f"{path}\n"


def _print(text: str) -> None:
    """To standard output, which may take fewer letters than there are, be a pipe to somebody who has seen enough, or lie on a full disk."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # What is left over is flushed again at the exit, and must go somewhere.
    except OSError as error:
        raise OutputError(f"standard output: cannot be written: {error.strerror or error}") from error


def _place(config: Config, environ: Mapping[str, str]) -> Path:
    path = ledger_place(config, state_path(environ))
    if path is None:
        raise ConfigError(f"{config.path}: ledger.file is none, so there is nothing to report from; give it a file, or auto")
    try:
        path.stat()
    except FileNotFoundError as error:
        if config.ledger.file == "auto":
            raise ConfigError(
                f"{path}: there is no ledger yet; the daemon makes it when it first runs with this configuration (where the daemon has a "
                "STATE_DIRECTORY of its own, as under systemd, give this command the same one)"
            ) from error
    except OSError as error:
        raise ConfigError(f"{path}: the ledger cannot be read by this user: {error.strerror}") from error
    return path


def _check_symbol(connection: sqlite3.Connection, config: Config) -> None:
    kept = LedgerRows(connection).identity().symbol
    if kept and kept != config.symbol:
        raise ConfigError(f"{config.path}: the ledger is of {kept}, and the configuration trades {config.symbol}")


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """The ledger as it is at this moment, whatever a running daemon writes meanwhile."""
    with closing(open_for_reading(path)) as connection:
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise LedgerError(f"{path}: the ledger cannot be read: {error}; {advice(error)}") from error


def _page_module(config: Config) -> ModuleType:
    """The page needs a plotting library, which nothing else of the daemon does."""
    try:
        import plotly.graph_objects  # noqa: F401 (to see that it is there)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "plotly":
            raise
        raise ConfigError(f"{config.path}: report --html needs the package plotly: pip install plotly") from error
    from mmd.report import page

    return page
