"""An account: wallets, positions, orders, settings, and the ledger that must balance to the last digit."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from mmd.core.units import Side
from mmd.paper.order_request import MarginType, PositionSide, StpMode
from mmd.paper.orders import Order, UserTrade
from mmd.paper.symbols import Symbol

CENT8 = Decimal("0.00000001")  # the exchange shows and books money to eight places
ZERO = Decimal(0)
HISTORY_LIMIT = 3_000  # finished orders, trades and income lines kept of each account


def money(amount: Decimal) -> Decimal:
    """Rounds to the eight places in which money is booked."""
    return amount.quantize(CENT8, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account to open: its API key and secret, and its first deposits (asset -> amount)."""

    api_key: str = "paper"
    api_secret: str = "paper"
    deposits: Mapping[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000), "USDF": Decimal(0)})


class Income(NamedTuple):
    """One line of V1 "Get Income History"; `amount` is signed."""

    symbol: str
    income_type: str
    amount: Decimal
    asset: str
    info: str
    at_ms: int
    tran_id: int
    trade_id: int | None


class MarginChange(NamedTuple):
    """One line of V1 "Get Position Margin Change History"; `kind` 1 added, 2 took away."""

    amount: Decimal
    kind: int
    position_side: PositionSide
    at_ms: int


@dataclass(slots=True)
class Position:
    """One position. `cost` is what the open lots were bought (or sold) for, never negative; `realized` is before fees."""

    side: PositionSide
    lots: int = 0
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    updated_ms: int = 0

    def quantity(self, symbol: Symbol) -> Decimal:
        return symbol.lot_grid.decimal(self.lots)

    def entry_price(self, symbol: Symbol) -> Decimal:
        """The average price of the open lots, to eight places; 0 when flat."""
        return money(self.cost / symbol.lot_grid.decimal(abs(self.lots))) if self.lots else ZERO

    def notional(self, symbol: Symbol, mark_price: Decimal) -> Decimal:
        """The signed value at the mark price."""
        return self.quantity(symbol) * mark_price

    def unrealized(self, symbol: Symbol, mark_price: Decimal) -> Decimal:
        if not self.lots:
            return ZERO
        return money(self.notional(symbol, mark_price) - (self.cost if self.lots > 0 else -self.cost))

    def closable_lots(self, side: Side) -> int:
        """How many lots an order of that side can close."""
        return max(0, -self.lots * side.sign)

    def fill(self, symbol: Symbol, side: Side, price_ticks: int, lots: int) -> Decimal:
        """Books a trade; returns the profit that it realises.

        Each part closed takes its share of the cost, rounded once, out of `cost`: over a whole round trip the
        realised profits add up to the exact difference between what was paid and what was got.
        """
        closing = min(lots, self.closable_lots(side))
        realized = ZERO
        if closing:
            value = symbol.notional(price_ticks, closing)
            held = abs(self.lots)
            cost = self.cost if closing == held else money(self.cost * closing / held)
            realized = money(value - cost if side is Side.SELL else cost - value)
            self.cost -= cost
            self.lots += side.sign * closing
        if lots > closing:
            self.cost += symbol.notional(price_ticks, lots - closing)
            self.lots += side.sign * (lots - closing)
        self.realized += realized
        return realized


class Account:
    """One account and all it owns. The exchange changes it; the doors read it and empty `outbox`."""

    def __init__(self, spec: AccountSpec) -> None:
        self.api_key = spec.api_key
        self.api_secret = spec.api_secret
        self.wallets: dict[str, Decimal] = {"USDT": ZERO, "USDF": ZERO}
        self.positions = {side: Position(side) for side in PositionSide}
        self.outbox: deque[dict[str, Any]] = deque()
        # Settings
        self.dual_side = False
        self.multi_assets = False
        self.leverage = 20
        self.margin_type = MarginType.CROSSED
        self.stp_mode = StpMode.EXPIRE_TAKER
        self.mmp: dict[str, Any] | None = None  # market-maker protection, as it was set
        self.agents: dict[str, int] = {}  # address of each agent that has signed, to when its approval ends
        self.commission_asset = ""  # an asset that pays the fees instead of the margin asset, while it lasts
        self.commission_asset_price = Decimal(1)
        # Books
        self.orders: dict[int, Order] = {}
        self.open_orders: dict[int, Order] = {}
        self.trades: deque[UserTrade] = deque(maxlen=HISTORY_LIMIT)
        self.incomes: deque[Income] = deque(maxlen=HISTORY_LIMIT)
        self.margin_changes: deque[MarginChange] = deque(maxlen=HISTORY_LIMIT)
        self.force_orders: deque[Order] = deque(maxlen=HISTORY_LIMIT)
        self.booked: dict[tuple[str, str], Decimal] = {}  # (asset, income type) -> the sum of all that was ever booked
        self.updated_ms = 0
        self.countdown_at_ms: int | None = None
        self.margin_called = False
        self._by_client_id: dict[str, Order] = {}
        self._finished: deque[int] = deque()
        self._tran_id = 0

    def open_positions(self) -> list[Position]:
        return [position for position in self.positions.values() if position.lots]

    def shown_positions(self) -> list[Position]:
        """BOTH in one-way mode, LONG and SHORT in hedge mode."""
        sides = (PositionSide.LONG, PositionSide.SHORT) if self.dual_side else (PositionSide.BOTH,)
        return [self.positions[side] for side in sides]

    def cross_wallet(self, asset: str, margin_asset: str) -> Decimal:
        """The wallet less what is set aside for isolated positions (which is always of the margin asset)."""
        wallet = self.wallets.get(asset, ZERO)
        return wallet - sum((p.isolated_wallet for p in self.positions.values()), ZERO) if asset == margin_asset else wallet

    def book(
        self, income_type: str, asset: str, amount: Decimal, now_ms: int, symbol: str = "", info: str = "", trade_id: int | None = None
    ) -> None:
        """The one door into the wallets: every change is an income line."""
        self.wallets[asset] = self.wallets.get(asset, ZERO) + amount
        key = (asset, income_type)
        self.booked[key] = self.booked.get(key, ZERO) + amount
        self._tran_id += 1
        self.incomes.append(Income(symbol, income_type, amount, asset, info or income_type, now_ms, self._tran_id, trade_id))
        self.updated_ms = now_ms

    def register(self, order: Order) -> None:
        """Takes in a new open order."""
        self.orders[order.order_id] = order
        self.open_orders[order.order_id] = order
        self._by_client_id[order.client_order_id] = order

    def finish(self, order: Order) -> None:
        """An order has ended: it moves to the bounded history."""
        del self.open_orders[order.order_id]
        self._finished.append(order.order_id)
        if len(self._finished) > HISTORY_LIMIT:
            forgotten = self.orders.pop(self._finished.popleft())
            if self._by_client_id.get(forgotten.client_order_id) is forgotten:
                del self._by_client_id[forgotten.client_order_id]

    def find(self, order_id: int | None, client_order_id: str | None) -> Order | None:
        """By order id where that is given (it takes precedence), else the latest with that client order id."""
        if order_id is not None:
            return self.orders.get(order_id)
        return self._by_client_id.get(client_order_id) if client_order_id is not None else None

    def reducible_lots(self, position_side: PositionSide, side: Side, besides: Order | None = None) -> int:
        """What is left to close after the resting orders that only close (conditional orders do not count until triggered)."""
        resting = sum(
            order.remaining_lots for order in self.open_orders.values()
            if order.closes and order.side is side and order.position_side is position_side
            and not order.waits_for_trigger and order is not besides
        )
        return self.positions[position_side].closable_lots(side) - resting
