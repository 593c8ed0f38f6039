"""The command line: `mmd status --all`, `mmd -c FILE [check [--json] | cancel | flatten | resume | status … | alert | report …]`, `mmd paper …`, `mmd --version`.

Exit codes: 0 clean, 78 configuration or credentials (a supervisor must not restart), 75 venue unreachable at the start, 1 anything else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from mmd import __version__
from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Level, Notice
from mmd.daemon.alerts.command import send_trial
from mmd.daemon.check import findings_json, run_check
from mmd.daemon.config import Config, LogConfig, load_config
from mmd.daemon.connections import Venue, connect
from mmd.daemon.credentials import AgentCredentials, Credentials, load_credentials
from mmd.daemon.embedded import embed
from mmd.daemon.finding import Finding, Verdict
from mmd.daemon.interventions import Intervention, resume
from mmd.daemon.logs.logbook import close_log, conceal, log_notice, open_log
from mmd.daemon.record.ledger_place import ledger_place
from mmd.daemon.report_command import ReportOptions, run_report
from mmd.daemon.service import EXIT_CLEAN, EXIT_CONFIG, EXIT_FAILED, EXIT_UNREACHABLE, run_service
from mmd.daemon.startup import VenueUnreachable
from mmd.daemon.state_directory import HaltLatch, InstanceLock, account_digest, market_name, state_directory
from mmd.daemon.status.command import show_status
from mmd.daemon.status.every_market import show_all

_COMMANDS = {
    "run": "(the default) trade in the foreground until SIGTERM",
    "check": "test everything, print the first quotes, send nothing",
    "cancel": "cancel our open orders and verify that none is left, daemon up or down",
    "flatten": "cancel, then close the position at the market, reduce-only",
    "resume": "clear a latched halt",
    "status": "what the running daemon is doing, over its Unix socket; exit code 1 where none runs",
    "alert": "send an alert for a trial, and say whether it has arrived; exit code 1 where it has not",
    "report": "what happened, from the ledger: profit, fills, mark-outs, uptime, … (daemon up or down)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["paper"]:
        from mmd.paper.command import main as paper_main

        return paper_main(arguments[1:])
    try:
        return _run(_parser().parse_args(arguments))
    except ConfigError as error:
        if "check" in arguments:
            finding = Finding(Verdict.FAIL, "config", str(error), "mend what it names")
            print(findings_json([finding]) if "--json" in arguments else finding.line())
        else:
            print(f"mmd: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except VenueUnreachable as error:
        print(f"mmd: {error}", file=sys.stderr)
        return EXIT_UNREACHABLE
    except MmdError as error:
        print(f"mmd: {error}", file=sys.stderr)
        return EXIT_FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see mmd --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mmd", description="A market-making daemon for the Aster perpetual-futures exchange.", allow_abbrev=False)
    parser.epilog = "`mmd paper --help` describes the paper exchange on its own."
    parser.add_argument("--version", action="version", version=f"mmd {__version__}")
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration, one YAML file a market")
    parser.add_argument("--symbol", metavar="S", help="trade S instead of the configured symbol")
    parser.add_argument("--data", metavar="PATH", help="with the paper market replay: the recording to play")
    parser.add_argument("--json", action="store_true", help="with check, status, report: the findings, the status, the figures as one JSON object")
    parser.add_argument("--watch", action="store_true", help="with status: a live view that fills the terminal, until q (extra [watch])")
    parser.add_argument("--all", action="store_true", help="with status: a line for each market of this host, without -c")
    parser.add_argument("--offline", action="store_true", help="with check: only what can be told without the network")
    _add_report_options(parser)
    helps = "; ".join(f"{name}: {text}" for name, text in _COMMANDS.items())
    parser.add_argument("command", nargs="?", choices=tuple(_COMMANDS), default="run", metavar="command", help=helps)
    return parser


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    report = parser.add_argument_group("report", "Without --since, all that the ledger holds. Text goes to standard output unless another form is asked for.")
    report.add_argument("--since", metavar="T", help="from T on: a span back from now (90m, 24h, 7d), a date, or an ISO time")
    report.add_argument("--until", metavar="T", help="before T, likewise; a date is its first instant (default: now)")
    report.add_argument("--csv", metavar="DIR", help="write fills.csv (with mark-outs), hours.csv, days.csv and round_trips.csv into this directory")
    report.add_argument("--html", metavar="PATH", help="write one self-contained page with charts (extra [report])")


def _report_options(arguments: argparse.Namespace) -> ReportOptions:
    """What is given for the report. Raises ConfigError where it is given for another command."""
    if arguments.command != "report":
        for name in ("since", "until", "csv", "html"):
            if getattr(arguments, name) is not None:
                raise ConfigError(f"--{name} is only for report (see mmd --help)")
    return ReportOptions(arguments.since, arguments.until, arguments.json, arguments.csv, arguments.html)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.offline and arguments.command != "check":
        raise ConfigError("--offline is only for check (see mmd --help)")
    if arguments.all:
        return _all(arguments)
    if arguments.config is None:
        raise ConfigError("-c FILE is needed: the configuration, one YAML file a market (see mmd --help)")
    overrides = {"paper.data": arguments.data} if arguments.data is not None else {}
    report_options = _report_options(arguments)

    def load() -> Config:
        return load_config(arguments.config, arguments.symbol, overrides)

    config = load()
    if arguments.command == "status":
        return show_status(config, os.environ, as_json=arguments.json, watch=arguments.watch)
    if arguments.watch:
        raise ConfigError("--watch is only for status (see mmd --help)")
    if arguments.command == "alert":
        return EXIT_CLEAN if send_trial(config, os.environ) else EXIT_FAILED
    if arguments.command == "report":
        run_report(config, report_options, os.environ)
        return EXIT_CLEAN
    credentials = load_credentials(config, os.environ)
    conceal(credentials.secrets)
    command: str = arguments.command
    # Beside `run`, what a command finds goes to standard output, and only what libraries complain of goes to the log.
    open_log(config.logging if command == "run" else LogConfig(level="error", file="none"), config.name)
    if command == "run":
        log_notice(Notice(Level.INFO, "credentials", credentials.public))
    try:
        if arguments.offline:
            return _check_offline(config, credentials, arguments.json)
        if config.exchange.is_paper:
            return _on_embedded_exchange(command, config, credentials, load, arguments.json)
        return _on_venue(command, config, credentials, load, arguments.json)
    finally:
        close_log()


def _all(arguments: argparse.Namespace) -> int:
    if arguments.command != "status":
        raise ConfigError("--all is only for status (see mmd --help)")
    if arguments.watch or arguments.config is not None:
        raise ConfigError("--all goes with neither -c nor --watch: it tells of every market, once")
    return show_all(os.environ, as_json=arguments.json)


def _on_embedded_exchange(
    command: str, config: Config, credentials: Credentials | AgentCredentials, load: Callable[[], Config], as_json: bool
) -> int:
    """The exchange lives and dies with this process, so there is nothing to lock, to latch, or to intervene in from outside."""
    if command not in ("run", "check"):
        raise ConfigError(f"{config.path}: {command} has nothing to act on: with exchange.venue: paper the exchange ends with its daemon")
    server = embed(config)
    try:
        venue = connect(config, credentials, server.rest_url, server.ws_url)
        if command == "check":
            return _check(config, venue, credentials, as_json)
        code = run_service(config, venue, account_digest(credentials.account), load, _ledger(config, None))
        if server.failure is not None:
            log_notice(Notice(Level.ERROR, "paper_exchange_failed", {"error": repr(server.failure)}))
            return EXIT_FAILED
        return code
    finally:
        server.stop()


def _on_venue(command: str, config: Config, credentials: Credentials | AgentCredentials, load: Callable[[], Config], as_json: bool) -> int:
    if command == "cancel":
        Intervention(config, _venue_to_cancel_on(config, credentials)).cancel()
        return EXIT_CLEAN
    directory = state_directory(os.environ)
    venue = connect(config, credentials, state=directory)
    if command == "check":
        return _check(config, venue, credentials, as_json)
    name = market_name(venue.rest_url, credentials.account, config.symbol)
    latch = HaltLatch(directory, name, config.name)
    if command == "resume":
        resume(latch)
    else:
        with _locked(InstanceLock(directory, name)):
            if command == "run":
                if latch.read() is None:
                    latch.reserve()
                return run_service(config, venue, account_digest(credentials.account), load, _ledger(config, directory), latch, directory)
            Intervention(config, venue).flatten()
    return EXIT_CLEAN


def _venue_to_cancel_on(config: Config, credentials: Credentials | AgentCredentials) -> Venue:
    """Cancelling works without a place for state, too: an agent's nonces then come from the clock alone (FAULTS P5)."""
    try:
        return connect(config, credentials, state=state_directory(os.environ))
    except ConfigError as error:
        venue = connect(config, credentials)
        print(f"mmd: {error}; cancels all the same", file=sys.stderr)
        return venue


def _check(config: Config, venue: Venue, credentials: Credentials | AgentCredentials, as_json: bool) -> int:
    return EXIT_CLEAN if run_check(config, venue, credentials, as_json) else EXIT_CONFIG


def _check_offline(config: Config, credentials: Credentials | AgentCredentials, as_json: bool) -> int:
    """No exchange is embedded for it, and none is asked; the addresses then lead nowhere."""
    nowhere = ("http://127.0.0.1", "ws://127.0.0.1") if config.exchange.is_paper else (None, None)
    return EXIT_CLEAN if run_check(config, connect(config, credentials, *nowhere), credentials, as_json, offline=True) else EXIT_CONFIG


def _ledger(config: Config, directory: Path | None) -> Path | None:
    """Where the record is kept; the state directory is asked for only where it lies there."""
    return ledger_place(config, directory or state_directory(os.environ)) if config.ledger.file == "auto" else ledger_place(config, Path())


@contextmanager
def _locked(lock: InstanceLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()
