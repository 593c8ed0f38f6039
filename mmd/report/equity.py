"""What the account was worth over time: one pass over the marks, with transfers taken out and new accounts joined on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from mmd.report.period import HOUR_MS, Period, Zone
from mmd.report.rows import MarkRow, amount_of, money

SETTLED_MS = 2_000  # for so long after a transfer a mark may hold it or not
_LEAST_HOURS, _LEAST_DAYS = 24, 20
_DAYS_FROM_MS = 21 * 24 * HOUR_MS
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of equity from a height it had reached; `percent` of that height (None where that is not above zero)."""

    amount: Decimal
    percent: float | None
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Sharpe:
    """Annualised mean over standard deviation of equity changes; `value` is None where `samples` are too few or never differ. `step` is
    hourly or daily."""

    value: float | None
    samples: int
    needed: int
    step: str
    caveat: str


@dataclass(frozen=True, slots=True)
class Equity:
    """Wallet of the margin assets plus unrealised profit at mid, by the marks. `change` is without transfers and without what new
    accounts began with; unrealised figures are at the period's beginning and end (see `unrealized_change` for several accounts)."""

    marks: int
    first_ms: int | None
    last_ms: int | None
    start: Decimal | None
    end: Decimal | None
    change: Decimal | None
    unrealized_start: Decimal | None
    unrealized_end: Decimal | None
    unrealized_change: Decimal | None
    drawdown: Drawdown | None
    sharpe: Sharpe


class Transfers:
    """Sums of what was paid in and out of the margin assets, asked for in the order of time."""

    def __init__(self, transfers: Sequence[tuple[int, Decimal]]) -> None:
        self._left = sorted(transfers, reverse=True)
        self._sum = _ZERO
        self._unclear_until_ms = 0

    def sum_by(self, time_ms: int) -> Decimal | None:
        """All of them up to this moment; None where one is so fresh that the wallet may not show it yet."""
        while self._left and self._left[-1][0] <= time_ms + 1:
            at_ms, amount = self._left.pop()
            self._sum += amount
            self._unclear_until_ms = at_ms + SETTLED_MS
        return None if time_ms < self._unclear_until_ms else self._sum


# Hears of every mark: its time, bid plus ask (None without both), and the equity line.
MarkListener = Callable[[int, int | None, Decimal], None]


