"""Ticks and lots are exact: what is on the grid goes through unchanged, everything else is refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmd.core.units import Grid, OffGridError, Side

STEPS = ("0.01", "0.001", "1", "10", "5", "0.5", "0.25", "0.00000001", "1E-7", "1E+2", "0.010")
grids = st.sampled_from(STEPS).map(Grid)


@given(grids, st.integers(-(10**15), 10**15))
def test_units_and_text_are_inverse(grid: Grid, units: int) -> None:
    """Any whole number of steps survives the way to text and back, and the text is plain."""
    text = grid.text(units)
    assert grid.units(text) == units
    assert "E" not in text and len(text.partition(".")[2]) == grid.decimals
    assert Fraction(text) == units * Fraction(grid.step)


@given(grids, st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_units_never_rounds(grid: Grid, value: Decimal) -> None:
    """What comes out is exactly what went in, or it is refused."""
    exact = Fraction(value) / Fraction(grid.step)
    if exact.denominator == 1:
        assert grid.units(value) == exact
    else:
        with pytest.raises(OffGridError):
            grid.units(value)


@given(grids, st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=10))
def test_floor_and_ceil_enclose(grid: Grid, value: Decimal) -> None:
    """The floor is the largest whole number of steps not above the value, the ceiling the smallest not below."""
    low, high, step = grid.floor(value), grid.ceil(value), Fraction(grid.step)
    assert low * step <= Fraction(value) < (low + 1) * step
    assert (high - 1) * step < Fraction(value) <= high * step


@pytest.mark.parametrize(
    "value", ["", "abc", "NaN", "sNaN", "Infinity", "-Infinity", "1e9999999", "0.015", "2681.62000000000000000000000000000000001", "1e-40"]
)
def test_nonsense_is_off_the_grid(value: str) -> None:
    """Not a number, absurdly large, or off by however little: one error, at once."""
    with pytest.raises(OffGridError):
        Grid("0.01").units(value)


@pytest.mark.parametrize("step", ["0", "-0.01", "NaN", "Infinity"])
def test_a_step_is_a_positive_number(step: str) -> None:
    """No other step size is taken."""
    with pytest.raises(OffGridError):
        Grid(step)


@pytest.mark.parametrize("step", ["", "tick", "0,01"])
def test_a_step_that_is_no_number_is_the_same_error(step: str) -> None:
    """The caller has one error to catch."""
    with pytest.raises(OffGridError):
        Grid(step)


def test_examples_read_as_documented() -> None:
    """The two examples of the docstring."""
    assert Grid("0.01").units("2681.62") == 268162
    assert Grid("0.01").text(268162) == "2681.62"


def test_grids_are_equal_by_their_step() -> None:
    """0.010 is 0.01, and the hash agrees."""
    assert Grid("0.010") == Grid("0.01") != Grid("0.1")
    assert len({Grid("0.010"), Grid("0.01")}) == 1
    assert repr(Grid("0.010")) == "Grid('0.01')"
    assert Grid("1") != 1


def test_sides() -> None:
    """BUY adds, SELL takes away, and each is the other's opposite."""
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
