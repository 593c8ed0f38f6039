"""The journal: which events leave which entries, at which time, and that it counts rather than tells what comes often."""

from __future__ import annotations

from decimal import Decimal
from math import ceil

import pytest
from ledger_thread_rig import AHEAD_MS, RULES, Hands, Stepped, a_clock

from mmd import __version__
from mmd.core.messages import (
    AccountUpdate,
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    Cause,
    Depth,
    Event,
    Fill,
    Finished,
    Lost,
    OrderReport,
    OrderStatus,
    OrderUpdate,
    Outcome,
    Place,
    PositionReport,
    Query,
    ReadRules,
    Reconcile,
    Reconciled,
    Refusal,
    Reply,
    Request,
    Stream,
    StreamUp,
    Tick,
    Unsent,
)
from mmd.core.records import FillRecord, StateRecord
from mmd.core.units import Side
from mmd.daemon.record.journal import FLUSH_MS, Journal, bucket_of
from mmd.ledger.entries import Baseline, Counted, Entry, Noted, RunEnded, RunStarted, WalletRead, WalletUpdate

FILL = Fill(9, 70, "mmd-s1-1", Side.BUY, 250_000, 10, Decimal("0.00125"), "USDT", Decimal(0), True, AHEAD_MS + 990)
RECORDS = [FillRecord(FILL, "mmd-s1-1", True, 10, 500_001), StateRecord("quote", (), "BUY")]
REPORT = OrderReport("mmd-s1-1", 70, Side.BUY, OrderStatus.NEW, 250_000, 10, 0, False, AHEAD_MS)
PLACE = Place("mmd-s1-1", Side.BUY, 250_000, 10, False, True)
BALANCES = {"USDT": Decimal(1000), "USDF": Decimal(1)}


class Desk:
    """A journal whose entries and calls for more are kept."""

    def __init__(self, doubt_ms: int = 0) -> None:
        self.hands = Hands()
        self.entries: list[Entry] = []
        self.unread = 0
        self.journal = Journal(self.entries.append, a_clock(doubt_ms), self._count, self.hands.now_ms)
        self.journal.started(RULES, "s1", False)
        self.entries.clear()

    def _count(self) -> None:
        self.unread += 1

    def step(self, event: Event | None, *, after_ms: int = 0, us: float = 20, records: Stepped | None = None) -> list[Entry]:
        """What one step leaves."""
        self.hands.now += after_ms
        self.entries.clear()
        self.journal.stepped(event, records or Stepped(), self.hands.now, us)
        return list(self.entries)

    def flushed(self) -> Counted:
        """What was counted so far."""
        (entry,) = self.step(Tick(), after_ms=FLUSH_MS)
        assert isinstance(entry, Counted)
        return entry


def truth(*fills: Fill) -> Reconciled:
    return Reconciled((), fills, PositionReport(0, Decimal(0), 0), BALANCES)


def test_a_run_begins_and_ends_at_the_venue_s_time() -> None:
    """With its session, version, rules, cause and reason; what was counted goes out first."""
    desk = Desk()
    desk.hands.now = 5_000
    desk.journal.started(RULES, "s2", True)
    assert desk.entries == [RunStarted(AHEAD_MS + 5_000, "s2", __version__, True, RULES)]
    desk.step(Reply(PLACE, REPORT, 4_990))
    desk.hands.now = 6_000
    desk.journal.ended(Finished(0, "SIGTERM", Cause.STOP))
    counted, ended = desk.entries[-2:]
    assert isinstance(counted, Counted) and ended == RunEnded(AHEAD_MS + 6_000, "stop", "SIGTERM")


@pytest.mark.parametrize(("event", "source"), [
    (OrderUpdate(REPORT, FILL, False, AHEAD_MS), "stream"), (Reply(Reconcile(5), truth(FILL), 900), "reconcile"),
    (Tick(), "reconcile"), (None, "reconcile"),
])
def test_what_a_step_leaves_is_noted(event: Event | None, source: str) -> None:
    """The engine's own list is handed on, with the time and how its fills were learned of."""
    entries = Desk().step(event, records=Stepped(RECORDS))
    assert entries[0] == Noted(AHEAD_MS + 1_000, source, RECORDS) and entries[0].records is RECORDS


def test_a_step_that_leaves_nothing_is_nothing() -> None:
    """A depth frame, a tick: no entry until the counts go out."""
    desk = Desk()
    assert desk.step(Depth((), (), 1, 0, 0)) == desk.step(Tick()) == desk.step(None) == desk.step(Reply(PLACE, REPORT, 990)) == []


def test_a_wallet_update_is_true_at_its_transaction_time() -> None:
    """Which the fills of the same match carry; where the venue names none, the event's own time has to do."""
    desk = Desk()
    assert desk.step(AccountUpdate("ORDER", BALANCES, None, 77, 66)) == [WalletUpdate(66, "ORDER", BALANCES)]
    assert desk.step(AccountUpdate("ORDER", BALANCES, None, 77)) == [WalletUpdate(77, "ORDER", BALANCES)]
    assert desk.step(AccountUpdate("ORDER", {}, PositionReport(1, Decimal(1), 1), 77, 66)) == []
    assert desk.unread == 0


