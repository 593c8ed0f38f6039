"""How the daemon worked: its orders, its requests, and how long things took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmd.report.period import HOUR_MS, Period
from mmd.report.rows import LedgerRows

DURATIONS = ("event_age", "decision", "round_trip")


@dataclass(frozen=True, slots=True)
class Orders:
    """Orders placed within the period, however they ended. `fill_rate` is the part of them that traded at all, `filled_quantity_rate`
    that of the quantity; None without orders. `refused` never became an order of the venue's;
    `open` are those of a run that has not ended: what became of a killed run's orders, nobody was there to write down."""

    placed: int
    with_fill: int
    filled: int
    refused: int
    open: int
    amends: int
    fill_rate: float | None
    filled_quantity_rate: float | None


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests by kind and outcome, and those that were sent for each fill of ours; by whole hours."""

    total: int
    per_fill: float | None
    by_kind: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations in microseconds, each at most the figure (buckets are a fifth wide); by whole hours."""

    what: str
    count: int
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float


def read_orders(rows: LedgerRows, period: Period) -> Orders:
    found = rows.query(
        "SELECT count(*), coalesce(sum(executed > 0), 0), coalesce(sum(executed >= size AND size > 0), 0),"
        " coalesce(sum(done_ms IS NOT NULL AND executed = 0 AND (status = 'REJECTED' OR order_id IS NULL)), 0),"
        " coalesce(sum(done_ms IS NULL AND run = (SELECT max(run) FROM runs WHERE cause IS NULL)), 0), coalesce(sum(amends), 0),"
        " total(executed), total(size) FROM orders WHERE placed_ms >= ? AND placed_ms < ?",
        period,
    )
    placed, with_fill, filled, refused, live, amends, executed, size = (_number(value) for value in found[0])
    return Orders(
        int(placed),
        int(with_fill),
        int(filled),
        int(refused),
        int(live),
        int(amends),
        with_fill / placed if placed else None,
        executed / size if size else None,
    )


def read_requests(rows: LedgerRows, period: Period, fills: int) -> Requests:
    """`fills` are those that the requests are held against."""
    by_kind: dict[str, dict[str, int]] = {}
    for kind, outcome, count in rows.query(
        "SELECT kind, outcome, sum(count) FROM requests WHERE hour_ms > ? AND hour_ms < ? GROUP BY kind, outcome ORDER BY kind, outcome",
        (period.since_ms - HOUR_MS, period.until_ms),
    ):
        by_kind.setdefault(str(kind), {})[str(outcome)] = int(_number(count))
    sent = sum(count for outcomes in by_kind.values() for outcome, count in outcomes.items() if outcome != "unsent")
    return Requests(sent, sent / fills if fills and sent else None, by_kind)


def read_latencies(rows: LedgerRows, period: Period) -> tuple[Latency, ...]:
    """Of those of `DURATIONS` that were measured at all."""
    found = rows.query(
        "SELECT what, bucket, sum(count) FROM durations WHERE hour_ms > ? AND hour_ms < ? GROUP BY what, bucket ORDER BY what, bucket",
        (period.since_ms - HOUR_MS, period.until_ms),
    )
    histograms: dict[str, list[tuple[int, int]]] = {}
    for what, bucket, count in found:
        histograms.setdefault(str(what), []).append((int(_number(bucket)), int(_number(count))))
    order = {what: number for number, what in enumerate(DURATIONS)}
    return tuple(_latency(what, histograms[what]) for what in sorted(histograms, key=lambda what: (order.get(what, len(order)), what)))


def _latency(what: str, histogram: list[tuple[int, int]]) -> Latency:
    total = sum(count for _, count in histogram)
    p50, p90, p99, most = (_at_most_us(histogram, share * total) for share in (0.5, 0.9, 0.99, 1.0))
    return Latency(what, total, p50, p90, p99, most)


def _at_most_us(histogram: list[tuple[int, int]], rank: float) -> float:
    """The upper bound of the bucket that holds the one of this rank."""
    passed = 0
    for bucket, count in histogram:
        passed += count
        if passed >= rank and count:
            break
    return float(2 ** (bucket / 4))


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return value
