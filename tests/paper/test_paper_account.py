"""Money: positions, profit, fees, margin, funding, settings; exact to the last digit."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from scripted_market import START_MS, World

from mmd.core.units import Side
from mmd.paper.account import Position
from mmd.paper.margin import liquidation_price, maintenance, margin_of
from mmd.paper.order_request import MarginType, PositionSide
from mmd.paper.refusals import Refused
from mmd.paper.symbols import Symbol

BUY, SELL = Side.BUY, Side.SELL
D = Decimal
ETH = Symbol.named("ETHUSDT")


def test_a_round_trip_by_hand() -> None:
    """Buy 0.1 at 2000.10 as taker, sell 0.1 at 2000.50 as maker: profit 0.04, fees 0.0800040 + 0.0400100."""
    world = World()
    world.place(BUY, 100)
    world.place(SELL, 100, 200_050, reduce_only=True)
    world.trade(200_050, 100, BUY)
    opened, closed = world.account.trades
    assert (opened.commission, opened.realized_pnl) == (D("0.0800040"), 0)
    assert (closed.commission, closed.realized_pnl) == (D("0.0400100"), D("0.04"))
    assert world.account.wallets["USDT"] == D(10_000) + D("0.04") - D("0.0800040") - D("0.0400100")
    kinds = [(income.income_type, income.amount) for income in world.exchange.income(world.account)]
    assert kinds == [("TRANSFER", D(10_000)), ("COMMISSION", D("-0.0800040")), ("REALIZED_PNL", D("0.04")), ("COMMISSION", D("-0.0400100"))]


def test_a_fill_beyond_the_position_turns_it_round() -> None:
    """The first part closes at a profit, the rest opens the other side at the trade's price."""
    position = Position(PositionSide.BOTH)
    position.fill(ETH, BUY, 200_000, 100)
    assert position.fill(ETH, SELL, 201_000, 250) == D(1)
    assert (position.lots, position.entry_price(ETH)) == (-150, D(2010))
    assert position.unrealized(ETH, D(2000)) == D("1.5")


@pytest.mark.parametrize("seed", range(40))
def test_round_trips_conserve_cash(seed: int) -> None:
    """However a position was built and taken apart, once flat its realised profit is exactly what was received less what was paid."""
    random, position, cash = Random(seed), Position(PositionSide.BOTH), D(0)
    for step in range(200):
        side, price, lots = random.choice(list(Side)), random.randrange(150_000, 250_000), random.randrange(1, 997)
        if step % 20 == 19 and position.lots:
            side, lots = (SELL if position.lots > 0 else BUY), abs(position.lots)
        position.fill(ETH, side, price, lots)
        cash -= side.sign * ETH.notional(price, lots)
        assert position.cost >= 0, f"seed {seed}"
        if not position.lots:
            assert position.realized == cash and position.cost == 0, f"seed {seed}"
    assert position.realized.as_tuple().exponent >= -8  # type: ignore[operator]


def test_fees_can_be_paid_in_another_asset_while_it_lasts() -> None:
    """The other asset pays at its price; when it cannot, the margin asset does."""
    world = World()
    world.account.commission_asset, world.account.commission_asset_price = "ASTER", D("0.5")
    world.exchange.deposit(world.account, "ASTER", D("0.2"), world.tick())
    world.place(BUY, 100)
    world.place(BUY, 100)
    assert [(t.commission, t.commission_asset) for t in world.account.trades] == [(D("0.1600080"), "ASTER"), (D("0.0800040"), "USDT")]
    assert world.account.wallets["ASTER"] == D("0.2") - D("0.1600080")


def test_initial_margin_counts_the_worse_side_of_the_open_orders() -> None:
    """One-way: bids and asks offset, the larger resulting position needs margin; what closes needs none."""
    world = World()
    margin = margin_of(world.account, ETH, D(2000))
    assert (margin.position_initial, margin.order_initial, margin.available) == (0, 0, D(10_000))
    world.place(BUY, 1_000, 199_000)
    world.place(SELL, 500, 201_000)
    margin = margin_of(world.account, ETH, D(2000))
    assert (margin.order_initial, margin.available) == (D("99.5"), D("9900.5"))


