"""Several who share the venue's rate limits: the daemon goes by the venue's own count, and leaves what is left to cancels."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from binance.um_futures import UMFutures
from daemon_rig import SECRET, Daemon, Exchange

Run = Callable[..., Daemon]

RESTLESS = "strategy: {buy_spread: 0.0005, sell_spread: 0.0005}\norders: {price_change_threshold: 0.00001, order_refresh_interval: 0.05}"


def test_what_others_spend_at_this_address_is_not_spent_again(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Another process has used most of the address's weight: the quote is pulled once it is no longer good, and nothing is placed; the venue never refuses."""
    daemon = run_daemon("-c", exchange.config(tmp_path, RESTLESS))
    daemon.wait_for(r" placed ")
    while exchange.server.clock.now_ms() % 60_000 > 50_000:  # The venue's minute must last until the daemon has been seen to hold back.
        time.sleep(0.1)
    client = UMFutures("paper", SECRET, base_url=exchange.server.rest_url, show_limit_usage=True)
    used = 0
    while used < 2_000:  # of 2400; a question after the position mode costs 30
        used = int(client.get_position_mode()["limit_usage"]["x-mbx-used-weight-1m"])
    spent = daemon.wait_for(r" budget_spent ")
    assert "by=\"the venue's count, of all who share it\"" in spent
    seen = len(daemon.lines)
    assert daemon.stop() == 0
    told = [line.split()[2] for line in daemon.lines[seen:]]
    assert not {"placed", "amended", "rate_limited"} & set(told), told
    assert daemon.lines[-1].endswith("open_orders=0") and exchange.open_orders() == []
