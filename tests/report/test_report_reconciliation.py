"""The wallet against the ledger: to the last digit, or with the difference said."""

from __future__ import annotations

from decimal import Decimal

import pytest
from report_rig import HOUR, MINUTE, T0, HandLedger, iso

from mmd.report.reconciliation import AssetReconciliation, Reconciliation

D = Decimal


def ledger_with_trades() -> HandLedger:
    """Read at 1000 before anything, then a buy, funding and a sell, each with its update."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    ledger.read(T0 + 10, T0 + 40, "1000")
    ledger.fill(T0 + MINUTE, "BUY", "100", "1", fee="0.01000001", position="1")
    ledger.update(T0 + MINUTE, "999.98999999")
    ledger.income(T0 + 2 * MINUTE, "FUNDING_FEE", "-0.5")
    ledger.update(T0 + 2 * MINUTE, "999.48999999", reason="FUNDING_FEE")
    ledger.fill(T0 + 3 * MINUTE, "SELL", "102", "1", realized="2", fee="0.01", position="0")
    ledger.update(T0 + 3 * MINUTE, "1001.47999999")
    return ledger


def only(found: Reconciliation, asset: str = "USDT") -> AssetReconciliation:
    return next(each for each in found.assets if each.asset == asset)


def test_it_reconciles_to_the_last_digit() -> None:
    """Realised, commissions and funding are what the wallet changed by."""
    found = ledger_with_trades().report().reconciliation
    assert found.reconciles is True
    assert found.reasons == ()
    asset = only(found)
    assert (asset.from_ms, asset.to_ms, asset.stretches) == (T0 + 40, T0 + 3 * MINUTE, 1)
    assert (asset.wallet_change, asset.booked, asset.difference) == (D("1.47999999"), D("1.47999999"), 0)
    assert (asset.realized, asset.commissions, asset.funding, asset.transfers, asset.income) == (2, D("-0.02000001"), D("-0.5"), 0, {})


def test_a_digit_that_is_missing_is_found() -> None:
    """A difference in the last digit is printed, with what may lie behind it."""
    ledger = ledger_with_trades()
    ledger.update(T0 + 4 * MINUTE, "1001.48")
    found = ledger.report().reconciliation
    assert found.reconciles is False
    assert only(found).difference == D("1E-8")
    assert "has not been read yet" in found.reasons[0]
    ledger.meta(income_read_to_ms=T0 + MINUTE)
    assert "only up to 2026" in ledger.report().reconciliation.reasons[0]
    ledger.meta(income_read_to_ms=T0 + HOUR)
    assert not any("income list was read only" in reason for reason in ledger.report().reconciliation.reasons)


def test_of_several_updates_in_a_millisecond_the_last_one_counts() -> None:
    """At the end of the span, and at its beginning, where all fills of that millisecond are in what the wallet already shows."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    for position, balance in (("1", "999.9"), ("2", "999.8"), ("3", "999.7")):
        ledger.fill(T0 + 1_000, "BUY", "100", "1", fee="0.1", position=position)
        ledger.update(T0 + 1_000, balance)
    for position, balance in (("2", "1001.6"), ("1", "1003.5")):
        ledger.fill(T0 + 2_000, "SELL", "102", "1", realized="2", fee="0.1", position=position)
        ledger.update(T0 + 2_000, balance)
    found = ledger.report().reconciliation
    assert (only(found).from_ms, only(found).to_ms) == (T0 + 1_000, T0 + 2_000)
    assert (only(found).wallet_change, found.reconciles) == (D("3.8"), True)


@pytest.mark.parametrize("what", ["fill", "income", "update"])
@pytest.mark.parametrize("at", [T0 + 10, T0 + 25, T0 + 40])
def test_a_reading_during_which_something_happened_is_not_exact(what: str, at: int) -> None:
    """Whether the answer holds it cannot be told, at the edges neither, so the span begins later; its wrong balance does no harm."""
    ledger = ledger_with_trades()
    if what == "fill":
        ledger.fill(at, "BUY", "100", "1", fee="7", position="1", own=0)
        ledger.fill(at, "SELL", "100", "1", fee="7", position="0", own=0)
    elif what == "income":
        ledger.income(at, "TRANSFER", "14", symbol="")
    else:
        ledger.update(at, "5", asset="USDF")
    found = ledger.report().reconciliation
    assert only(found).from_ms == T0 + MINUTE
    assert found.reconciles is True


