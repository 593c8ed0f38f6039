"""What a client asks for: the words and the fields of a new order (V1 "New Order", V3 "New Order" for `stpMode`)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from mmd.core.units import Side


class OrderType(str, Enum):
    """V1 "ENUM definitions", order types."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def conditional(self) -> bool:
        """Whether the order waits for a trigger price (an "algo" order in the filters' words)."""
        return self not in (OrderType.LIMIT, OrderType.MARKET)

    @property
    def takes_price(self) -> bool:
        """Whether the order has a limit price of its own."""
        return self in (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT)


class TimeInForce(str, Enum):
    """V1 "ENUM definitions", time in force."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    HIDDEN = "HIDDEN"


class PositionSide(str, Enum):
    """V1 "ENUM definitions", position side: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class WorkingType(str, Enum):
    """Which price triggers a conditional order."""

    MARK_PRICE = "MARK_PRICE"
    CONTRACT_PRICE = "CONTRACT_PRICE"


class StpMode(str, Enum):
    """Self-trade prevention (V3 "Change STP Mode"): which of the two orders of one account expires instead of trading."""

    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class MarginType(str, Enum):
    """V1 "Change Margin Type"."""

    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order as sent: enums parsed, numbers still `Decimal`; None is "not sent". The exchange checks it, not this class."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    position_side: PositionSide | None = None
    reduce_only: bool | None = None
    client_order_id: str | None = None
    stop_price: Decimal | None = None
    close_position: bool | None = None
    activation_price: Decimal | None = None
    callback_rate: Decimal | None = None
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    price_protect: bool = False
    stp_mode: StpMode | None = None
