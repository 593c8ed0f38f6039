"""The configuration of one daemon: what its YAML file may say, as frozen values, and the way from the file to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from mmd.core.errors import ConfigError
from mmd.core.settings import EngineSettings, FillLimits, OrderSettings, RiskSettings, StrategySettings, TimingSettings
from mmd.daemon.config_alerts import ALERT_KINDS
from mmd.daemon.config_schema import read_values
from mmd.daemon.config_text import Fault, command_line_entry, read_entries
from mmd.venue.nonce import WINDOW_US

# REST and WebSocket base of each venue by name: V1 "General API Information" and "Websocket Market Streams", and the same sections of the
# testnet's document (which once also names fstream5).
VENUE_URLS: Mapping[str, tuple[str | None, str | None]] = {
    "aster": ("https://fapi.asterdex.com", "wss://fstream.asterdex.com"),
    "aster-testnet": ("https://fapi.asterdex-testnet.com", "wss://fstream.asterdex-testnet.com"),
    "paper": (None, None),
    "custom": (None, None),
}

# The chain that an agent signs for: the Python example of V3 "Example of POST /fapi/v3/order" and of the testnet's document.
VENUE_CHAINS: Mapping[str, int] = {"aster": 1666, "aster-testnet": 714, "paper": 1666, "custom": 1666}

# How long a signed request stays acceptable: under V1 that is ours to say (`recvWindow`), under V3 it is the venue's (V3 "V3 Nonce Mechanism").
V3_WINDOW_MS = WINDOW_US // 1000


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """Where the venue is and how requests to it are signed.

    `rest_url` and `ws_url` have no slash at the end; both are None with `venue: paper`, whose servers choose free ports.
    """

    venue: str = "aster"  # aster, aster-testnet, paper, custom
    auth: str = "v1"  # v1: an API key and its secret; v3: an agent's wallet
    rest_url: str | None = None
    ws_url: str | None = None
    chain_id: int = VENUE_CHAINS["aster"]

    @property
    def is_paper(self) -> bool:
        """Whether the daemon brings its own exchange along."""
        return self.venue == "paper"


@dataclass(frozen=True, slots=True)
class PaperConfig:
    """The paper exchange that `venue: paper` embeds: the same options as `mmd paper` takes.

    `data` is an absolute path, or None with the synthetic market. `speed` is a factor on recorded time. `volatility` (fraction of the price
    a second, one standard deviation; None: the market's own) moves the synthetic market. Balances are what the account starts with.
    """

    market: str = "synthetic"  # synthetic, replay
    data: Path | None = None
    speed: Decimal = Decimal(1)
    loop: bool = True
    seed: int = 1
    volatility: Decimal | None = None
    balance: Decimal = Decimal(10000)
    balance_usdf: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """What the account must be set to before the first order; None leaves it as it is."""

    leverage: int | None = None
    margin_type: str | None = None  # CROSSED, ISOLATED


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """Bounds on the network, in milliseconds.

    `reply_timeout_ms` is for the whole reply of a REST request. A stream is renewed after `stream_renewal_ms`, before the venue's cut at 24 h;
    the listen key is kept alive every `listen_key_interval_ms` (it dies after an hour). A symbol that has stopped trading is asked for every
    `probe_interval_ms`.
    """

    connect_timeout_ms: int = 3_000
    reply_timeout_ms: int = 5_000
    stream_renewal_ms: int = 82_800_000
    listen_key_interval_ms: int = 1_800_000
    probe_interval_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is written where.

    `file` is `auto` (`/var/log/mmd/<config name>.log` where that can be written), `none`, or an absolute path. `release_mode` keeps only errors,
    fills, and the lines of start and stop. `utc` false writes local time with its offset. `format` is how a line is written.
    """

    level: str = "info"  # debug, info, warning, error
    console: bool = True
    file: str = "auto"
    release_mode: bool = False
    utc: bool = True
    format: str = "text"  # text, json


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What is shown while it runs: how often a line of prices and one of balances is logged, in milliseconds (0: never), and where the web page is
    served: `http` is (host, port), None where it is not."""

    prices_ms: int = 10_000
    balances_ms: int = 60_000
    http: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """Where the durable record is kept: `file` is `auto` (`<config name>.ledger` in the state directory), `none`, or an absolute path.

    A mark of the market and the position is kept every `mark_ms`. Orders that never filled, and what happened to the others step by step, are
    dropped after `keep_orders_days`; fills, income and marks never are.
    """

    file: str = "auto"
    mark_ms: int = 10_000
    keep_orders_days: int = 90


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """Who is told when something happens that an operator should know without looking; nobody where neither `command` nor `webhook` is given.

    `command` is a program and its arguments, `webhook` an address (which may also come with the credentials), `body` a template for what is posted there.
    `losses` are amounts in the quote asset, ascending; `summary_minute` counts from midnight UTC (None: no summary).
    """

    command: tuple[str, ...] | None = field(default=None, repr=False)
    webhook: str | None = field(default=None, repr=False)
    body: str | None = field(default=None, repr=False)
    kinds: tuple[str, ...] = ALERT_KINDS
    pause_ms: int = 300_000
    disconnect_ms: int = 60_000
    losses: tuple[Decimal, ...] = ()
    summary_minute: int | None = None
    min_interval_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Config:
    """One whole configuration, checked. `name` is the file's name without its ending; `mode` is the strategy's name."""

    path: Path
    name: str
    symbol: str
    exchange: ExchangeConfig = ExchangeConfig()
    paper: PaperConfig = PaperConfig()
    account: AccountConfig = AccountConfig()
    mode: str = "ping_pong"
    engine: EngineSettings = field(default_factory=EngineSettings)
    connection: ConnectionConfig = ConnectionConfig()
    logging: LogConfig = LogConfig()
    reports: ReportConfig = ReportConfig()
    ledger: LedgerConfig = LedgerConfig()
    alerts: AlertConfig = AlertConfig()


def load_config(path: str | Path, symbol: str | None = None, overrides: Mapping[str, str] | None = None) -> Config:
    """Read and check a whole configuration file.

    `overrides` come from the command line: dotted key to text, as in `{"paper.data": "day.gz"}`; their paths are relative to the working
    directory, those of the file to the file. `symbol` is the override of that key.
    Raises ConfigError that lists every fault found, each with file, line, key, value and what is allowed.
    """
    path = Path(path).absolute()
    given = {**({"symbol": symbol} if symbol is not None else {}), **(overrides or {})}
    entries, faults = read_entries(path)
    entries = [entry for entry in entries if entry.key not in given] + [command_line_entry(key, text) for key, text in given.items()]
    values, unfit = read_values(entries)
    faults += unfit
    wheres = {entry.key: entry.where for entry in entries}
    if "symbol" not in wheres:
        faults.append(Fault(str(path), "symbol", "is missing; say which symbol to trade, like `symbol: ETHUSDT`"))
    config = _build(path, values)
    # A value that could not be read stands at its default, and a complaint about that would only confuse.
    faults += [Fault(wheres.get(key, str(path)), key, problem) for key, problem in contradictions(config) if not unfit]
    if faults:
        raise ConfigError("\n".join(str(fault) for fault in faults))
    return config


def contradictions(config: Config) -> Iterator[tuple[str, str]]:
    """Values that are fine each but not together: the key to change, and why."""
    yield from _exchange_contradictions(config)
    orders, risk, timing = config.engine.orders, config.engine.risk, config.engine.timing
    if 0 < risk.countdown_ms < 3 * orders.refresh_interval_ms:
        yield "risk.countdown", (f"{_s(risk.countdown_ms)} is less than three times orders.order_refresh_interval "
                                 f"({_s(orders.refresh_interval_ms)}): it would run out between two renewals")
    if orders.max_order_age_ms < orders.refresh_interval_ms:
        yield "orders.max_order_age", (f"{_s(orders.max_order_age_ms)} is less than orders.order_refresh_interval "
                                       f"({_s(orders.refresh_interval_ms)})")
    threshold = config.engine.strategy.position_threshold
    if risk.max_position_notional is not None and risk.max_position_notional <= threshold:
        yield "risk.max_position", (f"{risk.max_position_notional} must be above strategy.position_threshold ({threshold}), "
                                    "or an opened position would never count as one to close")
    if timing.refusal_backoff_max_ms < timing.refusal_backoff_ms:
        yield "timing.refusal_backoff_max", (f"{_s(timing.refusal_backoff_max_ms)} is less than timing.refusal_backoff "
                                             f"({_s(timing.refusal_backoff_ms)})")
    if timing.stop_deadline_ms < timing.acceptance_window_ms + timing.acceptance_grace_ms:
        yield "timing.stop_deadline", (f"{_s(timing.stop_deadline_ms)} is less than timing.acceptance_window + acceptance_grace "
                                       f"({_s(timing.acceptance_window_ms + timing.acceptance_grace_ms)}): an order of unknown outcome "
                                       "could not be settled before the end")
    for key, wanted, kind in (("alerts.loss", config.alerts.losses, "loss"), ("alerts.daily_summary", config.alerts.summary_minute is not None, "daily_summary")):
        if wanted and kind not in config.alerts.kinds:
            yield key, f"is set, but alerts.on leaves {kind} out"
    if not config.logging.console and config.logging.file == "none":
        yield "logging.console", "false, with logging.file none, would leave no log at all; turn one of them on"


def _exchange_contradictions(config: Config) -> Iterator[tuple[str, str]]:
    if config.engine.orders.stp_mode is not None and config.exchange.auth == "v1":
        yield "orders.stp_mode", "is only for exchange.auth v3; the V1 family has no self-trade prevention to choose"
    exchange, paper = config.exchange, config.paper
    window_ms = config.engine.timing.acceptance_window_ms
    if exchange.auth == "v3" and window_ms < V3_WINDOW_MS:
        yield "timing.acceptance_window", (f"{_s(window_ms)} is less than the {_s(V3_WINDOW_MS)} for which the exchange accepts a request "
                                           "under exchange.auth v3; leave it out, and it is right")
    for key, url in (("exchange.rest_url", exchange.rest_url), ("exchange.ws_url", exchange.ws_url)):
        if exchange.venue == "custom" and url is None:
            yield key, "is needed with exchange.venue custom"
        if exchange.is_paper and url is not None:
            yield key, "is not for exchange.venue paper, which serves on ports of its own; another host is exchange.venue custom"
    if exchange.is_paper and paper.market == "replay" and paper.data is None:
        yield "paper.data", "is needed with paper.market replay: name the recording here, or with --data"
    if paper.market != "replay" and paper.data is not None:
        yield "paper.data", f"is only for paper.market replay, and paper.market is {paper.market}"


def _build(path: Path, values: Mapping[str, Mapping[str, Any]]) -> Config:
    def part(name: str) -> Mapping[str, Any]:
        return values.get(name, {})

    exchange = dict(part("exchange"))
    rest_url, ws_url = VENUE_URLS[exchange.get("venue", ExchangeConfig().venue)]
    exchange["rest_url"] = exchange.get("rest_url") or rest_url
    exchange["ws_url"] = exchange.get("ws_url") or ws_url
    exchange["chain_id"] = exchange.get("chain_id") or VENUE_CHAINS[exchange.get("venue", ExchangeConfig().venue)]
    timing = {name: value for name, value in part("timing").items() if value is not None}
    if exchange.get("auth") == "v3":
        timing.setdefault("acceptance_window_ms", V3_WINDOW_MS)
    engine = EngineSettings(StrategySettings(**part("strategy")), OrderSettings(**part("orders")), RiskSettings(**part("risk"), fills=FillLimits(**part("fills"))),
                            TimingSettings(**timing))
    return Config(path=path, name=path.stem, **{"symbol": "", **part("config")}, exchange=ExchangeConfig(**exchange),
                  paper=PaperConfig(**part("paper")), account=AccountConfig(**part("account")), engine=engine,
                  connection=ConnectionConfig(**part("connection")), logging=LogConfig(**part("logging")),
                  reports=ReportConfig(**part("reports")), ledger=LedgerConfig(**part("ledger")), alerts=AlertConfig(**part("alerts")))


def _s(milliseconds: int) -> str:
    return f"{Decimal(milliseconds) / 1000:f} s"
