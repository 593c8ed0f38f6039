"""Position and account: averaging, every trade once, and which of two truths is the newer."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from core_rig import eth_rules
from hypothesis import given
from hypothesis import strategies as st

from mmd.core.messages import Fill, PositionReport
from mmd.core.position import Account, Position
from mmd.core.units import Side

NO_BALANCES: Mapping[str, Decimal] = {}


def make_fill(trade_id: int, side: Side = Side.BUY, size_lots: int = 10, time_ms: int = 100, **changes: object) -> Fill:
    fill = Fill(trade_id, 1, "mmd-s-1", side, 250_000, size_lots, Decimal("0.02"), "USDT", Decimal("1.5"), True, time_ms)
    return fill._replace(**changes)


def reading(amount_lots: int, time_ms: int, entry: int = 2500) -> PositionReport:
    return PositionReport(amount_lots, Decimal(entry if amount_lots else 0), time_ms)


@pytest.fixture
def account() -> Account:
    """Flat, with the truth read once at 50 ms."""
    account = Account(eth_rules())
    account.start_from(reading(0, 0), {"USDT": Decimal(1000), "USDF": Decimal(50), "BNB": Decimal(9)}, (), 50, 50)
    return account


@pytest.mark.parametrize(
    ("before", "entry", "signed", "price", "after", "entry_after"),
    [
        (0, 0, 10, 2500, 10, 2500),
        (0, 0, -10, 2500, -10, 2500),
        (10, 2500, 30, 2600, 40, 2575),
        (-10, 2500, -10, 2600, -20, 2550),
        (10, 2500, -4, 2600, 6, 2500),
        (-10, 2500, 4, 2600, -6, 2500),
        (10, 2500, -10, 2600, 0, 0),
        (-10, 2500, 10, 2400, 0, 0),
        (10, 2500, -15, 2600, -5, 2600),
        (-10, 2500, 15, 2400, 5, 2400),
    ],
)
def test_a_trade_moves_amount_and_entry(before: int, entry: int, signed: int, price: int, after: int, entry_after: int) -> None:
    """Adding averages, reducing keeps the entry, closing forgets it, crossing zero starts anew."""
    position = Position(before, Decimal(entry))
    position.fill(signed, Decimal(price))
    assert (position.amount_lots, position.entry_price) == (after, Decimal(entry_after))


@given(st.lists(st.tuples(st.integers(1, 1_000), st.integers(100_000, 400_000)), min_size=1, max_size=30))
def test_adding_averages_by_size(trades: list[tuple[int, int]]) -> None:
    """The entry price is the mean price of all lots, to far more digits than a price has."""
    position = Position()
    for lots, ticks in trades:
        position.fill(lots, Decimal(ticks).scaleb(-2))
    exact = Fraction(sum(lots * ticks for lots, ticks in trades), 100 * sum(lots for lots, _ in trades))
    assert abs(Fraction(position.entry_price) - exact) < Fraction(1, 10**15)


def test_a_trade_is_booked_once(account: Account) -> None:
    """The same trade id a second time moves nothing (FAULTS U5)."""
    assert account.book(make_fill(1), 100)
    assert not account.book(make_fill(1), 101)
    assert (account.position.amount_lots, account.fills) == (10, 1)


def test_both_sides_of_one_trade_may_be_ours(account: Account) -> None:
    """A trade between two orders of the account comes twice with one id, once a side: both are booked, and the position is where it was."""
    assert account.book(make_fill(1, Side.BUY), 100)
    assert account.book(make_fill(1, Side.SELL), 100)
    assert (account.position.amount_lots, account.fills) == (0, 2)


def test_totals_add_up(account: Account) -> None:
    """Notional, realized profit and commission by asset are exact sums."""
    account.book(make_fill(1, commission=Decimal("0.1")), 100)
    account.book(make_fill(2, Side.SELL, commission=Decimal("-0.03")), 100)
    account.book(make_fill(3, commission_asset="BNB", commission=Decimal("0.001")), 100)
    assert account.filled_notional == Decimal(75)
    assert account.realized_profit == Decimal("4.5")
    assert dict(account.commission) == {"USDT": Decimal("0.07"), "BNB": Decimal("0.001")}


def test_the_balance_is_the_sum_of_the_margin_assets(account: Account) -> None:
    """Only the named assets count, and one that the venue never named is nothing."""
    assert account.balance(("USDT", "USDF")) == 1050
    assert account.balance(("USDT", "USD1")) == 1000


def test_a_balance_that_an_update_leaves_out_is_unchanged(account: Account) -> None:
    """Absent is not zero (FAULTS A4)."""
    account.hear_balances({"USDT": Decimal(990)}, 95, 100)
    assert account.balance(("USDT", "USDF")) == 1040


def test_a_balance_read_before_the_stream_spoke_is_passed_over(account: Account) -> None:
    """A reading that was asked for before the stream's word does not overwrite it; one asked for after it does (FAULTS R6)."""
    account.hear_balances({"USDT": Decimal(990)}, 95, 100)
    account.check(reading(0, 0), {"USDT": Decimal(1000), "USDF": Decimal(51)}, (), 90, 120)
    assert account.balances["USDT"] == 990 and account.balances["USDF"] == 51
    account.check(reading(0, 0), {"USDT": Decimal(980)}, (), 130, 140)
    assert account.balances["USDT"] == 980


