"""Views made by hand, a source of statuses around them, and raw requests to what serves them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from mmd.core.rules import SymbolRules
from mmd.core.units import Grid, Side
from mmd.daemon.config import Config, LedgerConfig
from mmd.daemon.connections import Venue
from mmd.daemon.published import OrderView, Published, View
from mmd.daemon.status.control import address_of
from mmd.daemon.status.event_tail import EventTail
from mmd.daemon.status.server import BoundedServer
from mmd.daemon.status.source import StatusSource
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.endpoints import V1
from mmd.venue.rest import DEFAULT_TIMEOUTS
from mmd.venue.signing import V1Signer

ORDER = OrderView(
    client_order_id="mmd-s1-1", order_id=77, side=Side.SELL, price_ticks=250_150, size_lots=200, executed_lots=50, reduce_only=True, state="working",
    age_ms=1_200, ahead_lots=3_100,
)  # fmt: skip


def eth_rules() -> SymbolRules:
    return SymbolRules(
        symbol="ETHUSDT", status="TRADING", base_asset="ETH", quote_asset="USDT", margin_asset="USDT", price=Grid("0.01"), size=Grid("0.001"),
        min_price_ticks=1, max_price_ticks=10**8, min_size_lots=1, max_size_lots=10**7, min_notional=Decimal(5),
        multiplier_up=Decimal("1.15"), multiplier_down=Decimal("0.85"), weight_per_minute=2400, orders_per_minute=1200,
    )  # fmt: skip


def eth_view(**changes: Any) -> View:
    """Long 0.15 from 2500, one offer at 2501.50, mid 2501.00."""
    view = View(
        drawn_ms=monotonic_ms(), session="s1", rules=eth_rules(), state="quote", state_since_ms=monotonic_ms() - 60_000, reasons=(),
        reasons_since_ms=(), mode="SELL", waiting=None, bids=((250_090, 4_000), (250_080, 5_000)), asks=((250_110, 6_000), (250_150, 7_000)),
        book_age_ms=40, position=Decimal("0.150"), entry_price=Decimal(2500), orders=(ORDER,), foreign_orders=0,
        balances={"USDT": Decimal("9990.5"), "USDF": Decimal(10), "BTC": Decimal(0)}, balance=Decimal("10000.5"), fills=3,
        filled_notional=Decimal("1125.3"), realized_profit=Decimal("0.75"), net_profit=Decimal("0.55"), commission={"USDT": Decimal("0.35")},
        orders_sent=7, orders_allowed=960, silent_until_ms=0, armed_until_ms=monotonic_ms() + 25_000,
    )  # fmt: skip
    return replace(view, **changes)


def eth_config(directory: Path, **changes: Any) -> Config:
    config = Config(path=directory / "eth.yaml", name="eth", symbol="ETHUSDT", ledger=LedgerConfig(file="none"))
    return replace(config, **changes)


def eth_source(directory: Path, view: View | None = None) -> tuple[StatusSource, Published, EventTail]:
    """A source as a daemon that trades nowhere would have it."""
    published, tail = Published(), EventTail()
    if view is not None:
        published.set(view)
    venue = Venue("http://127.0.0.1:9", "ws://127.0.0.1:9", V1, V1Signer("key", "secret", 5_000), VenueClock(), DEFAULT_TIMEOUTS, "a test")
    return StatusSource(eth_config(directory), published, venue, tail), published, tail


@contextmanager
def running(server: BoundedServer) -> Iterator[BoundedServer]:
    """A server in a thread of its own, which must end soon after it is stopped."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(5)
        assert not thread.is_alive()


@contextmanager
def connected(to: Path | tuple[str, int]) -> Iterator[socket.socket]:
    """A client's socket, to a Unix socket's path or a host and port."""
    with socket.socket(socket.AF_UNIX if isinstance(to, Path) else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        if isinstance(to, Path):
            with address_of(to) as address:
                client.connect(address)
        else:
            client.connect(to)
        yield client


def exchange(to: Path | tuple[str, int], request: bytes) -> bytes:
    """Everything that comes back for these bytes, until the end."""
    with connected(to) as client:
        client.sendall(request)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    found = b""
    while chunk := client.recv(1 << 16):
        found += chunk
    return found


def get(to: Path | tuple[str, int], path: str, *, method: str = "GET", host: str = "localhost") -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, body."""
    head, _, body = exchange(to, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body
