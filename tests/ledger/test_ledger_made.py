"""The made-up ledger: it is whole, it agrees with itself, and the same seed makes the same one."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import rows
from made_ledger import make_ledger

FILLS = 3_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ledger(tmp_path_factory.mktemp("made") / "made.ledger", FILLS, seed=4)


def test_it_is_whole(made: Path) -> None:
    """So many fills as were asked for, no damage, nothing that refers to nothing, and one file."""
    assert rows(made, "SELECT count(*) FROM fills") == [(FILLS,)]
    assert rows(made, "PRAGMA integrity_check") == [("ok",)] and rows(made, "PRAGMA foreign_key_check") == []
    assert [path.name for path in made.parent.iterdir()] == ["made.ledger"]


def test_its_wallets_hold_what_was_booked(made: Path) -> None:
    """At every update: the first reading, and every profit, fee and funding since, to the last digit."""
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    events: list[tuple[int, int, str, Decimal]] = []
    for at_ms, trade_id, realized, commission, asset in rows(made, "SELECT time_ms, trade_id, realized, commission, commission_asset FROM fills"):
        events += [(at_ms, trade_id, "USDT", Decimal(realized)), (at_ms, trade_id, asset, -Decimal(commission))]
    events += [(at_ms, 0, asset, Decimal(amount)) for at_ms, asset, amount in rows(made, "SELECT time_ms, asset, amount FROM income")]
    events.sort()
    told = 0
    for number, (at_ms, asset, balance, kind) in enumerate(rows(made, "SELECT time_ms, asset, balance, kind FROM wallets ORDER BY rowid")):
        if number < 2:
            sums[asset] = Decimal(balance)
        while events and events[0][0] <= at_ms:
            _, _, moved, amount = events.pop(0)
            sums[moved] += amount
        assert sums[asset] == Decimal(balance), f"row {number}, a {kind} of {asset} at {at_ms}"
        told += 1
    assert told >= FILLS and not events


def test_its_orders_and_positions_follow_from_its_fills(made: Path) -> None:
    """What an order executed are its fills; the position after each fill is the sum of those before."""
    executed = dict(rows(made, "SELECT client_order_id, executed FROM orders WHERE executed"))
    assert executed == dict(rows(made, "SELECT client_order_id, sum(size) FROM fills GROUP BY 1"))
    position = 0
    for side, size, after in rows(made, "SELECT side, size, position FROM fills ORDER BY time_ms"):
        position += size if side == "BUY" else -size
        assert position == after
    assert rows(made, "SELECT count(*) FROM orders WHERE executed = 0 AND status = 'CANCELED'")[0][0] > 100


def test_the_same_seed_makes_the_same_ledger(made: Path, tmp_path: Path) -> None:
    """And another seed another one."""
    same, other = make_ledger(tmp_path / "same.ledger", FILLS, seed=4), make_ledger(tmp_path / "other.ledger", FILLS, seed=5)
    tables = [name for (name,) in rows(made, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert "fills" in tables and all(rows(made, f"SELECT * FROM {table}") == rows(same, f"SELECT * FROM {table}") for table in tables)
    assert rows(made, "SELECT price FROM fills") != rows(other, "SELECT price FROM fills")
