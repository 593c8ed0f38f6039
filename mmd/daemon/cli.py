"""The command line: `mmd -c FILE [check]`, `mmd paper …`, `mmd --version`.

Exit codes: 0 clean, 78 configuration or credentials (a supervisor must not restart), 75 venue unreachable at the start, 1 anything else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from mmd import __version__
from mmd.core.errors import ConfigError, MmdError
from mmd.daemon.check import run_check
from mmd.daemon.config import Config, LogConfig, load_config
from mmd.daemon.connections import Venue, connect
from mmd.daemon.credentials import load_credentials
from mmd.daemon.embedded import embed
from mmd.daemon.logbook import close_log, conceal, open_log
from mmd.daemon.service import EXIT_CLEAN, EXIT_CONFIG, EXIT_FAILED, run_service


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["paper"]:
        from mmd.paper.command import main as paper_main

        return paper_main(arguments[1:])
    try:
        return _run(_parser().parse_args(arguments))
    except ConfigError as error:
        print(f"mmd: {error}", file=sys.stderr)
        return EXIT_CONFIG
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
    parser.add_argument("-c", "--config", metavar="FILE", required=True, help="the configuration, one YAML file a market")
    parser.add_argument("--symbol", metavar="S", help="trade S instead of the configured symbol")
    parser.add_argument("--data", metavar="PATH", help="with the paper market replay: the recording to play")
    parser.add_argument("command", nargs="?", choices=("run", "check"), default="run",
                        help="run (the default): trade in the foreground until SIGTERM; check: test everything, send nothing")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    overrides = {"paper.data": arguments.data} if arguments.data is not None else {}
    config = load_config(arguments.config, arguments.symbol, overrides)
    credentials = load_credentials(config, os.environ)
    conceal(credentials.secrets)
    if arguments.command == "check":
        # Only what libraries complain of goes there; the findings go to standard output.
        open_log(LogConfig(level="error", file="none"), config.name)
        return _with_venue(config, lambda rest_url, ws_url: _check(config, connect(config, credentials, rest_url, ws_url), credentials.source))
    open_log(config.logging, config.name)
    try:
        return _with_venue(config, lambda rest_url, ws_url: run_service(config, connect(config, credentials, rest_url, ws_url)))
    finally:
        close_log()


def _check(config: Config, venue: Venue, credentials_source: str) -> int:
    return EXIT_CLEAN if run_check(config, venue, credentials_source) else EXIT_CONFIG


def _with_venue(config: Config, work: Callable[[str | None, str | None], int]) -> int:
    """Run `work(rest_url, ws_url)`, with a paper exchange beside it where the configuration asks for one."""
    if not config.exchange.is_paper:
        return work(None, None)
    server = embed(config)
    try:
        return work(server.rest_url, server.ws_url)
    finally:
        server.stop()
