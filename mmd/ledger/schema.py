"""The tables of a ledger, and the steps from each older version of them to the newest.

All `*_ms` are the venue's time in milliseconds since the epoch. Prices and sizes are whole numbers of 1e-8 (finer than any tick or step, so a
changed tick size leaves old rows true); money is exact decimal text; a side is BUY or SELL as the venue writes it. What is not known is NULL.
"""

from __future__ import annotations

APPLICATION_ID = 0x6D6D_6C31  # "mml1", so that `file` and we can tell a ledger from any other SQLite file
GRID = 10**8  # prices and sizes are stored in units of 1/GRID
MARK_OUT_S = (1, 5, 30, 300)  # seconds after a fill at which the mid is looked at again

_VERSION_1 = """
-- What the ledger belongs to: venue (REST address), account (a digest), symbol, base_asset, quote_asset, margin_assets (comma-separated), and how
-- far the venue's own lists were read: trades_read_to (trade id), income_read_to_ms; from_ms: what is before it was before the ledger (or before
-- the embedded exchange began afresh); orders_swept_to_ms: older orders were thinned out.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- One run of the engine (a restart because the rules changed makes a new one). `new_account`: the exchange was embedded and began afresh, so that
-- balances before and after have nothing to do with each other. `alive_ms`: the last sign of life; `ended_ms` is NULL while it runs or if it was killed
-- (the next run then writes the cause "killed").
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, session TEXT NOT NULL UNIQUE, version TEXT NOT NULL, new_account INTEGER NOT NULL,
    started_ms INTEGER NOT NULL, alive_ms INTEGER NOT NULL, ended_ms INTEGER, cause TEXT, why TEXT
);

-- Every change of the engine's state; `reasons` is a JSON list, `mode` BUY or SELL.
CREATE TABLE states (run INTEGER NOT NULL REFERENCES runs, time_ms INTEGER NOT NULL, state TEXT NOT NULL, reasons TEXT NOT NULL, mode TEXT);
CREATE INDEX states_time ON states (time_ms);

-- Own orders as last known, and every transition of each. `amends` counts what the venue accepted.
CREATE TABLE orders (
    key INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, run INTEGER NOT NULL REFERENCES runs, order_id INTEGER, side TEXT NOT NULL,
    reduce_only INTEGER NOT NULL, placed_ms INTEGER NOT NULL, done_ms INTEGER, state TEXT NOT NULL, status TEXT,
    price INTEGER NOT NULL, size INTEGER NOT NULL, executed INTEGER NOT NULL, amends INTEGER NOT NULL
);
CREATE INDEX orders_placed ON orders (placed_ms);
CREATE INDEX orders_order_id ON orders (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE transitions (
    order_key INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE, time_ms INTEGER NOT NULL, happening TEXT NOT NULL, state TEXT NOT NULL, status TEXT,
    price INTEGER NOT NULL, size INTEGER NOT NULL, executed INTEGER NOT NULL
);
CREATE INDEX transitions_order ON transitions (order_key);

-- Every trade of the account on the symbol. Both sides of one trade may be ours, so the side belongs to the key. A positive commission was paid, a
-- negative one received. `own`: of an order of ours (NULL where the venue's list did not say). `position` is signed, after the fill. `heard_ms` is when we
-- learned of it, `source` how: stream, reconcile, or history (read from userTrades after a gap; no mids). `mid` is the mid when it was
-- learned of (NULL where that was long after), `mid_1` … `mid_300` the mid so many seconds later (NULL where nobody was there to look).
CREATE TABLE fills (
    symbol TEXT NOT NULL, trade_id INTEGER NOT NULL, side TEXT NOT NULL, time_ms INTEGER NOT NULL, heard_ms INTEGER NOT NULL, source TEXT NOT NULL,
    run INTEGER REFERENCES runs, order_id INTEGER NOT NULL, client_order_id TEXT NOT NULL, own INTEGER,
    price INTEGER NOT NULL, size INTEGER NOT NULL, realized TEXT NOT NULL, commission TEXT NOT NULL, commission_asset TEXT NOT NULL,
    maker INTEGER NOT NULL, position INTEGER, mid INTEGER, mid_1 INTEGER, mid_5 INTEGER, mid_30 INTEGER, mid_300 INTEGER,
    PRIMARY KEY (symbol, trade_id, side)
) WITHOUT ROWID;
CREATE INDEX fills_time ON fills (time_ms);

-- The venue's `income` lines (funding, transfers, bonuses, rebates; other symbols' profit and fees too), without REALIZED_PNL and COMMISSION of
-- our own symbol, which are in `fills`.
CREATE TABLE income (
    time_ms INTEGER NOT NULL, income_type TEXT NOT NULL, tran_id TEXT NOT NULL, asset TEXT NOT NULL, symbol TEXT NOT NULL, trade_id TEXT NOT NULL,
    amount TEXT NOT NULL, info TEXT NOT NULL, PRIMARY KEY (time_ms, income_type, tran_id, asset, symbol, trade_id)
) WITHOUT ROWID;

-- Wallet balances as the venue told them. An `update` (ACCOUNT_UPDATE) holds all that happened up to and at `time_ms`, its transaction time. A `read`
-- (REST) was asked for at `since_ms` and answered at `time_ms`: it is exact where nothing happened in between. For an update both are the same.
CREATE TABLE wallets (
    run INTEGER NOT NULL REFERENCES runs, since_ms INTEGER NOT NULL, time_ms INTEGER NOT NULL, asset TEXT NOT NULL, balance TEXT NOT NULL,
    kind TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX wallets_time ON wallets (time_ms);

-- The market and our place in it at regular intervals. `wallet` is the total of the margin assets, `unrealized` at mid.
CREATE TABLE marks (
    time_ms INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES runs, bid INTEGER, ask INTEGER, position INTEGER NOT NULL, entry_price TEXT NOT NULL,
    wallet TEXT NOT NULL, unrealized TEXT NOT NULL, state TEXT NOT NULL, quotes INTEGER NOT NULL
);
CREATE INDEX marks_time ON marks (time_ms);

-- Requests by hour, kind (place, amend, cancel, …) and outcome (done, refused, lost, unsent).
CREATE TABLE requests (
    hour_ms INTEGER NOT NULL, kind TEXT NOT NULL, outcome TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (hour_ms, kind, outcome)
) WITHOUT ROWID;

-- Histograms by hour: `what` is event_age, decision, or round_trip; a bucket b counts durations of 2**((b-1)/4) to 2**(b/4) microseconds (0: below 1 us).
CREATE TABLE durations (
    hour_ms INTEGER NOT NULL, what TEXT NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (hour_ms, what, bucket)
) WITHOUT ROWID;
"""

# MIGRATIONS[n] leads from version n to n + 1 (PRAGMA user_version; 0 is an empty file).
MIGRATIONS: tuple[str, ...] = (_VERSION_1,)
VERSION = len(MIGRATIONS)
