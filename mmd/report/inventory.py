"""How much was held and for how long: the position as a step function of the fills, its notional from the marks and fills."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mmd.report.rows import amount_of, price_text


@dataclass(frozen=True, slots=True)
class Inventory:
    """Positions in the base asset, notionals in the quote asset. Means are over time, `known_ms` of it, in which the ledger tells the
    position; shares of that time add up to one (None without any). `mean_notional` is the mean over the marks."""

    start: Decimal
    end: Decimal
    known_ms: int
    mean_position: float | None
    mean_absolute: float | None
    longest: Decimal
    shortest: Decimal
    long_share: float | None
    short_share: float | None
    flat_share: float | None
    mean_notional: Decimal | None
    max_notional: Decimal


class InventoryPath:
    """Takes the position whenever it changes, in the order of time."""

    def __init__(self, position: int, since_ms: int) -> None:
        self._start = self._position = self._longest = self._shortest = position
        self._since_ms = self._began_ms = since_ms
        self._long_ms = self._short_ms = 0
        self._area = self._long_area = 0
        self._max_notional = 0

    def move(self, time_ms: int, position: int, price: int) -> None:
        """From now on this is the position (1e-8), valued at `price` (1e-8) for the largest notional."""
        self._pass(time_ms)
        self._position = position
        if position > self._longest:
            self._longest = position
        elif position < self._shortest:
            self._shortest = position
        notional = abs(position) * price
        if notional > self._max_notional:  # noqa: PLR1730 (a million times)
            self._max_notional = notional

    def results(self, end_ms: int, mean_notional: Decimal | None, max_marked: Decimal) -> Inventory:
        """The figures, the position being known until `end_ms`."""
        end = self._position
        self._pass(end_ms)
        known_ms = self._since_ms - self._began_ms
        long, short, flat = (
            part / known_ms if known_ms else None for part in (self._long_ms, self._short_ms, known_ms - self._long_ms - self._short_ms)
        )
        mean = self._area / known_ms / 1e8 if known_ms else None
        absolute = (2 * self._long_area - self._area) / known_ms / 1e8 if known_ms else None
        return Inventory(
            price_text(self._start),
            price_text(end),
            known_ms,
            mean,
            absolute,
            price_text(max(0, self._longest)),
            price_text(min(0, self._shortest)),
            long,
            short,
            flat,
            mean_notional,
            max(amount_of(self._max_notional), max_marked),
        )

    def _pass(self, time_ms: int) -> None:
        lasted_ms = time_ms - self._since_ms
        if lasted_ms <= 0:
            return
        self._since_ms = time_ms
        if self._position > 0:
            self._long_ms += lasted_ms
            self._long_area += self._position * lasted_ms
        elif self._position < 0:
            self._short_ms += lasted_ms
        self._area += self._position * lasted_ms