def test_unrealized_loss_and_initial_margin_reduce_what_is_available() -> None:
    """available = cross wallet + unrealised profit - initial margin, never below zero."""
    world = World()
    world.place(BUY, 1_000)
    wallet = world.account.wallets["USDT"]
    margin = margin_of(world.account, ETH, D(1990))
    assert margin.unrealized == D("-10.1")
    assert margin.available == wallet - D("10.1") - D("99.5") == margin.withdrawable
    margin = margin_of(world.account, ETH, D(2010))
    assert margin.withdrawable == wallet - D("100.5") < margin.available
    world.exchange.deposit(world.account, "USDT", D(-9_000), world.tick())
    assert margin_of(world.account, ETH, D(1)).available == 0


def test_margin_is_refused_to_the_last_cent() -> None:
    """The largest order that the wallet carries passes, one lot more does not."""
    world = World()
    world.exchange.set_leverage(world.account, 10, world.tick())
    wallet = world.account.wallets["USDT"]
    lots = ETH.lot_grid.floor(wallet * 10 / D(1990))
    with pytest.raises(Refused, match="-2019"):
        world.place(BUY, lots + 1, 199_000)
    assert world.place(BUY, lots, 199_000).open


def test_multi_assets_mode_lets_usdf_carry_positions() -> None:
    """USDF counts at par in Multi-Assets mode, and not at all outside of it."""
    world = World()
    world.exchange.deposit(world.account, "USDF", D(5_000), world.tick())
    assert margin_of(world.account, ETH, D(2000)).available == D(10_000)
    world.exchange.set_multi_assets(world.account, True, world.tick())
    assert margin_of(world.account, ETH, D(2000)).available == D(15_000)
    for bad, code in ((True, "-4171"), (False, "-4170")):
        if code == "-4170":
            world.place(BUY, 100, 199_900)
        with pytest.raises(Refused, match=code):
            world.exchange.set_multi_assets(world.account, bad, world.tick())


def test_isolated_margin_is_set_aside_and_freed_in_proportion() -> None:
    """Opening moves notional / leverage out of the cross wallet; closing half gives half back; the wallet itself only knows profit and fees."""
    world = World()
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(BUY, 1_000)
    position = world.account.positions[PositionSide.BOTH]
    assert position.isolated_wallet == D("100.005")
    assert world.account.cross_wallet("USDT", "USDT") == world.account.wallets["USDT"] - D("100.005")
    world.place(SELL, 500)
    assert position.isolated_wallet == D("50.0025")
    world.place(SELL, 500)
    assert position.isolated_wallet == 0


def test_isolated_margin_can_be_added_and_taken() -> None:
    """Within what is available, and never below the initial margin."""
    world = World()
    exchange, account = world.exchange, world.account

    def move(amount: str, kind: int) -> None:
        exchange.set_position_margin(account, None, D(amount), kind, world.tick())

    for setup, code in ((lambda: None, "-4049"), (lambda: exchange.set_margin_type(account, MarginType.ISOLATED, world.tick()), "-4054")):
        setup()
        with pytest.raises(Refused, match=code):
            move("10", 1)
    world.place(BUY, 1_000)
    move("50", 1)
    assert account.positions[PositionSide.BOTH].isolated_wallet == D("150.005")
    move("40", 2)
    for amount, kind, code in (("1000000", 1, "-4050"), ("20", 2, "-4051"), ("0", 1, "-4055"), ("1", 3, "-1130")):
        with pytest.raises(Refused, match=code):
            move(amount, kind)
    history = exchange.position_margin_history(account)
    assert [(h["amount"], h["type"], h["positionSide"]) for h in history] == [("50", 1, "BOTH"), ("40", 2, "BOTH")]