@pytest.mark.parametrize("reason", ["FUNDING_FEE", "DEPOSIT", "WITHDRAW", "ASSET_TRANSFER", "ADJUSTMENT"])
def test_what_is_no_order_is_unread_income(reason: str) -> None:
    """The stream tells the balance, and only the income list what for."""
    desk = Desk()
    desk.step(AccountUpdate(reason, BALANCES, None, 77, 66))
    assert desk.unread == 1


def test_a_user_stream_that_comes_back_leaves_something_unread() -> None:
    """The first connection does not, nor does the market's."""
    desk = Desk()
    desk.step(StreamUp(Stream.MARKET))
    desk.step(StreamUp(Stream.USER))
    desk.step(StreamUp(Stream.MARKET))
    assert desk.unread == 0
    desk.step(StreamUp(Stream.USER))
    assert desk.unread == 1


def test_a_reading_of_the_account_is_true_within_its_span() -> None:
    """From when it was asked for to when it came, wider by the doubt about the venue's time; the run's first one is its baseline."""
    desk = Desk(doubt_ms=7)
    doubt = desk.journal._clock.uncertainty_ms(1_000)
    assert doubt is not None and doubt >= 7
    first = desk.step(Reply(Reconcile(None), truth(FILL, FILL._replace(trade_id=4)), 900))
    asked = AHEAD_MS + 900 - doubt
    assert first == [WalletRead(asked, AHEAD_MS + 1_000 + doubt, "reconcile", BALANCES), Baseline(asked, 9)]
    assert [type(entry) for entry in desk.step(Reply(Reconcile(9), truth(), 900))] == [WalletRead]
    desk.journal.started(RULES, "s2", False)
    assert desk.step(Reply(Reconcile(None), truth(), 900))[1:] == [Baseline(asked, 0)]


def test_a_reading_that_failed_is_none() -> None:
    """It is counted, and the next one is the first."""
    desk = Desk()
    assert desk.step(Reply(Reconcile(None), Lost("timeout"), 900)) == []
    assert len(desk.step(Reply(Reconcile(None), truth(), 900))) == 2


REPLIES: list[tuple[Request, Outcome, tuple[str, str]]] = [
    (PLACE, REPORT, ("place", "done")), (Amend("mmd-s1-1", 70, Side.BUY, 1, 1), Refusal(400, -2013, "no"), ("amend", "refused")),
    (Cancel("mmd-s1-1"), Lost("timeout"), ("cancel", "lost")), (CancelAll(), None, ("cancel_all", "done")), (Query("mmd-s1-1"), Unsent("no"), ("query", "unsent")),
    (Reconcile(1), Lost("x"), ("reconcile", "lost")), (ReadRules(), RULES, ("rules", "done")), (ArmCountdown(0), Unsent("no"), ("countdown", "unsent")),
]  # fmt: skip


def test_replies_are_counted_by_kind_and_outcome() -> None:
    """Every kind and every outcome has its own count."""
    desk = Desk()
    for request, outcome, _ in [*REPLIES, REPLIES[0]]:
        desk.step(Reply(request, outcome, 990))
    assert desk.flushed().requests == {key: 1 + (key == ("place", "done")) for _, _, key in REPLIES}


def test_durations_are_counted_in_buckets() -> None:
    """The age of a book, the time of a decision, the way of an order there and back; what never left has no way back."""
    desk = Desk()
    desk.step(Depth((), (), 1, 0, 0, age_ms=3), us=20)
    desk.step(Depth((), (), 1, 0, 0, age_ms=-2), us=0.4)
    desk.step(Tick(), us=99_999)
    for request, outcome, _ in REPLIES:
        desk.step(Reply(request, outcome, 990), us=20)
    assert desk.flushed().durations == {
        ("event_age", bucket_of(3_000)): 1, ("event_age", bucket_of(500)): 1, ("decision", bucket_of(20)): 9, ("decision", 0): 1,
        ("round_trip", bucket_of(10_000)): 3,
    }  # fmt: skip


def test_counts_go_out_every_few_seconds_and_once() -> None:
    """With the time; where nothing was counted nothing goes out."""
    desk = Desk()
    desk.step(Reply(PLACE, REPORT, 990))
    assert desk.step(Tick(), after_ms=FLUSH_MS - 1) == []
    (counted,) = desk.step(Tick(), after_ms=1)
    assert isinstance(counted, Counted) and counted.time_ms == AHEAD_MS + 1_000 + FLUSH_MS and counted.requests == {("place", "done"): 1}
    assert desk.step(Tick(), after_ms=10 * FLUSH_MS) == []
    desk.step(Reply(PLACE, REPORT, 990))
    assert desk.flushed().requests == {("place", "done"): 1} and counted.requests == {("place", "done"): 1}


def test_a_bucket_holds_what_the_schema_says() -> None:
    """b: from 2**((b-1)/4) to 2**(b/4) microseconds, 0 below one."""
    for duration in [0.0, 0.5, 0.999, *(1 + 0.37 * number for number in range(2_000)), 1e6, 3.6e9]:
        bucket = bucket_of(duration)
        assert (duration < 1) if bucket == 0 else 2 ** ((bucket - 1) / 4) <= duration * (1 + 1e-12) and duration < 2 ** (bucket / 4)
    assert [bucket_of(2**power) for power in range(5)] == [1, 5, 9, 13, 17] and bucket_of(ceil(2**0.25)) == 5
