"""Writing: what each entry leaves in the tables, what is told twice, what a failed batch leaves, what is thinned out."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from ledger_rig import RULES, T0, a_fill, a_life, a_line, an_order, noted, opened, rows

from mmd.core.errors import ConfigError
from mmd.core.messages import Fill, OrderStatus
from mmd.core.records import StateRecord
from mmd.core.units import Grid, Side
from mmd.ledger.entries import (
    Baseline,
    Counted,
    Entry,
    IncomeRead,
    Marked,
    MarkOut,
    Noted,
    RunEnded,
    RunStarted,
    TradesRead,
    WalletRead,
    WalletUpdate,
)
from mmd.ledger.opening import LedgerError
from mmd.ledger.writer import Ledger, ReadMarks, scale_of

HOUR = 3_600_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eth.ledger"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    made = opened(path)
    yield made
    made.close()


def read(*fills: Fill, to: int = 0) -> TradesRead:
    """Trades as the venue's list has them: without our order id."""
    return TradesRead(T0 + 5_000, RULES, [fill._replace(client_order_id="") for fill in fills], to)


# --- fills


def test_a_fill_keeps_everything_that_is_known_of_it(path: Path, ledger: Ledger) -> None:
    """Prices and sizes in 1e-8, money as exact text, the mid of half a tick."""
    ledger.write([noted(a_fill())])
    assert rows(path, "SELECT * FROM fills") == [
        ("ETHUSDT", 1, "BUY", T0 + 100, T0 + 105, "stream", 1, 70, "mmd-s1-1", 1, 2500 * 10**8, 10**6, "0", "0.00125", "USDT", 1, 10**6,
         250_000_500_000, None, None, None, None),
    ]  # fmt: skip


def test_a_fill_heard_twice_is_one_row(path: Path, ledger: Ledger) -> None:
    """In one batch or in two; the other side of the same trade is another fill."""
    ledger.write([noted(a_fill()), noted(a_fill()), noted(a_fill(side=Side.SELL))])
    ledger.write([noted(a_fill(), time_ms=T0 + 999)])
    assert rows(path, "SELECT side, heard_ms FROM fills ORDER BY side") == [("BUY", T0 + 105), ("SELL", T0 + 105)]


@pytest.mark.parametrize("stream_first", [True, False])
def test_what_the_stream_said_of_a_fill_is_kept(path: Path, ledger: Ledger, stream_first: bool) -> None:
    """Read from history first or later, it is one row, and that is the richer one."""
    told, listed = noted(a_fill()), read(a_fill(commission=Decimal("-0.00125")))
    for entry in (told, listed) if stream_first else (listed, told):
        ledger.write([entry])
    assert rows(path, "SELECT source, client_order_id, own, run, commission, position, mid FROM fills") == [
        ("stream", "mmd-s1-1", 1, 1, "0.00125", 10**6, 250_000_500_000),
    ]


def test_a_fill_from_history_keeps_what_the_list_knows(path: Path, ledger: Ledger) -> None:
    """No mids, no position, no run; ours or not is unknown where no order of ours has its id."""
    ledger.write([read(a_fill())])
    assert rows(path, "SELECT source, client_order_id, own, run, position, mid FROM fills") == [("history", "", None, None, None, None)]


def test_a_fill_from_history_is_ours_where_its_order_is(path: Path, ledger: Ledger) -> None:
    """A run that was killed had written its order, and not that it filled."""
    ledger.write([Noted(T0, "stream", [an_order("seen live", "working", order_id=70)])])
    ledger.write([RunStarted(T0 + 9, "s2", "1.0", False, RULES), read(a_fill(), a_fill(2, order_id=71), a_fill(3, side=Side.SELL))])
    assert rows(path, "SELECT trade_id, own, client_order_id FROM fills ORDER BY trade_id") == [(1, 1, "mmd-s1-1"), (2, None, ""), (3, None, "")]


@pytest.mark.parametrize(("delay_ms", "known"), [(0, True), (2_000, True), (2_001, False)])
def test_a_mid_long_after_the_fill_is_none(path: Path, ledger: Ledger, delay_ms: int, known: bool) -> None:
    """What the market was when a gap was closed says nothing of the fill in the gap."""
    ledger.write([noted(a_fill(), time_ms=T0 + 100 + delay_ms, source="reconcile")])
    assert (rows(path, "SELECT mid FROM fills") != [(None,)]) is known


