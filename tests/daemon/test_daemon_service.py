"""The whole daemon as a process, against a served paper exchange whose own records are the judge."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from binance.um_futures import UMFutures
from daemon_rig import SECRET, Daemon, Exchange

ETC = Path(__file__).parents[2] / "etc" / "mmd"
RECORDING = Path(__file__).parents[3] / "shared" / "data" / "ethusdt_20240808.gz"

Run = Callable[..., Daemon]
LIVELY = "strategy: {buy_spread: 0.0001, sell_spread: 0.0001}"


def client(exchange: Exchange) -> UMFutures:
    """Somebody else trading on the same account."""
    return UMFutures("paper", SECRET, base_url=exchange.server.rest_url)


def trade(exchange: Exchange, side: str, quantity: str) -> None:
    client(exchange).new_order(symbol="ETHUSDT", side=side, type="MARKET", quantity=quantity)


def position(exchange: Exchange) -> Decimal:
    return Decimal(client(exchange).get_position_risk(symbol="ETHUSDT")[0]["positionAmt"])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


def test_the_demo_goes_from_buy_to_sell_to_buy_and_stops_with_nothing_open(run_daemon: Run) -> None:
    """`mmd -c etc/mmd/paper.yaml` quotes, fills, flips twice, reports, and SIGTERM ends it with exit code 0 and no order open."""
    daemon = run_daemon("-c", ETC / "paper.yaml")
    daemon.wait_for(r" placed ")
    daemon.wait_for(r" FILL ", count=2)
    daemon.wait_for(r" mode mode=SELL ")
    daemon.wait_for(r" mode mode=BUY ", count=2)
    daemon.wait_for(r" prices ")
    daemon.wait_for(r" balances ")
    assert daemon.stop() == 0
    assert re.search(r" stopped why=SIGTERM .*open_orders=0$", daemon.lines[-1]), daemon.lines[-1]


@pytest.mark.skipif(not RECORDING.exists(), reason="the recorded data is not beside the checkout")
def test_the_recorded_market_is_quoted_and_filled(run_daemon: Run) -> None:
    """`mmd -c etc/mmd/replay.yaml --data FILE` makes a whole cycle on recorded traffic."""
    daemon = run_daemon("-c", ETC / "replay.yaml", "--data", RECORDING)
    daemon.wait_for(r" mode mode=SELL ")
    daemon.wait_for(r" mode mode=BUY ", count=2)
    assert daemon.stop(signal.SIGINT) == 0
    assert daemon.lines[-1].endswith("open_orders=0")


def test_a_killed_daemon_s_orders_are_cancelled_and_its_position_taken_up(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """After kill -9 the next start cancels the leftover before it quotes, and offers the position that it finds."""
    config = exchange.config(tmp_path)
    killed = run_daemon("-c", config)
    killed.wait_for(r" placed side=BUY ")
    killed.stop(signal.SIGKILL)
    (leftover,) = exchange.open_orders()
    trade(exchange, "BUY", "0.1")
    daemon = run_daemon("-c", config)
    daemon.wait_for(rf" leftover order={leftover.client_order_id} ")
    placed = daemon.wait_for(r" placed ")
    assert "side=SELL" in placed and "size=0.100" in placed and "reduce_only=true" in placed, placed
    assert [order.client_order_id for order in exchange.open_orders()] == [placed.rpartition("order=")[2]]
    assert daemon.stop() == 0
    assert exchange.open_orders() == []
    assert position(exchange) == Decimal("0.1")


def test_a_venue_that_restarts_is_quoted_on_again(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """The venue goes and comes back without memory: quotes are pulled, streams reconnect, the account is reconciled, quotes return."""
    config = exchange.config(tmp_path, "strategy: {buy_spread: 0.004, sell_spread: 0.004}\ntiming: {acceptance_window: 1, acceptance_grace: 0.1}")
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" placed ")
    exchange.server.stop()
    daemon.wait_for(r" pause from=quote .*does=\"pulls the quotes\"")
    returned = exchange.restarted(seed=2)
    try:
        seen = len(daemon.lines)
        daemon.wait_for(r" sync from=pause", since=seen)
        daemon.wait_for(r" quote from=", since=seen)
        daemon.wait_for(r" placed ", since=seen)
        assert len(returned.open_orders()) == 1
        assert daemon.stop() == 0
        assert returned.open_orders() == []
    finally:
        returned.server.stop()


@pytest.mark.parametrize(("bias", "held", "side"), [("long", "BUY", "SELL"), ("long", "SELL", "BUY"), ("short", "SELL", "BUY"), ("short", "BUY", "SELL")])
def test_a_position_of_either_sign_is_closed_first(
    exchange: Exchange, run_daemon: Run, tmp_path: Path, bias: str, held: str, side: str
) -> None:
    """Whatever the bias, a position found at the start is offered whole and reduce-only."""
    trade(exchange, held, "0.05")
    daemon = run_daemon("-c", exchange.config(tmp_path, f"strategy: {{bias: {bias}, buy_spread: 0.004, sell_spread: 0.004}}"))
    placed = daemon.wait_for(r" placed ")
    assert f"side={side}" in placed and "size=0.050" in placed and "reduce_only=true" in placed, placed
    assert daemon.stop() == 0


def test_the_short_bias_opens_with_a_sell(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """`bias: short` opens by selling and closes by buying back, reduce-only."""
    daemon = run_daemon("-c", exchange.config(tmp_path, "strategy: {bias: short, buy_spread: 0.0001, sell_spread: 0.0001}"))
    assert "side=SELL" in daemon.wait_for(r" placed ")
    daemon.wait_for(r" mode mode=BUY ")
    assert "reduce_only=true" in daemon.wait_for(r" placed side=BUY ")
    assert daemon.stop() == 0


@pytest.mark.parametrize(("scope", "left"), [("own", 1), ("symbol", 0)])
def test_foreign_orders_are_touched_only_where_the_symbol_is_ours_alone(
    exchange: Exchange, run_daemon: Run, tmp_path: Path, scope: str, left: int
) -> None:
    """`cancel_scope: own` leaves another's order alone from start to stop; `symbol` cancels it before the first quote."""
    price = str((Decimal(client(exchange).ticker_price("ETHUSDT")["price"]) * Decimal("0.9")).quantize(Decimal("0.01")))
    client(exchange).new_order(
        symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price=price, newClientOrderId="somebody-else"
    )
    daemon = run_daemon("-c", exchange.config(tmp_path, f"strategy: {{buy_spread: 0.004, sell_spread: 0.004}}\norders: {{cancel_scope: {scope}}}"))
    daemon.wait_for(r" foreign_orders count=1 ")
    daemon.wait_for(r" placed ")
    assert sum(order.client_order_id == "somebody-else" for order in exchange.open_orders()) == left
    assert daemon.stop() == 0
    assert [order.client_order_id for order in exchange.open_orders()] == ["somebody-else"] * left


