"""Prometheus metrics: the text parses, says what the status says, and holds every metric that the sample dashboard draws."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from status_rig import eth_source, eth_view, get, running

from mmd.core.errors import ConfigError
from mmd.daemon.status.metrics import exposition, samples
from mmd.daemon.status.pages import routes
from mmd.daemon.status.web import WebServer

DASHBOARD = Path(__file__).parents[2] / "etc" / "grafana-dashboard.json"


def scraped(directory: Path, **changes: Any) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by name and its own labels; all carry config and symbol."""
    status = eth_source(directory, eth_view(**changes))[0].drawn().status
    found = {}
    for family in text_string_to_metric_families(exposition(status).decode()):
        for sample in family.samples:
            assert sample.labels["config"] == "eth" and sample.labels["symbol"] == "ETHUSDT", sample
            labels = frozenset((name, value) for name, value in sample.labels.items() if name not in ("config", "symbol"))
            assert (sample.name, labels) not in found
            found[sample.name, labels] = sample.value
    return found


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_the_metrics_say_what_the_status_says(tmp_path: Path) -> None:
    """Position, profit, fees, rates, orders, state: the same figures, as numbers."""
    found = scraped(tmp_path)
    assert value(found, "mmd_position_base") == 0.15
    assert value(found, "mmd_net_profit_quote") == 0.55
    assert value(found, "mmd_unrealized_profit_quote") == pytest.approx(0.15)
    assert value(found, "mmd_fees_paid", asset="USDT") == 0.35
    assert value(found, "mmd_fills_total") == 3
    assert value(found, "mmd_volume_quote_total") == 1125.3
    assert value(found, "mmd_wallet_balance", asset="USDF") == 10
    assert value(found, "mmd_best_price_quote", side="bid") == 2500.9
    assert value(found, "mmd_open_orders", side="sell") == 1
    assert value(found, "mmd_open_orders", side="buy") == 0
    assert value(found, "mmd_rate_used", kind="own_orders") == 7
    assert value(found, "mmd_rate_limit", kind="weight") == 2400
    assert value(found, "mmd_countdown_armed_seconds") == pytest.approx(25, abs=1)
    assert value(found, "mmd_well") == 1
    assert [state for (name, labels), sample in found.items() if name == "mmd_state" and sample == 1 for _, state in labels] == ["quote"]


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    """No sample rather than a zero that nobody measured: without a book, without a daemon's engine."""
    found = scraped(tmp_path, bids=(), asks=(), book_age_ms=None)
    assert not {name for name, _ in found} & {"mmd_mid_price_quote", "mmd_spread_ratio", "mmd_book_age_seconds", "mmd_order_distance_ratio"}
    status = eth_source(tmp_path)[0].drawn().status
    text = exposition(status).decode()
    assert 'mmd_state{config="eth",state="starting",symbol="ETHUSDT"} 1.0' in text and "mmd_position_base{" not in text


def test_names_and_types_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    """Only counters end in _total, names are of the allowed characters, base units, and each has a help text that is a sentence."""
    status = eth_source(tmp_path, eth_view())[0].drawn().status
    names = [sample.name for sample in samples(status)]
    assert len(names) == len(set(names)) > 30
    for family in text_string_to_metric_families(exposition(status).decode()):
        assert re.fullmatch(r"mmd_[a-z]+(_[a-z]+)*", family.name), family.name
        assert not re.search(r"(_total|_ms|_bps|_percent|_minutes)$", family.name), family.name
        assert family.type in ("gauge", "counter") and family.documentation.endswith(".") and len(family.documentation) > 10


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    """`promtool check metrics` accepts the text without a remark."""
    text = exposition(eth_source(tmp_path, eth_view())[0].drawn().status)
    found = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_they_are_served_with_their_type(tmp_path: Path) -> None:
    """GET /metrics, as a scraper asks for it."""
    server = WebServer(routes(eth_source(tmp_path, eth_view())[0]), "127.0.0.1", 0)
    with running(server):
        status, headers, body = get(("127.0.0.1", server.port), "/metrics", host="127.0.0.1:9680")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=") and b"\nmmd_well{" in body


def test_without_the_package_they_are_501_and_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The four run-time packages are enough for everything else."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "prometheus_client"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Without("prometheus_client"), *sys.meta_path])
    server = WebServer(routes(eth_source(tmp_path, eth_view())[0]), "127.0.0.1", 0)
    with running(server):
        status, _, body = get(("127.0.0.1", server.port), "/metrics")
        assert get(("127.0.0.1", server.port), "/status.json")[0] == 200
    assert status == 501 and body.count(b"\n") == 1 and b"pip install prometheus_client" in body
    with pytest.raises(ConfigError, match="pip install prometheus_client"):
        exposition(eth_source(tmp_path, eth_view())[0].drawn().status)


class _Without:
    """An import hook under which a package is not installed."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_the_sample_dashboard_draws_metrics_that_exist(tmp_path: Path) -> None:
    """Every mmd_ name and every label in its queries is one that is exported; every panel asks the data source that is chosen at the top."""
    dashboard = json.loads(DASHBOARD.read_text())
    known: dict[str, set[str]] = {"mmd_info": set()}
    for sample in samples(eth_source(tmp_path, eth_view())[0].drawn().status):
        labels = {name for row, _ in sample.rows for name in row}
        known[sample.name + ("_total" if sample.is_counter else "")] = labels | {"config", "symbol", "instance", "job"}
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(panels) >= 12 and all(panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for panel in panels)
    for query in queries:
        names = re.findall(r"\b(mmd_[a-z_]+)(?:\{([^}]*)\})?", query)
        assert names, query
        for name, selector in names:
            assert name in known, f"{name} in {query}"
            assert set(re.findall(r"([a-z_]+)\s*=~?", selector)) <= known[name], query
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["config"]["query"]["query"] == "label_values(mmd_info, config)"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) and dashboard["schemaVersion"] >= 38
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
