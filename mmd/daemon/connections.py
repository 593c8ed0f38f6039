"""Where the venue is and how to reach it: base URLs, signer, clock and REST clients, made from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config
from mmd.daemon.credentials import AgentCredentials, Credentials
from mmd.daemon.logs.logbook import log_notice
from mmd.venue.agent_signing import MissingPackages, V3Signer, checked_address
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1, V3, Family
from mmd.venue.nonce import Nonces
from mmd.venue.rest import RestClient, Timeouts
from mmd.venue.signing import Signer, V1Signer
from mmd.venue.silence import Silence
from mmd.venue.usage import UsageMeter

_FAMILIES: dict[str, Family] = {"v1": V1, "v3": V3}


@dataclass(frozen=True)
class Venue:
    """One venue and one account. Every lane gets a client of its own from `client()`.

    `identity` says in words who signs; `agent` is the signing wallet's address where an agent signs for the user.
    """

    rest_url: str
    ws_url: str
    family: Family
    signer: Signer
    clock: VenueClock
    timeouts: Timeouts
    identity: str
    agent: str | None = None
    silence: Silence = field(default_factory=Silence)
    meter: UsageMeter = field(default_factory=UsageMeter)

    def client(self) -> RestClient:
        return RestClient(self.rest_url, self.family, self.signer, self.clock, self.timeouts, silence=self.silence, meter=self.meter)


def connect(
    config: Config, credentials: Credentials | AgentCredentials, rest_url: str | None = None, ws_url: str | None = None, *,
    state: Path | None = None,
) -> Venue:
    """The venue that the configuration names; `rest_url` and `ws_url` are those of an embedded paper exchange. Opens no connection.

    `state` is the directory in which an agent's last nonce is kept; without one nonces come from the clock alone. Raises ConfigError where a
    URL is missing or unusable, where key and addresses of an agent do not go together, and where a package for `auth: v3` is missing.
    """
    rest_url, ws_url = rest_url or config.exchange.rest_url, ws_url or config.exchange.ws_url
    if rest_url is None or ws_url is None:
        raise ConfigError(f"{config.path}: exchange: venue {config.exchange.venue} needs rest_url and ws_url")
    timeouts = Timeouts(config.connection.connect_timeout_ms / 1000, config.connection.reply_timeout_ms / 1000)
    family, signer = _FAMILIES[config.exchange.auth], _signer(config, credentials, rest_url, state)
    if isinstance(credentials, Credentials):
        return Venue(rest_url, ws_url, family, signer, VenueClock(), timeouts, "an API key and its secret")
    identity = f"agent {credentials.signer}, whose key it is, for user {credentials.user} on chain {config.exchange.chain_id}"
    return Venue(rest_url, ws_url, family, signer, VenueClock(), timeouts, identity, credentials.signer)


def _signer(config: Config, credentials: Credentials | AgentCredentials, rest_url: str, state: Path | None) -> Signer:
    if isinstance(credentials, Credentials):
        return V1Signer(credentials.api_key, credentials.api_secret, config.engine.timing.acceptance_window_ms)
    chain_id = config.exchange.chain_id
    try:
        signer = checked_address("signer", credentials.signer)
        # By host, because nonces follow its clock: those of a venue whose clock is ahead would keep the agent from signing elsewhere.
        path = None if state is None else state / f"{signer}-{urlsplit(rest_url).netloc}.nonce"
        return V3Signer(credentials.user, signer, credentials.signer_key, chain_id, Nonces(path, log_notice))
    except MissingPackages:
        raise
    except ConfigError as error:
        raise ConfigError(f"{error} (ASTER_USER, ASTER_SIGNER and ASTER_SIGNER_KEY come from {credentials.source})") from error
