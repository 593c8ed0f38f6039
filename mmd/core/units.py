"""Ticks and lots: money is never a float, so prices and sizes are integers inside and decimal text at the edge."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from enum import Enum

from mmd.core.errors import MmdError

# Room for any price or size there is; a digit or an exponent beyond it raises instead of being rounded away.
_EXACT = Context(prec=40, Emax=40, Emin=-40, traps=[InvalidOperation, Inexact, Overflow])


class OffGridError(MmdError):
    """A price or size that is no whole number of ticks or lots (or no number at all)."""


class Side(str, Enum):
    """The side of an order, in the exchange document's words (V1 "ENUM definitions")."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 where a fill adds to the position, -1 where it takes away."""
        return 1 if self is Side.BUY else -1


class Grid:
    """One step size (a tick of price or a lot of size) and the exact way to and from decimal text.

    `Grid("0.01").units("2681.62")` is 268162 and `.text(268162)` is "2681.62".
    """

    __slots__ = ("_exponent", "_mantissa", "decimals", "step")

    def __init__(self, step: str | Decimal) -> None:
        try:
            value = Decimal(step)
        except InvalidOperation as error:
            raise OffGridError(f"a step size must be a positive number, got {step!r}") from error
        if not value.is_finite() or value <= 0:
            raise OffGridError(f"a step size must be a positive number, got {step!r}")
        self.step = value.normalize()
        exponent = self.step.as_tuple().exponent
        assert isinstance(exponent, int)
        self.decimals = max(0, -exponent)
        self._exponent = exponent
        self._mantissa = int(self.step.scaleb(-exponent))

    def __repr__(self) -> str:
        return f"Grid({str(self.step)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and other.step == self.step

    def __hash__(self) -> int:
        return hash(self.step)

    def units(self, value: str | Decimal) -> int:
        """The whole number of steps in `value`. Raises OffGridError where it is not whole; never rounds."""
        try:
            scaled = Decimal(value).scaleb(-self._exponent, _EXACT)
            whole = int(scaled)
        except (ArithmeticError, ValueError) as error:
            raise OffGridError(f"{value!r} is no number on a grid of {self.step}") from error
        if whole != scaled or whole % self._mantissa:
            raise OffGridError(f"{value} is not a multiple of {self.step}")
        return whole // self._mantissa

    def floor(self, value: Decimal) -> int:
        """The largest whole number of steps that is not above `value`."""
        return int((value / self.step).to_integral_value("ROUND_FLOOR"))

    def ceil(self, value: Decimal) -> int:
        """The smallest whole number of steps that is not below `value`."""
        return int((value / self.step).to_integral_value("ROUND_CEILING"))

    def decimal(self, units: int) -> Decimal:
        """The exact value of `units` steps."""
        return (self._mantissa * Decimal(units)).scaleb(self._exponent)

    def text(self, units: int) -> str:
        """Plain decimal text (never scientific), with the step's own number of decimals."""
        return f"{self.decimal(units):.{self.decimals}f}"
