"""What the operator chose, as the engine takes it: validated values, durations in milliseconds, fractions as exact decimals."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mmd.core.units import Side


@dataclass(frozen=True)
class StrategySettings:
    """The ping-pong cycle.

    `opening_side` is BUY for `bias: long` and SELL for `bias: short`. Spreads and `balance_fraction` are fractions (0.001 is 10 bps);
    `position_threshold` is a notional in the quote asset. Each side quotes up to `levels` orders, `level_step` (a fraction of mid) apart.
    """

    opening_side: Side = Side.BUY
    buy_spread: Decimal = Decimal("0.001")
    sell_spread: Decimal = Decimal("0.001")
    balance_fraction: Decimal = Decimal("0.1")
    position_threshold: Decimal = Decimal(15)
    levels: int = 1
    level_step: Decimal = Decimal("0.0005")
    margin_assets: tuple[str, ...] = ("USDT", "USDF")


@dataclass(frozen=True)
class OrderSettings:
    """When a working order is good enough, and whose orders are ours.

    `price_change_threshold` and `size_change_threshold` are fractions. Ours are the orders whose client id starts with
    `client_id_prefix` and a dash; with `cancel_scope_symbol` every order of the symbol is cancelled at start and stop. `stp_mode` is the venue's
    self-trade prevention for new orders (V3 "STP Mode"; None: the account's own).
    """

    refresh_interval_ms: int = 1_000
    price_change_threshold: Decimal = Decimal("0.0002")
    size_change_threshold: Decimal = Decimal("0.02")
    max_order_age_ms: int = 60_000
    post_only: bool = True
    amend: bool = True
    cancel_scope_symbol: bool = False
    client_id_prefix: str = "mmd"
    stp_mode: str | None = None


@dataclass(frozen=True)
class FillLimits:
    """How much may fill within `window_ms` before quoting freezes for `frozen_ms`; a limit that is None does not bind.

    `size` and `net_size` (buys less sells) are in the base asset, `notional` in the quote asset.
    """

    window_ms: int = 5_000
    frozen_ms: int = 30_000
    size: Decimal | None = None
    notional: Decimal | None = None
    net_size: Decimal | None = None

    @property
    def are_set(self) -> bool:
        return self.size is not None or self.notional is not None or self.net_size is not None


@dataclass(frozen=True)
class RiskSettings:
    """Bounds that no quote may cross.

    `max_position_notional` (quote asset; None: no bound of its own) counts the position and all that may still fill. `countdown_ms` is
    the venue's dead man's switch (0: not used). `order_rate_fraction` of the venue's orders a minute may be used. A loss of this run of
    `max_loss` (quote asset, realised and unrealised, fees included; None: no bound) or `max_refusals` refused orders in a minute halt it;
    `flatten_on_halt` then closes the position at the market. A book whose mid is off the mark price by more than `max_mark_deviation` is refused.
    """

    max_position_notional: Decimal | None = None
    countdown_ms: int = 30_000
    order_rate_fraction: Decimal = Decimal("0.8")
    max_loss: Decimal | None = None
    max_refusals: int = 30
    flatten_on_halt: bool = False
    max_mark_deviation: Decimal = Decimal("0.05")
    fills: FillLimits = FillLimits()


@dataclass(frozen=True)
class TimingSettings:
    """How long the engine waits before it doubts, in milliseconds.

    `acceptance_window_ms` is how long a signed request can still be accepted by the venue (V1 `recvWindow`; FAULTS O3). `gap_ms` without a step,
    beyond the wait that was meant, means that the process or the machine stood still.
    """

    stale_book_ms: int = 2_000
    acceptance_window_ms: int = 5_000
    acceptance_grace_ms: int = 2_000
    query_interval_ms: int = 500
    echo_ms: int = 5_000
    unbooked_ms: int = 2_000
    mismatch_ms: int = 2_000
    reconcile_retry_ms: int = 1_000
    refusal_backoff_ms: int = 1_000
    refusal_backoff_max_ms: int = 60_000
    stop_deadline_ms: int = 15_000
    max_clock_uncertainty_ms: int = 500
    gap_ms: int = 5_000


@dataclass(frozen=True)
class EngineSettings:
    strategy: StrategySettings = StrategySettings()
    orders: OrderSettings = OrderSettings()
    risk: RiskSettings = RiskSettings()
    timing: TimingSettings = TimingSettings()
