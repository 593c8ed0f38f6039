"""`exchange.venue: paper`: the paper exchange inside the daemon's own process, on free loopback ports, spoken to like any other venue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config
from mmd.daemon.paper_options import paper_options

if TYPE_CHECKING:
    from mmd.paper.runtime import PaperServer


def embed(config: Config) -> PaperServer:
    """A paper exchange, serving. Raises ConfigError for bad options, an unusable recording, or a missing package."""
    from mmd.paper.options import build_exchange

    try:
        from mmd.paper.runtime import ExchangeClock, PaperServer, ServerSettings
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "websockets":
            raise
        message = f"{config.path}: exchange.venue: paper needs the package websockets: pip install websockets"
        raise ConfigError(message) from error
    clock = ExchangeClock()
    options = paper_options(config)
    server = PaperServer(build_exchange(options, clock.now_ms()), settings=ServerSettings(agents=options.agents), clock=clock)
    server.start()
    return server
