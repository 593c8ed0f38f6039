"""The status of a running daemon as one JSON-able object, in words that stay: `schema` is raised when a key changes its meaning or goes.

Prices, sizes and money are decimal text, ages and rates are numbers; what is not known is null. The keys:

- `schema`, `time` (UTC, this machine's clock)
- `daemon`: version, config (its name), symbol, venue (REST address), pid, started (UTC), uptime_s, session (null while there is no engine)
- `state`: name (starting; waiting: for the symbol to trade, or for the venue; boot, sync, quote, pause, stop, stopped), since_s, reasons ([{reason,
  since_s}]), mode
  (BUY, SELL: the side that is quoted), waiting (why nothing is quoted although it may be), heartbeat_age_s (of the main thread), well
- `market`: base, quote (assets), bid, ask, mid, spread_bps, age_s, bids and asks (the visible levels, best first: {price, size, own})
- `position`: size (signed), entry_price, notional (signed, at mid), unrealized, break_even (where closing as a maker pays for both makers' fees)
- `orders`: [{id, order_id, side, price, size, executed, state, age_s, distance_bps (from mid, outwards), ahead (the queue guess, a size), reduce_only}]
  and `foreign_orders`, the number of open orders that are not ours
- `balances`: assets ({asset: wallet balance}), total (of the margin assets, at par)
- `session`: fills, volume, realized, fees ({asset: paid}), unrealized, net (as the loss limit counts it; all of this run)
- `rates`: weight and orders (used in the minute, by the venue's own count, with its age seen_s, and the limit), own_orders (ours in 60 s, against our own
  budget), silent_s (how much longer the venue wants to hear nothing)
- `streams`: {market, user: {up_s (null: down), heard_s (since the last message), connects}}
- `clock`: offset_ms (the venue's clock less this machine's), uncertainty_ms
- `countdown`: armed_s (in how long the venue would cancel everything; null: not armed)
- `threads`: [{name, alive}]; `notices`: {WARNING, ERROR: how many so far}
- `events`: the last warnings and errors, `fills` the last fills, both newest first
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from mmd import __version__
from mmd.core.units import Grid
from mmd.daemon.config import Config
from mmd.daemon.published import Levels, OrderView, View
from mmd.daemon.reporters import plain
from mmd.daemon.status.event_tail import Entry
from mmd.venue.pulse import Pulse
from mmd.venue.usage import Usage

SCHEMA = 1
SHOWN_EVENTS = 20
# In these states the daemon makes a market, or will as soon as it may.
_WELL = frozenset({"sync", "quote", "pause"})
_STUCK_MS = 10_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know beside the view. `*_ms` are monotonic but for `offset_ms`; `now_s` and `started_s` are this machine's clock since the epoch."""

    config: Config
    venue: str
    pid: int
    about: tuple[str, str]
    now_ms: int
    now_s: float
    started_s: float
    usage: Usage
    offset_ms: int | None
    uncertainty_ms: int | None
    streams: Mapping[str, Pulse]
    threads: Sequence[tuple[str, bool]]
    events: Sequence[Entry]
    fills: Sequence[Entry]
    notices: Mapping[str, int]
    maker_fee: Decimal | None


