"""The ledger's rows as a report reads them: each query once, in the order of time, streamed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any, NamedTuple

from mmd.core.errors import MmdError
from mmd.report.period import Period

# Sums of money must not lose a digit, and a product of price and size has up to 16 decimals.
EXACT = Context(prec=60)


class LedgerRowError(MmdError):
    """A row of the ledger does not hold what its column is for."""


class Identity(NamedTuple):
    """Whose ledger it is (`meta`). `margin_assets` count at par with the quote asset, as they do for the daemon."""

    venue: str
    symbol: str
    base_asset: str
    quote_asset: str
    margin_assets: tuple[str, ...]
    income_read_to_ms: int | None


class RunRow(NamedTuple):
    """One run of the engine."""

    run: int
    version: str
    new_account: bool
    started_ms: int
    alive_ms: int
    ended_ms: int | None
    cause: str | None
    why: str | None

    @property
    def end_ms(self) -> int:
        """Its end, or the last sign of life."""
        return max(self.started_ms, self.alive_ms if self.ended_ms is None else self.ended_ms)

    @property
    def was_killed(self) -> bool:
        """Whether it never said goodbye (which a running one has not done either)."""
        return self.ended_ms is None or self.cause in (None, "killed")


class FillRow(NamedTuple):
    """One trade; prices and sizes in 1e-8, `position` after it, `mids` when it was learned of and 1, 5, 30, 300 s later."""

    time_ms: int
    is_buy: int
    price: int
    size: int
    realized: str
    commission: str
    commission_asset: str
    maker: int
    own: int | None
    source: str
    position: int | None
    mid: int | None
    mid_1: int | None
    mid_5: int | None
    mid_30: int | None
    mid_300: int | None

    @property
    def signed_size(self) -> int:
        return self.size if self.is_buy else -self.size


# A fill with what names it: the fields of FillRow, then trade id, order id and client order id.
NamedFillRow = tuple[Any, ...]


class MarkRow(NamedTuple):
    """The market and our place in it at one moment; prices and sizes in 1e-8."""

    time_ms: int
    run: int
    bid: int | None
    ask: int | None
    position: int
    wallet: str
    unrealized: str


class IncomeRow(NamedTuple):
    """One line of the venue's income list."""

    time_ms: int
    income_type: str
    asset: str
    symbol: str
    amount: Decimal
    info: str


class WalletRow(NamedTuple):
    """One told balance; `row` orders those of the same millisecond."""

    row: int
    run: int
    since_ms: int
    time_ms: int
    asset: str
    balance: Decimal
    kind: str


_FILL_COLUMNS = "time_ms, side = 'BUY', price, size, realized, commission, commission_asset, maker, own, source, position, mid, mid_1, mid_5, mid_30, mid_300"
_FILL = f"SELECT {_FILL_COLUMNS} FROM fills "
_FILL_ORDER = " ORDER BY time_ms, symbol, trade_id, side"