@pytest.mark.parametrize(("side", "sign"), [(BUY, -1), (SELL, 1)])
@pytest.mark.parametrize("rate", ["0.0001", "-0.0003"])
def test_funding_is_paid_by_one_side_to_the_other(side: Side, sign: int, rate: str) -> None:
    """Longs pay the rate times the notional at the mark price, shorts receive it; a negative rate turns it round."""
    world = World(funding_interval_ms=60_000)
    world.exchange.market.last_funding_rate = D(rate)
    world.place(side, 1_000)
    before = world.account.wallets["USDT"]
    world.events()
    world.exchange.market.last_funding_rate = D(rate)
    due = world.exchange.market.next_funding_ms
    world.exchange.advance(due - 1)
    assert world.account.wallets["USDT"] == before
    world.exchange.market.last_funding_rate = D(rate)
    world.exchange.advance(due)
    fee = world.account.wallets["USDT"] - before
    entry = next(e for e in world.exchange.journal if e.kind == "funding")
    assert fee == entry.details["amount"] == (sign * entry.details["rate"] * entry.details["mark_price"]).quantize(D("1e-8"), "ROUND_HALF_UP") != 0
    [event] = world.events("ACCOUNT_UPDATE")
    assert event["a"]["m"] == "FUNDING_FEE" and event["a"]["P"] == [] and D(event["a"]["B"][0]["bc"]) == fee
    assert world.exchange.income(world.account, income_type="FUNDING_FEE")[0].amount == fee


def test_funding_of_an_isolated_position_comes_from_its_own_margin() -> None:
    """And the event names the position."""
    world = World(funding_interval_ms=60_000)
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(BUY, 1_000)
    world.events()
    before = world.account.positions[PositionSide.BOTH].isolated_wallet
    world.exchange.advance(world.exchange.market.next_funding_ms)
    [event] = world.events("ACCOUNT_UPDATE")
    assert world.account.positions[PositionSide.BOTH].isolated_wallet - before == D(event["a"]["B"][0]["bc"])
    assert len(event["a"]["P"]) == 1


def test_leverage_changes_within_the_brackets() -> None:
    """1 to 125, the reply names the largest position, and margin must suffice."""
    world = World()
    exchange, account = world.exchange, world.account
    assert exchange.set_leverage(account, 50, world.tick()) == {"leverage": 50, "maxNotionalValue": "5000000", "symbol": "ETHUSDT"}
    assert world.events() == [{"e": "ACCOUNT_CONFIG_UPDATE", "E": world.now_ms, "T": world.now_ms, "ac": {"s": "ETHUSDT", "l": 50}}]
    for leverage in (0, 126, -1):
        with pytest.raises(Refused, match="-4028"):
            exchange.set_leverage(account, leverage, world.tick())
    exchange.set_leverage(account, 50, world.tick())
    assert not world.events()
    world.place(BUY, 13_000)
    world.place(BUY, 25_000, 199_000)
    with pytest.raises(Refused, match="-2028"):
        exchange.set_leverage(account, 5, world.tick())
    with pytest.raises(Refused, match="-2027"):
        world.place(BUY, 9_999_999, 199_000)


def test_modes_change_only_on_a_flat_account() -> None:
    """Margin type and position mode refuse with open orders, with positions, and where nothing would change."""
    world = World()
    exchange, account = world.exchange, world.account
    order = world.place(BUY, 100, 199_900)

    def codes() -> list[int]:
        found = []
        changes = [
            lambda: exchange.set_margin_type(account, MarginType.CROSSED, world.tick()),
            lambda: exchange.set_margin_type(account, MarginType.ISOLATED, world.tick()),
            lambda: exchange.set_dual_side(account, False, world.tick()),
            lambda: exchange.set_dual_side(account, True, world.tick()),
        ]
        for change in changes:
            with pytest.raises(Refused) as caught:
                change()
            found.append(caught.value.code)
        return found

    assert codes() == [-4046, -4047, -4059, -4067]
    exchange.cancel(account, order_id=order.order_id, now_ms=world.tick())
    world.place(BUY, 100)
    assert codes() == [-4046, -4048, -4059, -4068]
    world.place(SELL, 100)
    world.events()
    exchange.set_dual_side(account, True, world.tick())
    exchange.set_margin_type(account, MarginType.ISOLATED, world.tick())
    modes, margin = world.events()
    assert modes["ai"] == {"j": False, "f": False, "d": True}
    assert margin["a"]["m"] == "MARGIN_TYPE_CHANGE" and [p["ps"] for p in margin["a"]["P"]] == ["LONG", "SHORT"]


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("margin_type", list(MarginType))
def test_the_liquidation_price_is_where_margin_equals_maintenance(side: Side, margin_type: MarginType) -> None:
    """At the shown price the margin behind the position is its maintenance margin, to the rounding of the price."""
    world = World()
    if margin_type is MarginType.ISOLATED:
        world.exchange.set_margin_type(world.account, margin_type, world.tick())
    else:
        world.exchange.deposit(world.account, "USDT", D(-9_000), world.tick())
    world.place(side, 5_000)
    position = world.account.positions[PositionSide.BOTH]
    price = liquidation_price(world.account, position, ETH, world.exchange.market.mark_price)
    assert (price < 2000) is (side is BUY) and price > 0
    behind = position.isolated_wallet if margin_type is MarginType.ISOLATED else world.account.wallets["USDT"]
    assert abs(behind + position.unrealized(ETH, price) - maintenance(position, ETH, price)) < D("0.000001")


