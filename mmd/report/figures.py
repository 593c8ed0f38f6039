"""The whole report as values: everything there is to say of a period, read from one snapshot of the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation, localcontext

from mmd.report.equity import Equity, EquityPath, MarkListener, Transfers
from mmd.report.inventory import Inventory, InventoryPath
from mmd.report.mark_outs import MarkOut, bps
from mmd.report.notes import notes
from mmd.report.operation import Latency, Orders, Requests, read_latencies, read_orders, read_requests
from mmd.report.period import Period, Zone, resolve_period
from mmd.report.profit import IncomeBook, Profit, Slot, make_days, make_hours, make_profit
from mmd.report.reconciliation import Reconciliation, find_spans, reconcile, stops_of
from mmd.report.round_trips import RoundTrip, RoundTripPath, RoundTrips
from mmd.report.rows import EXACT, FillRow, Identity, LedgerRowError, LedgerRows, MarkRow, RunRow
from mmd.report.trading import FillListener, FillPass, Trading
from mmd.report.uptime import Uptime, measure_uptime


@dataclass(frozen=True, slots=True)
class Spread:
    """The gross spread captured, in the quote asset and in basis points of the volume of those fills whose mid is known."""

    amount: Decimal
    bps: float | None
    fills: int


@dataclass(frozen=True, slots=True)
class Report:
    """One period. `first_ms` and `last_ms` are the ledger's own first and last entry (None: it has none), `notes` what must be known to
    read the rest."""

    identity: Identity
    zone: Zone
    period: Period
    first_ms: int | None
    last_ms: int | None
    notes: tuple[str, ...]
    profit: Profit
    reconciliation: Reconciliation
    trading: Trading
    spread: Spread
    mark_outs: tuple[MarkOut, ...]
    orders: Orders
    equity: Equity
    inventory: Inventory
    round_trips: RoundTrips
    uptime: Uptime
    requests: Requests
    latencies: tuple[Latency, ...]
    days: tuple[Slot, ...]
    hours: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the period (None: where the ledger begins and ends), the moment now, and two things that the configuration knows."""

    asked: tuple[int | None, int | None]
    now_ms: int
    zone: Zone
    keep_orders_days: int = 90
    alive_within_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who else wants to hear of what is read, while it is read."""

    fill: FillListener | None = None
    mark: MarkListener | None = None
    round_trip: Callable[[RoundTrip], None] | None = None


def make_report(connection: sqlite3.Connection, question: Question, listeners: Listeners | None = None) -> Report:
    """Everything at once. The connection should hold one snapshot (a read
    transaction). Raises LedgerRowError for amounts that are none, sqlite3.Error where the file cannot be read."""
    try:
        with localcontext(EXACT):
            return _make_report(LedgerRows(connection), question, listeners or Listeners())
    except InvalidOperation as error:
        raise LedgerRowError("the ledger holds something else where an amount belongs") from error


def _make_report(rows: LedgerRows, question: Question, listeners: Listeners) -> Report:
    identity, runs, zone = rows.identity(), rows.runs(), question.zone
    first_ms, last_ms = rows.span()
    period = resolve_period(question.asked, first_ms, last_ms, question.now_ms)
    accounts = [run for run in runs if run.new_account]
    within = [run for run in accounts if period.since_ms <= run.started_ms < period.until_ms]
    account_began_ms = max((run.started_ms for run in accounts if run.started_ms < period.since_ms), default=0)

    income = IncomeBook(identity, zone)
    income.take(rows.income(period))
    spans = find_spans(rows, period, [run.started_ms for run in within])
    path = RoundTripPath(listeners.round_trip)
    _lead_in(rows, path, period, account_began_ms, identity)
    inventory = InventoryPath(path.position, max(period.since_ms, min(first_ms or 0, period.until_ms)))
    fills = FillPass(zone, identity.margin_assets, path, inventory, stops_of(spans), [run.started_ms for run in within], listeners.fill)
    fills.take(rows.fills(period))
    trading, totals = fills.results(), fills.totals()

    openings = [(run.started_ms, rows.opening_wallet(run, identity.margin_assets)) for run in within]
    before = rows.mark_before(period.since_ms, account_began_ms)
    transfers = income.transfer_times
    if before is not None:
        # The equity starts at that mark, which may be old: what was paid in or out since then (while the daemon was down) is no change of it.
        between = IncomeBook(identity, zone)
        between.take(rows.income(Period(before.time_ms + 2, period.since_ms)))
        transfers = between.transfer_times + transfers
    equity = EquityPath(period, zone, Transfers(transfers), openings, listeners.mark)
    if before is not None:
        equity.begin(before)
    equity.take(rows.marks(period))
    worth = equity.results()
    held = inventory.results(_known_until(period, runs, trading, worth), *equity.notionals())
    hours = make_hours(fills.hours, income, identity, zone)
    mark_outs = fills.mark_outs.results()
    at_fill = mark_outs[0]
    report = Report(
        identity=identity,
        zone=zone,
        period=period,
        first_ms=first_ms,
        last_ms=last_ms,
        notes=(),
        profit=make_profit(totals, income, identity),
        reconciliation=reconcile(spans, fills.at_stop, rows.income, identity, zone.second),
        trading=trading,
        spread=Spread(at_fill.amount, bps(at_fill.amount, at_fill.notional), at_fill.fills),
        mark_outs=mark_outs,
        orders=read_orders(rows, period),
        equity=worth,
        inventory=held,
        round_trips=path.results(),
        uptime=measure_uptime(runs, rows.states(), period, question.now_ms, question.alive_within_ms),
        requests=read_requests(rows, period, trading.fills - trading.foreign),
        latencies=read_latencies(rows, period),
        days=make_days(hours, zone),
        hours=hours,
    )
    return replace(report, notes=tuple(notes(report, question)))


def _lead_in(rows: LedgerRows, path: RoundTripPath, period: Period, account_began_ms: int, identity: Identity) -> None:
    """Bring the position up to the beginning of the period, so that what was opened before and is closed within is followed from its
    opening."""
    for row in rows.fills_since_flat(period.since_ms, account_began_ms):
        fill = FillRow._make(row)
        fee = Decimal(fill.commission) if fill.commission_asset in identity.margin_assets else Decimal(0)
        path.fill(fill.time_ms, fill.signed_size, fill.position, fill.source, Decimal(fill.realized), fee)
    if not path.known:
        _assume_position(rows, path, period, account_began_ms)
    path.count_from_here()


def _assume_position(rows: LedgerRows, path: RoundTripPath, period: Period, account_began_ms: int) -> None:
    """Without any trade before the period: what the first trade or mark says of the position that it found."""
    found = next(iter(rows.fills(period)), None)
    first = FillRow._make(found) if found is not None else None
    marked = rows.mark_before(period.since_ms, account_began_ms) or next(iter(rows.marks(period)), None)
    mark = MarkRow._make(marked) if marked is not None else None
    if first is not None and first.position is not None and (mark is None or first.time_ms <= mark.time_ms):
        path.assume(first.position - first.signed_size)
    elif mark is not None and (first is None or mark.time_ms < first.time_ms):
        path.assume(mark.position)


def _known_until(period: Period, runs: list[RunRow], trading: Trading, worth: Equity) -> int:
    """Until when the ledger tells the position: the last sign of life, fill or mark."""
    signs = [run.end_ms for run in runs if run.started_ms < period.until_ms] + [
        ms for ms in (trading.last_ms, worth.last_ms) if ms is not None
    ]
    return min(period.until_ms, max(signs, default=period.since_ms))
