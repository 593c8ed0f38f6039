"""Figures as people read them: digits in groups, a fixed number of decimals, durations in the unit that fits."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise

from mmd.report.rows import EXACT

NONE = "-"
_SPANS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def exact(amount: Decimal) -> str:
    """Every digit, without exponent and without idle zeros."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def fixed(amount: Decimal | float | None, decimals: int = 4, sign: bool = False) -> str:
    """Rounded, with thousands in groups; never `-0.00`. With `sign`, what is positive says so."""
    if amount is None:
        return NONE
    value = (
        amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, EXACT) if isinstance(amount, Decimal) else round(amount, decimals)
    )
    if not value:
        return f"{0:.{decimals}f}"
    return f"{value:{'+' if sign else ''},.{decimals}f}"


def quantity(amount: Decimal | float | None) -> str:
    """A size in the base asset: up to eight decimals, as many as it has (a mean has no more than six)."""
    if amount is None:
        return NONE
    if isinstance(amount, float):
        return f"{amount:,.6f}".rstrip("0").rstrip(".")
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float | None, decimals: int = 1) -> str:
    """A part of one in percent; what is not quite nothing or not quite everything does not claim to be."""
    if share is None:
        return NONE
    text = f"{share * 100:.{decimals}f}"
    least = 10.0**-decimals
    if share > 0 and float(text) == 0:
        return f"<{least:.{decimals}f} %"
    if share < 1 and float(text) == 100:
        return f">{100 - least:.{decimals}f} %"
    return f"{text} %"


def count(number: int) -> str:
    return f"{number:,}"


def duration(ms: float | None) -> str:
    """Two units at most: `3 d 4 h`, `12 min 5 s`, `2.5 s`, `340 ms`."""
    if ms is None:
        return NONE
    if ms < 1_000:
        return f"{ms:.0f} ms"
    if ms < 60_000:
        return f"{ms / 1000:.1f} s".replace(".0 s", " s")
    for (unit_ms, name), (lower_ms, lower_name) in pairwise(_SPANS):
        if ms >= unit_ms:
            whole, rest = divmod(int(ms), unit_ms)
            lower = rest // lower_ms
            return f"{whole} {name} {lower} {lower_name}" if lower else f"{whole} {name}"
    return NONE


def microseconds(us: float) -> str:
    """Three digits that count: `45 us`, `7.79 ms`, `1.20 s`."""
    for scale, name in ((1e6, "s"), (1e3, "ms")):
        if us >= scale:
            value = us / scale
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {name}"
    return f"{us:.0f} us"
