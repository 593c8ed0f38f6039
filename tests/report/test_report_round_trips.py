"""Round trips and inventory: the position as a step function of the fills."""

from __future__ import annotations

from decimal import Decimal

import pytest
from report_rig import HOUR, MINUTE, T0, HandLedger, iso

from mmd.report.figures import Listeners
from mmd.report.round_trips import RoundTrip

D = Decimal


def a_ledger() -> HandLedger:
    ledger = HandLedger()
    ledger.run(end=T0 + 10 * MINUTE)
    return ledger


def trips(ledger: HandLedger, since: str | None = None, until: str | None = None) -> list[RoundTrip]:
    found: list[RoundTrip] = []
    ledger.report(since, until, listeners=Listeners(round_trip=found.append))
    return found


def test_partial_fills_are_one_round_trip() -> None:
    """From the first fill that opens to the last one that closes; profit is realised less fees."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "BUY", "100", "1", fee="0.1", position="1")
    ledger.fill(T0 + 2_000, "BUY", "101", "2", fee="0.1", position="3")
    ledger.fill(T0 + 5_000, "SELL", "103", "2", realized="4", fee="0.1", position="1")
    ledger.fill(T0 + 9_000, "SELL", "103", "1", realized="2", fee="0.1", position="0")
    assert trips(ledger) == [RoundTrip(T0 + 1_000, T0 + 9_000, True, D(3), 4, D(6), D("5.6"))]


def test_wins_losses_and_holding_times() -> None:
    """A trip that only pays its fees back has neither won nor lost; the median is that of the middle."""
    ledger = a_ledger()
    for number, (profit, held) in enumerate((("2", 1_000), ("-1", 2_000), ("0.2", 9_000))):
        at = T0 + number * MINUTE
        ledger.fill(at, "SELL", "100", "1", fee="0.1", position="-1")
        ledger.fill(at + held, "BUY", "100", "1", realized=profit, fee="0.1", position="0")
    found = ledger.report().round_trips
    assert (found.count, found.wins, found.losses, found.profit) == (3, 1, 1, D("0.6"))
    assert (found.mean_profit, found.best, found.worst) == (D("0.2"), D("1.8"), D("-1.2"))
    assert (found.mean_holding_ms, found.median_holding_ms) == (4_000, 2_000)
    assert [trip.is_long for trip in trips(ledger)] == [False] * 3


def test_a_fill_through_zero_ends_one_and_begins_another() -> None:
    """All it realised belongs to the one that ends; its fee is shared by size, and not a digit of it is lost."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "BUY", "100", "1", position="1")
    ledger.fill(T0 + 2_000, "SELL", "102", "4", realized="2", fee="0.4", position="-3")
    ledger.fill(T0 + 4_000, "BUY", "101", "3", realized="3", position="0")
    assert trips(ledger) == [
        RoundTrip(T0 + 1_000, T0 + 2_000, True, D(1), 2, D(2), D("1.9")),
        RoundTrip(T0 + 2_000, T0 + 4_000, False, D(3), 2, D(3), D("2.7")),
    ]


def test_what_was_opened_before_is_carried_in() -> None:
    """A trip that is closed within the period counts whole, from its opening before; one that was closed before does not count."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "BUY", "100", "1", position="1")
    ledger.fill(T0 + 2_000, "SELL", "100", "1", realized="50", position="0")
    ledger.fill(T0 + 3_000, "BUY", "100", "1", fee="0.5", position="1")
    ledger.fill(T0 + 70_000, "SELL", "101", "1", realized="1", position="0")
    since = iso(T0 + MINUTE)
    assert trips(ledger, since) == [RoundTrip(T0 + 3_000, T0 + 70_000, True, D(1), 2, D(1), D("0.5"))]
    report = ledger.report(since)
    assert (report.round_trips.carried_in, report.inventory.start, report.inventory.longest) == (True, 1, 1)


def test_what_was_open_before_the_ledger_has_no_beginning() -> None:
    """The first fill tells the position that it found; the trip counts, and has no holding time."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "SELL", "100", "1", realized="1", position="2")
    ledger.fill(T0 + 2_000, "SELL", "100", "2", realized="2", position="0")
    assert trips(ledger) == [RoundTrip(None, T0 + 2_000, True, D(3), 2, D(3), D(3))]
    report = ledger.report()
    assert (report.round_trips.carried_in, report.round_trips.mean_holding_ms, report.inventory.start) == (True, None, 3)
    assert report.round_trips.jumps == 0


