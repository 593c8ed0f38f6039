"""Alerts of a real daemon process: a halt arrives although the process ends by itself, at once or with the next start."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from alert_rig import OK, hook
from binance.um_futures import UMFutures
from daemon_rig import SECRET, Daemon, Exchange

Run = Callable[..., Daemon]


def test_a_halt_arrives_through_a_webhook_that_fails_at_first(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """The end waits for it a moment and no longer; the next start, which the latch refuses, goes on where this one left off."""
    with hook("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "reset", OK) as served:
        config = exchange.config(tmp_path, f"alerts: {{webhook: '{served.url}', on: [halt]}}")
        daemon = run_daemon("-c", config)
        daemon.wait_for(r" placed ")
        UMFutures("paper", SECRET, base_url=exchange.server.rest_url).change_leverage(symbol="ETHUSDT", leverage=7)
        began = time.monotonic()
        assert daemon.exit_code() == 1
        assert time.monotonic() - began < 6
        assert exchange.open_orders() == []
        again = run_daemon("-c", config)
        assert again.exit_code() == 78
        bodies = served.wait_for(3)
        assert {body["kind"] for body in bodies} == {"halt"}
        assert all("account_changed" in body["text"] or "mode was changed" in body["text"] for body in bodies), bodies
        assert not any("t0ken-of-the-hook" in line or "7-secret-query" in line for line in (*daemon.lines, *again.lines))