def status_of(view: View | None, facts: Facts) -> dict[str, Any]:
    """The whole status, as the module says."""
    config, now_ms = facts.config, facts.now_ms
    late_ms = max(0, now_ms - view.drawn_ms) if view is not None else 0  # what was an age when the view was drawn has grown since
    return {
        "schema": SCHEMA,
        "time": _utc(facts.now_s),
        "daemon": {
            "version": __version__, "config": config.name, "symbol": config.symbol, "venue": facts.venue, "pid": facts.pid,
            "started": _utc(facts.started_s), "uptime_s": round(max(0.0, facts.now_s - facts.started_s), 1),
            "session": view.session if view is not None else None,
        },
        "state": _state(view, facts),
        "market": _market(view, late_ms) if view is not None else None,
        "position": _position(view, facts.maker_fee) if view is not None else None,
        "orders": [_order(order, view, late_ms) for order in view.orders] if view is not None else [],
        "foreign_orders": view.foreign_orders if view is not None else None,
        "balances": _balances(view) if view is not None else None,
        "session": _session(view) if view is not None else None,
        "rates": _rates(view, facts),
        "streams": {name: _stream(pulse, now_ms) for name, pulse in facts.streams.items()},
        "clock": {"offset_ms": facts.offset_ms, "uncertainty_ms": facts.uncertainty_ms},
        "countdown": {"armed_s": _left_s(view.armed_until_ms if view is not None else None, now_ms)},
        "threads": [{"name": name, "alive": alive} for name, alive in facts.threads],
        "notices": dict(facts.notices),
        "events": [_event(entry) for entry in reversed(facts.events[-SHOWN_EVENTS:])],
        "fills": [_fill(entry) for entry in reversed(facts.fills[-SHOWN_EVENTS:])],
    }  # fmt: skip


def _state(view: View | None, facts: Facts) -> dict[str, Any]:
    if view is None:
        name, why = facts.about
        reasons_now = [{"reason": why, "since_s": None}] if why else []
        return {"name": name, "since_s": None, "reasons": reasons_now, "mode": None, "waiting": None, "heartbeat_age_s": None, "well": False}
    age_ms = max(0, facts.now_ms - view.drawn_ms)
    # The main thread steps at least once in its refresh interval.
    stuck_ms = max(_STUCK_MS, 2 * facts.config.engine.orders.refresh_interval_ms)
    reasons = zip(view.reasons, view.reasons_since_ms, strict=True)
    return {
        "name": view.state,
        "since_s": _age_s(view.state_since_ms, facts.now_ms),
        "reasons": [{"reason": reason, "since_s": _age_s(since_ms, facts.now_ms)} for reason, since_ms in reasons],
        "mode": view.mode,
        "waiting": view.waiting,
        "heartbeat_age_s": age_ms / 1000,
        "well": view.state in _WELL and age_ms <= stuck_ms,
    }


def _market(view: View, late_ms: int) -> dict[str, Any]:
    price, size, mid = view.rules.price, view.rules.size, view.mid
    own: dict[tuple[str, int], int] = {}
    for order in view.orders:
        level = order.side.value, order.price_ticks
        own[level] = own.get(level, 0) + order.size_lots - order.executed_lots

    def levels(side: str, shown: Levels) -> list[dict[str, str]]:
        return [{"price": price.text(ticks), "size": size.text(lots), "own": size.text(own.get((side, ticks), 0))} for ticks, lots in shown]

    return {
        "base": view.rules.base_asset,
        "quote": view.rules.quote_asset,
        "bid": price.text(view.bids[0][0]) if view.bids else None,
        "ask": price.text(view.asks[0][0]) if view.asks else None,
        "mid": plain(mid) if mid is not None else None,
        "spread_bps": round((view.asks[0][0] - view.bids[0][0]) / (view.asks[0][0] + view.bids[0][0]) * 20_000, 3) if mid is not None else None,
        "age_s": None if view.book_age_ms is None else (view.book_age_ms + late_ms) / 1000,
        "bids": levels("BUY", view.bids),
        "asks": levels("SELL", view.asks),
    }


def _position(view: View, maker_fee: Decimal | None) -> dict[str, Any]:
    mid, entry = view.mid, view.entry_price if view.position else None
    break_even = break_even_price(view.position, view.entry_price, maker_fee)
    return {
        "size": view.rules.size.text(view.rules.size.units(view.position)),
        "entry_price": _price(entry, view.rules.price),
        "notional": plain(view.position * mid) if mid is not None else None,
        "unrealized": plain(round(view.unrealized_profit, 8)),
        "break_even": _price(break_even, view.rules.price),
    }


