"""Text, JSON and CSV: the same figures in each form, and nothing that a hostile or odd ledger could break."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from report_rig import DAY, HOUR, MINUTE, T0, HandLedger, iso

from mmd.report.amounts import count, duration, exact, fixed, microseconds, percent, quantity
from mmd.report.figures import Listeners
from mmd.report.json_text import json_text
from mmd.report.rows import LedgerRowError, LedgerRows
from mmd.report.tables import RoundTripTable, write_fills, write_slots
from mmd.report.text import WIDTH, text_report

D = Decimal
NASTY = "\x1b[31mred</script><script>alert(1)</script>\nüñí \u202e reason"


def full_ledger() -> HandLedger:
    """Something of everything, with long names and large figures."""
    ledger = HandLedger()
    ledger.run(end=T0 + HOUR, cause="halt", why=NASTY)
    ledger.read(T0 + 10, T0 + 40, "1000000000.123456789012345678")
    ledger.state(T0, "quote")
    ledger.state(T0 + MINUTE, "pause", NASTY, "stale book: last frame refused, " + "very " * 40 + "long")
    ledger.state(T0 + 2 * MINUTE, "quote")
    for number in range(30):
        at = T0 + 1_000 + number * 13 * HOUR
        ledger.fill(
            at,
            "BUY",
            "123456.78",
            "9999.999",
            fee="0.123456789012345678",
            position="9999.999",
            mid="123457",
            later=("123456", "123455", None, None),
        )
        ledger.fill(at + 5_000, "SELL", "123456.79", "9999.999", realized="99.99999", fee="0.1", asset="@TOKEN", position="0", mid="123456", own=0,
                    client="=HYPERLINK(1)")  # fmt: skip
    ledger.update(T0 + 1_000, "1000000000", reason="ORDER")
    ledger.update(T0 + 29 * 13 * HOUR + 6_000, "1000002996.1")
    ledger.income(T0 + HOUR, "TRANSFER", "1000000", symbol="")
    ledger.income(T0 + HOUR, "SOME_QUITE_LONG_INCOME_TYPE", "-12345.678", symbol="BTCUSDT")
    for hour in range(40):
        ledger.mark(T0 + hour * HOUR, str(1_000_000_000 - hour), unrealized=str(hour % 5))
    ledger.order(T0 + 1, "2", "2", status="FILLED")
    ledger.request(T0, "place", "done", 5)
    ledger.duration(T0, "round_trip", 60, 5)
    return ledger


@pytest.mark.parametrize("which", ["full", "empty", "one run", "empty period"])
def test_text_fits_eighty_columns(which: str) -> None:
    """No line is longer, none ends in blanks, and nothing in it moves the cursor or colours the terminal."""
    ledger = HandLedger() if which == "empty" else full_ledger()
    if which == "one run":
        ledger = HandLedger()
        ledger.run(end=T0 + 1)
    if which == "full":
        ledger.meta(venue=f"https://x/{NASTY[:9]}", quote_asset="US\x1b[2JD")
    text = text_report(ledger.report("1h" if which == "empty period" else None))
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert all(line == line.rstrip() for line in lines)
    assert "\x1b" not in text and "\u202e" not in text
    assert text.endswith("\n") and not text.endswith("\n\n")
    for title in ("PROFIT", "WALLET", "TRADING", "MARK-OUTS", "EQUITY", "INVENTORY", "ROUND TRIPS", "UPTIME"):
        assert any(line.startswith(title) for line in lines), title


def test_text_says_what_matters() -> None:
    """The wallet that does not reconcile, the halt, the notes, and what the mid is."""
    text = " ".join(text_report(full_ledger().report()).split())
    assert "DOES NOT RECONCILE" in text
    assert "1 run, 1 halted, 0 killed" in text
    assert "halt: " in text
    assert "Spread and mark-outs are estimates: the mid is that of the best bid and ask" in text
    assert "@TOKEN is no margin asset" in text


def test_json_has_all_keys_always() -> None:
    """The keys are the same for an empty and for a full ledger, and are the ones that are promised."""
    full, empty = (json.loads(json_text(ledger.report())) for ledger in (full_ledger(), HandLedger()))
    assert list(full) == list(empty) == [
        "schema", "ledger", "period", "first_ms", "last_ms", "notes", "profit", "reconciliation", "trading", "spread", "mark_outs", "orders", "equity",
        "inventory", "round_trips", "uptime", "requests", "latencies", "days", "hours"]  # fmt: skip
    assert full["schema"] == 1
    for key, value in full.items():
        if isinstance(value, dict) and key not in ("reconciliation",):
            assert list(value) == list(empty[key]), key
    assert list(full["profit"]) == ["realized", "fees", "rebates", "funding", "net", "fees_by_asset", "rebates_by_asset", "funding_by_asset", "unconverted",
                                    "other_income", "transfers"]  # fmt: skip
    assert [(each["seconds"], each["side"]) for each in empty["mark_outs"]] == [
        (s, side) for s in (0, 1, 5, 30, 300) for side in ("all", "buy", "sell")
    ]


def test_json_keeps_every_digit() -> None:
    """Money is text without exponent; ratios are numbers."""
    report = json.loads(json_text(full_ledger().report()))
    assert report["profit"]["fees"] == exact(D("0.123456789012345678") * 30)
    assert report["profit"]["fees_by_asset"]["@TOKEN"] == "3"
    assert report["trading"]["volume"] == exact((D("123456.78") + D("123456.79")) * D("9999.999") * 30)
    assert isinstance(report["trading"]["maker_share"], float)
    assert (report["period"]["since"], report["period"]["utc"]) == (iso(T0), True)


def test_csv_tables() -> None:
    """Every fill with its mids and mark-outs, exact; what others named so that a spreadsheet would run it is made inert."""
    ledger = full_ledger()
    fills, hours, trips = io.StringIO(), io.StringIO(), io.StringIO()
    report = ledger.report(listeners=Listeners(round_trip=RoundTripTable(trips, ledger.report().zone).add))
    write_fills(fills, LedgerRows(ledger.connection).named_fills(report.period), report.zone)
    write_slots(hours, report.hours, report.zone)
    rows = list(csv.DictReader(io.StringIO(fills.getvalue())))
    assert len(rows) == 60
    first, second = rows[:2]
    assert (first["time"], first["side"], first["price"], first["size"], first["position"]) == (
        iso(T0 + 1_000),
        "BUY",
        "123456.78",
        "9999.999",
        "9999.999",
    )
    assert (first["mid_0"], first["mark_out_0"], first["mark_out_5"], first["mark_out_30"]) == ("123457", exact(D("0.22") * D("9999.999")), exact(
        D("-1.78") * D("9999.999")), "")  # fmt: skip
    assert (first["commission"], second["mark_out_0"], second["own"]) == ("0.123456789012345678", exact(D("0.79") * D("9999.999")), "0")
    assert second["commission_asset"] == "'@TOKEN"
    assert second["client_order_id"] == "'=HYPERLINK(1)"
    assert sum((D(row["realized"]) for row in rows), D(0)) == report.profit.realized
    assert sum((D(row["net"]) for row in csv.DictReader(io.StringIO(hours.getvalue()))), D(0)) == report.profit.net
    found = list(csv.DictReader(io.StringIO(trips.getvalue())))
    assert len(found) == report.round_trips.count == 30
    assert (found[0]["direction"], found[0]["holding_ms"], found[0]["size"]) == ("long", "5000", "9999.999")


def test_an_amount_that_is_none_is_an_error_of_its_own() -> None:
    """A ledger that something else wrote into is not reported on as if nothing were wrong."""
    for column in ("realized", "commission"):
        ledger = full_ledger()
        ledger.connection.execute(f"UPDATE fills SET {column} = 'rubbish' WHERE trade_id = 3")
        with pytest.raises(LedgerRowError, match="amount belongs"):
            ledger.report()
    ledger = full_ledger()
    ledger.connection.execute("UPDATE wallets SET balance = 'NaN'")
    with pytest.raises(LedgerRowError, match="NaN"):
        ledger.report()
    ledger = full_ledger()
    ledger.connection.execute("UPDATE marks SET wallet = ''")
    with pytest.raises(LedgerRowError, match="amount belongs"):
        ledger.report()


def test_figures_are_written_as_people_read_them() -> None:
    """Groups of thousands, no minus before nothing, no percentage that claims more than is so."""
    assert [fixed(D(text), 2) for text in ("1234567.895", "-0.001", "0", "-5")] == ["1,234,567.90", "0.00", "0.00", "-5.00"]
    assert [fixed(value, 2, True) for value in (1.5, -1.5, 0.0, None)] == ["+1.50", "-1.50", "0.00", "-"]
    assert [exact(D(text)) for text in ("0E-8", "1E+3", "-0.00", "1.500")] == ["0", "1000", "0", "1.5"]
    assert [quantity(value) for value in (D("1234.50"), D(3), 0.5, None)] == ["1,234.5", "3", "0.5", "-"]
    assert [percent(share) for share in (0.0, 0.0001, 0.5, 0.99999, 1.0, None)] == ["0.0 %", "<0.1 %", "50.0 %", ">99.9 %", "100.0 %", "-"]
    assert [duration(ms) for ms in (0, 340, 2_500, 60_000, 725_000, 3 * DAY + 4 * HOUR, None)] == [
        "0 ms", "340 ms", "2.5 s", "1 min", "12 min 5 s", "3 d 4 h", "-"]  # fmt: skip
    assert [microseconds(us) for us in (45.2, 7_790.0, 98_700.0, 1_200_000.0)] == ["45 us", "7.79 ms", "98.7 ms", "1.20 s"]
    assert count(1_000_000) == "1,000,000"
