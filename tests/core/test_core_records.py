"""What the steps leave for the record: whoever keeps it can tell every order's story, every trade and every state from it alone."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from core_rig import MID, Rig
from model_venue import ModelVenue
from test_core_random_venue import FAULTY_MS, HEALTHY_MS, MIXES

from mmd.core.messages import Place, Stream, StreamDown
from mmd.core.records import FillRecord, OrderRecord, Record, StateRecord


def of_order(records: list[Record]) -> list[tuple[str, list[OrderRecord]]]:
    """The order records by client id, each in its order."""
    orders = sorted((record for record in records if isinstance(record, OrderRecord)), key=lambda record: record.client_order_id)
    return [(client_order_id, list(group)) for client_order_id, group in groupby(orders, key=lambda record: record.client_order_id)]


@pytest.mark.parametrize("seed", range(70))
def test_the_record_agrees_with_the_venue(seed: int) -> None:
    """Under faults of all kinds: each order begins and ends, the executed size never falls and ends as the venue's, each trade stands there once."""
    venue = ModelVenue(seed, **MIXES[seed % len(MIXES)])
    venue.start()
    venue.run(FAULTY_MS)
    venue.faulty = False
    venue.run(HEALTHY_MS)
    venue.stop()
    venue.run(3_000)
    stories = of_order(venue.records)
    for client_order_id, story in stories:
        assert story[0].happening in ("registered", "adopted"), f"seed {seed}: {story[0]}"
        assert story[-1].state == "done", f"seed {seed}: {story[-1]}"
        for before, after in pairwise(story):
            assert before._replace(happening="") != after._replace(happening=""), f"seed {seed}: {after} tells nothing new"
            assert before.executed_lots <= after.executed_lots, f"seed {seed}: {before} then {after}"
            assert before.state != "done" or after.happening in ("adopted", "booked") or after.state == "done", f"seed {seed}: {before} then {after}"
        found = venue.orders.get(client_order_id)
        executed = found.executed_lots if found is not None else 0
        assert story[-1].executed_lots == executed, f"seed {seed}: {story[-1]}, the venue says {executed}"
    assert {client_order_id for client_order_id, _ in stories} >= set(venue.orders), f"seed {seed}"
    booked = [record.fill.trade_id for record in venue.records if isinstance(record, FillRecord)]
    assert sorted(booked) == sorted(fill.trade_id for fill in venue.trades), f"seed {seed}"
    states = [record for record in venue.records if isinstance(record, StateRecord)]
    assert all(before != after for before, after in pairwise(states)), f"seed {seed}"
    assert states[-1].state == "stopped", f"seed {seed}: {states[-1]}"


def test_a_fill_is_recorded_with_its_position_and_mid() -> None:
    """The record of a trade holds the position after it, and best bid plus best ask as they were when it was booked."""
    rig = Rig()
    place = rig.quoting()
    rig.depth(MID - 30, half_width=2)
    fill = rig.fill(place.client_order_id, 7)
    assert [record for record in rig.engine.records if isinstance(record, FillRecord)] == []  # the account's event came after it
    rig.fill(place.client_order_id, 5, account_update=False)
    (record,) = (record for record in rig.engine.records if isinstance(record, FillRecord))
    assert (record.own, record.client_order_id, record.position_lots, record.mid_half_ticks) == (True, place.client_order_id, 12, 2 * (MID - 30))
    assert record.fill.trade_id == fill.trade_id + 1


def test_an_order_is_recorded_before_it_is_posted() -> None:
    """The step that asks for the POST has the order on record already."""
    rig = Rig()
    rig.boot()
    assert rig.waits(Place)
    (record,) = (record for record in rig.engine.records if isinstance(record, OrderRecord))
    assert (record.client_order_id, record.happening, record.state) == (rig.pending(Place).client_order_id, "registered", "placing")


def test_a_state_is_recorded_with_what_its_reasons_are_and_not_their_details() -> None:
    """A pause has one record for as long as its reasons stay what they are, however their wording changes."""
    rig = Rig()
    rig.quoting()
    rig.step(StreamDown(Stream.MARKET, "closed with 1006"))
    assert [record for record in rig.engine.records if isinstance(record, StateRecord)] == [StateRecord("pause", ("market stream",), "BUY")]
    rig.step(StreamDown(Stream.MARKET, "refused"))
    assert [record for record in rig.engine.records if isinstance(record, StateRecord)] == []
