"""The ping-pong cycle as a function: what is wanted for a market, a position and a balance."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from core_rig import eth_rules, make_settings
from hypothesis import given
from hypothesis import strategies as st

from mmd.core.quoting import MarketView, PingPong, Quote, Spreads, Wanted
from mmd.core.units import Side

VIEW = MarketView(Decimal(250_000), 249_999, 250_001, 0, Decimal(0), 0, 0, Decimal(10_000))


def want(*, rules: Any = None, spread_model: Any = None, settings: dict[str, Any] | None = None, **changes: Any) -> Wanted:
    chosen = make_settings(**(settings or {}))
    return PingPong(rules or eth_rules(), chosen.strategy, chosen.risk, spread_model)(VIEW._replace(**changes))


SHORT = {"opening_side": Side.SELL}


def test_flat_and_long_it_bids() -> None:
    """At mid less the spread, for the fraction of the balance, not reduce-only: 1,000 USDT at 2497.50 are 0.400 ETH."""
    assert want() == Wanted(Side.BUY, (Quote(Side.BUY, 0, 249_750, 400, False),), None)


def test_flat_and_short_it_offers() -> None:
    """`bias: short` mirrors it: 1,000 USDT at 2502.50 are 0.399 ETH."""
    assert want(settings=SHORT) == Wanted(Side.SELL, (Quote(Side.SELL, 0, 250_250, 399, False),), None)


@pytest.mark.parametrize("settings", [{}, SHORT])
def test_a_whole_position_is_offered_reduce_only(settings: dict[str, Any]) -> None:
    """Whichever the bias, a position of either sign above the threshold is closed whole."""
    assert want(position_lots=400, settings=settings) == Wanted(Side.SELL, (Quote(Side.SELL, 0, 250_250, 400, True),), None)
    assert want(position_lots=-7_000, settings=settings) == Wanted(Side.BUY, (Quote(Side.BUY, 0, 249_750, 7_000, True),), None)


@pytest.mark.parametrize(("lots", "entry", "mode"), [(6, "2500", Side.SELL), (5, "2500", Side.BUY), (6, "2499.99", Side.BUY), (6, "2500.01", Side.SELL)])
def test_the_threshold_is_a_notional_at_entry(lots: int, entry: str, mode: Side) -> None:
    """15 USD at the entry price is opened, a cent less is not."""
    assert want(position_lots=lots, entry_price=Decimal(entry)).mode is mode


@pytest.mark.parametrize("mid", [100_000, 250_000, 900_000])
def test_only_fills_change_the_mode(mid: int) -> None:
    """The market may go where it likes: the entry price decides, as long as one is known."""
    around = {"mid": Decimal(mid), "best_bid": mid - 1, "best_ask": mid + 1}
    assert want(position_lots=6, entry_price=Decimal(2500), **around).mode is Side.SELL
    assert want(position_lots=5, entry_price=Decimal(2500), **around).mode is Side.BUY


@pytest.mark.parametrize(("position", "size"), [(1, 399), (5, 395), (-5, 405)])
def test_opening_asks_for_the_rest_of_the_target(position: int, size: int) -> None:
    """What is held below the threshold counts towards the target, on the other side it is bought back on top."""
    (quote,) = want(position_lots=position).quotes
    assert (quote.side, quote.size_lots, quote.reduce_only) == (Side.BUY, size, False)


def test_what_may_fill_elsewhere_counts() -> None:
    """Opening orders outside the slots take room; with none left nothing is wanted."""
    assert want(elsewhere_lots=100).quotes[0].size_lots == 300
    assert want(elsewhere_lots=400).quotes == ()


@pytest.mark.parametrize(("limit", "size"), [("500", 200), ("100000", 400), ("1000", 400)])
def test_the_position_limit_bounds_the_target(limit: str, size: int) -> None:
    """`max_position` caps what the fraction of the balance would allow."""
    assert want(settings={"max_position_notional": Decimal(limit)}).quotes[0].size_lots == size


def test_a_limit_below_the_position_only_reduces() -> None:
    """FAULTS C2: nothing is added to a position beyond the limit; below the threshold even that is closed."""
    assert want(position_lots=400, settings={"max_position_notional": Decimal(100)}).quotes[0].reduce_only
    small = want(position_lots=4, settings={"max_position_notional": Decimal(8)})
    assert small == Wanted(Side.SELL, (Quote(Side.SELL, 0, 250_250, 4, True),), None)


@pytest.mark.parametrize("balance", ["0", "-100", "49.94"])
def test_too_small_a_balance_waits_and_says_why(balance: str) -> None:
    """No quote, and a reason in words."""
    wanted = want(balance=Decimal(balance))
    assert (wanted.mode, wanted.quotes) == (Side.BUY, ())
    assert wanted.waiting


def test_below_the_minimum_names_both_figures() -> None:
    """The notional that would be quoted, and the minimum."""
    assert want(balance=Decimal(30)).waiting == "a BUY of 2.4975 is below the minimum notional 5"


def test_the_rest_of_a_working_order_may_be_small() -> None:
    """What is left of a partly filled opening order is no new order: it may fall below the minimum notional and keeps working."""
    settings = {"position_threshold": Decimal(2_000)}
    rest = want(position_lots=399, opening_lots=1, settings=settings)
    assert rest.quotes[0].size_lots == 1 and not rest.quotes[0].reduce_only


def test_a_small_position_that_cannot_grow_is_closed() -> None:
    """Below the threshold, with no room for an order above the minimum: it would wait for ever, so it is sold."""
    settings = {"position_threshold": Decimal(2_000)}
    assert want(position_lots=399, settings=settings).quotes == (Quote(Side.SELL, 0, 250_250, 399, True),)


def test_sizes_stay_within_the_largest_lot() -> None:
    """Opening and closing are cut to LOT_SIZE's maximum."""
    rules = eth_rules(max_size_lots=100)
    assert want(rules=rules).quotes[0].size_lots == 100
    assert want(rules=rules, position_lots=400).quotes[0].size_lots == 100


