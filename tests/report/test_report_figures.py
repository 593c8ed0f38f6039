"""The figures of small ledgers, worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest
from report_rig import DAY, HOUR, MINUTE, T0, HandLedger, iso

from mmd.report.mark_outs import MarkOut
from mmd.report.profit import OtherIncome

D = Decimal


def two_fills() -> HandLedger:
    """Bought 2 at 100 (mid 101), sold 2 at 103 (mid 102.5)."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR)
    ledger.fill(T0 + MINUTE, "BUY", "100", "2", fee="0.02", position="2", mid="101", later=("101.5", "102", "99", None))
    ledger.fill(
        T0 + 3 * MINUTE,
        "SELL",
        "103",
        "2",
        realized="6",
        fee="0.05",
        maker=False,
        position="0",
        mid="102.5",
        later=("103", "104", None, None),
    )
    return ledger


def mark_out(ledger: HandLedger, seconds: int, side: str = "all") -> MarkOut:
    return next(each for each in ledger.report().mark_outs if (each.seconds, each.side) == (seconds, side))


def test_what_was_traded() -> None:
    """Volume, sides and the maker's share by notional."""
    trading = two_fills().report().trading
    assert (trading.fills, trading.own, trading.buys, trading.sells) == (2, 2, 1, 1)
    assert (trading.volume, trading.buy_volume, trading.sell_volume, trading.bought, trading.sold) == (406, 200, 206, 2, 2)
    assert trading.maker_share == pytest.approx(200 / 406)
    assert (trading.first_ms, trading.last_ms) == (T0 + MINUTE, T0 + 3 * MINUTE)


def test_the_spread_captured() -> None:
    """(101 - 100) x 2 of the buy and (103 - 102.5) x 2 of the sell, over a volume of 406."""
    spread = two_fills().report().spread
    assert (spread.amount, spread.fills) == (3, 2)
    assert spread.bps == pytest.approx(3 / 406 * 10_000)


def test_mark_outs_are_signed_for_us() -> None:
    """A mid that rises after a buy is good, one that rises after a sell is bad; fees are taken off in the net figures."""
    ledger = two_fills()
    five = mark_out(ledger, 5)
    assert (five.fills, five.amount, five.net_amount, five.notional) == (2, 4 - 2, 4 - 2 - D("0.07"), 406)
    assert five.weighted_bps == pytest.approx(2 / 406 * 10_000)
    assert five.net_bps == pytest.approx(1.93 / 406 * 10_000)
    mean = (2 / 100 - 1 / 103) / 2
    assert five.mean_bps == pytest.approx(mean * 10_000)
    deviation = abs(2 / 100 + 1 / 103) / 2**0.5
    assert five.error_bps == pytest.approx(deviation / 2**0.5 * 10_000)
    assert (mark_out(ledger, 5, "buy").amount, mark_out(ledger, 5, "sell").amount) == (4, -2)


def test_mark_outs_count_only_what_is_known() -> None:
    """A horizon without a mid leaves the fill out of it, and of nothing else; of nothing there is no ratio."""
    ledger = two_fills()
    thirty = mark_out(ledger, 30)
    assert (thirty.fills, thirty.amount, thirty.notional, thirty.net_amount) == (1, -2, 200, D("-2.02"))
    assert (thirty.error_bps, mark_out(ledger, 30, "sell").fills) == (None, 0)
    never = mark_out(ledger, 300)
    assert (never.fills, never.amount, never.weighted_bps, never.mean_bps) == (0, 0, None, None)
    assert [each.seconds for each in ledger.report().mark_outs if each.side == "all"] == [0, 1, 5, 30, 300]


def test_net_profit_is_realised_less_fees_plus_rebates_and_funding() -> None:
    """A negative commission is a rebate, and so is the venue's reward for makers."""
    ledger = two_fills()
    ledger.fill(T0 + 4 * MINUTE, "BUY", "100", "1", fee="-0.5", position="1")
    ledger.income(T0 + 5 * MINUTE, "FUNDING_FEE", "-0.25")
    ledger.income(T0 + 5 * MINUTE, "MARKET_MERCHANT_RETURN_REWARD", "0.1", symbol="")
    profit = ledger.report().profit
    assert (profit.realized, profit.fees, profit.rebates, profit.funding) == (6, D("0.07"), D("0.6"), D("-0.25"))
    assert profit.net == D("6.28")
    assert profit.unconverted == () == profit.other_income


