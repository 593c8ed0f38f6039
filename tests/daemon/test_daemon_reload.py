"""SIGHUP: the configuration is read anew; what may change takes over in a new run, the rest is refused, and nothing is lost on the way."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from daemon_rig import Daemon, Exchange

Run = Callable[..., Daemon]

WIDE = "strategy: {buy_spread: 0.004, sell_spread: 0.004}"


def quoting(exchange: Exchange, run_daemon: Run, directory: Path) -> Daemon:
    daemon = run_daemon("-c", exchange.config(directory, WIDE))
    daemon.wait_for(r" placed ")
    return daemon


def reload_with(exchange: Exchange, daemon: Daemon, directory: Path, text: str) -> int:
    """Rewrite the file and send the signal; how many lines there were before."""
    seen = len(daemon.lines)
    exchange.config(directory, text)
    daemon.process.send_signal(signal.SIGHUP)
    return seen


def test_changed_settings_take_over_in_a_new_run(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """The keys that changed are named, the old order goes before the new one comes, and that one stands where the new settings want it."""
    daemon = quoting(exchange, run_daemon, tmp_path)
    (before,) = exchange.open_orders()
    seen = reload_with(exchange, daemon, tmp_path, "strategy: {buy_spread: 0.008, sell_spread: 0.004, levels: 2}\nreports: {prices: 0.2}")
    assert "changed=strategy.buy_spread,strategy.levels,reports.prices " in daemon.wait_for(r" reload ", since=seen)
    daemon.wait_for(r" placed ", count=2, since=seen)
    told = [line.split()[2] for line in daemon.lines[seen:]]
    assert told.index("cancelled") < told.index("started") < told.index("placed")
    orders = exchange.open_orders()
    assert len(orders) == 2 and before.client_order_id not in {order.client_order_id for order in orders}
    ratio = Decimal(max(order.price_ticks for order in orders)) / before.price_ticks
    assert Decimal("0.9945") < ratio < Decimal("0.9975"), ratio  # 0.8 % below mid, where it was 0.4 %, and the market moves a little meanwhile
    daemon.wait_for(r" prices ", count=3, since=seen)
    assert daemon.stop() == 0 and exchange.open_orders() == []


@pytest.mark.parametrize(("text", "says"), [
    ("strategy: {buy_spred: 0.01}", "did you mean strategy.buy_spread?"),
    ("strategy: {buy_spread: 0.008}\nledger: {marks: 5}", "ledger.marks: cannot be changed while running"),
    ("strategy: {buy_spread: 0.008}\nreports: {http: 1}", "reports.http: cannot be changed while running"),
    ("timing: {reply_timeout: 9}", "timing.reply_timeout: cannot be changed while running"),
])
def test_what_cannot_be_taken_over_changes_nothing(exchange: Exchange, run_daemon: Run, tmp_path: Path, text: str, says: str) -> None:
    """The reason is told, and the same run goes on with the same order."""
    daemon = quoting(exchange, run_daemon, tmp_path)
    before = [order.client_order_id for order in exchange.open_orders()]
    seen = reload_with(exchange, daemon, tmp_path, text)
    refused = daemon.wait_for(r" reload_refused ", since=seen)
    assert says in refused and refused.endswith('does="goes on as before"')
    assert [order.client_order_id for order in exchange.open_orders()] == before
    assert daemon.stop() == 0
    assert sum(" started " in line for line in daemon.lines) == 1


def test_an_unchanged_file_changes_nothing(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """It says so, and the run goes on."""
    daemon = quoting(exchange, run_daemon, tmp_path)
    seen = reload_with(exchange, daemon, tmp_path, WIDE)
    assert daemon.wait_for(r" reload ", since=seen).endswith('changed=nothing does="goes on"')
    assert daemon.stop() == 0
    assert sum(" started " in line for line in daemon.lines) == 1


def test_the_record_goes_on_over_a_reload(run_daemon: Run, tmp_path: Path) -> None:
    """An embedded exchange begins afresh with the process and not with each run in it: one account, two runs, each ended for its cause."""
    config = tmp_path / "embedded.yaml"
    config.write_text("symbol: ETHUSDT\nexchange: {venue: paper}\n")
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" placed ")
    config.write_text("symbol: ETHUSDT\nexchange: {venue: paper}\nstrategy: {buy_spread: 0.003}\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for(r" placed ", count=2)
    assert daemon.stop() == 0
    with closing(sqlite3.connect(tmp_path / "state" / "embedded.ledger")) as connection:
        runs = connection.execute("SELECT new_account, cause, why, ended_ms IS NOT NULL FROM runs ORDER BY run").fetchall()
    assert runs == [(1, "rules", "SIGHUP", 1), (0, "stop", "SIGTERM", 1)]