def test_a_balance_below_the_smallest_lot_waits_and_says_how_much_is_needed() -> None:
    """Both sizes are named, so that the operator sees what is missing without looking up the filter."""
    wanted = want(balance=Decimal(10), rules=eth_rules(min_size_lots=5))
    assert wanted.quotes == () and wanted.waiting == "a BUY of 0.000 is below the minimum size 0.005"


def test_a_closing_price_beyond_the_filter_waits() -> None:
    """What breaks a filter is never wanted, and the filter is named."""
    wanted = want(rules=eth_rules(max_price_ticks=250_100), position_lots=400)
    assert wanted.quotes == () and wanted.waiting == "a SELL of 0.400 at 2502.50 breaks PRICE_FILTER"


def test_the_spread_function_is_replaceable() -> None:
    """Any function of the view may set the spreads, and it sees the view."""
    seen: list[MarketView] = []

    def model(view: MarketView) -> Spreads:
        seen.append(view)
        return Spreads(Decimal("0.01"), Decimal("0.02"))

    assert want(spread_model=model).quotes[0].price_ticks == 247_500
    assert want(spread_model=model, position_lots=400).quotes[0].price_ticks == 255_000
    assert seen[0] == VIEW


spreads = st.decimals(min_value=0, max_value="0.05", places=6)


@given(st.integers(1_000, 1_000_000), st.integers(1, 200), spreads, spreads, st.sampled_from((0, 400, -400)))
def test_prices_are_passive_and_round_outward(best_bid: int, gap: int, buy: Decimal, sell: Decimal, position: int) -> None:
    """No quote touches the other side; a bid is never above mid less the spread, an offer never below mid plus it, and neither further than
    a tick away unless it had to make room."""
    mid = (Decimal(best_bid) + best_bid + gap) / 2
    view = {"mid": mid, "best_bid": best_bid, "best_ask": best_bid + gap, "position_lots": position, "balance": Decimal(10**9)}
    for quote in want(settings={"buy_spread": buy, "sell_spread": sell}, **view).quotes:
        if quote.side is Side.BUY:
            ideal = Fraction(mid) * (1 - Fraction(buy))
            assert quote.price_ticks < best_bid + gap and quote.price_ticks <= ideal
            assert quote.price_ticks > ideal - 1 or quote.price_ticks == best_bid + gap - 1
        else:
            ideal = Fraction(mid) * (1 + Fraction(sell))
            assert quote.price_ticks > best_bid and quote.price_ticks >= ideal
            assert quote.price_ticks < ideal + 1 or quote.price_ticks == best_bid + 1


@given(
    st.integers(-2_000, 2_000),
    st.integers(0, 500),
    st.integers(0, 500),
    st.decimals(min_value=-10, max_value=100_000, places=2),
    st.sampled_from((Side.BUY, Side.SELL)),
    st.none() | st.decimals(min_value=1, max_value=5_000, places=2),
)
def test_what_is_wanted_breaks_no_rule(
    position: int, opening: int, elsewhere: int, balance: Decimal, side: Side, limit: Decimal | None
) -> None:
    """Filters hold, closing covers the position exactly, opening stays within fraction and limit, and no quote always has a reason."""
    settings = {"opening_side": side, "max_position_notional": limit}
    wanted = want(position_lots=position, opening_lots=opening, elsewhere_lots=elsewhere, balance=balance, settings=settings)
    assert bool(wanted.quotes) != bool(wanted.waiting)
    for quote in wanted.quotes:
        assert quote.side is wanted.mode
        refused = eth_rules().refuses(quote.price_ticks, quote.size_lots, quote.reduce_only)
        assert refused is None or (refused == "MIN_NOTIONAL" and quote.size_lots <= opening)
        if quote.reduce_only:
            assert quote.side.sign * position < 0 and quote.size_lots == abs(position)
        else:
            notional = eth_rules().notional(quote.price_ticks, side.sign * position + quote.size_lots + elsewhere)
            assert quote.side is side
            assert notional <= balance * Decimal("0.1") and (limit is None or notional <= limit)
