"""The tape and its aggregates."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from mmd.paper.tape import TRADES_KEPT, Tape


def test_one_moment_price_and_side_make_one_aggregate() -> None:
    """Trades that differ in time, price or maker side stand apart; the others add up."""
    tape = Tape(first_id=100)
    for row in [(1, 50, 2, True), (1, 50, 3, True), (1, 51, 1, True), (1, 51, 1, False), (2, 51, 1, False), (2, 51, 4, False)]:
        tape.record(*row)
    found = [tuple(entry)[1:] for entry in tape.aggregates.entries()]
    assert found == [
        (1, 50, 5, 100, 101, True), (1, 51, 1, 102, 102, True), (1, 51, 1, 103, 103, False), (2, 51, 5, 104, 105, False)]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_aggregates_hold_every_trade_once(seed: int) -> None:
    """Ids are consecutive, the aggregates' spans follow one another without a hole, and the sizes add up; all of it bounded."""
    random, tape, at_ms = Random(seed), Tape(first_id=7), 0
    for _ in range(3 * TRADES_KEPT):
        at_ms += random.random() < 0.3
        tape.record(at_ms, random.randrange(1, 4), random.randrange(1, 9), random.random() < 0.5)
    trades, aggregates = tape.trades.entries(), tape.aggregates.entries()
    assert [trade.trade_id for trade in trades] == list(range(trades[0].trade_id, 7 + 3 * TRADES_KEPT)), f"seed {seed}"
    assert max(len(trades), len(aggregates)) <= 2 * TRADES_KEPT, f"seed {seed}"
    for earlier, later in itertools.pairwise(aggregates):
        assert (later.aggregate_id, later.first_id) == (earlier.aggregate_id + 1, earlier.last_id + 1), f"seed {seed}"
    sizes = {trade.trade_id: trade.size_lots for trade in trades}
    whole = [entry for entry in aggregates if entry.first_id >= trades[0].trade_id]
    assert whole, f"seed {seed}"
    for entry in whole:
        assert entry.size_lots == sum(sizes[number] for number in range(entry.first_id, entry.last_id + 1)), f"seed {seed}"


def test_aggregates_are_found_by_id_and_by_time() -> None:
    """Both ends of a span are inclusive; a start counts from there, no start means the latest."""
    tape = Tape(first_id=0)
    for at_ms in range(10):
        tape.record(at_ms, 50, 1, True)
    times = lambda *asked: [entry.at_ms for entry in tape.aggregates_between(*asked)]
    assert times(None, None, None, 3) == [7, 8, 9]
    assert times(4, None, None, 3) == [4, 5, 6]
    assert times(None, 3, 5, 500) == [3, 4, 5]
    assert times(None, 3, None, 2) == [3, 4]
    assert times(None, None, 5, 2) == [4, 5]
