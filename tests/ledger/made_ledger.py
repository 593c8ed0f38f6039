"""A made-up ledger of N fills, whose orders, wallets, income and marks all agree: `python -m tests.ledger.made_ledger PATH --fills N [--seed S]`.

The same seed makes the same file. It trades a random walk with a small maker's edge: buys, mostly whole, some in parts, then sells; some orders
are cancelled unfilled; some fees are paid in USDF; funding every eight hours; a restart about every two days, every fifth after a kill.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from mmd.core.rules import SymbolRules
from mmd.core.units import Grid
from mmd.ledger.opening import Identity, open_for_writing
from mmd.ledger.schema import GRID, MARK_OUT_S

START_MS = 1_750_000_000_000
SYMBOL = "ETHUSDT"
TICK, LOT = GRID // 100, GRID // 1000  # of price and of size, in units of the ledger
DEPOSIT = 10_000 * GRID
MAKER, TAKER = 50, 350  # fees in millionths
_BATCH = 5_000
_HOUR_MS, _FUNDING_S, _MARK_S, _RUN_S = 3_600_000, 8 * 3600, 10, 2 * 86_400
_TABLES = {
    "runs": 9, "states": 5, "orders": 14, "transitions": 8, "fills": 22, "income": 8, "wallets": 7, "marks": 10, "requests": 4, "durations": 4,
}


def rules() -> SymbolRules:
    """ETHUSDT as the maker trades it."""
    return SymbolRules(
        symbol=SYMBOL, status="TRADING", base_asset="ETH", quote_asset="USDT", margin_asset="USDT", price=Grid("0.01"), size=Grid("0.001"),
        min_price_ticks=1, max_price_ticks=10**8, min_size_lots=1, max_size_lots=10**7, min_notional=Decimal(5),
        multiplier_up=Decimal("1.1"), multiplier_down=Decimal("0.9"), weight_per_minute=2400, orders_per_minute=1200,
    )  # fmt: skip


def money(units: int) -> str:
    """Units of 1e-8 as the ledger writes money."""
    return f"{Decimal(units).scaleb(-8):f}"


class Maker:
    """Trades second by second and gathers rows; `flush` writes them."""

    def __init__(self, connection: Any, seed: int) -> None:
        self._connection = connection
        self._random = Random(seed)
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _TABLES}
        self._second = 0
        walk = 2500 * GRID // TICK
        self._mids: deque[int] = deque([walk])  # in half ticks of nothing finer than a tick: this second and the next 300
        self._last_mid = walk
        while len(self._mids) <= MARK_OUT_S[-1]:
            self._walk()
        self._wallets = {"USDT": DEPOSIT, "USDF": 100 * GRID}
        self._position, self._cost = 0, 0  # lots, and what they cost in units of 1e-8
        self._run = self._order_key = self._tran_id = 0
        self._trade_id = START_MS
        self._hour: dict[tuple[str, str], int] = {}
        self._latencies: dict[tuple[str, int], int] = {}
        self.fills = 0

    @property
    def now_ms(self) -> int:
        return START_MS + self._second * 1000

    def make(self, fills: int) -> None:
        """Trade until there are so many."""
        self._begin_run(new_account=True)
        run_ends, killed = _RUN_S, 0
        while self.fills < fills:
            self._trade(fills - self.fills)
            if self._second >= run_ends:
                killed += 1
                self._end_run(killed % 5 == 0)
                self._pass(self._random.randint(5, 90))
                self._begin_run(new_account=False)
                run_ends = self._second + _RUN_S
        self._pass(_MARK_S)
        self._end_run(False)
        self._tell_hour()
        self.flush()
        last = [("trades_read_to", str(self._trade_id)), ("from_ms", str(START_MS)), ("income_read_to_ms", str(self.now_ms))]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", last)
        self._connection.execute("COMMIT")

    def flush(self) -> None:
        """Write what was gathered."""
        self._connection.execute("BEGIN")
        for name, rows in self._rows.items():
            if rows:
                self._connection.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * _TABLES[name])})", rows)
                rows.clear()
        self._connection.execute("COMMIT")

    # --- time

    def _walk(self) -> None:
        self._last_mid += round(self._random.gauss(0, 12))
        self._mids.append(self._last_mid)

    def _mid(self, after_s: int = 0) -> int:
        return self._mids[after_s] * TICK

    def _pass(self, seconds: int) -> None:
        for _ in range(seconds):
            self._second += 1
            self._walk()
            self._mids.popleft()
            if self._second % _MARK_S == 0:
                self._mark()
            if self._second % _FUNDING_S == 0:
                self._fund()
            if self.now_ms % _HOUR_MS < 1000:
                self._tell_hour()

    def _mark(self) -> None:
        mid, lots = self._mid(), self._position
        entry = money(self._cost * GRID // (abs(lots) * LOT)) if lots else "0"
        value = lots * LOT * mid // GRID
        unrealized = value - (self._cost if lots > 0 else -self._cost)
        bid, ask = mid - TICK, mid + TICK
        wallet = money(sum(self._wallets.values()))
        self._rows["marks"].append((self.now_ms, self._run, bid, ask, lots * LOT, entry, wallet, money(unrealized if lots else 0), "quote", 1))

    def _fund(self) -> None:
        if self._position:
            amount = -self._position * LOT * self._mid() // GRID * self._random.randint(-50, 150) // 1_000_000
            self._tran_id += 1
            row = (self.now_ms, "FUNDING_FEE", str(self._tran_id), "USDT", SYMBOL, "", money(amount), "FUNDING_FEE")
            self._rows["income"].append(row)
            self._wallets["USDT"] += amount
            self._wallet(self.now_ms, ("USDT",), "update", "FUNDING_FEE")

    def _tell_hour(self) -> None:
        hour_ms = (self.now_ms - 1) // _HOUR_MS * _HOUR_MS  # the hour that has just ended, or is ending
        self._rows["requests"] += [(hour_ms, kind, outcome, count) for (kind, outcome), count in self._hour.items()]
        self._rows["durations"] += [(hour_ms, what, bucket, count) for (what, bucket), count in self._latencies.items()]
        self._hour.clear()
        self._latencies.clear()

    def _count(self, kind: str, outcome: str = "done") -> None:
        self._hour[kind, outcome] = self._hour.get((kind, outcome), 0) + 1
        for what, bucket, spread in (("event_age", 60, 4), ("decision", 22, 2), ("round_trip", 52, 3)):
            key = what, max(0, round(self._random.gauss(bucket, spread)))
            self._latencies[key] = self._latencies.get(key, 0) + 1

    # --- runs

    def _begin_run(self, new_account: bool) -> None:
        self._run += 1
        now_ms = self.now_ms
        self._rows["runs"].append((self._run, f"s{self._run:06}", "made", int(new_account), now_ms, now_ms, None, None, None))
        for later_ms, state in ((0, "boot"), (300, "sync")):
            self._rows["states"].append((self._run, now_ms + later_ms, state, "[]", None))
        self._wallet(now_ms + 400, ("USDT", "USDF"), "read", "reconcile")
        self._rows["states"].append((self._run, now_ms + 500, "quote", "[]", "SELL" if self._position else "BUY"))
        self._pass(1)

    def _end_run(self, killed: bool) -> None:
        now_ms = self.now_ms
        self.flush()
        end = (now_ms, None, "killed", None) if killed else (now_ms, now_ms, "stop", "SIGTERM")
        if not killed:
            self._rows["states"] += [(self._run, now_ms - 300, "stop", "[]", None), (self._run, now_ms, "stopped", "[]", None)]
        self._connection.execute("UPDATE runs SET alive_ms = ?, ended_ms = ?, cause = ?, why = ? WHERE run = ?", (*end, self._run))

    def _pause(self) -> None:
        reasons = self._random.choice(('["the book is 2100 ms old"]', '["user stream down: planned renewal"]', '["the clock is off by 600 ms"]'))
        self._rows["states"].append((self._run, self.now_ms + 10, "pause", reasons, "BUY"))
        self._pass(self._random.randint(1, 40))
        self._rows["states"].append((self._run, self.now_ms + 10, "quote", "[]", "BUY"))

    # --- trading

    def _trade(self, most: int) -> None:
        """One order: it rests, and is cancelled or fills, whole or in parts."""
        random = self._random
        if random.random() < 0.001:
            self._pause()
        side = "SELL" if self._position > 0 else "BUY"
        sign = 1 if side == "BUY" else -1
        lots = self._position if side == "SELL" else random.randint(4, 40)
        price = self._mid() - sign * random.randint(1, 12) * TICK
        self._order_key += 1
        client_id, order_id = f"mmd-s{self._run}-{self._order_key}", START_MS + self._order_key
        placed_ms = self.now_ms + random.randint(0, 200)
        steps = [("registered", "placing", None, 0, 0), ("place accepted", "working", "NEW", 0, 30), ("seen live", "working", "NEW", 0, 32)]
        executed = 0
        self._count("place")
        if random.random() < 0.35:
            self._pass(random.randint(1, 5))
            self._count("cancel")
            later_ms = self.now_ms - placed_ms + 500
            steps += [("cancel sent", "cancelling", "NEW", 0, later_ms), ("seen terminal", "done", "CANCELED", 0, later_ms + 30)]
        else:
            parts = min(most, random.choice((1, 1, 1, 2, 3)), lots)
            for part in range(parts):
                self._pass(random.randint(1, 3))
                size = lots - executed if part == parts - 1 else random.randint(1, lots - executed - (parts - part - 1))
                executed += size
                self._fill(side, sign, price, size, order_id, client_id, maker=random.random() < 0.97)
                state, status = ("done", "FILLED") if executed == lots else ("working", "PARTIALLY_FILLED")
                steps.append(("seen terminal" if state == "done" else "seen live", state, status, executed * LOT, self.now_ms - placed_ms + 205))
        _, state, status, _, done_ms = steps[-1]
        self._rows["orders"].append(
            (self._order_key, client_id, self._run, order_id, side, int(side == "SELL"), placed_ms, placed_ms + done_ms, state, status, price,
             lots * LOT, executed * LOT, 0)
        )  # fmt: skip
        self._rows["transitions"] += [
            (self._order_key, placed_ms + later_ms, happening, state, status, price, lots * LOT, filled)
            for happening, state, status, filled, later_ms in steps
        ]
        if len(self._rows["fills"]) >= _BATCH:
            self.flush()

    def _fill(self, side: str, sign: int, price: int, lots: int, order_id: int, client_id: str, maker: bool) -> None:
        value = price * lots * LOT // GRID
        realized = 0
        if sign > 0:
            self._cost += value
        else:
            cost = self._cost if lots == self._position else self._cost * lots // self._position
            self._cost -= cost
            realized = value - cost
        self._position += sign * lots
        fee, asset = value * (MAKER if maker else TAKER) // 1_000_000, "USDT"
        if self._order_key % 10 == 0 and self._wallets["USDF"] > fee:
            asset = "USDF"
        self._wallets["USDT"] += realized
        self._wallets[asset] -= fee
        self._trade_id += self._random.randint(1, 9)
        at_ms = self.now_ms + 200
        mids = [self._mid(after_s) + self._random.randint(-2, 2) * TICK // 2 for after_s in (0, *MARK_OUT_S)]
        self._rows["fills"].append(
            (SYMBOL, self._trade_id, side, at_ms, at_ms + 4, "stream", self._run, order_id, client_id, 1, price, lots * LOT, money(realized),
             money(fee), asset, int(maker), self._position * LOT, *mids)
        )  # fmt: skip
        self._wallet(at_ms, dict.fromkeys(("USDT", asset)), "update", "ORDER")
        self.fills += 1

    def _wallet(self, at_ms: int, assets: Iterable[str], kind: str, reason: str) -> None:
        since_ms = at_ms - 60 if kind == "read" else at_ms
        self._rows["wallets"] += [(self._run, since_ms, at_ms, asset, money(self._wallets[asset]), kind, reason) for asset in assets]


def make_ledger(path: Path, fills: int, seed: int = 1) -> Path:
    """Make it and return its path; the file must not exist yet."""
    connection = open_for_writing(path, Identity("paper", "made", ("USDT", "USDF")), rules())
    connection.execute("PRAGMA synchronous = OFF")  # it can be made again
    Maker(connection, seed).make(fills)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="make a ledger of made-up trades")
    parser.add_argument("path", type=Path)
    parser.add_argument("--fills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    make_ledger(arguments.path, arguments.fills, arguments.seed)


if __name__ == "__main__":
    main()
