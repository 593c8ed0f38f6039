"""Equity from the marks: transfers taken out, accounts joined, drawdown, Sharpe and the unrealised part."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal
from itertools import pairwise

import pytest
from report_rig import DAY, HOUR, MINUTE, T0, HandLedger, iso

D = Decimal


def test_change_and_drawdown() -> None:
    """From the height of 1010 down to 990, although the end is higher again."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    for minute, (wallet, unrealized) in enumerate((("1000", "0"), ("1000", "10"), ("1005", "-15"), ("1008", "0"))):
        ledger.mark(T0 + minute * MINUTE, wallet, unrealized=unrealized)
    equity = ledger.report().equity
    assert (equity.start, equity.end, equity.change) == (1000, 1008, 8)
    fall = equity.drawdown
    assert fall is not None
    assert (fall.amount, fall.percent, fall.from_ms, fall.to_ms) == (20, pytest.approx(20 / 1010 * 100), T0 + MINUTE, T0 + 2 * MINUTE)


def test_an_equity_that_only_rises_has_no_drawdown() -> None:
    """None, not one of nothing."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    for minute in range(5):
        ledger.mark(T0 + minute * MINUTE, str(1000 + minute))
    assert ledger.report().equity.drawdown is None


def test_transfers_are_neither_profit_nor_drawdown() -> None:
    """Also where the mark right after one still shows the old wallet."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    ledger.mark(T0, "1000")
    ledger.income(T0 + MINUTE, "TRANSFER", "-400", symbol="")
    ledger.mark(T0 + MINUTE + 5, "1000")
    ledger.mark(T0 + 2 * MINUTE, "601")
    ledger.income(T0 + 3 * MINUTE, "TRANSFER", "50", symbol="", asset="BNB")
    ledger.mark(T0 + 4 * MINUTE, "602")
    equity = ledger.report().equity
    assert (equity.change, equity.drawdown, equity.end) == (2, None, 602)


def test_a_transfer_while_the_daemon_was_down_is_no_drawdown() -> None:
    """The equity of a period starts at the last mark before it, which the transfer may lie behind."""
    ledger = HandLedger()
    ledger.run(end=T0)
    ledger.mark(T0, "1000")
    ledger.income(T0 + HOUR, "TRANSFER", "-400", symbol="")
    ledger.run(T0 + 3 * HOUR)
    ledger.mark(T0 + 3 * HOUR, "600")
    ledger.mark(T0 + 4 * HOUR, "601")
    for since in (None, iso(T0 + 1), iso(T0 + 2 * HOUR), iso(T0 + 3 * HOUR)):
        equity = ledger.report(since).equity
        assert (equity.change, equity.drawdown, equity.end) == (1, None, 601), since


def test_the_unrealised_change_is_from_before_the_period() -> None:
    """The last mark before it is where it starts."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    ledger.mark(T0, "1000", unrealized="3")
    ledger.mark(T0 + 2 * MINUTE, "1000", unrealized="4")
    ledger.mark(T0 + 3 * MINUTE, "1000", unrealized="9")
    equity = ledger.report(iso(T0 + MINUTE)).equity
    assert (equity.unrealized_start, equity.unrealized_end, equity.unrealized_change, equity.change) == (3, 9, 6, 6)


def test_a_new_account_is_joined_on() -> None:
    """Its opening balance is no gain; the change goes on from where the old one ended, and each one's open profit counts."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR, new_account=True)
    ledger.read(T0 + 1, T0 + 2, "1000")
    ledger.mark(T0 + MINUTE, "990", unrealized="4", position="1")
    ledger.run(T0 + 2 * HOUR, end=T0 + 3 * HOUR, new_account=True)
    ledger.read(T0 + 2 * HOUR + 1, T0 + 2 * HOUR + 2, "50000")
    ledger.read(T0 + 2 * HOUR + 1, T0 + 2 * HOUR + 2, "100", asset="USDF")
    ledger.mark(T0 + 2 * HOUR + MINUTE, "50107", unrealized="-2")
    equity = ledger.report().equity
    assert equity.change == (994 - 1000) + (50105 - 50100)
    assert equity.unrealized_change == 4 - 2
    assert equity.drawdown is not None
    assert (equity.drawdown.amount, equity.drawdown.from_ms, equity.drawdown.to_ms) == (6, T0, T0 + MINUTE)


def test_sharpe_is_of_whole_hours() -> None:
    """The change from the end of one to that of the next, annualised; the last hour is not whole."""
    ledger = HandLedger()
    ledger.run(end=T0 + 2 * DAY)
    values = [1000 + math.sin(hour) * 5 + hour for hour in range(30)]
    for hour, value in enumerate(values):
        ledger.mark(T0 + hour * HOUR + MINUTE, "1")
        ledger.mark(T0 + hour * HOUR + 59 * MINUTE, f"{value:.6f}")
    sharpe = ledger.report().equity.sharpe
    changes = [float(f"{b:.6f}") - float(f"{a:.6f}") for a, b in pairwise(values[:-1])]
    assert (sharpe.samples, sharpe.step) == (28, "hourly")
    assert sharpe.value == pytest.approx(statistics.mean(changes) / statistics.stdev(changes) * math.sqrt(8760))
    assert "28 hourly changes" in sharpe.caveat


def test_sharpe_needs_enough_and_never_divides_by_nothing() -> None:
    """Too few hours, or hours that are all alike, give none; an hour without marks breaks the chain."""
    ledger = HandLedger()
    ledger.run(end=T0 + 2 * DAY)
    for hour in range(24):
        ledger.mark(T0 + hour * HOUR, str(1000 + hour))
    few = ledger.report().equity.sharpe
    assert (few.value, few.samples, few.needed) == (None, 22, 24)
    for hour in range(25, 40):
        ledger.mark(T0 + hour * HOUR, str(2000 + hour))
    alike = ledger.report().equity.sharpe
    assert (alike.value, alike.samples) == (None, 23 + 13)


def test_sharpe_is_daily_over_weeks() -> None:
    """Of a long period the days are taken."""
    ledger = HandLedger()
    ledger.run(end=T0 + 40 * DAY)
    for hour in range(0, 40 * 24, 6):
        ledger.mark(T0 + hour * HOUR, str(1000 + (hour * 7919) % 13))
    sharpe = ledger.report(now=T0 + 60 * DAY).equity.sharpe
    assert (sharpe.step, sharpe.samples) == ("daily", 39)
    assert sharpe.value is not None