def test_an_older_balance_does_not_overwrite_a_newer_one(account: Account) -> None:
    """An update that comes late, or a second time, is passed over (FAULTS U4)."""
    account.hear_balances({"USDT": Decimal(990)}, 95, 100)
    account.hear_balances({"USDT": Decimal(980)}, 105, 110)
    account.hear_balances({"USDT": Decimal(990)}, 95, 120)
    assert account.balances["USDT"] == 980


def test_a_late_balance_that_the_reading_holds_is_passed_over(account: Account) -> None:
    """What moved the position until 300 is in the balances that were read after it, whether the update comes before the reply or after it."""
    account.hear_balances({"USDT": Decimal(990)}, 290, 405)
    account.check(reading(10, 300), {"USDT": Decimal(980)}, (), 400, 410)
    assert account.balances["USDT"] == 980
    account.hear_balances({"USDT": Decimal(985)}, 300, 420)
    assert account.balances["USDT"] == 980
    account.hear_balances({"USDT": Decimal(970)}, 301, 430)
    assert account.balances["USDT"] == 970


def test_of_two_figures_of_one_millisecond_the_trades_tell_which(account: Account) -> None:
    """Two fills of one match, and the first one's update comes last, after the reading was asked for: the reading and the trades agree."""
    account.start_from(reading(0, 0), NO_BALANCES, (), 50, 60)
    fills = (make_fill(1, time_ms=300), make_fill(2, time_ms=300))
    for fill in fills:
        account.book(fill, 405)
    account.hear_position(reading(20, 300), 403)
    account.hear_position(reading(10, 300), 404)
    assert account.check(reading(20, 300), NO_BALANCES, fills, 400, 410) == 0
    assert account.position.amount_lots == 20


def test_a_position_at_start_is_adopted_with_its_entry(account: Account) -> None:
    """What is held before the first trade has the venue's amount and entry price."""
    fresh = Account(eth_rules())
    fresh.start_from(reading(-40, 10, 2600), NO_BALANCES, (make_fill(7),), 50, 60)
    assert (fresh.position.amount_lots, fresh.position.entry_price) == (-40, Decimal(2600))
    assert fresh.fills == 0
    assert not fresh.book(make_fill(7), 70), "a trade from before the start is none of this run"


def test_a_trade_while_the_first_reading_is_on_its_way_counts(account: Account) -> None:
    """It is newer than the reading, and stays on top of it."""
    fresh = Account(eth_rules())
    fresh.book(make_fill(8, time_ms=200), 55)
    fresh.start_from(reading(-40, 10), NO_BALANCES, (), 50, 60)
    assert fresh.position.amount_lots == -30


def test_the_venues_position_is_adopted_and_the_difference_told(account: Account) -> None:
    """FAULTS A1: what the venue says counts, and the difference is returned in lots."""
    account.book(make_fill(1), 100)
    assert account.check(reading(25, 300, 2600), NO_BALANCES, (), 400, 410) == 15
    assert (account.position.amount_lots, account.position.entry_price) == (25, Decimal(2600))
    assert account.check(reading(25, 300, 2600), NO_BALANCES, (), 500, 510) == 0


def test_a_late_fill_that_the_adopted_position_holds_moves_only_the_totals(account: Account) -> None:
    """The trade is booked, the position stays."""
    account.check(reading(10, 300), NO_BALANCES, (), 400, 410)
    assert account.book(make_fill(1, time_ms=290), 420)
    assert (account.position.amount_lots, account.fills) == (10, 1)


def test_a_fill_after_the_reading_is_counted_on_top(account: Account) -> None:
    """The reading was asked for at 400 and knows trades up to 300; a trade of 350 that came at 405 is not in it."""
    account.book(make_fill(1, time_ms=300), 310)
    account.book(make_fill(2, time_ms=350), 405)
    assert account.check(reading(10, 300), NO_BALANCES, (), 400, 410) == 0
    assert account.position.amount_lots == 20


