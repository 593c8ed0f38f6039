"""The paper exchange served: its lock, its clock, its ticker thread, and both doors."""
from __future__ import annotations

from dataclasses import dataclass

from mmd.paper.exchange import PaperExchange


@dataclass(frozen=True)
class ServerSettings:
    """Limits and intervals of the doors; the defaults are the documented ones."""

    weight_limit: int = 2400
    order_limit: int = 1200
    listen_key_life_ms: int = 3_600_000
    connection_life_s: float = 86_400.0
    ping_interval_s: float = 300.0
    pong_deadline_s: float = 900.0


class PaperServer:
    """One paper exchange behind a REST door and a WebSocket door on the loopback."""

    def __init__(self, exchange: PaperExchange, *, rest_port: int = 0, ws_port: int = 0, host: str = "127.0.0.1",
                 settings: ServerSettings = ServerSettings()) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Opens both doors and starts the ticker; returns once both accept connections.  Raises OSError where a port is taken."""
        raise NotImplementedError

    @property
    def rest_url(self) -> str:
        """`http://127.0.0.1:P`."""
        raise NotImplementedError

    @property
    def ws_url(self) -> str:
        """`ws://127.0.0.1:P`."""
        raise NotImplementedError

    def stop(self, timeout_s: float = 5.0) -> None:
        """Closes both doors and joins every thread, within `timeout_s`."""
        raise NotImplementedError
