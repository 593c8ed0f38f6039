"""Partial-depth frames: exact, quick, and refused whole where anything is wrong."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import Any

import pytest

from mmd.core.messages import Depth
from mmd.core.rules import SymbolRules
from mmd.core.units import Grid
from mmd.venue.depth_frame import DepthReader
from mmd.venue.json_fields import ParseError


def document(**changes: Any) -> dict[str, Any]:
    """A frame as V1 "Partial Book Depth Streams" shows it."""
    return {
        "e": "depthUpdate", "E": 1571889248277, "T": 1571889248276, "s": "ETHUSDT", "U": 390497796, "u": 390497878, "pu": 390497794,
        "b": [["2681.61", "0.002"], ["2681.60", "3.906"]], "a": [["2681.62", "3.340"], ["2682.00", "4.525"]], **changes,
    }  # fmt: skip


EXPECTED = Depth(((268_161, 2), (268_160, 3_906)), ((268_162, 3_340), (268_200, 4_525)), 390497878, 1571889248277, 42)


def test_a_documented_frame_reads_raw_and_wrapped(rules: SymbolRules) -> None:
    """The combined wrapper changes nothing, nor does text instead of bytes."""
    reader = DepthReader(rules)
    raw = json.dumps(document())
    assert reader.read(raw.encode(), 42) == EXPECTED
    assert reader.read(raw, 42) == EXPECTED
    assert reader.read(json.dumps({"stream": "ethusdt@depth5@100ms", "data": document()}), 42) == EXPECTED


@pytest.mark.parametrize(
    "other", [{"result": None, "id": 1}, document(s="BTCUSDT"), document(e="bookTicker"), {"stream": "x", "data": {"e": "trade"}}]
)
def test_what_is_no_depth_of_the_symbol_is_passed_over(rules: SymbolRules, other: dict[str, Any]) -> None:
    """The answer to a subscription, another symbol and another event are no errors."""
    assert DepthReader(rules).read(json.dumps(other), 1) is None


def test_an_empty_side_reads_as_empty(rules: SymbolRules) -> None:
    """Whether a book with an empty side is good for anything is for the core to judge."""
    depth = DepthReader(rules).read(json.dumps(document(b=[])), 1)
    assert depth is not None and depth.bids == ()


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"{", b"[]", b"[1]", b"null", b"3", b'"x"', b"\xff\xff", b"[" * 100_000, b'{"data": 1}', b'{"data": null}', b'{"e":"depthUpdate"}',
        *[json.dumps(document(**{name: value})).encode() for name, value in [
            ("b", None), ("b", 1), ("b", [["2681.61"]]), ("b", [["2681.61", "1", "1"]]), ("b", [[2681.61, "0.002"]]), ("b", ["ab"]),
            ("b", [["2681.615", "0.002"]]), ("b", [["2681.61", "0.0021"]]), ("b", [["NaN", "0.002"]]), ("b", [["2681.61", "Infinity"]]),
            ("b", [["0.00", "0.002"]]), ("b", [["2681.61", "0.000"]]), ("b", [["-2681.61", "0.002"]]), ("b", [["2681.61", "-0.002"]]),
            ("b", [["26 81.61", "0.002"]]), ("b", [["2681.61", "0.00x"]]), ("b", [["", ""]]),
            ("b", [[None, "0.002"]]), ("b", [[["2681.61"], "0.002"]]), ("a", [["9" * 6000 + ".00", "0.002"]]),
            ("u", None), ("u", "1"), ("u", 1.5), ("u", True), ("E", None), ("E", "x"),
        ]],
        *[json.dumps({key: value for key, value in document().items() if key != missing}).encode() for missing in ("b", "a", "u", "E", "s")],
    ],
)  # fmt: skip
def test_a_frame_that_cannot_be_used_is_one_parse_error(rules: SymbolRules, frame: bytes) -> None:
    """Half a frame, a missing field, a level off the grid, zero, negative or no number: never a value, never another exception."""
    reader = DepthReader(rules)
    with pytest.raises(ParseError):
        reader.read(frame, 1)
    assert reader.read(json.dumps(document()), 42) == EXPECTED, "a bad frame must not change how the next one reads"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("tick", "step"), [("0.01", "0.001"), ("0.05", "0.1"), ("1", "10"), ("0.0001", "1"), ("0.025", "0.5")])
def test_every_number_reads_as_the_grid_reads_it(rules: SymbolRules, seed: int, tick: str, step: str) -> None:
    """The quick way and the memory agree with the exact way on every grid and in every notation."""
    generator = random.Random(seed)
    price, size = Grid(tick), Grid(step)
    reader = DepthReader(dataclasses.replace(rules, price=price, size=size))

    def notation(grid: Grid, units: int) -> str:
        shown = grid.text(units)
        return generator.choice([shown, shown, shown, shown + "0" if "." in shown else shown + ".0", str(grid.decimal(units))])

    for _ in range(50):
        levels = [(generator.randint(1, 400), generator.randint(1, 10**9)) for _ in range(5)]
        sent = [[notation(price, ticks), notation(size, lots)] for ticks, lots in levels]
        depth = reader.read(json.dumps(document(b=sent, a=[])), 1)
        assert depth is not None and depth.bids == tuple(levels), f"seed {seed}"


def test_what_is_remembered_is_bounded(rules: SymbolRules) -> None:
    """A day of ever new prices does not fill the memory."""
    reader = DepthReader(rules)
    for start in range(1, 20_000, 100):
        levels = [[f"{ticks / 100:.2f}", "1.000"] for ticks in range(start, start + 100)]
        depth = reader.read(json.dumps(document(b=levels)), 1)
        assert depth is not None and depth.bids[0][0] == start
    assert len(reader._ticks) <= 8192
