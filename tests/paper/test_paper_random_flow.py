"""Seeded random order flow: whatever clients and market do, the exchange's books hold."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from random import Random

import pytest
from scripted_market import START_MS, World, request, two_accounts

from mmd.core.units import Side
from mmd.paper.account import Account
from mmd.paper.exchange import PaperExchange
from mmd.paper.market_source import DepthFrame, MarketTrade
from mmd.paper.order_request import MarginType, OrderType, PositionSide, StpMode, TimeInForce
from mmd.paper.orders import Order, OrderStatus
from mmd.paper.refusals import Refused
from mmd.paper.symbols import Symbol
from mmd.paper.synthetic import SyntheticSource

MID = 200_000


def random_market_event(world: World, random: Random, mid: int) -> None:
    """A depth change or a trade around `mid`; now and then the book jumps across where it was."""
    at_ms = world.now_ms - START_MS + random.randrange(0, 40)
    if random.random() < 0.5:
        side = random.choice(list(Side))
        price = mid - side.opposite.sign * random.randrange(0, 12)
        world.source.events.append(MarketTrade(at_ms, price, random.randrange(1, 400), side is Side.SELL))
    else:
        bids = {mid - random.randrange(1, 15): random.choice((0, random.randrange(1, 500))) for _ in range(5)}
        asks = {mid + random.randrange(1, 15): random.choice((0, random.randrange(1, 500))) for _ in range(5)}
        for price, _ in list(world.exchange.market.outside.levels(Side.BUY)):
            if price >= mid:
                bids[price] = 0
        for price, _ in list(world.exchange.market.outside.levels(Side.SELL)):
            if price <= mid:
                asks[price] = 0
        world.source.events.append(DepthFrame(at_ms, tuple(bids.items()), tuple(asks.items())))
    world.exchange.advance(START_MS + at_ms)


def random_request(world: World, account: Account, random: Random, mid: int) -> None:
    exchange, now_ms = world.exchange, world.now_ms + random.randrange(0, 5)
    what = random.random()
    side = random.choice(list(Side))
    fields: dict[str, object] = {}
    if account.dual_side:
        fields["position_side"] = random.choice((PositionSide.LONG, PositionSide.SHORT))
    elif random.random() < 0.4:
        fields["reduce_only"] = True
    lots, price = random.randrange(1, 300), mid + random.randrange(-12, 13)
    orders = exchange.open_orders(account)
    if what < 0.5:
        fields["time_in_force"] = random.choice(list(TimeInForce))
        fields["stp_mode"] = random.choice(list(StpMode))
        exchange.place(account, request(side, lots, price, **fields), now_ms)
    elif what < 0.62:
        exchange.place(account, request(side, lots, **fields), now_ms)
    elif what < 0.7:
        kind = random.choice((OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET))
        exchange.place(account, request(side, lots, type=kind, stop_price=Decimal(price) / 100, **fields), now_ms)
    elif what < 0.85 and orders:
        order = random.choice(orders)
        exchange.amend(account, order_id=order.order_id, quantity=Decimal(lots) / 1000, price=Decimal(price) / 100, now_ms=now_ms)
    elif what < 0.95 and orders:
        exchange.cancel(account, order_id=random.choice(orders).order_id, now_ms=now_ms)
    elif what < 0.97:
        exchange.cancel_all(account, now_ms)
    else:
        exchange.countdown(account, random.randrange(0, 500), now_ms)


def check_account(account: Account, seed: int) -> None:
    """Wallets equal what was booked, positions what was traded, and no order is beyond its size."""
    booked: dict[str, Decimal] = defaultdict(Decimal)
    for income in account.incomes:
        booked[income.asset] += income.amount
    for asset, wallet in account.wallets.items():
        assert wallet == booked[asset], f"seed {seed}: {asset}"
    for position in account.positions.values():
        traded = sum(t.side.sign * t.size_lots for t in account.trades if t.position_side is position.side)
        assert position.lots == traded, f"seed {seed}"
        assert position.cost >= 0 and (position.lots != 0 or position.cost == 0 == position.isolated_wallet), f"seed {seed}"
        assert position.realized == sum((t.realized_pnl for t in account.trades if t.position_side is position.side), Decimal(0))
        if position.side is PositionSide.LONG:
            assert position.lots >= 0, f"seed {seed}"
        if position.side is PositionSide.SHORT:
            assert position.lots <= 0, f"seed {seed}"
    for order in account.orders.values():
        assert 0 <= order.executed_lots <= order.original_lots, f"seed {seed}: order {order.order_id}"
        assert order.open == (order.order_id in account.open_orders), f"seed {seed}"
        assert (order.status is OrderStatus.FILLED) == (order.original_lots == order.executed_lots > 0), f"seed {seed}"


def check_book(exchange: PaperExchange, seed: int) -> None:
    """What is displayed is what rests, uncrossed."""
    resting: dict[Side, dict[int, int]] = {Side.BUY: defaultdict(int), Side.SELL: defaultdict(int)}
    for account in exchange.accounts.values():
        for order in account.open_orders.values():
            if order.type is OrderType.LIMIT:
                ahead = exchange.matching.ahead_lots(order)
                assert ahead is not None and ahead >= 0, f"seed {seed}: order {order.order_id}"
                assert exchange.matching.fillable_lots(order) > 0, f"seed {seed}: order {order.order_id} has nothing to close"
                if order.time_in_force is not TimeInForce.HIDDEN:
                    resting[order.side][order.price_ticks] += order.remaining_lots
    for side in Side:
        assert dict(exchange.matching.displayed(side)) == resting[side], f"seed {seed}"
        assert all(lots > 0 for lots in resting[side].values()), f"seed {seed}"
    ours = [max(resting[Side.BUY], default=0), min(resting[Side.SELL], default=10**9)]
    assert ours[0] < ours[1], f"seed {seed}: accounts cross each other"


def check_journal(exchange: PaperExchange, seed: int) -> None:
    """Every trade's two sides name one id, a reduce-only order never opened anything, nothing happened to an ended order."""
    ended: set[int] = set()
    reduce_only = {o.order_id for a in exchange.accounts.values() for o in a.orders.values() if o.closes}
    before: dict[tuple[str, str], int] = defaultdict(int)
    sides: dict[int, list[str]] = defaultdict(list)
    orders = {o.order_id: o for a in exchange.accounts.values() for o in a.orders.values()}
    for entry in exchange.journal:
        order_id = entry.details.get("order_id")
        if order_id is None:
            continue
        assert order_id not in ended, f"seed {seed}: {entry}"
        if entry.kind in ("canceled", "expired"):
            ended.add(order_id)
        if entry.kind == "trade":
            order: Order = orders[order_id]
            key = (entry.details["account"], order.position_side.value)
            after = entry.details["position_lots"]
            if order_id in reduce_only:
                assert abs(after) < abs(before[key]) and after * before[key] >= 0, f"seed {seed}: {entry}"
            before[key] = after
            sides[entry.details["trade_id"]].append(entry.details["side"])
            if entry.details["status"] == "FILLED":
                ended.add(order_id)
    assert all(len(pair) == 1 or sorted(pair) == ["BUY", "SELL"] for pair in sides.values()), f"seed {seed}"


