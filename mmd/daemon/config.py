"""The configuration of one daemon: what its YAML file may say, as frozen values, and the way from the file to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from mmd.core.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """Where the venue is and how requests to it are signed.

    `rest_url` and `ws_url` have no slash at the end; both are None with `venue: paper`, whose servers choose free ports.
    """

    venue: str = "aster"  # aster, aster-testnet, paper, custom
    auth: str = "v1"
    rest_url: str | None = None
    ws_url: str | None = None

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
    balance: Decimal = Decimal("10000")
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
    the listen key is kept alive every `listen_key_interval_ms` (it dies after an hour).
    """

    connect_timeout_ms: int = 3_000
    reply_timeout_ms: int = 5_000
    stream_renewal_ms: int = 82_800_000
    listen_key_interval_ms: int = 1_800_000


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What is written where.

    `file` is `auto` (`/var/log/mmd/<config name>.log` where that can be written), `none`, or an absolute path. `release_mode` keeps only errors,
    fills, and the lines of start and stop. `utc` false writes local time with its offset.
    """

    level: str = "info"  # debug, info, warning, error
    console: bool = True
    file: str = "auto"
    release_mode: bool = False
    utc: bool = True


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """How often a line of prices and a line of balances is logged, in milliseconds; 0: never."""

    prices_ms: int = 10_000
    balances_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Config:
    """One whole configuration, checked. `name` is the file's name without its ending."""

    path: Path
    name: str
    symbol: str
    exchange: ExchangeConfig = ExchangeConfig()
    paper: PaperConfig = PaperConfig()
    account: AccountConfig = AccountConfig()
    engine: EngineSettings = EngineSettings()
    connection: ConnectionConfig = ConnectionConfig()
    logging: LogConfig = LogConfig()
    reports: ReportConfig = field(default_factory=ReportConfig)


def load_config(path: str | Path, symbol: str | None = None, overrides: Mapping[str, str] | None = None) -> Config:
    """Read and check a whole configuration file.

    `overrides` come from the command line: dotted key to text, as in `{"paper.data": "day.gz"}`; their paths are relative to the working
    directory, those of the file to the file. `symbol` is the override of that key.
    Raises ConfigError that lists every fault found, each with file, line, key, value and what is allowed.
    """
    raise NotImplementedError