def test_mark_outs_join_their_fill(path: Path, ledger: Ledger) -> None:
    """By trade and side, each in its own column; a mid finer than the grid is rounded down."""
    ledger.write([noted(a_fill(), a_fill(side=Side.SELL))])
    ledger.write([MarkOut(1, Side.BUY, 1, Decimal("2500.015")), MarkOut(1, Side.BUY, 300, Decimal("0.123456785"))])
    assert rows(path, "SELECT side, mid_1, mid_5, mid_30, mid_300 FROM fills ORDER BY side") == [
        ("BUY", 250_001_500_000, None, None, 12_345_678), ("SELL", None, None, None, None),
    ]


def test_ticks_of_two_rules_are_told_apart(path: Path, ledger: Ledger) -> None:
    """After the tick has changed the same price is the same number, also where the list was read with the old rules."""
    finer = replace(RULES, price=Grid("0.001"), size=Grid("0.0001"))
    ledger.write([RunStarted(T0, "s2", "1.0", False, finer), noted(a_fill(2, price_ticks=2_500_000, size_lots=100)), read(a_fill(3))])
    assert rows(path, "SELECT price, size FROM fills") == [(2500 * 10**8, 10**6)] * 2


def test_a_grid_finer_than_the_ledger_s_is_refused() -> None:
    """Nothing is rounded away in silence."""
    with pytest.raises(ConfigError, match="eight decimals"):
        scale_of(replace(RULES, size=Grid("0.000000005")))


# --- the venue's lists


def test_a_first_reading_of_the_account_is_where_a_new_ledger_begins(path: Path, ledger: Ledger) -> None:
    """Trades from before are not its own, whatever the list is asked for; how far it read is known from then on."""
    assert ledger.read_marks is None
    ledger.write([Baseline(T0 + 50, 40)])
    assert ledger.read_marks == ReadMarks(40, T0 + 50, T0 + 50)
    ledger.write([read(a_fill(41, trade_time_ms=T0 + 49), a_fill(42, trade_time_ms=T0 + 50), to=42), IncomeRead(T0 + 99, [], T0 + 90)])
    assert rows(path, "SELECT trade_id FROM fills") == [(42,)]
    assert ledger.read_marks == ReadMarks(42, T0 + 90, T0 + 50)


@pytest.mark.parametrize("new_account", [False, True])
def test_a_later_run_goes_on_where_the_last_one_stopped_reading(path: Path, ledger: Ledger, new_account: bool) -> None:
    """Unless the exchange began afresh: then its past is nobody's."""
    ledger.write([Baseline(T0 + 50, 40), read(a_fill(60), to=60), IncomeRead(T0, [], T0 + 90)])
    ledger.write([RunStarted(T0 + HOUR, "s2", "1.0", new_account, RULES)])
    assert ledger.read_marks is None
    ledger.write([Baseline(T0 + HOUR + 1, 55)])
    assert ledger.read_marks == (ReadMarks(60, T0 + HOUR + 1, T0 + HOUR + 1) if new_account else ReadMarks(60, T0 + 90, T0 + 50))


def test_reading_marks_never_go_back(ledger: Ledger) -> None:
    """A page that proves nothing new leaves them where they are."""
    ledger.write([Baseline(T0 + 50, 40), read(to=60), read(to=0), IncomeRead(T0, [], T0 + 90), IncomeRead(T0, [], 0)])
    assert ledger.read_marks == ReadMarks(60, T0 + 90, T0 + 50)