class LedgerRows:
    """Every query of a report, on one read-only connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def identity(self) -> Identity:
        meta = dict(self._connection.execute("SELECT key, value FROM meta").fetchall())
        read_to = meta.get("income_read_to_ms")
        margin = tuple(asset for asset in meta.get("margin_assets", "").split(",") if asset)
        return Identity(
            meta.get("venue", ""),
            meta.get("symbol", ""),
            meta.get("base_asset", ""),
            meta.get("quote_asset", ""),
            margin,
            int(read_to) if read_to else None,
        )

    def runs(self) -> list[RunRow]:
        found = self._connection.execute(
            "SELECT run, version, new_account, started_ms, alive_ms, ended_ms, cause, why FROM runs ORDER BY started_ms, run"
        )
        return [RunRow(row[0], row[1], bool(row[2]), *row[3:]) for row in found]

    def span(self) -> tuple[int | None, int | None]:
        """The times of the first and the last entry of any kind that happened; None where there is none."""
        found = [
            self._connection.execute(query).fetchone()
            for query in (
                "SELECT min(started_ms), max(max(started_ms, alive_ms, coalesce(ended_ms, 0))) FROM runs",
                "SELECT min(time_ms), max(time_ms) FROM fills",
                "SELECT min(time_ms), max(time_ms) FROM marks",
                "SELECT min(time_ms), max(time_ms) FROM income",
                "SELECT min(time_ms), max(time_ms) FROM wallets",
            )
        ]
        firsts, lasts = [row[0] for row in found if row[0] is not None], [row[1] for row in found if row[1] is not None]
        return min(firsts, default=None), max(lasts, default=None)

    def fills(self, period: Period) -> Iterator[FillRow]:
        """The trades of a period as plain tuples in the order of FillRow's fields (making a million of NamedTuples would take a second)."""
        found: Iterator[FillRow] = self._connection.execute(f"{_FILL} WHERE time_ms >= ? AND time_ms < ?{_FILL_ORDER}", period)
        return found

    def named_fills(self, period: Period) -> Iterator[NamedFillRow]:
        """The same trades with their ids."""
        return self._connection.execute(
            f"SELECT {_FILL_COLUMNS}, trade_id, order_id, client_order_id FROM fills WHERE time_ms >= ? AND time_ms < ?{_FILL_ORDER}",
            period,
        )

    def fills_since_flat(self, before_ms: int, not_before_ms: int) -> Iterator[FillRow]:
        """The trades before a moment, from the last one on that left no position (which comes first), or from the first there is."""
        flat = self._connection.execute(
            "SELECT time_ms, symbol, trade_id, side FROM fills WHERE time_ms < ? AND time_ms >= ? AND position = 0"
            " ORDER BY time_ms DESC, symbol DESC, trade_id DESC, side DESC LIMIT 1",
            (before_ms, not_before_ms),
        ).fetchone()
        found: Iterator[FillRow]
        if flat is None:
            found = self._connection.execute(f"{_FILL} WHERE time_ms < ? AND time_ms >= ?{_FILL_ORDER}", (before_ms, not_before_ms))
        else:
            found = self._connection.execute(
                f"{_FILL} WHERE (time_ms, symbol, trade_id, side) >= (?, ?, ?, ?) AND time_ms < ?{_FILL_ORDER}", (*flat, before_ms)
            )
        return found

    def marks(self, period: Period) -> Iterator[MarkRow]:
        """The marks of a period, as plain tuples in the order of MarkRow's fields."""
        found: Iterator[MarkRow] = self._connection.execute(
            "SELECT time_ms, run, bid, ask, position, wallet, unrealized FROM marks WHERE time_ms >= ? AND time_ms < ? ORDER BY time_ms, rowid",
            period,
        )
        return found

    def mark_before(self, time_ms: int, not_before_ms: int) -> MarkRow | None:
        """The last mark before a moment, and not before another one."""
        found = self._connection.execute(
            "SELECT time_ms, run, bid, ask, position, wallet, unrealized FROM marks WHERE time_ms < ? AND time_ms >= ?"
            " ORDER BY time_ms DESC, rowid DESC LIMIT 1",
            (time_ms, not_before_ms),
        ).fetchone()
        return MarkRow(*found) if found else None

    def income(self, period: Period) -> Iterator[IncomeRow]:
        found = self._connection.execute(
            "SELECT time_ms, income_type, asset, symbol, amount, info FROM income WHERE time_ms >= ? AND time_ms < ?"
            " ORDER BY time_ms, income_type, tran_id, asset, symbol, trade_id",
            period,
        )
        return (IncomeRow(at_ms, kind, asset, symbol, money(amount), info) for at_ms, kind, asset, symbol, amount, info in found)

    def wallet_assets(self, period: Period) -> list[str]:
        found = self._connection.execute("SELECT DISTINCT asset FROM wallets WHERE time_ms >= ? AND time_ms < ? ORDER BY asset", period)
        return [asset for (asset,) in found]

    def wallet_rows(self, asset: str, period: Period, newest_first: bool) -> Iterator[WalletRow]:
        way = "DESC" if newest_first else "ASC"
        found = self._connection.execute(
            "SELECT rowid, run, since_ms, time_ms, balance, kind FROM wallets WHERE asset = ? AND time_ms >= ?"
            f" AND time_ms < ? ORDER BY time_ms {way}, rowid {way}",
            (asset, *period),
        )
        return (WalletRow(row, run, since_ms, time_ms, asset, money(balance), kind) for row, run, since_ms, time_ms, balance, kind in found)

    def opening_wallet(self, run: RunRow, assets: tuple[str, ...]) -> Decimal | None:
        """What the first reading of a run found in these assets; None where there was none."""
        found = self._connection.execute(
            "SELECT asset, balance FROM wallets WHERE run = :run AND time_ms = (SELECT min(time_ms) FROM wallets WHERE"
            " run = :run AND time_ms >= :from AND kind = 'read')",
            {"run": run.run, "from": run.started_ms},
        ).fetchall()
        return sum((money(balance) for asset, balance in found if asset in assets), Decimal(0)) if found else None

    def is_quiet(self, since_ms: int, until_ms: int) -> bool:
        """Whether no fill, income or account update lies within both moments, the two included."""
        found = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM fills WHERE time_ms BETWEEN :a AND :b) OR EXISTS (SELECT 1 FROM income WHERE time_ms BETWEEN :a AND :b)"
            " OR EXISTS (SELECT 1 FROM wallets WHERE kind = 'update' AND time_ms BETWEEN :a AND :b)",
            {"a": since_ms, "b": until_ms},
        ).fetchone()
        return not found[0]

    def states(self) -> Iterator[tuple[int, int, str, str]]:
        """What every run was doing, run by run: run, when, state, reasons as JSON."""
        return self._connection.execute("SELECT run, time_ms, state, reasons FROM states ORDER BY run, time_ms, rowid")

    def query(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
        """The few rows of a query that SQLite sums up."""
        return self._connection.execute(sql, parameters).fetchall()


def money(text: str) -> Decimal:
    """An amount as the ledger holds it. Raises LedgerRowError for what is no number."""
    try:
        amount = EXACT.create_decimal(text)
    except ArithmeticError as error:
        raise LedgerRowError(f"the ledger holds {text!r} where an amount belongs") from error
    if not amount.is_finite():
        raise LedgerRowError(f"the ledger holds {text!r} where an amount belongs")
    return amount


def price_text(price: int) -> Decimal:
    """A price or size of the ledger (1e-8) as a decimal without idle zeros."""
    return EXACT.create_decimal(price).scaleb(-8, EXACT)


def amount_of(product: int) -> Decimal:
    """A sum of price times size (1e-16) in the quote asset."""
    return EXACT.create_decimal(product).scaleb(-16, EXACT)