@pytest.mark.parametrize("seed", range(24))
def test_books_hold_under_random_order_flow(seed: int) -> None:
    """Two accounts trade at random in a random market: ledger, positions, orders, displayed book and journal agree at every step."""
    random = Random(seed)
    world = World(accounts=two_accounts(10_000 if seed % 4 else 120))
    first, second = world.exchange.accounts.values()
    if seed % 4 == 1:
        world.exchange.set_dual_side(first, True, world.tick())
    if seed % 4 == 2:
        world.exchange.set_margin_type(second, MarginType.ISOLATED, world.tick())
    if seed % 4 == 3:
        world.exchange.set_leverage(first, 125, world.tick())
        first.commission_asset, first.commission_asset_price = "ASTER", Decimal("0.7")
        world.exchange.deposit(first, "ASTER", Decimal("0.5"), world.tick())
    mid, done, refused = MID, 0, 0
    for step in range(500):
        mid += random.choice((-2, -1, 0, 0, 1, 2)) if step % 60 else random.randrange(-40, 41)
        random_market_event(world, random, mid)
        try:
            random_request(world, random.choice((first, second)), random, mid)
            done += 1
        except Refused:
            refused += 1
        check_book(world.exchange, seed)
        if step % 25 == 0:
            check_account(first, seed)
            check_account(second, seed)
    for account in (first, second):
        check_account(account, seed)
        world.exchange.cancel_all(account, world.tick())
        assert not account.open_orders, f"seed {seed}"
    check_journal(world.exchange, seed)
    assert not world.exchange.matching.displayed(Side.BUY) and not world.exchange.matching.displayed(Side.SELL), f"seed {seed}"
    assert len(first.trades) + len(second.trades) > 100 and done > 100 and refused > 10, f"seed {seed}: nothing happened"


