"""The record of a whole daemon against the exchange's own: every trade once, and the wallet's change to the last digit, whatever happened meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from daemon_rig import SECRET, WAIT_S, Daemon, Exchange

from mmd.paper.account import Account, AccountSpec
from mmd.paper.exchange import PaperExchange
from mmd.paper.runtime import ExchangeClock, PaperServer
from mmd.paper.symbols import Symbol
from mmd.paper.synthetic import SyntheticSource

Run = Callable[..., Daemon]

DEPOSITS = {"USDT": Decimal(10_000), "USDF": Decimal("0.3")}
FUNDING_MS = 2_000
# Orders far larger than what one trade takes of them, as close as can be.
GREEDY = "strategy: {buy_spread: 0, sell_spread: 0, balance_fraction: 0.9}\nrisk: {countdown: 5}\nledger: {marks: 1}"


class Charging(Exchange):
    """Funds every few seconds, and takes its fees in USDF for as long as there is some, then in USDT."""

    def __init__(self) -> None:
        clock = ExchangeClock()
        symbol = Symbol.named("ETHUSDT")
        paper = PaperExchange(
            symbol, SyntheticSource(symbol, 3), start_ms=clock.now_ms(), accounts=(AccountSpec("paper", SECRET, DEPOSITS),), funding_interval_ms=FUNDING_MS
        )
        paper.accounts["paper"].commission_asset = "USDF"
        self.server = PaperServer(paper, clock=clock)
        self.server.start()

    def of_account(self, look: Callable[[Account], Any]) -> Any:
        with self.server.lock:
            return look(self.server.exchange.accounts["paper"])

    def wait_until(self, look: Callable[[Account], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not self.of_account(look):
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.05)

    def income(self, *kinds: str) -> Decimal:
        return Decimal(self.of_account(lambda account: sum(line.amount for line in account.incomes if line.income_type in kinds)))


@pytest.fixture
def charging() -> Iterator[Charging]:
    made = Charging()
    yield made
    made.server.stop()


def has_funded(times: int) -> Callable[[Account], bool]:
    return lambda account: sum(line.income_type == "FUNDING_FEE" for line in account.incomes) >= times


def fee_assets(account: Account) -> set[str]:
    return {line.asset for line in account.incomes if line.income_type == "COMMISSION"}


def partial_fills(account: Account) -> int:
    return len(account.trades) - len({trade.order_id for trade in account.trades})


def test_the_ledger_equals_the_wallet_to_the_last_digit(charging: Charging, run_daemon: Run, tmp_path: Path) -> None:
    """Partial fills, fees in two assets, funding, a deposit while it is down, a kill -9 and a restart: nothing is missing, nothing is there twice."""
    config = charging.config(tmp_path, GREEDY)
    first = run_daemon("-c", config)
    charging.wait_until(lambda account: has_funded(2)(account) and fee_assets(account) == {"USDT", "USDF"} and partial_fills(account) > 0, "all of it")
    first.process.kill()
    first.exit_code()
    with charging.server.lock:
        paper = charging.server.exchange
        paper.deposit(paper.accounts["paper"], "USDT", Decimal("12.5"), charging.server.clock.now_ms())
    seen = charging.of_account(lambda account: len(account.trades))
    second = run_daemon("-c", config)
    charging.wait_until(lambda account: len(account.trades) > seen + 3 and has_funded(5)(account), "more of it")
    assert second.stop(signal.SIGTERM) == 0
    assert charging.open_orders() == []
    report = run_daemon("-c", config, "report", "--json")
    assert report.exit_code() == 0, report.lines
    told = json.loads("\n".join(report.lines))
    reconciliation = told["reconciliation"]
    assert reconciliation["reconciles"] is True, reconciliation
    changes = {each["asset"]: Decimal(each["wallet_change"]) for each in reconciliation["assets"]}
    wallets = charging.of_account(lambda account: dict(account.wallets))
    assert changes == {asset: wallets[asset] - deposit for asset, deposit in DEPOSITS.items()}
    assert Decimal(told["profit"]["net"]) == sum(changes.values()) - Decimal("12.5")
    assert Decimal(told["profit"]["funding"]) == charging.income("FUNDING_FEE") != 0
    assert Decimal(told["profit"]["realized"]) == charging.income("REALIZED_PNL")
    assert {asset for asset, fee in told["profit"]["fees_by_asset"].items() if Decimal(fee)} == {"USDT", "USDF"}
    assert told["trading"]["fills"] == len(charging.trade_ids())
