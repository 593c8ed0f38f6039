"""What goes into the engine (events) and what comes out of it (actions), as frozen values.

Prices are whole ticks and sizes whole lots of the symbol. Times that end in `_time_ms` are the venue's clock (milliseconds since the epoch);
`now_ms`, `received_ms` and `asked_ms` are the process's monotonic clock. An absent value is `None`, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from mmd.core.rules import SymbolRules
from mmd.core.units import Side


class OrderStatus(str, Enum):
    """V1 "ENUM definitions: Order status", and the two that "Event: Order Update" adds for liquidations."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NEW_INSURANCE = "NEW_INSURANCE"
    NEW_ADL = "NEW_ADL"

    @property
    def is_terminal(self) -> bool:
        """Whether an order with this status can never trade again."""
        return self in _TERMINAL


_TERMINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})


class Cause(Enum):
    """Why the engine stopped: it was asked to, the symbol's rules are no longer those it was made with (start anew), something beside the trading
    failed (the record cannot be kept; another start may mend it), the venue no longer takes the credentials, or going on would be dangerous."""

    STOP = "stop"
    RULES = "rules"
    FAILURE = "failure"
    CREDENTIALS = "credentials"
    HALT = "halt"


class Stream(str, Enum):
    MARKET = "market"
    USER = "user"


# --- what the venue says of an order, a trade, a position -----------------------------------------------------------------------------


class OrderReport(NamedTuple):
    """One order as the venue described it, in a REST reply or on the user stream. `executed_lots` is cumulative."""

    client_order_id: str
    order_id: int
    side: Side
    status: OrderStatus
    price_ticks: int
    size_lots: int
    executed_lots: int
    reduce_only: bool
    update_time_ms: int


class Fill(NamedTuple):
    """One trade of the account on the symbol. A positive `commission` was paid, a negative one received."""

    trade_id: int
    order_id: int
    client_order_id: str  # empty where the venue does not say (userTrades)
    side: Side
    price_ticks: int
    size_lots: int
    commission: Decimal
    commission_asset: str
    realized_profit: Decimal
    maker: bool
    trade_time_ms: int


class PositionReport(NamedTuple):
    """The symbol's position (one-way mode): signed lots, and the average entry price in quote units (0 when flat)."""

    amount_lots: int
    entry_price: Decimal
    update_time_ms: int


# --- events ---------------------------------------------------------------------------------------------------------------------------


class Depth(NamedTuple):
    """The top levels of the book, best first: (price_ticks, size_lots). `update_id` only grows on one connection; `age_ms` is how old the event
    was by the venue's clock when it was received."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    update_id: int
    event_time_ms: int
    received_ms: int
    age_ms: int = 0


@dataclass(frozen=True)
class MarkPrice:
    """The venue's mark price, in the quote asset."""

    price: Decimal


@dataclass(frozen=True)
class ClockReading:
    """How well the venue's time is known; None: not at all."""

    uncertainty_ms: int | None


@dataclass(frozen=True)
class RateUsed:
    """How much of its limits the venue itself counts as used, by everybody at this address (weight) and on this account (orders), in the minute that ends
    at `until_ms` on the monotonic clock; None where it has not said."""

    weight: int | None
    orders: int | None
    until_ms: int


@dataclass(frozen=True)
class FrameRefused:
    """A market frame that could not be used (not JSON, off the tick, a field missing)."""

    reason: str


@dataclass(frozen=True)
class OrderUpdate:
    """ORDER_TRADE_UPDATE. `fill` is there when the event reports a trade; `forced` marks a liquidation or ADL order."""

    report: OrderReport
    fill: Fill | None
    forced: bool
    event_time_ms: int


@dataclass(frozen=True)
class AccountUpdate:
    """ACCOUNT_UPDATE. Only what the event names has changed: an asset or position that it leaves out is not zero.

    The balances hold everything up to and at `transaction_time_ms`, which the order events of the same match carry too.
    """

    reason: str
    balances: Mapping[str, Decimal]
    position: PositionReport | None
    event_time_ms: int
    transaction_time_ms: int = 0


@dataclass(frozen=True)
class AccountConfigUpdate:
    """ACCOUNT_CONFIG_UPDATE: what was changed, the rest is None."""

    leverage: int | None = None
    dual_side_position: bool | None = None
    multi_assets_margin: bool | None = None


@dataclass(frozen=True)
class MarginCall:
    """MARGIN_CALL: the venue warns that the position is near liquidation."""

    maintenance_margin: Decimal
    unrealized_profit: Decimal


@dataclass(frozen=True)
class StreamUp:
    stream: Stream


