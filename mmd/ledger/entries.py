"""What a ledger can be told, as values: made where it happens, written later by another thread.

All `*_ms` are the venue's time. An entry is one tuple around what exists anyway, for the thread that trades makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from mmd.core.messages import Fill
from mmd.core.records import IncomeLine, Record
from mmd.core.rules import SymbolRules
from mmd.core.units import Side


class RunStarted(NamedTuple):
    """A run of the engine begins; `rules` say what its ticks and lots are. `new_account`: the exchange was embedded and began afresh."""

    time_ms: int
    session: str
    version: str
    new_account: bool
    rules: SymbolRules


class RunEnded(NamedTuple):
    time_ms: int
    cause: str
    why: str


class Noted(NamedTuple):
    """What one step left for the record; `source` is how its fills were learned of: stream or reconcile."""

    time_ms: int
    source: str
    records: Sequence[Record]


class WalletUpdate(NamedTuple):
    """The venue told balances; `time_ms` is its transaction time."""

    time_ms: int
    reason: str
    balances: Mapping[str, Decimal]


class WalletRead(NamedTuple):
    """Balances that were read at some moment between `asked_ms` and `time_ms`."""

    asked_ms: int
    time_ms: int
    reason: str
    balances: Mapping[str, Decimal]


class Baseline(NamedTuple):
    """The run's first reading of the account: in a new ledger, or of a new account, what is before it is not this ledger's.

    `trade_id` is the newest trade that it listed, 0 where it listed none.
    """

    time_ms: int
    trade_id: int


class TradesRead(NamedTuple):
    """Trades from the venue's list; everything up to `read_to_trade_id` has now been read."""

    time_ms: int
    rules: SymbolRules
    fills: Sequence[Fill]
    read_to_trade_id: int


class IncomeRead(NamedTuple):
    """Lines of the venue's income list; everything up to `read_to_ms` has now been read."""

    time_ms: int
    lines: Sequence[IncomeLine]
    read_to_ms: int


class Marked(NamedTuple):
    """The market and our place in it. `wallet` is the total of the margin assets, `unrealized` at mid; `quotes` counts working orders."""

    time_ms: int
    bid: Decimal | None
    ask: Decimal | None
    position: Decimal
    entry_price: Decimal
    wallet: Decimal
    unrealized: Decimal
    state: str
    quotes: int


class MarkOut(NamedTuple):
    """The mid so many seconds after a fill was learned of."""

    trade_id: int
    side: Side
    after_s: int
    mid: Decimal


class Counted(NamedTuple):
    """Since the last of these: replies by kind of request and outcome, and durations by what was measured and bucket (see the schema)."""

    time_ms: int
    requests: Mapping[tuple[str, str], int]
    durations: Mapping[tuple[str, int], int]


Entry = RunStarted | RunEnded | Noted | WalletUpdate | WalletRead | Baseline | TradesRead | IncomeRead | Marked | MarkOut | Counted
