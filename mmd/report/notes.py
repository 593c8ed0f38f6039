"""What a reader must know to read the figures of one report rightly: only what applies to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmd.report.figures import Question, Report

_DAY_MS = 86_400_000

MID_NOTE = (
    "Spread and mark-outs are estimates: the mid is that of the best bid and ask when the daemon learned of the fill, "
    "and so many seconds later as sampled then; fills without one are left out."
)


def notes(report: Report, question: Question) -> Iterator[str]:
    """Each a sentence or two."""
    identity, trading, profit = report.identity, report.trading, report.profit
    if report.first_ms is None:
        yield "The ledger is empty: nothing has run with it yet."
    elif not trading.fills and not report.equity.marks and not report.uptime.up_ms:
        yield f"Nothing is on record in this period; the ledger goes from {_when(report, report.first_ms)} to {_when(report, report.last_ms)}."
    if profit.unconverted:
        yield (
            f"Not in the profit, because {_list(profit.unconverted)} is no margin asset ({_list(identity.margin_assets) or 'none'}) and so has no known "
            f"value in {identity.quote_asset}: the fees, rebates and funding in it, which are listed by asset."
        )
    if trading.foreign:
        yield (
            f"{trading.foreign} {_fills(trading.foreign)} of orders that are not the daemon's: in the profit and the position, which they move, but not "
            "in spread, mark-outs and maker share."
        )
    if trading.from_history:
        yield (
            f"{trading.from_history} {_fills(trading.from_history)} read from the venue's list after a gap, so without a mid; whose order it was, that "
            "list does not say."
        )
    if report.round_trips.jumps:
        yield (f"{report.round_trips.jumps} time(s) the position changed without a trade in the ledger; round trips begin anew there.")
    accounts = sum(end.new_account for end in report.uptime.ends)
    if accounts > 1:
        yield f"{accounts} runs began with a fresh account (an embedded exchange); their equity is joined to one line."
    if report.uptime.kills:
        yield f"{report.uptime.kills} run(s) ended without a goodbye: killed, or the machine went down; counted until the last sign of life."
    if report.uptime.running:
        yield f"The daemon is running; its last sign of life here is of {_when(report, report.last_ms)}."
    if report.period.since_ms < question.now_ms - question.keep_orders_days * _DAY_MS and report.orders.placed:
        yield (
            f"Orders that never traded are kept for {question.keep_orders_days} days (ledger.keep_orders_days), so the fill rate of an older "
            "period comes out too high."
        )


def _when(report: Report, time_ms: int | None) -> str:
    return "never" if time_ms is None else f"{report.zone.second(time_ms)} {'UTC' if report.zone.utc else ''}".rstrip()


def _list(assets: tuple[str, ...]) -> str:
    return ", ".join(assets)


def _fills(count: int) -> str:
    return "fill is" if count == 1 else "fills are"
