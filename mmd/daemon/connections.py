"""Where the venue is and how to reach it: base URLs, signer, clock and REST clients, made from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config
from mmd.daemon.credentials import Credentials
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1, Family
from mmd.venue.rest import RestClient, Timeouts
from mmd.venue.signing import Signer, V1Signer

_FAMILIES: dict[str, Family] = {"v1": V1}


@dataclass(frozen=True)
class Venue:
    """One venue and one account. Every lane gets a client of its own from `client()`."""

    rest_url: str
    ws_url: str
    family: Family
    signer: Signer
    clock: VenueClock
    timeouts: Timeouts

    def client(self) -> RestClient:
        return RestClient(self.rest_url, self.family, self.signer, self.clock, self.timeouts)


def connect(config: Config, credentials: Credentials, rest_url: str | None = None, ws_url: str | None = None) -> Venue:
    """The venue that the configuration names; `rest_url` and `ws_url` are those of an embedded paper exchange. Opens no connection.

    Raises ConfigError where a URL is missing or unusable.
    """
    rest_url, ws_url = rest_url or config.exchange.rest_url, ws_url or config.exchange.ws_url
    if rest_url is None or ws_url is None:
        raise ConfigError(f"{config.path}: exchange: venue {config.exchange.venue} needs rest_url and ws_url")
    signer = V1Signer(credentials.api_key, credentials.api_secret, config.engine.timing.acceptance_window_ms)
    timeouts = Timeouts(config.connection.connect_timeout_ms / 1000, config.connection.reply_timeout_ms / 1000)
    return Venue(rest_url, ws_url, _FAMILIES[config.exchange.auth], signer, VenueClock(), timeouts)