def test_trades_read_with_the_position_are_in_it(account: Account) -> None:
    """Even where the venue says no time for a flat position: missed trades of the list are not counted on top of the position."""
    missed = make_fill(5, time_ms=350)
    account.book(missed, 410)
    account.book(make_fill(6, Side.SELL, time_ms=360), 410)
    fills = (missed, make_fill(6, Side.SELL, time_ms=360))
    assert account.check(reading(0, 0), NO_BALANCES, fills, 400, 410) == 0
    assert account.check(reading(0, 0), NO_BALANCES, (), 420, 430) == 0
    assert account.position.amount_lots == 0


def test_a_reading_older_than_the_stream_is_not_applied(account: Account) -> None:
    """FAULTS R6: the stream's later figure stands."""
    account.book(make_fill(1, time_ms=300), 310)
    account.hear_position(reading(10, 300), 310)
    assert account.check(reading(0, 0), NO_BALANCES, (), 305, 320) == 0
    assert account.position.amount_lots == 10


def test_a_reading_well_after_the_stream_spoke_counts_without_a_time(account: Account) -> None:
    """Flat, as read a second after the stream's last word, is flat, though the venue gives a flat position the time 0."""
    account.book(make_fill(1, time_ms=300), 310)
    account.hear_position(reading(10, 300), 310)
    assert account.check(reading(0, 0), NO_BALANCES, (), 1_400, 1_410) == -10
    assert account.position.amount_lots == 0 and account.differs_since_ms is None


@pytest.mark.parametrize(("heard_ms", "amount"), [(390, 7), (405, 10)])
def test_within_one_millisecond_the_later_word_counts(account: Account, heard_ms: int, amount: int) -> None:
    """Stream and reading of the same venue millisecond: heard before the question, the reading is newer; heard after it, the stream is."""
    account.hear_position(reading(10, 300), heard_ms)
    account.check(reading(7, 300), NO_BALANCES, (), 400, 410)
    assert account.position.amount_lots == amount


def test_an_older_word_of_the_stream_is_passed_over(account: Account) -> None:
    """Account updates out of order leave the newest (FAULTS U4)."""
    account.hear_position(reading(20, 300), 310)
    account.hear_position(reading(10, 200), 320)
    assert account.reported is not None and account.reported.amount_lots == 20


def test_disagreement_is_dated_from_its_beginning_and_ends_with_it(account: Account) -> None:
    """The time stays that of the first moment of a stretch, and goes when trade and report agree."""
    account.hear_position(reading(10, 300), 310)
    assert account.differs_since_ms == 310
    account.hear_position(reading(20, 301), 320)
    assert account.differs_since_ms == 310
    account.book(make_fill(1, size_lots=20, time_ms=301), 330)
    assert account.differs_since_ms is None


def test_a_disagreement_that_a_reading_leaves_is_seen(account: Account) -> None:
    """Should trades on top of a reading be wrong, the account says that it differs from the venue's figure."""
    account.book(make_fill(2, time_ms=350), 405)
    account.check(reading(0, 300), NO_BALANCES, (), 400, 410)
    assert account.position.amount_lots == 10
    assert account.differs_since_ms == 410


def test_a_lost_stream_leaves_no_word_behind(account: Account) -> None:
    """What was said on a lost stream is not compared with any more."""
    account.hear_position(reading(10, 300), 310)
    account.stream_lost()
    assert account.reported is None and account.differs_since_ms is None


def test_where_to_read_trades_from_is_the_last_list_not_the_last_trade(account: Account) -> None:
    """Trades booked since the last list are read again, for one before them may have been missed (FAULTS U7)."""
    assert account.read_trades_from_id is None
    account.check(reading(0, 0), NO_BALANCES, (make_fill(40), make_fill(41)), 100, 110)
    account.book(make_fill(50), 120)
    assert account.read_trades_from_id == 41
    account.check(reading(0, 0), NO_BALANCES, (), 130, 140)
    assert account.read_trades_from_id == 41


def test_what_is_read_again_is_bounded(account: Account) -> None:
    """After thousands of trades on a healthy stream only some hundreds are read again, so that a page suffices."""
    for trade_id in range(1, 5_001):
        account.book(make_fill(trade_id), 120)
    start = account.read_trades_from_id
    assert start is not None and 4_000 < start < 5_000


def test_memory_of_trades_is_bounded(account: Account) -> None:
    """The ids of some twenty thousand trades are kept, not more."""
    for trade_id in range(25_000):
        account.book(make_fill(trade_id), 120)
    assert len(account._booked) == 20_000
    assert not account.book(make_fill(24_999), 121)