def test_fills_from_history_go_on_from_what_is_known() -> None:
    """They say no position of their own."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "BUY", "100", "1", position="1")
    ledger.fill(T0 + 2_000, "BUY", "100", "1", source="history")
    ledger.fill(T0 + 3_000, "SELL", "100", "2", position="0")
    report = ledger.report()
    assert (report.round_trips.count, report.round_trips.jumps, report.inventory.longest) == (1, 0, 2)


def test_a_position_that_jumps_begins_anew() -> None:
    """Trades that the ledger never saw are noted; the trip that they broke into is not counted as one."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "BUY", "100", "1", position="1")
    ledger.fill(T0 + 2_000, "BUY", "100", "1", position="5")
    ledger.fill(T0 + 3_000, "SELL", "100", "5", position="0")
    report = ledger.report()
    assert (report.round_trips.jumps, report.inventory.longest) == (1, 5)
    assert [trip.opened_ms for trip in trips(ledger)] == [None]
    assert any("changed without a trade in the ledger" in note for note in report.notes)


def test_a_new_account_holds_nothing() -> None:
    """What the old one held is gone, without a jump; the new one's trips are its own."""
    ledger = a_ledger()
    ledger.fill(T0 + 1_000, "BUY", "100", "5", position="5")
    ledger.run(T0 + HOUR, end=T0 + 2 * HOUR, new_account=True)
    ledger.fill(T0 + HOUR + 1_000, "BUY", "100", "1", position="1")
    ledger.fill(T0 + HOUR + 4_000, "SELL", "100", "1", position="0")
    report = ledger.report()
    assert [(trip.opened_ms, trip.size) for trip in trips(ledger)] == [(T0 + HOUR + 1_000, 1)]
    assert (report.round_trips.jumps, report.inventory.end, report.inventory.longest) == (0, 0, 5)
    assert report.inventory.long_share == pytest.approx((HOUR - 1_000 + 3_000) / (2 * HOUR), rel=1e-6)


def test_inventory_is_weighted_by_time() -> None:
    """Long 2 for a quarter of it, short 4 for an eighth, until the last sign of life."""
    ledger = HandLedger()
    ledger.run(end=T0 + 80_000)
    ledger.fill(T0 + 10_000, "BUY", "100", "2", position="2")
    ledger.fill(T0 + 30_000, "SELL", "110", "2", position="0")
    ledger.fill(T0 + 40_000, "SELL", "120", "4", position="-4")
    ledger.fill(T0 + 50_000, "BUY", "100", "4", position="0")
    held = ledger.report().inventory
    assert held.known_ms == 80_000
    assert (held.mean_position, held.mean_absolute) == (pytest.approx(0.0), pytest.approx(1.0))
    assert (held.long_share, held.short_share, held.flat_share) == (pytest.approx(0.25), pytest.approx(0.125), pytest.approx(0.625))
    assert (held.longest, held.shortest, held.max_notional) == (2, -4, 480)


def test_a_position_without_trades_is_that_of_the_marks() -> None:
    """Held from before and never touched; its notional is at the mid of the marks."""
    ledger = a_ledger()
    ledger.mark(T0 + 1_000, "1000", position="3", bid="100", ask="102")
    ledger.mark(T0 + 2_000, "1000", position="3", bid="102", ask="104")
    held = ledger.report().inventory
    assert (held.start, held.end, held.long_share, held.mean_notional, held.max_notional) == (3, 3, 1.0, 306, 309)
