"""The status as Prometheus metrics (extra `metrics`), drawn from the same snapshot as everything else.

Names end in their unit: `_quote` and `_base` are the symbol's assets. What can fall is a gauge, profit among it; figures of the run begin anew when the
daemon does. Every sample is labelled with `config` and `symbol`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mmd.core.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("starting", "waiting", "boot", "sync", "quote", "pause", "stop", "stopped")

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """One metric: `rows` are labels and value; a row whose value is None is left out."""

    name: str
    is_counter: bool
    help: str
    rows: Sequence[tuple[Labels, Any]]


def exposition(status: Mapping[str, Any]) -> bytes:
    """The text format. Raises ConfigError where the package is missing."""
    try:
        from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily
        from prometheus_client.exposition import generate_latest
        from prometheus_client.registry import Collector
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "prometheus_client":
            raise
        raise ConfigError("metrics need the package prometheus_client: pip install prometheus_client") from error
    common = {"config": status["daemon"]["config"], "symbol": status["daemon"]["symbol"]}

    class Snapshot(Collector):
        def collect(self) -> Iterator[Metric]:
            for sample in samples(status):
                rows = [(labels, value) for labels, value in sample.rows if value is not None]
                family = (CounterMetricFamily if sample.is_counter else GaugeMetricFamily)(
                    sample.name, sample.help, labels=[*common, *(rows[0][0] if rows else ())]
                )
                for labels, value in rows:
                    family.add_metric([*common.values(), *labels.values()], float(value))
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot())
    return generate_latest(registry)


def samples(status: Mapping[str, Any]) -> Iterator[Sample]:
    """Every metric, those without a value now included."""
    yield from _of_the_daemon(status)
    yield from _of_the_market(status)
    yield from _of_the_money(status)
    yield from _of_the_plumbing(status)


def _gauge(name: str, text: str, value: Any) -> Sample:
    return Sample(f"mmd_{name}", False, text, [({}, value)])


def _gauges(name: str, text: str, label: str, values: Mapping[str, Any]) -> Sample:
    return Sample(f"mmd_{name}", False, text, [({label: key}, value) for key, value in values.items()])


def _of_the_daemon(status: Mapping[str, Any]) -> Iterator[Sample]:
    daemon, state = status["daemon"], status["state"]
    started = datetime.fromisoformat(daemon["started"].replace("Z", "+00:00")).timestamp()
    yield Sample("mmd_info", False, "The version that runs, and where it trades.", [({"version": daemon["version"], "venue": daemon["venue"]}, 1)])
    yield _gauge("start_time_seconds", "When the process started, since the epoch.", started)
    yield _gauge("well", "1 where it quotes, or pauses in good order, and its main thread moves; else 0.", int(state["well"]))
    yield _gauges("state", "1 for the state that it is in, 0 for the others.", "state", {name: int(name == state["name"]) for name in STATES})
    yield _gauge("pause_reasons", "How many reasons not to quote there are.", len(state["reasons"]))
    yield _gauge("heartbeat_age_seconds", "Since the main thread last stepped.", state["heartbeat_age_s"])
    yield Sample("mmd_notices", True, "Lines of the log of WARNING and of ERROR.",
                 [({"level": level.lower()}, count) for level, count in status["notices"].items()])


def _of_the_market(status: Mapping[str, Any]) -> Iterator[Sample]:
    market = status["market"] or {}
    spread = market.get("spread_bps")
    yield _gauges("best_price_quote", "The best bid and the best ask.", "side", {"bid": market.get("bid"), "ask": market.get("ask")})
    yield _gauge("mid_price_quote", "Midway between the best bid and ask.", market.get("mid"))
    yield _gauge("spread_ratio", "The spread as a fraction of mid.", None if spread is None else spread / 10_000)
    yield _gauge("book_age_seconds", "Since the last good frame of the book.", market.get("age_s"))
    orders = status["orders"]
    by_side = {side.lower(): [order for order in orders if order["side"] == side] for side in ("BUY", "SELL")}
    nearest = {side: min((order["distance_bps"] for order in found if order["distance_bps"] is not None), default=None) for side, found in by_side.items()}
    yield _gauges("open_orders", "Own orders that may still trade.", "side", {side: len(found) for side, found in by_side.items()})
    yield _gauges("order_distance_ratio", "From mid to our nearest order, outwards, as a fraction of mid.", "side",
                  {side: None if bps is None else bps / 10_000 for side, bps in nearest.items()})
    yield _gauge("foreign_orders", "Open orders on the symbol that are not ours.", status["foreign_orders"])


def _of_the_money(status: Mapping[str, Any]) -> Iterator[Sample]:
    position, session, balances = status["position"] or {}, status["session"] or {}, status["balances"] or {}
    yield _gauge("position_base", "The position, signed.", position.get("size"))
    yield _gauge("position_notional_quote", "The position at mid, signed.", position.get("notional"))
    yield _gauge("entry_price_quote", "The position's average entry price.", position.get("entry_price"))
    yield _gauge("break_even_price_quote", "Where closing the position as a maker pays for itself.", position.get("break_even"))
    yield _gauge("realized_profit_quote", "Realised in this run, before fees.", session.get("realized"))
    yield _gauge("unrealized_profit_quote", "Unrealised profit of the position, at mid.", session.get("unrealized"))
    yield _gauge("net_profit_quote", "Profit of this run, realised and not, after fees in the margin assets.", session.get("net"))
    yield _gauges("fees_paid", "Fees of this run, in units of the asset; negative where received.", "asset", session.get("fees", {}))
    yield Sample("mmd_fills", True, "Trades of this run.", [({}, session.get("fills"))])
    yield Sample("mmd_volume_quote", True, "Traded in this run, price times size.", [({}, session.get("volume"))])
    yield _gauges("wallet_balance", "Wallet balances, in units of the asset.", "asset", balances.get("assets", {}))
    yield _gauge("wallet_total_quote", "The margin assets together, at par.", balances.get("total"))


def _of_the_plumbing(status: Mapping[str, Any]) -> Iterator[Sample]:
    rates, clock = status["rates"], status["clock"]
    kinds = {"weight": rates["weight"], "orders": rates["orders"], "own_orders": rates["own_orders"] or {"used": None, "limit": None}}
    yield _gauges("rate_used", "Used in the last minute: request weight and orders by the venue's count, own orders by ours.", "kind",
                  {kind: rate["used"] for kind, rate in kinds.items()})
    yield _gauges("rate_limit", "What may be used in a minute.", "kind", {kind: rate["limit"] for kind, rate in kinds.items()})
    streams = status["streams"]
    yield _gauges("stream_up", "1 while the stream is connected.", "stream", {name: int(each["up_s"] is not None) for name, each in streams.items()})
    yield _gauges("stream_silence_seconds", "Since the stream's last message.", "stream", {name: each["heard_s"] for name, each in streams.items()})
    yield Sample("mmd_stream_connects", True, "How often the stream was connected.",
                 [({"stream": name}, each["connects"]) for name, each in streams.items()])
    offset, doubt = clock["offset_ms"], clock["uncertainty_ms"]
    yield _gauge("clock_offset_seconds", "The venue's clock less this machine's.", None if offset is None else offset / 1000)
    yield _gauge("clock_uncertainty_seconds", "How far the venue's time may be off.", None if doubt is None else doubt / 1000)
    yield _gauge("countdown_armed_seconds", "In how long the venue would cancel everything; 0: not armed.", status["countdown"]["armed_s"] or 0)
    alive = sum(thread["alive"] for thread in status["threads"])
    yield _gauges("threads", "Threads that should run, by whether they do.", "alive", {"true": alive, "false": len(status["threads"]) - alive})