def test_margin_assets_count_at_par_and_others_not_at_all() -> None:
    """A fee in USDF is part of the profit; one in BNB is listed, named in a note, and nowhere added up."""
    ledger = two_fills()
    ledger.fill(T0 + 4 * MINUTE, "BUY", "100", "1", fee="0.5", asset="USDF", position="1", mid="101", later=("101",) * 4)
    ledger.fill(T0 + 4 * MINUTE, "BUY", "100", "1", fee="0.001", asset="BNB", position="2", mid="101", later=("101",) * 4)
    report = ledger.report()
    assert report.profit.fees == D("0.57")
    assert report.profit.fees_by_asset == {"BNB": D("0.001"), "USDF": D("0.5"), "USDT": D("0.07")}
    assert report.profit.unconverted == ("BNB",)
    assert any("BNB is no margin asset" in note for note in report.notes)
    assert mark_out(ledger, 300, "buy").net_amount == 2 - D("0.5")


def test_transfers_bonuses_and_other_symbols_are_no_profit() -> None:
    """They are shown, each kind by itself."""
    ledger = two_fills()
    ledger.income(T0 + 1, "TRANSFER", "500", symbol="")
    ledger.income(T0 + 2, "TRANSFER", "-200", symbol="")
    ledger.income(T0 + 3, "WELCOME_BONUS", "5", symbol="")
    ledger.income(T0 + 4, "REALIZED_PNL", "7", symbol="BTCUSDT")
    ledger.income(T0 + 5, "FUNDING_FEE", "-1", symbol="BTCUSDT")
    profit = ledger.report().profit
    assert profit.net == D("5.93")
    assert profit.transfers == {"USDT": 300}
    assert profit.other_income == (OtherIncome("FUNDING_FEE", "BTCUSDT", "USDT", 1, D(-1)), OtherIncome("REALIZED_PNL", "BTCUSDT", "USDT", 1, D(7)),
                                   OtherIncome("WELCOME_BONUS", "", "USDT", 1, D(5)))  # fmt: skip


def test_foreign_fills_move_profit_and_position_but_not_our_quality() -> None:
    """They are in profit and volume, and not in spread, mark-outs and maker share."""
    ledger = two_fills()
    ledger.fill(T0 + 5 * MINUTE, "BUY", "100", "4", fee="1", own=0, maker=False, position="4", mid="90", later=("90",) * 4)
    report = ledger.report()
    assert (report.trading.fills, report.trading.own, report.trading.foreign) == (3, 2, 1)
    assert (report.trading.volume, report.trading.foreign_volume, report.profit.fees) == (806, 400, D("1.07"))
    assert report.trading.maker_share == pytest.approx(200 / 406)
    assert (report.spread.amount, report.spread.fills) == (3, 2)
    assert report.inventory.end == 4
    assert any(note.startswith("1 fill is of orders that are not the daemon's") for note in report.notes)


def test_fills_from_history_have_no_mid() -> None:
    """They count in profit and volume; whose they are is unknown."""
    ledger = two_fills()
    ledger.fill(T0 + 5 * MINUTE, "BUY", "100", "1", fee="1", own=None, source="history")
    trading = ledger.report().trading
    assert (trading.fills, trading.own, trading.unknown, trading.from_history) == (3, 2, 1, 1)
    assert ledger.report().spread.fills == 2
    assert ledger.report().inventory.end == 1


def test_hours_and_days_add_up() -> None:
    """Fills and income stand in the hour and day they happened in; hours of nothing are not listed; the sums are the period's."""
    ledger = HandLedger()
    ledger.run(end=T0 + 3 * DAY)
    ledger.fill(T0 + HOUR - 1, "BUY", "100", "1", fee="0.1", position="1", mid="101")
    ledger.fill(T0 + HOUR, "SELL", "102", "1", fee="0.1", realized="2", position="0", mid="101")
    ledger.fill(T0 + 30 * HOUR, "BUY", "100", "1", fee="-0.3", position="1")
    ledger.income(T0 + 26 * HOUR, "FUNDING_FEE", "-0.5")
    report = ledger.report()
    assert [(hour.start_ms - T0, hour.fills, hour.net) for hour in report.hours] == [
        (0, 1, D("-0.1")), (HOUR, 1, D("1.9")), (26 * HOUR, 0, D("-0.5")), (30 * HOUR, 1, D("0.3"))]  # fmt: skip
    assert [hour.spread for hour in report.hours] == [1, 1, 0, 0]
    assert sum(day.fills for day in report.days) == 3
    assert sum((day.net for day in report.days), D(0)) == report.profit.net == D("1.6")
    assert [(day.fills, day.net) for day in report.days] == [(2, D("1.8")), (1, D("-0.2"))]


def test_a_period_cuts_exactly() -> None:
    """Its first millisecond is in, its last moment is not."""
    ledger = two_fills()
    whole = ledger.report(iso(T0 + MINUTE), iso(T0 + 3 * MINUTE + 1))
    assert whole.trading.fills == 2
    assert ledger.report(iso(T0 + MINUTE), iso(T0 + 3 * MINUTE)).trading.fills == 1
    assert ledger.report(iso(T0 + MINUTE + 1), iso(T0 + 3 * MINUTE + 1)).trading.fills == 1


