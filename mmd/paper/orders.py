"""An order's life on the exchange, and the trades it made."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from mmd.core.units import Side
from mmd.paper.order_request import OrderType, PositionSide, StpMode, TimeInForce, WorkingType

if TYPE_CHECKING:
    from mmd.paper.account import Account


class OrderStatus(str, Enum):
    """V1 "ENUM definitions", order status."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def open(self) -> bool:
        return self in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(slots=True, eq=False)
class Order:
    """One order. Sizes in lots, prices in ticks (0 where it has none); `executed_tick_lots` sums price times size of its trades."""

    order_id: int
    client_order_id: str
    account: Account
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    position_side: PositionSide
    original_lots: int
    price_ticks: int
    created_ms: int
    reduce_only: bool = False
    close_position: bool = False
    stop_ticks: int = 0
    activation_ticks: int = 0
    callback_rate: Decimal | None = None
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    price_protect: bool = False
    stp_mode: StpMode = StpMode.EXPIRE_TAKER
    original_type: OrderType = OrderType.LIMIT
    status: OrderStatus = OrderStatus.NEW
    executed_lots: int = 0
    executed_tick_lots: int = 0
    updated_ms: int = 0
    amendments: int = 0
    liquidates: bool = False
    extreme_price: Decimal | None = None  # of a trailing stop: the lowest (BUY) or highest (SELL) price since it was placed

    @property
    def remaining_lots(self) -> int:
        return self.original_lots - self.executed_lots

    @property
    def open(self) -> bool:
        return self.status.open

    @property
    def waits_for_trigger(self) -> bool:
        """Whether a conditional order has not been triggered yet (a triggered one has become LIMIT or MARKET)."""
        return self.type.conditional

    @property
    def closes(self) -> bool:
        """Whether the order may only shrink its position: reduce-only, close-all, or against its side in hedge mode."""
        if self.position_side is PositionSide.BOTH:
            return self.reduce_only or self.close_position
        return (self.side is Side.SELL) == (self.position_side is PositionSide.LONG)


@dataclass(frozen=True, slots=True)
class UserTrade:
    """One trade of one account (V1 "Account Trade List"). `commission` is positive where it costs."""

    trade_id: int
    order_id: int
    client_order_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    price_ticks: int
    size_lots: int
    maker: bool
    realized_pnl: Decimal
    commission: Decimal
    commission_asset: str
    at_ms: int
