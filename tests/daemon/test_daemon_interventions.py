"""By hand: `cancel`, `flatten`, `resume`, the lock and the latch, as processes against a served paper exchange."""

from __future__ import annotations

import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from binance.um_futures import UMFutures
from daemon_rig import SECRET, Daemon, Exchange

from mmd.core.errors import ConfigError
from mmd.daemon.state_directory import Halt, HaltLatch, InstanceLock, market_name, state_directory

Run = Callable[..., Daemon]


def client(exchange: Exchange) -> UMFutures:
    return UMFutures("paper", SECRET, base_url=exchange.server.rest_url)


def test_cancel_removes_what_a_killed_daemon_left(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """`mmd … cancel` with the daemon dead: the leftover is gone, another's order is not, exit code 0."""
    config = exchange.config(tmp_path)
    killed = run_daemon("-c", config)
    killed.wait_for(r" placed ")
    killed.stop(signal.SIGKILL)
    client(exchange).new_order(
        symbol="ETHUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price="2300.00", newClientOrderId="somebody-else"
    )
    cancel = run_daemon("-c", config, "cancel")
    assert cancel.exit_code() == 0
    assert cancel.lines[0].startswith("cancelling BUY") and cancel.lines[-1] == "open orders: none of ours"
    assert [order.client_order_id for order in exchange.open_orders()] == ["somebody-else"]


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_flatten_closes_a_position_of_either_sign(exchange: Exchange, run_daemon: Run, tmp_path: Path, side: str) -> None:
    """`mmd … flatten` sends reduce-only market orders until the position is flat."""
    client(exchange).new_order(symbol="ETHUSDT", side=side, type="MARKET", quantity="0.3")
    flatten = run_daemon("-c", exchange.config(tmp_path), "flatten")
    assert flatten.exit_code() == 0
    assert flatten.lines[-1] == "position: flat", flatten.lines
    assert Decimal(client(exchange).get_position_risk(symbol="ETHUSDT")[0]["positionAmt"]) == 0


def test_a_second_daemon_and_a_flatten_are_locked_out(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """While one daemon trades the account and symbol, another, or a flatten, is refused with 78 and the holder's process id."""
    config = exchange.config(tmp_path)
    first = run_daemon("-c", config)
    first.wait_for(r" placed ")
    for command in ("run", "flatten"):
        second = run_daemon("-c", config, command)
        assert second.exit_code() == 78
        assert f"by process {first.process.pid}" in second.lines[-1]
    assert first.stop() == 0
    again = run_daemon("-c", config)
    again.wait_for(r" placed ")
    assert again.stop() == 0


def test_a_halt_outlives_restarts_until_resume(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """A changed leverage halts a running daemon, which latches that before it does anything else; it stays down, with 78, until `resume`."""
    config = exchange.config(tmp_path)
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" placed ")
    client(exchange).change_leverage(symbol="ETHUSDT", leverage=7)
    assert daemon.exit_code() == 1
    assert exchange.open_orders() == []
    told = [line for line in daemon.lines if " halted " in line or " cancelled " in line]
    assert len(told) == 2 and " halted " in told[0], "a process that is killed while it cancels would not stay down"
    for _ in range(2):
        refused = run_daemon("-c", config)
        assert refused.exit_code() == 78
        assert "trading was halted" in refused.lines[-1] and "resume" in refused.lines[-1]
    resumed = run_daemon("-c", config, "resume")
    assert resumed.exit_code() == 0 and resumed.lines[-1].startswith("cleared the halt of ")
    again = run_daemon("-c", config)
    again.wait_for(r" placed ")
    assert again.stop() == 0
    nothing = run_daemon("-c", config, "resume")
    assert nothing.exit_code() == 0 and nothing.lines[-1] == "no halt is latched"


def test_a_halt_holds_under_another_key_of_the_same_configuration(tmp_path: Path) -> None:
    """The market's name changes with the account's key; the configuration's does not. Another configuration's halt is its own."""
    HaltLatch(tmp_path, "ETHUSDT-old", "eth").set(Halt("loss limit", "2026-01-01T00:00:00+00:00"))
    HaltLatch(tmp_path, "ETHUSDT-x", "other").set(Halt("refusals", "2026-01-01T00:00:00+00:00"))
    (tmp_path / "ETHUSDT-odd.halt").write_text("[1]")
    latch = HaltLatch(tmp_path, "ETHUSDT-new", "eth")
    assert latch.read() == Halt("loss limit", "2026-01-01T00:00:00+00:00")
    assert latch.clear() and not latch.clear() and latch.read() is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ETHUSDT-odd.halt", "ETHUSDT-x.halt"]
    assert HaltLatch(tmp_path, "ETHUSDT-x2", "other").read() == Halt("refusals", "2026-01-01T00:00:00+00:00")


def test_an_unreadable_latch_counts_as_a_halt(tmp_path: Path) -> None:
    """Half a file is not taken for no halt, and a good one reads back whole."""
    latch = HaltLatch(tmp_path, "ETHUSDT-x")
    assert latch.read() is None
    latch.path.write_text('{"reason": "lo')
    halt = latch.read()
    assert halt is not None and "cannot be read" in halt.reason
    latch.set(Halt("loss limit", "2026-01-01T00:00:00+00:00"))
    assert latch.read() == Halt("loss limit", "2026-01-01T00:00:00+00:00")
    assert [path.name for path in tmp_path.iterdir()] == ["ETHUSDT-x.halt"]
    assert latch.clear() and not latch.clear()


def test_a_latch_that_the_disk_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure reaches the caller, and no half-written file stays to be taken for a latch."""
    def refuse(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    latch = HaltLatch(tmp_path, "ETHUSDT-x")
    with pytest.raises(OSError, match="no space left"):
        latch.set(Halt("loss limit", "2026-01-01T00:00:00+00:00"))
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_free_again_after_release(tmp_path: Path) -> None:
    """Two holders never, one after the other always; another market is not in the way."""
    lock = InstanceLock(tmp_path, "ETHUSDT-x")
    with pytest.raises(ConfigError, match="traded already"):
        InstanceLock(tmp_path, "ETHUSDT-x")
    InstanceLock(tmp_path, "BTCUSDT-x").release()
    lock.release()
    InstanceLock(tmp_path, "ETHUSDT-x").release()


def test_the_state_directory_is_systemd_s_where_there_is_one(tmp_path: Path) -> None:
    """`$STATE_DIRECTORY` wins; without it, the user's own; one that cannot be made is refused by name."""
    assert state_directory({"STATE_DIRECTORY": str(tmp_path / "a")}) == tmp_path / "a"
    assert state_directory({"XDG_STATE_HOME": str(tmp_path / "b")}) == tmp_path / "b" / "mmd"
    assert state_directory({"HOME": str(tmp_path)}) == tmp_path / ".local" / "state" / "mmd"
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state directory cannot be made"):
        state_directory({"STATE_DIRECTORY": str(tmp_path / "file" / "x")})


def test_a_market_s_name_tells_markets_apart_and_no_key() -> None:
    """Venue, account and symbol each make another name, and the account is not in it."""
    names = {market_name(*each) for each in [("u", "key123", "A1"), ("v", "key123", "A1"), ("u", "key124", "A1"), ("u", "key123", "B1")]}
    assert len(names) == 4 and not any("key12" in name for name in names)


@pytest.mark.parametrize(("flatten", "left"), [("true", "0"), ("false", "0.1")])
def test_a_halt_closes_the_position_only_where_that_is_asked_for(
    exchange: Exchange, run_daemon: Run, tmp_path: Path, flatten: str, left: str
) -> None:
    """`risk.flatten_on_halt` closes at the market after the halt is latched; without it the position stays as it is."""
    client(exchange).new_order(symbol="ETHUSDT", side="BUY", type="MARKET", quantity="0.1")
    text = f"strategy: {{buy_spread: 0.004, sell_spread: 0.004}}\nrisk: {{flatten_on_halt: {flatten}}}"
    daemon = run_daemon("-c", exchange.config(tmp_path, text))
    daemon.wait_for(r" placed ")
    client(exchange).change_leverage(symbol="ETHUSDT", leverage=7)
    assert daemon.exit_code() == 1
    assert any(" halted " in line for line in daemon.lines)
    assert exchange.open_orders() == []
    assert Decimal(client(exchange).get_position_risk(symbol="ETHUSDT")[0]["positionAmt"]) == Decimal(left)


def test_a_loss_halts_the_run_and_the_next_start_is_refused(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Fees alone reach a tiny `risk.max_loss`: one line names the limit, nothing is left open, and it stays down."""
    text = "strategy: {buy_spread: 0.0001, sell_spread: 0.0001}\nrisk: {max_loss: 0.05}"
    config = exchange.config(tmp_path, text)
    daemon = run_daemon("-c", config)
    assert daemon.exit_code() == 1
    assert any(" ERROR   halt why=" in line and "risk.max_loss" in line for line in daemon.lines)
    assert exchange.open_orders() == []
    refused = run_daemon("-c", config)
    assert refused.exit_code() == 78 and "trading was halted" in refused.lines[-1]


def test_a_halt_that_cannot_be_latched_is_not_restarted_either(exchange: Exchange, run_daemon: Run, tmp_path: Path) -> None:
    """Where the disk does not take the latch, the exit code itself keeps a supervisor from starting it again."""
    daemon = run_daemon("-c", exchange.config(tmp_path))
    daemon.wait_for(r" placed ")
    name = market_name(exchange.server.rest_url, "paper", "ETHUSDT")
    (tmp_path / "state" / f"{name}.halt").mkdir()
    client(exchange).change_leverage(symbol="ETHUSDT", leverage=7)
    assert daemon.exit_code() == 78
    assert any(" halt_not_latched " in line for line in daemon.lines)
    assert exchange.open_orders() == []