def test_income_is_kept_once_and_without_what_the_fills_hold(path: Path, ledger: Ledger) -> None:
    """Funding, transfers and other symbols' profit and fees; not our own symbol's."""
    lines = [
        a_line("-0.1"), a_line("5", income_type="TRANSFER", symbol="", tran_id="1"), a_line("7", symbol="BTCUSDT", income_type="REALIZED_PNL"),
        a_line("-1", symbol="BTCUSDT", income_type="COMMISSION", trade_id="9"), a_line("3", income_type="REALIZED_PNL", trade_id="1"),
        a_line("-2", income_type="COMMISSION", trade_id="1"), a_line("-0.1", tran_id="2"), a_line("1E-7", tran_id="3"),
    ]  # fmt: skip
    for _ in range(2):
        ledger.write([IncomeRead(T0, lines, T0)])
    assert sorted(rows(path, "SELECT income_type, symbol, amount FROM income")) == [
        ("COMMISSION", "BTCUSDT", "-1"), ("FUNDING_FEE", "ETHUSDT", "-0.1"), ("FUNDING_FEE", "ETHUSDT", "-0.1"), ("FUNDING_FEE", "ETHUSDT", "0.0000001"),
        ("REALIZED_PNL", "BTCUSDT", "7"), ("TRANSFER", "", "5"),
    ]  # fmt: skip


@pytest.mark.parametrize(("listed", "line", "kept"), [
    ("-0.00125", "-0.00125", "0.00125"), ("0.00125", "-0.00125", "0.00125"), ("-0.00125", "0.00125", "-0.00125"), ("0.00125", "-0.00900", "0.00125"),
])
def test_the_income_list_decides_the_sign_of_a_commission(path: Path, ledger: Ledger, listed: str, line: str, kept: str) -> None:
    """The document shows a paid one with either sign in userTrades; the stream's word is never touched."""
    ledger.write([read(a_fill(commission=Decimal(listed))), noted(a_fill(2, commission=Decimal("-0.00125")))])
    ledger.write([IncomeRead(T0, [a_line(line, income_type="COMMISSION", trade_id=trade) for trade in ("1", "2", "")], T0)])
    assert rows(path, "SELECT commission FROM fills ORDER BY trade_id") == [(kept,), ("-0.00125",)]


# --- orders, states, runs, the rest


def test_an_order_and_its_transitions(path: Path, ledger: Ledger) -> None:
    """As last known in one row, and every step of its way."""
    steps = [
        an_order(), an_order("place accepted", "working", order_id=70, status=OrderStatus.NEW), an_order("amend sent", "amending", order_id=70),
        an_order("amend accepted", "working", order_id=70, price_ticks=250_100, size_lots=20, status=OrderStatus.NEW),
        an_order("seen terminal", "done", order_id=70, price_ticks=250_100, size_lots=20, executed_lots=20, status=OrderStatus.FILLED),
    ]  # fmt: skip
    for number, step in enumerate(steps):
        ledger.write([Noted(T0 + number, "reconcile", [step])])
    assert rows(path, "SELECT * FROM orders") == [
        (1, "mmd-s1-1", 1, 70, "BUY", 0, T0, T0 + 4, "done", "FILLED", 250_100_000_000, 2 * 10**6, 2 * 10**6, 1),
    ]
    assert rows(path, "SELECT time_ms - 1750000000000, happening, state, status, size FROM transitions") == [
        (0, "registered", "placing", None, 10**6), (1, "place accepted", "working", "NEW", 10**6), (2, "amend sent", "amending", None, 10**6),
        (3, "amend accepted", "working", "NEW", 2 * 10**6), (4, "seen terminal", "done", "FILLED", 2 * 10**6),
    ]  # fmt: skip


def test_an_order_that_resurfaces_is_not_done(path: Path, ledger: Ledger) -> None:
    """And one that a later run adopts stays the same order."""
    ledger.write([Noted(T0, "stream", a_life("mmd-s1-1"))])
    ledger.write([RunStarted(T0 + 5, "s2", "1.0", False, RULES), Noted(T0 + 6, "reconcile", [an_order("adopted", "working", order_id=70)])])
    assert rows(path, "SELECT run, placed_ms, done_ms, state FROM orders") == [(1, T0, None, "working")]
    ledger.write([Noted(T0 + 7, "stream", [an_order("seen terminal", "done", order_id=70)]), Noted(T0 + 8, "stream", [an_order("booked", "done")])])
    assert rows(path, "SELECT order_id, done_ms, state FROM orders") == [(70, T0 + 7, "done")]