def test_a_reading_just_beside_something_is_exact() -> None:
    """What happened the millisecond before or after is not in the way."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    ledger.fill(T0 + 9, "BUY", "100", "1", fee="0.1", position="1")
    ledger.read(T0 + 10, T0 + 40, "1000")
    ledger.fill(T0 + 41, "BUY", "100", "1", fee="0.1", position="2")
    ledger.read(T0 + 42, T0 + 50, "999.9")
    found = ledger.report().reconciliation
    assert (only(found).from_ms, only(found).to_ms, found.reconciles) == (T0 + 40, T0 + 50, True)


def test_each_asset_by_itself() -> None:
    """A fee in USDF moves that wallet, the profit that of the quote asset; each has a span of its own."""
    ledger = ledger_with_trades()
    ledger.read(T0 + 10, T0 + 40, "100", asset="USDF")
    ledger.fill(T0 + 4 * MINUTE, "BUY", "100", "1", fee="0.25", asset="USDF", position="1")
    ledger.update(T0 + 4 * MINUTE, "99.75", asset="USDF")
    found = ledger.report().reconciliation
    assert found.reconciles is True
    assert [(each.asset, each.wallet_change, each.to_ms) for each in found.assets] == [
        ("USDF", D("-0.25"), T0 + 4 * MINUTE), ("USDT", D("1.47999999"), T0 + 3 * MINUTE)]  # fmt: skip
    ledger.update(T0 + 5 * MINUTE, "99.5", asset="USDF")
    found = ledger.report().reconciliation
    assert (found.reconciles, only(found, "USDF").difference, only(found).difference) == (False, D("-0.25"), 0)


def test_transfers_and_other_symbols_move_the_wallet() -> None:
    """They are no profit, and are booked against the wallet all the same."""
    ledger = ledger_with_trades()
    ledger.income(T0 + 4 * MINUTE, "TRANSFER", "500", symbol="")
    ledger.update(T0 + 4 * MINUTE, "1501.47999999", reason="DEPOSIT")
    ledger.income(T0 + 5 * MINUTE, "REALIZED_PNL", "3", symbol="BTCUSDT")
    ledger.income(T0 + 5 * MINUTE, "COMMISSION", "-1", symbol="BTCUSDT")
    ledger.update(T0 + 5 * MINUTE, "1503.47999999")
    found = ledger.report().reconciliation
    assert found.reconciles is True
    assert only(found).transfers == 500
    assert only(found).income == {"COMMISSION BTCUSDT": -1, "REALIZED_PNL BTCUSDT": 3}


def test_a_new_account_begins_a_new_stretch() -> None:
    """Balances before and after have nothing to do with each other; the stretches are added up."""
    ledger = ledger_with_trades()
    ledger.run(T0 + 2 * HOUR, end=T0 + 3 * HOUR, new_account=True)
    ledger.read(T0 + 2 * HOUR + 5, T0 + 2 * HOUR + 6, "50000")
    ledger.fill(T0 + 2 * HOUR + 10, "BUY", "100", "1", fee="0.5", position="1")
    ledger.update(T0 + 2 * HOUR + 10, "49999.5")
    found = ledger.report().reconciliation
    assert (found.reconciles, only(found).stretches, only(found).wallet_change) == (True, 2, D("0.97999999"))


def test_a_restart_of_the_same_account_is_one_stretch() -> None:
    """A kill and a gap in between: what was read from the venue's list afterwards closes it."""
    ledger = ledger_with_trades()
    ledger.run(T0 + 2 * HOUR, end=T0 + 3 * HOUR)
    ledger.read(T0 + 2 * HOUR + 5, T0 + 2 * HOUR + 6, "1000.47999999")
    found = ledger.report().reconciliation
    assert (found.reconciles, only(found).difference) == (False, D(-1))
    ledger.fill(T0 + HOUR, "BUY", "100", "1", fee="1", source="history", own=None)
    found = ledger.report().reconciliation
    assert (found.reconciles, only(found).stretches) == (True, 1)


def test_only_the_period_counts() -> None:
    """Spans lie within it, whatever came before and after."""
    ledger = ledger_with_trades()
    ledger.update(T0 - HOUR, "5")
    ledger.update(T0 + 30 * MINUTE, "7")
    found = ledger.report(iso(T0 + 1), iso(T0 + 3 * MINUTE + 1)).reconciliation
    assert (found.reconciles, only(found).from_ms, only(found).to_ms) == (True, T0 + 40, T0 + 3 * MINUTE)


def test_without_two_figures_there_is_nothing_to_compare() -> None:
    """One exact balance is not enough."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    ledger.read(T0, T0 + 1, "1000")
    assert ledger.report().reconciliation == Reconciliation(None, (), ())
