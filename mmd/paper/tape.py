"""The tape: every trade of the market, one by one and aggregated as the exchange aggregates them."""

from __future__ import annotations

from typing import NamedTuple

from mmd.paper.history import History

TRADES_KEPT = 5_000  # five times what one request may ask for


class Trade(NamedTuple):
    trade_id: int
    at_ms: int
    price_ticks: int
    size_lots: int
    buyer_is_maker: bool


class AggregateTrade(NamedTuple):
    """Trades of one moment, price and taker side (V1 "Compressed/Aggregate Trades List")."""

    aggregate_id: int
    at_ms: int
    price_ticks: int
    size_lots: int
    first_id: int
    last_id: int
    buyer_is_maker: bool


class Tape:
    """The latest trades, numbered from `first_id`; times must not go back."""

    def __init__(self, first_id: int) -> None:
        self.trades: History[Trade] = History(TRADES_KEPT, first_id)
        self.aggregates: History[AggregateTrade] = History(TRADES_KEPT, first_id)

    def record(self, at_ms: int, price_ticks: int, size_lots: int, buyer_is_maker: bool) -> int:
        """Adds a trade and returns its id."""
        trade_id = self.trades.end
        self.trades.append(Trade(trade_id, at_ms, price_ticks, size_lots, buyer_is_maker))
        newest = self.aggregates.newest()
        if newest and (newest.at_ms, newest.price_ticks, newest.buyer_is_maker) == (at_ms, price_ticks, buyer_is_maker):
            self.aggregates.replace_newest(newest._replace(size_lots=newest.size_lots + size_lots, last_id=trade_id))
        else:
            number = self.aggregates.end
            self.aggregates.append(AggregateTrade(number, at_ms, price_ticks, size_lots, trade_id, trade_id, buyer_is_maker))
        return trade_id

    def aggregates_between(self, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int) -> list[AggregateTrade]:
        """Aggregates by id or by time, both inclusive; the latest ones where nothing is asked for."""
        if from_id is not None:
            return self.aggregates.since(from_id, limit)
        if start_ms is None and end_ms is None:
            return self.aggregates.last(limit)
        first = 0 if start_ms is None else start_ms
        found = [entry for entry in self.aggregates.entries() if first <= entry.at_ms and (end_ms is None or entry.at_ms <= end_ms)]
        return found[:limit] if start_ms is not None else found[-limit:]
