"""Writing a ledger: a batch of entries is one transaction, and telling the same fill or income line twice changes nothing."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Fill
from mmd.core.orders import Happening, OrderState
from mmd.core.records import FillRecord, IncomeLine, OrderRecord, StateRecord
from mmd.core.rules import SymbolRules
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
from mmd.ledger.opening import Identity, LedgerBusy, LedgerError, advice, hold, is_busy, open_for_writing
from mmd.ledger.schema import GRID, MARK_OUT_S

_HOUR_MS = 3_600_000
# A mid at which a fill was learned of so long after it happened says nothing of the fill.
_LATE_MS = 2_000
_IN_FILLS = ("REALIZED_PNL", "COMMISSION")
_HEARD = ["heard_ms", "source", "run", "client_order_id", "own", "realized", "commission", "commission_asset", "maker", "position", "mid"]

_INSERT_FILL = """
INSERT INTO fills (symbol, trade_id, side, time_ms, order_id, price, size, heard_ms, source, run, client_order_id, own, realized, commission,
                   commission_asset, maker, position, mid)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (symbol, trade_id, side) """
_HEAR_FILL = _INSERT_FILL + f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _HEARD)} WHERE fills.source = 'history'"
_READ_FILL = _INSERT_FILL + "DO NOTHING"
_ADD_COUNT = """INSERT INTO {table} (hour_ms, {keys}, count) VALUES (?, ?, ?, ?)
ON CONFLICT (hour_ms, {keys}) DO UPDATE SET count = count + excluded.count"""
_ADD_REQUESTS = _ADD_COUNT.format(table="requests", keys="kind, outcome")
_ADD_DURATIONS = _ADD_COUNT.format(table="durations", keys="what, bucket")


class ReadMarks(NamedTuple):
    """How far the venue's lists were read: the last trade id, and the time of the income list; what is before `from_ms` is not this ledger's."""

    trades_read_to: int
    income_read_to_ms: int
    from_ms: int


class Scale(NamedTuple):
    """Ledger units of a tick and of a lot."""

    tick: int
    lot: int


class Ledger:
    """The writing half, for one thread. Attributes to read, from any thread: `path`, and `read_marks` (None until the run's first reading of the
    account was written)."""

    def __init__(self, path: Path, held: IO[bytes], connection: sqlite3.Connection, rules: SymbolRules) -> None:
        """`held` is the right to write (`opening.hold`), let go at the end."""
        self.path = path
        self._held = held
        self.read_marks: ReadMarks | None = None
        self._connection = connection
        self._rules = rules
        self._scale = scale_of(rules)
        self._run: int | None = None
        self._new_account = False
        self._keys: dict[str, int] = {}  # of the orders that are not done
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._run_started,
            RunEnded: self._run_ended,
            Noted: self._noted,
            WalletUpdate: lambda entry: self._wallets(entry.time_ms, entry, "update"),
            WalletRead: lambda entry: self._wallets(entry.asked_ms, entry, "read"),
            Baseline: self._baseline,
            TradesRead: self._trades_read,
            IncomeRead: self._income_read,
            Marked: self._marked,
            MarkOut: self._mark_out,
            Counted: self._counted,
        }

    def write(self, entries: Iterable[Entry]) -> None:
        """All of them or, where LedgerError is raised, none of them (LedgerBusy: for now). When it returns they are on the disk."""
        before = self._run, self._new_account, self._rules, self.read_marks
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            alive_ms = 0
            for entry in entries:
                self._handlers[type(entry)](entry)
                if not isinstance(entry, MarkOut):
                    alive_ms = max(alive_ms, entry.time_ms)
            execute("UPDATE runs SET alive_ms = max(alive_ms, ?) WHERE run = ?", (alive_ms, self._run))
            execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            self._run, self._new_account, self._rules, self.read_marks = before
            self._scale = scale_of(self._rules)
            self._keys.clear()
            raise self._failure(error) from error

    def forget(self, before_ms: int, most: int) -> int:
        """Drop the transitions of at most so many orders that were placed before then, and those orders that never filled; how many it looked at.

        To be called again and again: a short transaction each, from the oldest on. Raises LedgerError.
        """
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            swept = self._meta("orders_swept_to_ms") or 0
            found = execute(
                "SELECT key, executed, placed_ms FROM orders WHERE placed_ms >= ? AND placed_ms < ? ORDER BY placed_ms LIMIT ?", (swept, before_ms, most)
            ).fetchall()
            for key, executed, _ in found:
                execute("DELETE FROM transitions WHERE order_key = ?" if executed else "DELETE FROM orders WHERE key = ?", (key,))
            if found:
                self._set_meta("orders_swept_to_ms", found[-1][2])
            execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise self._failure(error) from error
        return len(found)

    def check_in_place(self) -> None:
        """Raises LedgerError where the file was moved, deleted or replaced: SQLite would go on writing to what nobody will find again."""
        try:
            if os.path.samestat(os.stat(self.path), os.fstat(self._held.fileno())):
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise LedgerError(f"{self.path}: the ledger cannot be looked at: {error.strerror or error}; look at the disk") from error
        raise LedgerError(f"{self.path}: the ledger was moved, deleted or replaced while it is written; stop the daemon before touching it")

    def close(self) -> None:
        """Bring everything into the one file and let it go. Raises LedgerError; it is closed all the same."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            self._connection.close()
            self._held.close()

    def _failure(self, error: Exception) -> LedgerError:
        return (LedgerBusy if is_busy(error) else LedgerError)(f"{self.path}: the ledger does not take what is written: {error}; {advice(error)}")

    # --- runs, states, counts ---------------------------------------------------------------------------------------------------------

    def _run_started(self, entry: RunStarted) -> None:
        execute = self._connection.execute
        execute("UPDATE runs SET cause = 'killed' WHERE ended_ms IS NULL AND cause IS NULL")
        cursor = execute(
            "INSERT INTO runs (session, version, new_account, started_ms, alive_ms) VALUES (?, ?, ?, ?, ?)",
            (entry.session, entry.version, int(entry.new_account), entry.time_ms, entry.time_ms),
        )
        self._run, self._new_account = cursor.lastrowid, entry.new_account
        self._rules, self._scale = entry.rules, scale_of(entry.rules)
        self.read_marks = None
        self._keys.clear()

    def _run_ended(self, entry: RunEnded) -> None:
        self._connection.execute("UPDATE runs SET ended_ms = ?, cause = ?, why = ? WHERE run = ?", (*entry, self._run))

    def _noted(self, entry: Noted) -> None:
        for record in entry.records:
            if isinstance(record, OrderRecord):
                self._order(record, entry.time_ms)
            elif isinstance(record, FillRecord):
                self._fill(record, entry)
            else:
                self._state(record, entry.time_ms)

    def _state(self, record: StateRecord, time_ms: int) -> None:
        row = (self._run, time_ms, record.state, json.dumps(record.reasons), record.mode)
        self._connection.execute("INSERT INTO states (run, time_ms, state, reasons, mode) VALUES (?, ?, ?, ?, ?)", row)

    def _counted(self, entry: Counted) -> None:
        hour_ms = entry.time_ms // _HOUR_MS * _HOUR_MS
        self._connection.executemany(_ADD_REQUESTS, [(hour_ms, *key, count) for key, count in entry.requests.items()])
        self._connection.executemany(_ADD_DURATIONS, [(hour_ms, *key, count) for key, count in entry.durations.items()])

    # --- orders, fills ----------------------------------------------------------------------------------------------------------------

    def _order(self, record: OrderRecord, time_ms: int) -> None:
        execute, scale = self._connection.execute, self._scale
        done = record.state == OrderState.DONE.value
        status = record.status.value if record.status is not None else None
        figures = (record.state, status, record.price_ticks * scale.tick, record.size_lots * scale.lot, record.executed_lots * scale.lot)
        order_id, amends = record.order_id or None, int(record.happening == Happening.AMEND_ACCEPTED.value)
        key = self._order_key(record.client_order_id)
        if key is None:
            head = (record.client_order_id, self._run, order_id, record.side.value, int(record.reduce_only), time_ms, time_ms if done else None)
            key = execute(
                "INSERT INTO orders (client_order_id, run, order_id, side, reduce_only, placed_ms, done_ms, state, status, price, size, executed, amends) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*head, *figures, amends)
            ).lastrowid  # fmt: skip
            assert key is not None
        else:
            execute(
                "UPDATE orders SET order_id = coalesce(?, order_id), done_ms = CASE WHEN ? THEN coalesce(done_ms, ?) END, state = ?, status = ?, "
                "price = ?, size = ?, executed = ?, amends = amends + ? WHERE key = ?", (order_id, done, time_ms, *figures, amends, key)
            )  # fmt: skip
        if done:
            self._keys.pop(record.client_order_id, None)
        else:
            self._keys[record.client_order_id] = key
        execute(
            "INSERT INTO transitions (order_key, time_ms, happening, state, status, price, size, executed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (key, time_ms, record.happening, *figures),
        )

    def _order_key(self, client_order_id: str) -> int | None:
        key = self._keys.get(client_order_id)
        if key is None:
            row = self._connection.execute("SELECT key FROM orders WHERE client_order_id = ?", (client_order_id,)).fetchone()
            key = int(row[0]) if row is not None else None
        return key

    def _fill(self, record: FillRecord, entry: Noted) -> None:
        fill, scale = record.fill, self._scale
        mid = None
        if record.mid_half_ticks is not None and entry.time_ms - fill.trade_time_ms <= _LATE_MS:
            mid = record.mid_half_ticks * scale.tick // 2
        heard = (entry.time_ms, entry.source, self._run, record.client_order_id, int(record.own))
        row = (*self._fill_head(fill, scale), *heard, *_money_of(fill), record.position_lots * scale.lot, mid)
        self._connection.execute(_HEAR_FILL, row)

    def _fill_head(self, fill: Fill, scale: Scale) -> tuple[object, ...]:
        key = (self._rules.symbol, fill.trade_id, fill.side.value)
        return *key, fill.trade_time_ms, fill.order_id, fill.price_ticks * scale.tick, fill.size_lots * scale.lot

    def _trades_read(self, entry: TradesRead) -> None:
        scale, from_ms = scale_of(entry.rules), self._meta("from_ms") or 0
        for fill in entry.fills:
            if fill.trade_time_ms >= from_ms:
                # A run that was killed may have written down the order, and not its last fill.
                order = self._connection.execute(
                    "SELECT client_order_id FROM orders WHERE order_id = ? AND side = ?", (fill.order_id, fill.side.value)
                ).fetchone()
                heard = (entry.time_ms, "history", None, order[0] if order else fill.client_order_id, 1 if order else None)
                self._connection.execute(_READ_FILL, (*self._fill_head(fill, scale), *heard, *_money_of(fill), None, None))
        if self.read_marks is not None and entry.read_to_trade_id > self.read_marks.trades_read_to:
            self._set_meta("trades_read_to", entry.read_to_trade_id)
            self.read_marks = self.read_marks._replace(trades_read_to=entry.read_to_trade_id)

    # --- money ------------------------------------------------------------------------------------------------------------------------

    def _wallets(self, since_ms: int, entry: WalletUpdate | WalletRead, kind: str) -> None:
        self._connection.executemany(
            "INSERT INTO wallets (run, since_ms, time_ms, asset, balance, kind, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(self._run, since_ms, entry.time_ms, asset, f"{amount:f}", kind, entry.reason) for asset, amount in entry.balances.items()],
        )

    def _baseline(self, entry: Baseline) -> None:
        if self._new_account or self._meta("trades_read_to") is None:
            self._set_meta("trades_read_to", max(entry.trade_id, self._meta("trades_read_to") or 0))
            self._set_meta("income_read_to_ms", entry.time_ms)
            self._set_meta("from_ms", entry.time_ms)
        trades, income_ms, from_ms = (self._meta(key) for key in ("trades_read_to", "income_read_to_ms", "from_ms"))
        assert trades is not None and income_ms is not None and from_ms is not None, "they are written together"
        self.read_marks = ReadMarks(trades, income_ms, from_ms)

    def _income_read(self, entry: IncomeRead) -> None:
        for line in entry.lines:
            if line.symbol == self._rules.symbol and line.income_type in _IN_FILLS:
                if line.income_type == "COMMISSION":
                    self._correct_commission(line)
                continue
            row = (*line[:6], f"{line.amount:f}", line.info)
            self._connection.execute(
                "INSERT OR IGNORE INTO income (time_ms, income_type, tran_id, asset, symbol, trade_id, amount, info) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
            )
        if self.read_marks is not None and entry.read_to_ms > self.read_marks.income_read_to_ms:
            self._set_meta("income_read_to_ms", entry.read_to_ms)
            self.read_marks = self.read_marks._replace(income_read_to_ms=entry.read_to_ms)

    def _correct_commission(self, line: IncomeLine) -> None:
        """The document shows a paid commission with either sign in userTrades, and negative in the income list, which therefore decides."""
        if not line.trade_id.isascii() or not line.trade_id.isdigit():
            return
        rows = self._connection.execute(
            "SELECT side, commission FROM fills WHERE symbol = ? AND trade_id = ? AND source != 'stream'", (line.symbol, int(line.trade_id))
        ).fetchall()
        for side, commission in rows:
            if Decimal(commission) == line.amount != 0:
                self._connection.execute(
                    "UPDATE fills SET commission = ? WHERE symbol = ? AND trade_id = ? AND side = ?",
                    (f"{-line.amount:f}", line.symbol, int(line.trade_id), side),
                )

    def _marked(self, entry: Marked) -> None:
        prices = (to_grid(entry.bid), to_grid(entry.ask), to_grid(entry.position))
        amounts = (f"{entry.entry_price:f}", f"{entry.wallet:f}", f"{entry.unrealized:f}")
        self._connection.execute(
            "INSERT INTO marks (time_ms, run, bid, ask, position, entry_price, wallet, unrealized, state, quotes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.time_ms, self._run, *prices, *amounts, entry.state, entry.quotes),
        )

    def _mark_out(self, entry: MarkOut) -> None:
        assert entry.after_s in MARK_OUT_S
        self._connection.execute(
            f"UPDATE fills SET mid_{entry.after_s} = ? WHERE symbol = ? AND trade_id = ? AND side = ?",
            (to_grid(entry.mid), self._rules.symbol, entry.trade_id, entry.side.value),
        )

    # --- meta -------------------------------------------------------------------------------------------------------------------------

    def _meta(self, key: str) -> int | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row is not None else None

    def _set_meta(self, key: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, str(value)))


def open_ledger(path: Path, identity: Identity, rules: SymbolRules) -> Ledger:
    """The ledger of this market, ready to be written by this process alone. Raises ConfigError and LedgerError, as `hold` and `open_for_writing` do."""
    scale_of(rules)
    held = hold(path)
    try:
        return Ledger(path, held, open_for_writing(path, identity, rules), rules)
    except MmdError:
        held.close()
        raise


def scale_of(rules: SymbolRules) -> Scale:
    """Raises ConfigError where a tick or a lot is finer than the ledger's grid."""
    tick, lot = rules.price.step * GRID, rules.size.step * GRID
    if tick != int(tick) or lot != int(lot):
        raise ConfigError(f"{rules.symbol}: the ledger keeps eight decimals, and its tick of {rules.price.step} or step of {rules.size.step} has more")
    return Scale(int(tick), int(lot))


def to_grid(value: Decimal | None) -> int | None:
    """In units of the ledger, rounded down where it is finer (the mid of a finest tick)."""
    return None if value is None else int((value * GRID).to_integral_value("ROUND_FLOOR"))


def _money_of(fill: Fill) -> tuple[str, str, str, int]:
    return f"{fill.realized_profit:f}", f"{fill.commission:f}", fill.commission_asset, int(fill.maker)
