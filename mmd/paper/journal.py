"""The exchange's own log: what really happened, for oracles to judge a client by."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple


class JournalEntry(NamedTuple):
    """One event at `at_ms`. Kinds: deposit, setting, refused, new, amended, trade, triggered, canceled, expired, countdown, funding, liquidation.

    `details` are plain values: account (its API key), and what the kind needs (order_id, client_order_id, side, price_ticks, lots, code ...).
    """

    at_ms: int
    kind: str
    details: dict[str, Any]


class Journal(deque[JournalEntry]):
    """The latest entries, oldest first; all of them where `limit` is None."""

    def __init__(self, limit: int | None) -> None:
        super().__init__(maxlen=limit)

    def write(self, at_ms: int, kind: str, **details: Any) -> None:
        self.append(JournalEntry(at_ms, kind, details))