def test_a_balance_too_small_to_quote_is_said_once_and_waited_for(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Below the minimum notional nothing is posted and nothing is repeated."""
    text = "strategy: {balance_fraction: 0.0004, buy_spread: 0.004, sell_spread: 0.004}\nreports: {prices: 0.2}"
    daemon = run_daemon("-c", exchange.config(tmp_path, text))
    daemon.wait_for(r" waiting why=\"a BUY of [0-9.]+ is below the minimum notional 5\"")
    daemon.wait_for(r" prices ", count=5)
    assert sum(" waiting " in line for line in daemon.lines) == 1
    assert exchange.open_orders() == []
    assert not [line for line in daemon.lines if " placed " in line or "order_refused" in line]
    assert daemon.stop() == 0


def test_a_wrong_secret_is_refused_before_any_order(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Exit code 78 and one line with the cause; the secret itself is nowhere."""
    daemon = run_daemon("-c", exchange.config(tmp_path), secret="not-the-secret-0123456789")
    assert daemon.exit_code() == 78
    assert "refused the credentials" in daemon.lines[-1] and "-1022" in daemon.lines[-1], daemon.lines
    assert not any("not-the-secret" in line for line in daemon.lines)


def test_an_unknown_symbol_is_refused_with_the_nearest(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """`--symbol ETHUSD` ends with exit code 78 and names ETHUSDT."""
    daemon = run_daemon("-c", exchange.config(tmp_path), "--symbol", "ETHUSD")
    assert daemon.exit_code() == 78
    assert "ETHUSD" in daemon.lines[-1] and "did you mean ETHUSDT" in daemon.lines[-1]


def test_a_venue_that_is_not_there_ends_the_start_with_75(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Nobody answers: a few attempts, then exit code 75, which a supervisor retries."""
    config = exchange.config(tmp_path)
    exchange.server.stop()
    daemon = run_daemon("-c", config)
    assert daemon.exit_code() == 75
    assert "cannot_start" in daemon.lines[-1] and "no answer" in daemon.lines[-1]


def test_a_signal_during_the_start_ends_it_at_once(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """SIGTERM while the venue does not answer yet: exit code 0, nothing was sent."""
    config = exchange.config(tmp_path)
    exchange.server.stop()
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" venue_unreachable ")
    assert daemon.stop() == 0
    assert "stopped" in daemon.lines[-1]


def test_no_secret_is_ever_written(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Not the key, the secret, the listen key or a signature, at the most talkative level and with the venue failing."""
    daemon = run_daemon("-c", exchange.config(tmp_path, LIVELY + "\nlogging: {level: debug}"))
    daemon.wait_for(r" FILL ")
    listen_key = requests.post(f"{exchange.server.rest_url}/fapi/v1/listenKey", headers={"X-MBX-APIKEY": "paper"}, timeout=5).json()["listenKey"]
    exchange.server.stop()
    daemon.wait_for(r" stream_connect_failed ", count=2)
    daemon.process.kill()
    daemon.exit_code()
    text = "\n".join(daemon.lines)
    assert listen_key not in text
    assert not re.search(r"signature|[0-9a-f]{64}", text)


def test_a_symbol_that_is_halted_is_waited_for_and_quoted_on_again(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Not TRADING in the middle of a run: everything is pulled, the rules are read anew, it waits, and quotes again once it may (FAULTS O10, R8)."""
    text = "strategy: {buy_spread: 0.004, sell_spread: 0.004}\norders: {max_order_age: 1, amend: false}\ntiming: {probe_interval: 0.2}"
    daemon = run_daemon("-c", exchange.config(tmp_path, text))
    daemon.wait_for(r" placed ")
    traded = exchange.server.exchange.symbol
    with exchange.server.lock:
        exchange.server.exchange.change_symbol(replace(traded, status="SETTLING"))
    daemon.wait_for(r" rules_changed what=status status=SETTLING ")
    daemon.wait_for(r" waiting why=.*SETTLING.* retry_in_s=0.2", count=2)
    assert exchange.open_orders() == []
    seen = len(daemon.lines)
    with exchange.server.lock:
        exchange.server.exchange.change_symbol(replace(traded, status="TRADING"))
    daemon.wait_for(r" placed ", since=seen)
    assert daemon.stop() == 0
    assert exchange.open_orders() == []


def test_a_daemon_that_waits_for_its_symbol_still_stops_at_once(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """SIGTERM while the symbol is halted: exit code 0, nothing is open."""
    daemon = run_daemon("-c", exchange.config(tmp_path, "strategy: {buy_spread: 0.004, sell_spread: 0.004}\norders: {max_order_age: 1, amend: false}"))
    daemon.wait_for(r" placed ")
    with exchange.server.lock:
        exchange.server.exchange.change_symbol(replace(exchange.server.exchange.symbol, status="SETTLING"))
    daemon.wait_for(r" waiting why=")
    assert daemon.stop() == 0
    assert daemon.lines[-1].split()[2] == "stopped" and "open_orders=0" in daemon.lines[-1]


def test_several_levels_rest_together_and_go_together(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Three levels a side come as one batch, share the size, and are all gone after SIGTERM."""
    text = "strategy: {levels: 3, level_step: 0.001, buy_spread: 0.004, sell_spread: 0.004}"
    daemon = run_daemon("-c", exchange.config(tmp_path, text))
    daemon.wait_for(r" placed side=BUY ", count=3)
    resting = exchange.open_orders()
    assert len(resting) == 3
    # One request places them all: the exchange takes them in within one and the same millisecond.
    assert len({order.created_ms for order in resting}) == 1
    assert daemon.stop() == 0
    assert exchange.open_orders() == []