def break_even_price(position: Decimal, entry_price: Decimal, maker_fee: Decimal | None) -> Decimal | None:
    """Where closing at that price pays for itself, opened and closed as a maker; None when flat, or where the fee is not known."""
    if not position or not entry_price or maker_fee is None:
        return None
    growth = (1 + maker_fee) / (1 - maker_fee)
    return entry_price * growth if position > 0 else entry_price / growth


def _order(order: OrderView, view: View, late_ms: int) -> dict[str, Any]:
    price, size = view.rules.price, view.rules.size
    distance = None
    if view.bids and view.asks:
        mid_ticks = (view.bids[0][0] + view.asks[0][0]) / 2
        distance = round((mid_ticks - order.price_ticks) * order.side.sign / mid_ticks * 10_000, 2)
    return {
        "id": order.client_order_id,
        "order_id": order.order_id or None,
        "side": order.side.value,
        "price": price.text(order.price_ticks),
        "size": size.text(order.size_lots),
        "executed": size.text(order.executed_lots),
        "state": order.state,
        "age_s": (order.age_ms + late_ms) / 1000,
        "distance_bps": distance,
        "ahead": None if order.ahead_lots is None else size.text(order.ahead_lots),
        "reduce_only": order.reduce_only,
    }


def _balances(view: View) -> dict[str, Any]:
    return {"assets": {asset: plain(amount) for asset, amount in sorted(view.balances.items()) if amount}, "total": plain(view.balance)}


def _session(view: View) -> dict[str, Any]:
    return {
        "fills": view.fills,
        "volume": plain(view.filled_notional),
        "realized": plain(view.realized_profit),
        "fees": {asset: plain(amount) for asset, amount in sorted(view.commission.items())},
        "unrealized": plain(round(view.unrealized_profit, 8)),
        "net": plain(round(view.net_profit, 8)),
    }


def _rates(view: View | None, facts: Facts) -> dict[str, Any]:
    usage, seen_s = facts.usage, _age_s(facts.usage.seen_ms, facts.now_ms)
    return {
        "weight": {"used": usage.weight_1m, "limit": view.rules.weight_per_minute if view is not None else None, "seen_s": seen_s},
        "orders": {"used": usage.orders_1m, "limit": view.rules.orders_per_minute if view is not None else None, "seen_s": seen_s},
        "own_orders": {"used": view.orders_sent, "limit": view.orders_allowed} if view is not None else None,
        "silent_s": (_left_s(view.silent_until_ms, facts.now_ms) or 0.0) if view is not None else 0.0,
    }


def _stream(pulse: Pulse, now_ms: int) -> dict[str, Any]:
    return {"up_s": _age_s(pulse.up_since_ms, now_ms), "heard_s": _age_s(pulse.heard_ms, now_ms), "connects": pulse.connects}


def _event(entry: Entry) -> dict[str, Any]:
    return {"time": _utc(entry.time_s), "level": entry.level, "event": entry.event, "text": entry.text}


def _fill(entry: Entry) -> dict[str, Any]:
    fields = {name: value if isinstance(value, bool) else str(value) for name, value in entry.fields.items()}
    return {"time": _utc(entry.time_s), "own": entry.event == "fill", **fields}


def _price(value: Decimal | None, grid: Grid) -> str | None:
    """An average price, with two more decimals than the tick has."""
    return None if value is None else plain(round(value, grid.decimals + 2))


def _age_s(since_ms: int | None, now_ms: int) -> float | None:
    return None if since_ms is None else max(0, now_ms - since_ms) / 1000


def _left_s(until_ms: int | None, now_ms: int) -> float | None:
    return None if until_ms is None or until_ms <= now_ms else (until_ms - now_ms) / 1000


def _utc(time_s: float) -> str:
    moment = datetime.fromtimestamp(time_s, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
