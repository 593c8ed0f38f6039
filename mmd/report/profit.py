"""What was earned and paid: the profit of a period and of its hours and days, and everything that must stay apart from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mmd.report.period import Zone
from mmd.report.rows import Identity, IncomeRow, amount_of
from mmd.report.trading import NOTHING, Totals, difference

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class OtherIncome:
    """A kind of income that is no trading profit of this symbol; `symbol` is empty where the venue leaves it empty."""

    income_type: str
    symbol: str
    asset: str
    lines: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Profit:
    """In the quote asset, margin assets at par. `fees` were paid and `rebates` received (both as positive figures; rebates are negative
    commissions and the venue's rewards), `funding` is signed. `net` = realized - fees + rebates + funding. What is in any other asset is
    in the `by_asset` figures only."""

    realized: Decimal
    fees: Decimal
    rebates: Decimal
    funding: Decimal
    net: Decimal
    fees_by_asset: Mapping[str, Decimal]
    rebates_by_asset: Mapping[str, Decimal]
    funding_by_asset: Mapping[str, Decimal]
    unconverted: tuple[str, ...]
    other_income: tuple[OtherIncome, ...]
    transfers: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Slot:
    """One hour or day in which something was booked; money in the quote asset, as in Profit. `label` is its beginning as shown."""

    start_ms: int
    label: str
    fills: int
    volume: Decimal
    spread: Decimal
    realized: Decimal
    fees: Decimal
    rebates: Decimal
    funding: Decimal
    net: Decimal


class IncomeBook:
    """The venue's income lines, sorted into what they are."""

    def __init__(self, identity: Identity, zone: Zone) -> None:
        self._identity, self._zone = identity, zone
        self.funding: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.rebates: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.transfers: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.transfer_times: list[tuple[int, Decimal]] = []  # of the margin assets
        self.hours: defaultdict[int, list[Decimal]] = defaultdict(lambda: [_ZERO, _ZERO])  # rebates and funding in margin assets
        self._other: dict[tuple[str, str, str], tuple[int, Decimal]] = {}

    def take(self, rows: Iterable[IncomeRow]) -> None:
        for row in rows:
            kind = kind_of(row, self._identity.symbol)
            at_par = row.asset in self._identity.margin_assets
            if kind == "transfer":
                self.transfers[row.asset] += row.amount
                if at_par:
                    self.transfer_times.append((row.time_ms, row.amount))
            elif kind == "other":
                lines, amount = self._other.get((row.income_type, row.symbol, row.asset), (0, _ZERO))
                self._other[row.income_type, row.symbol, row.asset] = (lines + 1, amount + row.amount)
            else:
                (self.funding if kind == "funding" else self.rebates)[row.asset] += row.amount
                if at_par:
                    self.hours[self._zone.hour_ms(row.time_ms)][kind == "funding"] += row.amount

    def other(self) -> tuple[OtherIncome, ...]:
        return tuple(OtherIncome(*key, *value) for key, value in sorted(self._other.items()))


def kind_of(row: IncomeRow, symbol: str) -> str:
    """`funding` and `rebate` of our symbol (or of none), `transfer`, or `other`. Types: V1 "Get Income History"; a type that is not
    listed there is judged by its name."""
    if any(word in row.income_type for word in ("TRANSFER", "DEPOSIT", "WITHDRAW")):
        return "transfer"
    if row.symbol not in ("", symbol):
        return "other"
    if row.income_type == "FUNDING_FEE":
        return "funding"
    return "rebate" if "REBATE" in row.income_type or row.income_type == "MARKET_MERCHANT_RETURN_REWARD" else "other"


def make_profit(totals: Totals, income: IncomeBook, identity: Identity) -> Profit:
    """The period's profit from its fills and its income."""
    rebates = dict(totals.received)
    for asset, amount in income.rebates.items():
        rebates[asset] = rebates.get(asset, _ZERO) + amount
    fees, rebate, funding = (_at_par(each, identity.margin_assets) for each in (totals.paid, rebates, income.funding))
    apart = {asset for each in (totals.paid, rebates, income.funding) for asset in each} - set(identity.margin_assets)
    return Profit(
        realized=totals.realized,
        fees=fees,
        rebates=rebate,
        funding=funding,
        net=totals.realized - fees + rebate + funding,
        fees_by_asset=dict(sorted(totals.paid.items())),
        rebates_by_asset=dict(sorted(rebates.items())),
        funding_by_asset=dict(sorted(income.funding.items())),
        unconverted=tuple(sorted(apart)),
        other_income=income.other(),
        transfers=dict(sorted(income.transfers.items())),
    )


def make_hours(hours: Sequence[tuple[int, Totals]], income: IncomeBook, identity: Identity, zone: Zone) -> tuple[Slot, ...]:
    """The hours in which something was booked, in the order of time."""
    trades: dict[int, Totals] = {}
    before = NOTHING
    for start_ms, totals in hours:
        trades[start_ms] = difference(totals, before)
        before = totals
    found = []
    for start_ms in sorted({*trades, *income.hours}):
        totals = trades.get(start_ms, NOTHING)
        rebates, funding = income.hours.get(start_ms, (_ZERO, _ZERO))
        fees = _at_par(totals.paid, identity.margin_assets)
        rebates += _at_par(totals.received, identity.margin_assets)
        found.append(
            Slot(
                start_ms,
                zone.minute(start_ms),
                totals.fills,
                amount_of(totals.volume),
                amount_of(totals.spread),
                totals.realized,
                fees,
                rebates,
                funding,
                totals.realized - fees + rebates + funding,
            )
        )
    return tuple(found)


def make_days(hours: Iterable[Slot], zone: Zone) -> tuple[Slot, ...]:
    """The hours added up by calendar day."""
    days: dict[str, Slot] = {}
    for hour in hours:
        day = zone.day(hour.start_ms)
        so_far = days.get(day)
        if so_far is None:
            start_ms = hour.start_ms - zone.at(hour.start_ms).hour * 3_600_000
            days[day] = Slot(
                start_ms, day, hour.fills, hour.volume, hour.spread, hour.realized, hour.fees, hour.rebates, hour.funding, hour.net
            )
        else:
            days[day] = Slot(
                so_far.start_ms,
                day,
                so_far.fills + hour.fills,
                so_far.volume + hour.volume,
                so_far.spread + hour.spread,
                so_far.realized + hour.realized,
                so_far.fees + hour.fees,
                so_far.rebates + hour.rebates,
                so_far.funding + hour.funding,
                so_far.net + hour.net,
            )
    return tuple(days.values())


def _at_par(amounts: Mapping[str, Decimal], margin_assets: Iterable[str]) -> Decimal:
    return sum((amounts[asset] for asset in margin_assets if asset in amounts), _ZERO)
