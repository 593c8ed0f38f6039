"""A ledger by hand: rows as a test says them, straight into the schema's tables, and the report of it."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path

from mmd.ledger.schema import APPLICATION_ID, MIGRATIONS, VERSION
from mmd.report.figures import Listeners, Question, Report, make_report
from mmd.report.period import Zone, asked_period

T0 = 1_790_000_000_000 // 3_600_000 * 3_600_000  # the beginning of an hour, UTC
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def units(text: str | None) -> int | None:
    """A price or size as the ledger stores it."""
    return None if text is None else int(Decimal(text).scaleb(8))


class HandLedger:
    """Each method adds one row and fills in what a test does not care for."""

    def __init__(self, path: Path | str = ":memory:", margin_assets: str = "USDT,USDF") -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        for script in MIGRATIONS:
            self.connection.executescript(script)
        self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self.connection.execute(f"PRAGMA user_version = {VERSION}")
        self.meta(venue="https://venue.example", symbol="ETHUSDT", base_asset="ETH", quote_asset="USDT", margin_assets=margin_assets)
        self._trade_id = self._tran_id = self._order = 0
        self.run_number = 0

    def meta(self, **values: object) -> None:
        for key, value in values.items():
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(value)))

    def run(
        self,
        start: int = T0,
        *,
        alive: int | None = None,
        end: int | None = None,
        cause: str | None = None,
        why: str = "",
        new_account: bool = False,
    ) -> int:
        self.run_number += 1
        alive = alive if alive is not None else end if end is not None else start
        self._add(
            "runs",
            self.run_number,
            f"s{self.run_number}",
            "1.0",
            int(new_account),
            start,
            alive,
            end,
            cause or ("stop" if end else None),
            why,
        )
        return self.run_number

    def fill(
        self, at: int, side: str, price: str, size: str, *, realized: str = "0", fee: str = "0", asset: str = "USDT", maker: bool = True,
        own: int | None = 1, source: str = "stream", position: str | None = None, mid: str | None = None, later: tuple[str | None, ...] = (None,) * 4,
        client: str = "mmd-1",
    ) -> int:  # fmt: skip
        self._trade_id += 1
        self._add("fills", "ETHUSDT", self._trade_id, side, at, at + 3, source, None if source == "history" else self.run_number, self._trade_id + 70, client,
                  own, units(price), units(size), realized, fee, asset, int(maker), units(position), units(mid), *map(units, later))  # fmt: skip
        return self._trade_id

    def income(self, at: int, kind: str, amount: str, *, asset: str = "USDT", symbol: str = "ETHUSDT") -> None:
        self._tran_id += 1
        self._add("income", at, kind, str(self._tran_id), asset, symbol, "", amount, kind)

    def update(self, at: int, balance: str, *, asset: str = "USDT", reason: str = "ORDER") -> None:
        self._add("wallets", self.run_number, at, at, asset, balance, "update", reason)

    def read(self, asked: int, at: int, balance: str, *, asset: str = "USDT") -> None:
        self._add("wallets", self.run_number, asked, at, asset, balance, "read", "reconcile")

    def mark(
        self,
        at: int,
        wallet: str,
        *,
        unrealized: str = "0",
        bid: str | None = "100",
        ask: str | None = "102",
        position: str = "0",
        entry: str = "0",
    ) -> None:
        self._add("marks", at, self.run_number, units(bid), units(ask), units(position), entry, wallet, unrealized, "quote", 1)

    def state(self, at: int, state: str, *reasons: str) -> None:
        self._add("states", self.run_number, at, state, json.dumps(reasons), None)

    def order(
        self,
        at: int,
        size: str,
        executed: str,
        *,
        done: int | None = 1,
        status: str | None = "CANCELED",
        order_id: int | None = 1,
        amends: int = 0,
    ) -> None:
        self._order += 1
        self._add("orders", self._order, f"mmd-{self._order}", self.run_number, order_id, "BUY", 0, at, None if done is None else at + done, "done", status,
                  units("100"), units(size), units(executed), amends)  # fmt: skip

    def request(self, hour: int, kind: str, outcome: str, count: int) -> None:
        self._add("requests", hour, kind, outcome, count)

    def duration(self, hour: int, what: str, bucket: int, count: int) -> None:
        self._add("durations", hour, what, bucket, count)

    def report(
        self, since: str | None = None, until: str | None = None, *, now: int = T0 + 30 * DAY, utc: bool = True, listeners: Listeners | None = None,
        keep_orders_days: int = 90,
    ) -> Report:  # fmt: skip
        zone = Zone(utc)
        return make_report(self.connection, Question(asked_period(since, until, now, zone), now, zone, keep_orders_days), listeners)

    def _add(self, table: str, *values: object) -> None:
        self.connection.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(values))})", values)


def iso(time_ms: int) -> str:
    """A moment as the command line takes it."""
    return Zone(True).iso(time_ms)