@pytest.mark.parametrize("seed", range(4))
def test_the_same_seed_gives_the_same_journal(seed: int) -> None:
    """The exchange has no randomness or clock of its own: one script, one journal."""
    journals = []
    for _ in range(2):
        random, world = Random(seed), World(accounts=two_accounts())
        for _ in range(150):
            random_market_event(world, random, MID)
            try:
                random_request(world, random.choice(list(world.exchange.accounts.values())), random, MID)
            except Refused:
                pass
        journals.append(list(world.exchange.journal))
    assert journals[0] == journals[1], f"seed {seed}"


@pytest.mark.parametrize("seed", range(3))
def test_a_quoter_on_the_synthetic_market_is_filled_and_balances(seed: int) -> None:
    """A ping-pong quoter at the touch, replaced every two seconds: passive fills within a minute, never a taker, books balanced."""
    exchange = PaperExchange(Symbol.named("ETHUSDT"), SyntheticSource(Symbol.named("ETHUSDT"), seed), start_ms=START_MS, journal_limit=None)
    account = exchange.accounts["paper"]
    for now_ms in range(START_MS, START_MS + 60_000, 2_000):
        exchange.cancel_all(account, now_ms)
        lots = account.positions[PositionSide.BOTH].lots
        side = Side.SELL if lots > 20 else Side.BUY
        touch = exchange.market.outside.best(side)
        assert touch is not None
        fields = {"time_in_force": TimeInForce.GTX, "reduce_only": side is Side.SELL}
        exchange.place(account, request(side, lots if side is Side.SELL else 50 - lots, touch[0], **fields), now_ms)
    check_account(account, seed)
    check_journal(exchange, seed)
    assert account.trades and all(trade.maker for trade in account.trades), f"seed {seed}"
    assert 0 <= account.positions[PositionSide.BOTH].lots <= 50, f"seed {seed}"


@pytest.mark.parametrize("seed", range(8))
def test_books_hold_through_liquidations(seed: int) -> None:
    """Two poor accounts at full leverage in a market that jumps: both are liquidated again and again, and every book still balances."""
    random, mid, liquidations = Random(seed), MID, 0
    world = World(accounts=two_accounts(40))
    accounts = list(world.exchange.accounts.values())
    world.exchange.set_leverage(accounts[0], 125, world.tick())
    world.exchange.set_leverage(accounts[1], 125, world.tick())
    if seed % 2:
        world.exchange.set_margin_type(accounts[1], MarginType.ISOLATED, world.tick())
    for step in range(400):
        if step % 40 == 0:
            mid += random.choice((-9_000, 9_000))
            for account in accounts:
                if account.wallets["USDT"] < 10:
                    world.exchange.deposit(account, "USDT", Decimal(30), world.tick())
        random_market_event(world, random, mid)
        try:
            random_request(world, random.choice(accounts), random, mid)
        except Refused:
            pass
        world.exchange.advance(world.now_ms + 200)
        check_book(world.exchange, seed)
        for account in accounts:
            assert account.open_positions() or account.wallets["USDT"] >= 0, f"seed {seed}"
    for account in accounts:
        check_account(account, seed)
        liquidations += len(account.force_orders)
        assert all(order.status is OrderStatus.FILLED for order in account.force_orders), f"seed {seed}"
    check_journal(world.exchange, seed)
    assert liquidations, f"seed {seed}: nobody was liquidated"
