"""Does the ledger explain the wallet? Between two moments at which the venue told a balance exactly, what was booked must equal what it
changed by.

An account update is exact at its transaction time, and of several in one millisecond the last one is. A reading is exact only if nothing
happened between asking and answer. Where a new account began, the wallets before and after have nothing to do with each other: each
stretch is taken by itself, and the stretches are added up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mmd.report.period import Period
from mmd.report.profit import kind_of
from mmd.report.rows import Identity, IncomeRow, LedgerRows, WalletRow
from mmd.report.trading import NOTHING, Totals, difference

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class AssetReconciliation:
    """One asset over all stretches: what the venue's wallet changed by, what the ledger booked in exactly that span, and the difference
    (wallet less booked). The booked parts are signed as they move the wallet; `income` is everything else but transfers, by type."""

    asset: str
    from_ms: int
    to_ms: int
    stretches: int
    wallet_change: Decimal
    realized: Decimal
    commissions: Decimal
    funding: Decimal
    transfers: Decimal
    income: Mapping[str, Decimal]
    booked: Decimal
    difference: Decimal


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """`reconciles` is None where the period has no two exact wallet figures of any asset."""

    reconciles: bool | None
    assets: tuple[AssetReconciliation, ...]
    reasons: tuple[str, ...]


class Span(NamedTuple):
    """One asset in one stretch: from after `from_ms` up to and including `to_ms`."""

    asset: str
    from_ms: int
    to_ms: int
    change: Decimal


def find_spans(rows: LedgerRows, period: Period, new_accounts_ms: Iterable[int]) -> list[Span]:
    """The longest span of each asset in each stretch of the period that two exact wallet figures bound."""
    edges = [period.since_ms, *sorted(ms for ms in new_accounts_ms if period.since_ms < ms < period.until_ms), period.until_ms]
    found = []
    for asset in rows.wallet_assets(period):
        for stretch in map(Period, edges, edges[1:]):
            first = _first_exact(rows, asset, stretch)
            last = next((row for row in rows.wallet_rows(asset, stretch, newest_first=True) if _is_exact(rows, row)), None)
            if first is not None and last is not None and first.time_ms < last.time_ms:
                found.append(Span(asset, first.time_ms, last.time_ms, last.balance - first.balance))
    return found


def _first_exact(rows: LedgerRows, asset: str, stretch: Period) -> WalletRow | None:
    """The last one of the first millisecond that has any."""
    best: WalletRow | None = None
    for row in rows.wallet_rows(asset, stretch, newest_first=False):
        if best is not None and row.time_ms != best.time_ms:
            break
        if _is_exact(rows, row):
            best = row
    return best


def _is_exact(rows: LedgerRows, row: WalletRow) -> bool:
    return row.kind == "update" or rows.is_quiet(row.since_ms, row.time_ms)


def stops_of(spans: Iterable[Span]) -> list[int]:
    """The moments before which the fills are to be summed up: both ends of a span are the last moment that is in."""
    return [moment for span in spans for moment in (span.from_ms + 1, span.to_ms + 1)]


def reconcile(
    spans: Sequence[Span],
    totals_before: Mapping[int, Totals],
    income: Callable[[Period], Iterable[IncomeRow]],
    identity: Identity,
    show: Callable[[int], str],
) -> Reconciliation:
    """Compare. `totals_before` holds what the fills had added up to at each of `stops_of`; `income` reads a period's lines."""
    assets = tuple(
        _asset([span for span in spans if span.asset == asset], totals_before, income, identity)
        for asset in dict.fromkeys(s.asset for s in spans)
    )
    if not assets:
        return Reconciliation(None, (), ())
    wrong = [asset for asset in assets if asset.difference]
    return Reconciliation(not wrong, assets, tuple(_reasons(wrong, identity, show)) if wrong else ())


def _asset(
    spans: Sequence[Span], totals_before: Mapping[int, Totals], income: Callable[[Period], Iterable[IncomeRow]], identity: Identity
) -> AssetReconciliation:
    asset = spans[0].asset
    change = realized = commissions = funding = transfers = _ZERO
    other: dict[str, Decimal] = {}
    for span in spans:
        booked = difference(totals_before.get(span.to_ms + 1, NOTHING), totals_before.get(span.from_ms + 1, NOTHING))
        change += span.change
        realized += booked.realized if asset == identity.quote_asset else _ZERO
        commissions += booked.received.get(asset, _ZERO) - booked.paid.get(asset, _ZERO)
        for row in income(Period(span.from_ms + 1, span.to_ms + 1)):
            if row.asset != asset:
                continue
            kind = kind_of(row, identity.symbol)
            if kind == "funding":
                funding += row.amount
            elif kind == "transfer":
                transfers += row.amount
            else:
                name = row.income_type if row.symbol in ("", identity.symbol) else f"{row.income_type} {row.symbol}"
                other[name] = other.get(name, _ZERO) + row.amount
    total = realized + commissions + funding + transfers + sum(other.values(), _ZERO)
    return AssetReconciliation(
        asset,
        spans[0].from_ms,
        spans[-1].to_ms,
        len(spans),
        change,
        realized,
        commissions,
        funding,
        transfers,
        dict(sorted(other.items())),
        total,
        change - total,
    )


def _reasons(wrong: Sequence[AssetReconciliation], identity: Identity, show: Callable[[int], str]) -> Iterable[str]:
    """What may lie behind a difference, the most likely first."""
    last_ms = max(asset.to_ms for asset in wrong)
    if identity.income_read_to_ms is None:
        yield "the venue's income list (funding, transfers, trades of other symbols) has not been read yet"
    elif identity.income_read_to_ms < last_ms:
        yield f"the venue's income list was read only up to {show(identity.income_read_to_ms)}"
    yield "trades after a gap may not have been read from the venue's list yet: they are, once the daemon has run again for a minute"
    yield "trades of other symbols move the same wallet, and are in the venue's income list some time after they happen"