class EquityPath:
    """Takes the marks in the order of time and joins their equity to one line."""

    def __init__(
        self,
        period: Period,
        zone: Zone,
        transfers: Transfers,
        new_accounts: Sequence[tuple[int, Decimal | None]],
        listener: MarkListener | None = None,
    ) -> None:
        """`new_accounts` are those that begin within the period: when, and with how much in the margin assets (None: as the first mark
        says)."""
        self._zone, self._transfers, self._listener = zone, transfers, listener
        self._new_accounts = sorted(new_accounts, key=lambda account: account[0], reverse=True)
        self._daily = period.length_ms >= _DAYS_FROM_MS
        self._marks = self._notional_area = self._max_notional = 0
        self._first: tuple[int, Decimal, Decimal] | None = None
        self._last: tuple[int, Decimal, Decimal] | None = None
        self._own_change = self._unrealized_change = _ZERO  # of accounts that have ended
        self._base_equity = self._base_unrealized = _ZERO  # of this account, as it began
        self._base_transfers = _ZERO
        self._line = _ZERO
        self._peak: tuple[Decimal, int] | None = None
        self._drawdown: Drawdown | None = None
        self._samples: list[tuple[int, Decimal]] = []  # the last value of each hour or day
        self._slot_ms = self._slot_end_ms = -1

    def begin(self, before: MarkRow) -> None:
        """The last mark of the same account before the period."""
        self._first = self._last = (before.time_ms, money(before.wallet), money(before.unrealized))
        self._peak = (self._first[1] + self._first[2], before.time_ms)
        self._begin_account(self._first[1] + self._first[2], self._first[2], _ZERO)

    def take(self, rows: Iterable[MarkRow]) -> None:
        for time_ms, _, bid, ask, position, wallet_text, unrealized_text in rows:
            wallet, unrealized = Decimal(wallet_text), Decimal(unrealized_text)
            self._marks += 1
            if bid is not None and ask is not None:
                doubled = abs(position) * (bid + ask)
                self._notional_area += doubled
                self._max_notional = max(self._max_notional, doubled)
            paid_in = self._transfers.sum_by(time_ms)
            equity = wallet + unrealized
            new_account = None
            while self._new_accounts and self._new_accounts[-1][0] <= time_ms:
                new_account = self._new_accounts.pop()
            if new_account is not None:
                self._join(new_account[0], wallet if new_account[1] is None else new_account[1], paid_in)
            if paid_in is None:
                continue
            if self._first is None:
                self._first = (time_ms, wallet, unrealized)
                self._begin_account(equity, unrealized, paid_in)
            self._last = (time_ms, wallet, unrealized)
            self._line = self._own_change + equity - self._base_equity - (paid_in - self._base_transfers)
            self._measure(time_ms, None if bid is None or ask is None else bid + ask)

    def notionals(self) -> tuple[Decimal | None, Decimal]:
        """Mean and largest notional of the position at the marks."""
        mean = amount_of(self._notional_area // (2 * self._marks)) if self._marks else None
        return mean, amount_of(self._max_notional // 2)

    def results(self) -> Equity:
        first, last = self._first, self._last
        sharpe = _sharpe(self._samples, self._daily)
        if first is None or last is None:
            return Equity(self._marks, None, None, None, None, None, None, None, None, None, sharpe)
        return Equity(
            marks=self._marks,
            first_ms=first[0],
            last_ms=last[0],
            start=first[1] + first[2],
            end=last[1] + last[2],
            change=self._line,
            unrealized_start=first[2],
            unrealized_end=last[2],
            unrealized_change=self._unrealized_change + last[2] - self._base_unrealized,
            drawdown=self._drawdown,
            sharpe=sharpe,
        )

    def _join(self, time_ms: int, opening: Decimal, paid_in: Decimal | None) -> None:
        """An account has ended, if there was one, and another one begins without a position."""
        if self._last is not None:
            self._own_change = self._line
            self._unrealized_change += self._last[2] - self._base_unrealized
        else:
            self._first = (time_ms, opening, _ZERO)
            self._peak = (opening, time_ms)
        self._begin_account(opening, _ZERO, paid_in or _ZERO)

    def _begin_account(self, equity: Decimal, unrealized: Decimal, paid_in: Decimal) -> None:
        self._base_equity, self._base_unrealized, self._base_transfers = equity, unrealized, paid_in

    def _measure(self, time_ms: int, doubled_mid: int | None) -> None:
        assert self._first is not None
        height = self._first[1] + self._first[2] + self._line
        if self._listener is not None:
            self._listener(time_ms, doubled_mid, height)
        if self._peak is None or height > self._peak[0]:
            self._peak = (height, time_ms)
        fall = self._peak[0] - height
        if fall > (self._drawdown.amount if self._drawdown is not None else _ZERO):
            self._drawdown = Drawdown(fall, float(fall / self._peak[0]) * 100 if self._peak[0] > 0 else None, self._peak[1], time_ms)
        if time_ms >= self._slot_end_ms:
            self._slot_ms = self._slot_of(time_ms)
            self._slot_end_ms = self._slot_ms + (24 * HOUR_MS if self._daily else HOUR_MS)
            self._samples.append((self._slot_ms, height))
        else:
            self._samples[-1] = (self._slot_ms, height)

    def _slot_of(self, time_ms: int) -> int:
        hour_ms = self._zone.hour_ms(time_ms)
        return hour_ms - self._zone.at(hour_ms).hour * HOUR_MS if self._daily else hour_ms


def _sharpe(samples: Sequence[tuple[int, Decimal]], daily: bool) -> Sharpe:
    """Of the changes from the end of one whole slot to that of the next one; a slot without marks breaks the chain, the last one is not
    whole."""
    step_ms = 24 * HOUR_MS if daily else HOUR_MS
    whole = samples[:-1]
    changes = [float(later - earlier) for (a_ms, earlier), (b_ms, later) in pairwise(whole) if b_ms - a_ms <= 1.1 * step_ms]
    step, needed, a_year = ("daily", _LEAST_DAYS, 365) if daily else ("hourly", _LEAST_HOURS, 365 * 24)
    caveat = (
        f"from {len(changes)} {step} changes of equity, annualised as if they were independent and the next year like this one; "
        "no risk-free rate; a short record proves little"
    )
    if len(changes) < needed:
        return Sharpe(None, len(changes), needed, step, f"too few {step} changes of equity: {len(changes)} of at least {needed}")
    mean = sum(changes) / len(changes)
    deviation = math.sqrt(sum((change - mean) ** 2 for change in changes) / (len(changes) - 1))
    return Sharpe(mean / deviation * math.sqrt(a_year) if deviation else None, len(changes), needed, step, caveat)
