"""Round trips: from no position to none again, however many fills it takes; and the position itself, for how long and how large."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from mmd.report.rows import EXACT, price_text

_ZERO = Decimal(0)
_MEAN = Decimal("1e-12")  # a mean need not end: so many digits of it are kept


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One closed position. `profit` is realised less fees plus rebates in margin assets; `size` is the largest that was held, `fills`
    counts those of both ways, a fill that turns the position over on either side. `opened_ms` is None where the ledger does not reach
    back to it."""

    opened_ms: int | None
    closed_ms: int
    is_long: bool
    size: Decimal
    fills: int
    realized: Decimal
    profit: Decimal

    @property
    def holding_ms(self) -> int | None:
        return None if self.opened_ms is None else self.closed_ms - self.opened_ms


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Those that were closed within the period, wherever they began; holding times in milliseconds."""

    count: int
    wins: int
    losses: int
    profit: Decimal
    mean_profit: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    mean_holding_ms: float | None
    median_holding_ms: float | None
    carried_in: bool
    open_since_ms: int | None
    open_position: Decimal
    jumps: int


class RoundTripPath:
    """Follows the position from fill to fill. `closed` is told of every round trip as it ends."""

    def __init__(self, closed: Callable[[RoundTrip], None] | None = None) -> None:
        self.position = 0
        self.known = False  # whether anything has said what the position is
        self.jumps = 0
        self.carried_in = False
        self._tell = closed
        self._counting = False
        self._opened_ms: int | None = None
        self._largest = self._fills = 0
        self._realized = self._profit = _ZERO
        self._holding_ms = array("q")
        self._count = self._wins = self._losses = 0
        self._sum = _ZERO
        self._best: Decimal | None = None
        self._worst: Decimal | None = None

    def assume(self, position: int) -> None:
        """The position as it is known without a fill, and opened who knows when."""
        self.position, self.known = position, True
        self._begin(None, position)

    def count_from_here(self) -> None:
        """The period begins."""
        self._counting = True
        self.carried_in = self.position != 0

    def reset(self) -> None:
        """A new account: what was held is nobody's any more."""
        self.position, self.known = 0, True
        self._begin(None, 0)

    def fill(self, time_ms: int, signed: int, stated: int | None, source: str, realized: Decimal, fee: Decimal) -> None:
        """The next trade: signed size and stated position after it in 1e-8; `fee` in the quote asset."""
        before = self.position
        if stated is not None and stated - signed != before and source != "reconcile":
            # Trades that the ledger does not have (or the first entry): the daemon's own word of the position counts.
            if self.known:
                self.jumps += 1
            elif self._counting:
                self.carried_in = stated != signed
            before = stated - signed
            self._begin(None, before)
        self.known = True
        after = self.position = before + signed
        if not before:
            self._begin(time_ms, after)
        elif (before > 0) != (after > 0) and after:
            # Through zero: the fill closes with one part and opens with the other. Only the closing part has realised anything.
            closing_fee = EXACT.divide(EXACT.multiply(fee, abs(before)), abs(signed))
            self._take(realized, closing_fee)
            self._close(time_ms, before)
            self._begin(time_ms, after)
            fee = EXACT.subtract(fee, closing_fee)
            realized = _ZERO
        self._take(realized, fee)
        if not after:
            self._close(time_ms, before)
        elif abs(after) > self._largest:
            self._largest = abs(after)

    def results(self) -> RoundTrips:
        mean_holding = sum(self._holding_ms) / len(self._holding_ms) if self._holding_ms else None
        return RoundTrips(
            count=self._count,
            wins=self._wins,
            losses=self._losses,
            profit=self._sum,
            mean_profit=(self._sum / self._count).quantize(_MEAN) if self._count else None,
            best=self._best,
            worst=self._worst,
            mean_holding_ms=mean_holding,
            median_holding_ms=float(median(self._holding_ms)) if self._holding_ms else None,
            carried_in=self.carried_in,
            open_since_ms=self._opened_ms if self.position else None,
            open_position=price_text(self.position),
            jumps=self.jumps,
        )

    def _begin(self, opened_ms: int | None, position: int) -> None:
        self._opened_ms, self._largest, self._fills = opened_ms, abs(position), 0
        self._realized = self._profit = _ZERO

    def _take(self, realized: Decimal, fee: Decimal) -> None:
        self._fills += 1
        self._realized += realized
        self._profit += realized - fee

    def _close(self, time_ms: int, before: int) -> None:
        if not self._counting:
            return
        self._count += 1
        profit = self._profit
        self._sum += profit
        self._wins += profit > 0
        self._losses += profit < 0
        if self._best is None or profit > self._best:
            self._best = profit
        if self._worst is None or profit < self._worst:
            self._worst = profit
        if self._opened_ms is not None:
            self._holding_ms.append(time_ms - self._opened_ms)
        if self._tell is not None:
            self._tell(RoundTrip(self._opened_ms, time_ms, before > 0, price_text(self._largest), self._fills, self._realized, profit))