def test_runs_end_or_were_killed(path: Path, ledger: Ledger) -> None:
    """How long each lived can be told; the next start closes what a kill left open, and nothing else."""
    ledger.write([Noted(T0 + 500, "reconcile", [StateRecord("quote", (), "BUY")])])
    ledger.write([RunStarted(T0 + 1_000, "s2", "1.0", True, RULES)])
    ledger.write([RunEnded(T0 + 1_800, "stop", "SIGTERM")])
    ledger.write([RunStarted(T0 + 2_000, "s3", "1.1", False, RULES)])
    assert rows(path, "SELECT session, version, new_account, started_ms, alive_ms, ended_ms, cause, why FROM runs") == [
        ("s1", "1.0", 0, T0, T0 + 500, None, "killed", None),
        ("s2", "1.0", 1, T0 + 1_000, T0 + 1_800, T0 + 1_800, "stop", "SIGTERM"),
        ("s3", "1.1", 0, T0 + 2_000, T0 + 2_000, None, None, None),
    ]


def test_states_wallets_and_marks(path: Path, ledger: Ledger) -> None:
    """Each as it was told, an update at one moment and a reading over a span; decimals never in scientific form."""
    tiny = Decimal("1E-8")
    ledger.write([
        Noted(T0, "stream", [StateRecord("pause", ("the book is \"old\"", "clock"), None)]),
        WalletUpdate(T0 + 1, "FUNDING_FEE", {"USDT": Decimal("100.10"), "USDF": tiny}),
        WalletRead(T0 + 2, T0 + 9, "reconcile", {"USDT": Decimal(100)}),
        Marked(T0 + 10, Decimal("2500.00"), Decimal("2500.01"), Decimal("-0.010"), Decimal("2501.5"), Decimal("100.1"), tiny, "quote", 2),
        Marked(T0 + 11, None, None, Decimal(0), Decimal(0), Decimal("100.1"), Decimal(0), "pause", 0),
    ])  # fmt: skip
    assert rows(path, "SELECT * FROM states") == [(1, T0, "pause", '["the book is \\"old\\"", "clock"]', None)]
    assert rows(path, "SELECT * FROM wallets") == [
        (1, T0 + 1, T0 + 1, "USDT", "100.10", "update", "FUNDING_FEE"), (1, T0 + 1, T0 + 1, "USDF", "0.00000001", "update", "FUNDING_FEE"),
        (1, T0 + 2, T0 + 9, "USDT", "100", "read", "reconcile"),
    ]  # fmt: skip
    assert rows(path, "SELECT * FROM marks") == [
        (T0 + 10, 1, 250_000_000_000, 250_001_000_000, -(10**6), "2501.5", "100.1", "0.00000001", "quote", 2),
        (T0 + 11, 1, None, None, 0, "0", "100.1", "0", "pause", 0),
    ]


def test_counts_add_up_by_the_hour(path: Path, ledger: Ledger) -> None:
    """Whatever comes in pieces."""
    hour = T0 // HOUR * HOUR
    for time_ms in (hour, hour + HOUR - 1, hour + HOUR):
        ledger.write([Counted(time_ms, {("place", "done"): 2, ("place", "lost"): 1}, {("decision", 22): 5})])
    assert rows(path, "SELECT hour_ms, outcome, count FROM requests WHERE outcome = 'done'") == [(hour, "done", 4), (hour + HOUR, "done", 2)]
    assert rows(path, "SELECT * FROM durations") == [(hour, "decision", 22, 10), (hour + HOUR, "decision", 22, 5)]


# --- all or nothing


def test_a_batch_that_fails_leaves_nothing(path: Path, ledger: Ledger) -> None:
    """Neither on the disk nor in mind: the same batch written later is whole."""
    batch: list[Entry] = [
        RunStarted(T0 + 1, "s2", "1.0", True, replace(RULES, price=Grid("0.1"))), Noted(T0 + 2, "stream", a_life("mmd-s2-1")[:2]),
        noted(a_fill(price_ticks=25_000)), Baseline(T0 + 3, 7),
    ]  # fmt: skip
    ledger.write([Noted(T0, "stream", a_life("mmd-s1-1")[:2])])
    with pytest.raises(LedgerError, match=r"eth\.ledger.*(int|INT)"):
        ledger.write([*batch, MarkOut(1, Side.BUY, 1, Decimal(10) ** 30)])
    assert rows(path, "SELECT session FROM runs") == [("s1",)] and rows(path, "SELECT * FROM fills") == [] and ledger.read_marks is None
    ledger.write([noted(a_fill(5)), Noted(T0 + 1, "stream", a_life("mmd-s1-1")[2:])])
    ledger.write(batch)
    assert rows(path, "SELECT trade_id, run, price FROM fills ORDER BY trade_id") == [(1, 2, 2500 * 10**8), (5, 1, 2500 * 10**8)]
    steps = "(SELECT count(*) FROM transitions WHERE order_key = key)"
    assert rows(path, f"SELECT client_order_id, run, {steps} FROM orders") == [("mmd-s1-1", 1, 3), ("mmd-s2-1", 2, 2)]
    assert ledger.read_marks == ReadMarks(7, T0 + 3, T0 + 3)