@dataclass(frozen=True)
class StreamDown:
    stream: Stream
    reason: str


@dataclass(frozen=True)
class Tick:
    """Nothing happened but time."""


@dataclass(frozen=True)
class Stop:
    """The process is to end: the operator or the supervisor wants it, or something in it has failed."""

    reason: str
    cause: Cause = Cause.STOP


@dataclass(frozen=True)
class Refusal:
    """The venue answered no, and this answer is known to mean that nothing was done. `retry_after_ms` is there on 429 and 418."""

    status: int
    code: int
    message: str
    retry_after_ms: int | None = None


@dataclass(frozen=True)
class Lost:
    """Outcome unknown: the request may have taken effect."""

    reason: str


@dataclass(frozen=True)
class Unsent:
    """The request surely never reached the venue (no connection could be made)."""

    reason: str


@dataclass(frozen=True)
class Reconciled:
    """The account's truth, read in this order: open orders, trades since `from_trade_id`, position, balances."""

    open_orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    position: PositionReport
    balances: Mapping[str, Decimal]


@dataclass(frozen=True)
class CountdownArmed:
    """The venue will cancel the symbol's orders `countdown_ms` after the request, unless it is renewed (0: disarmed)."""

    countdown_ms: int


# --- actions --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """POST order. `post_only` sends GTX, otherwise GTC. Each client id is posted at most once, ever."""

    client_order_id: str
    side: Side
    price_ticks: int
    size_lots: int
    reduce_only: bool
    post_only: bool


@dataclass(frozen=True)
class Amend:
    """PUT order: the new price and the new total size (what is already executed counts)."""

    client_order_id: str
    order_id: int
    side: Side
    price_ticks: int
    size_lots: int


@dataclass(frozen=True)
class Cancel:
    """DELETE order, by client id."""

    client_order_id: str


@dataclass(frozen=True)
class CancelAll:
    """DELETE allOpenOrders of the symbol, whoever placed them."""


@dataclass(frozen=True)
class Query:
    """GET order, by client id."""

    client_order_id: str


@dataclass(frozen=True)
class Reconcile:
    """Read open orders, trades after `from_trade_id` (None: one page of the newest), position and balances; answer with one `Reply`."""

    from_trade_id: int | None


@dataclass(frozen=True)
class ReadRules:
    """GET exchangeInfo: the symbol's rules as they are now."""


@dataclass(frozen=True)
class ArmCountdown:
    """POST countdownCancelAll (the dead man's switch); 0 disarms it."""

    countdown_ms: int


@dataclass(frozen=True)
class RestartStream:
    """Close the stream's connection and make a new one."""

    stream: Stream
    reason: str


@dataclass(frozen=True)
class CheckClock:
    """Read the venue's time now, and not only when it is due."""

    reason: str


class Level(Enum):
    """How much a notice matters. FILL stands above INFO so that a release log can keep fills and errors and drop the rest."""

    DEBUG = 10
    INFO = 20
    FILL = 25
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True)
class Notice:
    """Something an operator wants to read: one log line `event key=value …`."""

    level: Level
    event: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """The engine is done. `open_orders` counts own live orders by the venue's word; None where it could not be asked."""

    open_orders: int | None
    reason: str
    cause: Cause

    @property
    def clean(self) -> bool:
        return self.open_orders == 0


Request = Place | Amend | Cancel | CancelAll | Query | Reconcile | ReadRules | ArmCountdown
Outcome = OrderReport | Reconciled | SymbolRules | CountdownArmed | Refusal | Lost | Unsent | None


@dataclass(frozen=True)
class Reply:
    """What became of a request: the report (Place, Amend, Cancel, Query), `Reconciled`, `CountdownArmed`, None (CancelAll),
    or one of the three ways to fail. `sent_ms` is when the gateway began to send it."""

    request: Request
    outcome: Outcome
    sent_ms: int


MarketEvent = Depth | FrameRefused | MarkPrice
UserEvent = OrderUpdate | AccountUpdate | AccountConfigUpdate | MarginCall
Event = MarketEvent | UserEvent | StreamUp | StreamDown | ClockReading | RateUsed | Tick | Stop | Reply
Action = Request | RestartStream | CheckClock | Notice | Finished


def why(outcome: object) -> str:
    """One short text for any outcome that is a failure."""
    if isinstance(outcome, Refusal):
        return f"{outcome.status} {outcome.code} {outcome.message}"
    if isinstance(outcome, (Lost, Unsent)):
        return outcome.reason
    if isinstance(outcome, OrderReport):
        return f"answered with status {outcome.status.value}"
    return str(outcome)
