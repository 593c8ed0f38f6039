"""`mmd paper`: the paper exchange on its own, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

from mmd.core.errors import ConfigError
from mmd.paper.options import PaperOptions, build_exchange

EXIT_FAILED = 1
EXIT_CONFIG = 78
LOOK_S = 1.0
DEFAULTS = PaperOptions()


def main(argv: Sequence[str]) -> int:
    """Serves the paper exchange that `argv` (without the program's name) describes, and prints one `ready rest=… ws=…` line.

    Returns the exit code: 0 after SIGTERM or SIGINT, 78 for bad options or data, 1 when the exchange failed while it ran.
    """
    try:
        return _serve(_parser().parse_args(argv))
    except ConfigError as error:
        print(f"mmd paper: {error}", file=sys.stderr)
        return EXIT_CONFIG


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see mmd paper --help)")


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from mmd.paper.runtime import ExchangeClock, PaperServer, ServerSettings
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "websockets":
            raise
        raise ConfigError("the paper exchange needs the package websockets: pip install websockets") from error
    stops: SimpleQueue[None] = SimpleQueue()  # Its put may interrupt its own get; Event.set would wait for ever on the lock that wait holds.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stops.put(None))
    clock = ExchangeClock()
    options = _options(arguments)
    settings = ServerSettings(agents=options.agents)
    exchange = build_exchange(options, clock.now_ms())
    try:
        server = PaperServer(exchange, rest_port=arguments.rest_port, ws_port=arguments.ws_port, settings=settings, clock=clock)
    except OSError as error:
        raise ConfigError(f"cannot listen on port {arguments.rest_port} or {arguments.ws_port}: {error.strerror}; 0 takes free ones") from error
    server.start()
    try:
        print(f"ready rest={server.rest_url} ws={server.ws_url}", flush=True)
        while server.failure is None and not _is_asked_to_stop(stops):
            pass
    finally:
        server.stop()
    if server.failure is not None:
        print(f"mmd paper: the exchange failed: {server.failure}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _is_asked_to_stop(stops: SimpleQueue[None]) -> bool:
    """Waits for a signal, LOOK_S at the longest."""
    try:
        stops.get(timeout=LOOK_S)
    except Empty:
        return False
    return True


def _options(arguments: argparse.Namespace) -> PaperOptions:
    return PaperOptions(
        symbol=arguments.symbol, market=arguments.market, data=arguments.data, speed=arguments.speed, loop=arguments.loop,
        seed=arguments.seed, volatility=arguments.volatility, balance=arguments.balance, balance_usdf=arguments.usdf,
        user=arguments.user, chain_id=arguments.chain_id)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="mmd paper", description="Serve the paper exchange, whose account has the key paper, secret paper.", allow_abbrev=False,
                     epilog="Under /fapi/v3 any agent may sign: for --user it trades on the account, for any other user on an account of that user's, "
                            "opened with the same deposits when it is first seen. Verifying needs pip install coincurve pycryptodome.")
    parser.add_argument("--rest-port", type=_port, default=0, metavar="P", help="port of the REST API (0: a free one)")
    parser.add_argument("--ws-port", type=_port, default=0, metavar="Q", help="port of the streams (0: a free one)")
    parser.add_argument("--symbol", default=DEFAULTS.symbol, help=f"the traded symbol ({DEFAULTS.symbol})")
    parser.add_argument("--market", choices=("synthetic", "replay"), default=DEFAULTS.market, help="where the outside market comes from")
    parser.add_argument("--data", type=Path, metavar="FILE", help="the recording that --market replay plays")
    parser.add_argument("--speed", type=_number, default=DEFAULTS.speed, metavar="X", help="how many times faster than recorded to play")
    parser.add_argument("--loop", action=argparse.BooleanOptionalAction, default=DEFAULTS.loop, help="play the recording again when it is over")
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed, metavar="N", help="what the synthetic market is made from")
    parser.add_argument("--volatility", type=_number, metavar="V",
                        help="of the synthetic market: standard deviation of its price after one second, as a fraction of the price")
    parser.add_argument("--balance", type=_amount, default=DEFAULTS.balance, metavar="USDT", help="the account's first deposit")
    parser.add_argument("--usdf", type=_amount, default=DEFAULTS.balance_usdf, metavar="USDF", help="the same in USDF")
    parser.add_argument("--user", default=DEFAULTS.user, metavar="ADDRESS", help=f"whose agents trade on the account ({DEFAULTS.user})")
    parser.add_argument("--chain-id", type=_chain_id, default=DEFAULTS.chain_id, metavar="ID", help=f"the chain that agents sign for ({DEFAULTS.chain_id})")
    return parser


def _port(sent: str) -> int:
    port = int(sent)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{sent} is no port: 0 to 65535")
    return port


def _chain_id(sent: str) -> int:
    chain_id = int(sent)
    if not 1 <= chain_id < 2**53:
        raise argparse.ArgumentTypeError(f"{sent} is no chain id: a whole number from 1 up")
    return chain_id


def _number(sent: str) -> float:
    value = float(sent)
    if not 0 <= value < float("inf"):  # False for NaN too.
        raise argparse.ArgumentTypeError(f"{sent} is no finite number from 0 up")
    return value


def _amount(sent: str) -> Decimal:
    try:
        value = Decimal(sent)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{sent!r} is no amount") from error
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError(f"{sent} is no finite amount from 0 up")
    return value