def test_a_locked_file_is_told_and_taken_later(path: Path, ledger: Ledger) -> None:
    """Another program that holds it is named as the cause, and once it lets go writing works."""
    ledger._connection.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked; end the other program"):
        ledger.write([noted(a_fill())])
    with pytest.raises(LedgerError, match="locked"):
        ledger.forget(T0, 10)
    other.execute("ROLLBACK")
    ledger.write([noted(a_fill())])
    other.close()
    assert rows(path, "SELECT trade_id FROM fills") == [(1,)]


def test_any_order_of_telling_gives_the_same_fills(tmp_path: Path) -> None:
    """However stream and lists are mixed, doubled and cut into batches, each trade is one row, and the stream's where it spoke."""
    for seed in range(30):
        random_ = random.Random(seed)
        told = {number for number in range(12) if random_.random() < 0.6}
        listed = {number for number in range(12) if random_.random() < 0.7}
        entries: list[Entry] = [noted(a_fill(number)) for number in told] + [read(a_fill(number)) for number in listed] * 2
        random_.shuffle(entries)
        path = tmp_path / f"{seed}.ledger"
        ledger = opened(path)
        while entries:
            ledger.write([entries.pop() for _ in range(min(len(entries), random_.randint(1, 5)))])
        ledger.close()
        expected = {number: "stream" if number in told else "history" for number in told | listed}
        assert dict(rows(path, "SELECT trade_id, source FROM fills")) == expected, f"seed {seed}"


# --- what is thinned out


def placed(client_order_id: str, time_ms: int, executed_lots: int = 0) -> Noted:
    return Noted(time_ms, "stream", a_life(client_order_id, executed_lots))


def test_old_orders_are_thinned_out_in_small_steps(path: Path, ledger: Ledger) -> None:
    """Of the filled ones the transitions go, the others go whole, newer ones stay; each call looks at no more than it may."""
    ledger.write([placed(f"o{number}", T0 + number, executed_lots=10 * (number % 3 == 0)) for number in range(20)])
    looked = [ledger.forget(T0 + 15, 4) for _ in range(8)]
    assert all(count <= 4 for count in looked) and looked[-1] <= 1
    assert rows(path, "SELECT client_order_id FROM orders ORDER BY key") == [(f"o{number}",) for number in range(20) if number >= 15 or number % 3 == 0]
    left = rows(path, "SELECT client_order_id, count(*) FROM transitions JOIN orders ON key = order_key GROUP BY 1 ORDER BY placed_ms")
    assert left == [(f"o{number}", 3) for number in range(15, 20)]
    assert ledger.forget(T0 + 16, 4) >= 1
    assert ("o15", 1) in rows(path, "SELECT client_order_id, executed > 0 FROM orders") and not rows(
        path, "SELECT * FROM transitions JOIN orders ON key = order_key WHERE client_order_id = 'o15'"
    )


def test_thinning_goes_on_after_a_restart(path: Path) -> None:
    """Where it was, and it never touches a fill."""
    ledger = opened(path)
    ledger.write([placed(f"o{number}", T0 + number, executed_lots=10) for number in range(6)] + [noted(a_fill())])
    assert ledger.forget(T0 + 100, 4) == 4
    ledger.close()
    again = opened(path, session="s2")
    assert again.forget(T0 + 100, 4) == 3  # the last one of before is looked at again
    again.close()
    assert rows(path, "SELECT * FROM transitions") == [] and len(rows(path, "SELECT * FROM orders")) == 6 and len(rows(path, "SELECT * FROM fills")) == 1