def test_deposits_are_transfers() -> None:
    """A deposit is an income line and an event; the start time is the first one's."""
    world = World()
    world.exchange.deposit(world.account, "USDF", D("12.5"), world.tick())
    [event] = world.events()
    assert event["a"] == {"m": "DEPOSIT", "B": [{"a": "USDF", "wb": "12.50000000", "cw": "12.50000000", "bc": "12.5"}], "P": []}
    lines = world.exchange.income(world.account, income_type="TRANSFER")
    assert [(line.asset, line.amount, line.at_ms) for line in lines] == [("USDT", D(10_000), START_MS), ("USDF", D("12.5"), START_MS + 1)]


def test_the_larger_offers_need_the_margin_where_they_are_worse() -> None:
    """The mirror of the bids; a position shifts both."""
    world = World()
    world.place(BUY, 500, 199_000)
    world.place(SELL, 1_000, 201_000)
    assert margin_of(world.account, ETH, D(2000)).order_initial == D("100.5")
    world.place(BUY, 500)
    margin = margin_of(world.account, ETH, D(2000))
    assert (margin.position_initial, margin.order_initial) == (D(50), D("49.75"))


def test_maintenance_margin_grows_without_jumps() -> None:
    """notional × ratio - cum, continuous at every bracket's floor."""
    position = Position(PositionSide.BOTH, lots=1_000)
    assert maintenance(position, ETH, D(40_000)) == D(160)
    assert maintenance(position, ETH, D(100_000)) == D(450)  # 50 000 at 0.4 %, 50 000 at 0.5 %
    for bracket in ETH.brackets[1:]:
        below = maintenance(position, ETH, bracket.notional_floor - D("0.01"))
        assert 0 <= maintenance(position, ETH, bracket.notional_floor) - below < D("0.01")


def test_an_order_at_a_worse_price_than_the_mark_price_must_carry_its_loss() -> None:
    """Initial margin alone would do, but the order opens with a loss beyond what is left."""
    world = World()
    world.exchange.set_leverage(world.account, 100, world.tick())
    with pytest.raises(Refused, match="-2019"):
        world.place(BUY, 100_000, 220_000)
    assert world.place(BUY, 100_000, 199_000).open


def test_an_order_that_needs_no_more_margin_is_never_refused_for_margin() -> None:
    """With nothing available any more, a plain order may still close the position."""
    world = World()
    world.place(BUY, 1_000)
    world.exchange.deposit(world.account, "USDT", D(20) - world.account.wallets["USDT"], world.tick())
    assert margin_of(world.account, ETH, D(2000)).available == 0
    assert world.place(SELL, 1_000, 200_005).open
    with pytest.raises(Refused, match="-2019"):
        world.place(BUY, 1_000, 199_000)


def test_an_isolated_position_does_not_bind_the_cross_wallet_twice() -> None:
    """Its margin was set aside already: what is available is the rest of the wallet."""
    world = World()
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(BUY, 10_000)
    set_aside = world.account.positions[PositionSide.BOTH].isolated_wallet
    free = world.account.wallets["USDT"] - set_aside
    assert margin_of(world.account, ETH, D(2000)).available == free
    lots = ETH.lot_grid.floor(free * 20 / D(1990))
    with pytest.raises(Refused, match="-2019"):
        world.place(BUY, lots + 20, 199_000)
    assert world.place(BUY, lots, 199_000).open


def test_turning_an_isolated_position_round_sets_aside_what_is_open() -> None:
    """All of the old margin comes back, the new part brings its own."""
    world = World()
    world.exchange.set_margin_type(world.account, MarginType.ISOLATED, world.tick())
    world.place(BUY, 1_000)
    world.place(SELL, 1_500)
    assert world.account.positions[PositionSide.BOTH].isolated_wallet == D("49.9975")
