"""Real daemons on a served exchange: the ledger's books are the exchange's, to the last digit, whatever happens to the daemon."""

from __future__ import annotations

import signal
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from daemon_rig import Daemon, Exchange

from mmd.paper.liquidation import settle_funding

LIVELY = (
    "strategy: {buy_spread: 0.00002, sell_spread: 0.00002, balance_fraction: 0.02}\norders: {order_refresh_interval: 0.1}\n"
    "ledger: {marks: 1}\nreports: {prices: 0, balances: 0}"
)


def rows(state: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(state / "market.ledger")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def pay(exchange: Exchange, rate: str, deposit: str, asset: str) -> None:
    """Funding at a rate, on whatever is held, and a deposit."""
    with exchange.server.lock:
        paper = exchange.server.exchange
        account = paper.accounts["paper"]
        settle_funding(account, paper.market, Decimal(rate), paper.market.mark_price, paper.now_ms, paper._settlement)
        paper.deposit(account, asset, Decimal(deposit), paper.now_ms)


def charge_in_usdf(exchange: Exchange) -> None:
    with exchange.server.lock:
        account = exchange.server.exchange.accounts["paper"]
        account.commission_asset, account.commission_asset_price = "USDF", Decimal("0.5")


def booked(state: Path) -> dict[str, Decimal]:
    """The first wallets that were read, and everything that the ledger holds since."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for asset, balance in rows(state, "SELECT asset, balance FROM wallets WHERE time_ms = (SELECT min(time_ms) FROM wallets)"):
        sums[asset] += Decimal(balance)
    for realized, commission, asset in rows(state, "SELECT realized, commission, commission_asset FROM fills"):
        sums["USDT"] += Decimal(realized)
        sums[asset] -= Decimal(commission)
    for asset, amount in rows(state, "SELECT asset, amount FROM income"):
        sums[asset] += Decimal(amount)
    return dict(sums)


def test_the_books_are_the_exchange_s(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Over fees in two assets, funding, deposits, a kill, what happens while it is down, a restart, and funding right before the end."""
    state = tmp_path / "state"
    pay(exchange, "0", "50", "USDF")
    config = exchange.config(tmp_path, LIVELY)
    first = run_daemon("-c", config)
    first.wait_for(r"\bfill\b", count=3)
    charge_in_usdf(exchange)
    first.wait_for(r"fee_asset=USDF", count=2)
    pay(exchange, "0.001", "7.5", "USDT")
    first.wait_for(r"\bfill\b", count=8)
    first.stop(signal.SIGKILL)
    pay(exchange, "0.0015", "1", "USDF")
    second = run_daemon("-c", config)
    second.wait_for(r"\bfill\b", count=3)
    pay(exchange, "-0.002", "0.25", "USDT")
    assert second.stop() == 0
    with exchange.server.lock:
        account = exchange.server.exchange.accounts["paper"]
        wallets, trades = dict(account.wallets), {(trade.trade_id, trade.side.value) for trade in account.trades}
    assert booked(state) == wallets
    assert set(rows(state, "SELECT trade_id, side FROM fills")) == trades
    assert rows(state, "SELECT cause, ended_ms IS NULL FROM runs") == [("killed", 1), ("stop", 0)]
    assert rows(state, "SELECT count(*) FROM fills WHERE own IS NOT 1") == [(0,)]
    assert rows(state, "SELECT state FROM marks ORDER BY rowid DESC LIMIT 1") == [("stopped",)]
    assert not (state / "market.ledger-wal").exists()
    assert [line for line in first.lines + second.lines if " ERROR " in line or "history_not_read" in line] == []


def test_a_ledger_that_cannot_be_used_stops_the_start(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Before any order: with the file, the way out, and the code that no supervisor restarts."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "market.ledger").write_text("a note to myself\n" * 500)
    daemon = run_daemon("-c", exchange.config(tmp_path, LIVELY))
    assert daemon.exit_code() == 78
    assert "market.ledger" in "\n".join(daemon.lines) and "move it away" in "\n".join(daemon.lines)
    with exchange.server.lock:
        assert not exchange.server.exchange.accounts["paper"].orders