def test_orders_and_their_rates() -> None:
    """By number and by quantity; refused ones were never the venue's; those of other times don't count."""
    ledger = two_fills()
    ledger.run(T0, alive=T0 + HOUR)
    ledger.order(T0 + 1, "2", "2", status="FILLED")
    ledger.order(T0 + 2, "2", "1", amends=3)
    ledger.order(T0 + 3, "4", "0")
    ledger.order(T0 + 4, "2", "0", status=None, order_id=None)
    ledger.order(T0 + 5, "2", "0", done=None, status="NEW")
    ledger.order(T0 - HOUR, "2", "2", status="FILLED")
    orders = ledger.report(iso(T0)).orders
    assert (orders.placed, orders.with_fill, orders.filled, orders.refused, orders.open, orders.amends) == (5, 2, 1, 1, 1, 3)
    assert (orders.fill_rate, orders.filled_quantity_rate) == (pytest.approx(0.4), pytest.approx(3 / 12))


def test_the_orders_of_a_killed_run_are_not_open_for_ever() -> None:
    """Nobody was there to write down their end, which the next run's start has brought about."""
    ledger = HandLedger()
    ledger.run(T0, alive=T0 + 10, cause="killed")
    ledger.order(T0 + 1, "2", "0", done=None, status="NEW")
    ledger.run(T0 + MINUTE, alive=T0 + HOUR)
    ledger.order(T0 + MINUTE + 1, "2", "0", done=None, status="NEW")
    assert ledger.report().orders.open == 1


def test_old_orders_are_known_to_be_incomplete() -> None:
    """A period that reaches beyond the retention of orders says so."""
    ledger = two_fills()
    ledger.order(T0 + 1, "2", "2")
    assert any("kept for 7 days" in note for note in ledger.report(keep_orders_days=7).notes)
    assert not any("kept for" in note for note in ledger.report(keep_orders_days=90).notes)


def test_requests_for_each_fill() -> None:
    """What was sent, over the fills of ours; what was never sent is listed only."""
    ledger = two_fills()
    hour = T0
    ledger.request(hour, "place", "done", 5)
    ledger.request(hour, "place", "unsent", 9)
    ledger.request(hour, "cancel", "refused", 1)
    ledger.request(hour - HOUR, "cancel", "done", 100)
    requests = ledger.report(iso(T0 + 1)).requests
    assert (requests.total, requests.per_fill) == (6, 3.0)
    assert requests.by_kind == {"cancel": {"refused": 1}, "place": {"done": 5, "unsent": 9}}


def test_latencies_are_upper_bounds_of_buckets() -> None:
    """Bucket b reaches to 2**(b/4) us; percentiles are taken over all hours of the period."""
    ledger = two_fills()
    ledger.duration(T0, "decision", 20, 50)
    ledger.duration(T0 + HOUR, "decision", 24, 40)
    ledger.duration(T0 + HOUR, "decision", 40, 9)
    ledger.duration(T0 + HOUR, "decision", 60, 1)
    ledger.duration(T0, "event_age", 0, 3)
    ages, decisions = ledger.report(iso(T0), iso(T0 + 2 * HOUR)).latencies
    assert (ages.what, ages.count, ages.p50_us, ages.max_us) == ("event_age", 3, 1.0, 1.0)
    assert (decisions.what, decisions.count) == ("decision", 100)
    assert (decisions.p50_us, decisions.p90_us, decisions.p99_us, decisions.max_us) == (32.0, 64.0, 1024.0, 32768.0)


def test_an_empty_ledger_has_a_report() -> None:
    """Nothing of everything, and a note that says so."""
    report = HandLedger().report()
    assert (report.trading.fills, report.profit.net, report.reconciliation.reconciles, report.uptime.runs) == (0, 0, None, 0)
    assert (report.first_ms, report.days, report.hours, report.equity.drawdown) == (None, (), (), None)
    assert report.notes == ("The ledger is empty: nothing has run with it yet.",)


def test_an_empty_period_has_a_report() -> None:
    """It says from when to when the ledger goes."""
    report = two_fills().report("1h")
    assert (report.trading.fills, report.uptime.up_ms) == (0, 0)
    assert any(note.startswith("Nothing is on record in this period") for note in report.notes)


def test_a_single_fill_has_a_report() -> None:
    """No standard error, no round trip, and a position that is open."""
    ledger = HandLedger()
    ledger.run()
    ledger.fill(T0, "BUY", "100", "1", position="1", mid="101", later=("101",) * 4)
    report = ledger.report()
    assert (report.trading.fills, report.round_trips.count, report.round_trips.open_position, report.round_trips.open_since_ms) == (
        1,
        0,
        1,
        T0,
    )
    assert all(each.error_bps is None for each in report.mark_outs)
