"""The web page: to whom it is served, what it may do, whether all is well, and what a real browser makes of it."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from browser_rig import CHROMIUM, Browser
from daemon_rig import Daemon, Exchange
from status_rig import eth_config, eth_source, eth_view, get, running

from mmd.core.errors import ConfigError
from mmd.daemon.config import ReportConfig
from mmd.daemon.published import Published
from mmd.daemon.status.pages import routes
from mmd.daemon.status.service import StatusService
from mmd.daemon.status.source import StatusSource
from mmd.daemon.status.web import WebServer, is_host
from mmd.venue.clock import monotonic_ms

Address = tuple[str, int]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Address, Published]]:
    """A page that shows a view made by hand, and where to change it."""
    source, published, _ = eth_source(tmp_path, eth_view())
    server = WebServer(routes(source), "127.0.0.1", 0)
    with running(server):
        yield ("127.0.0.1", server.port), published


@pytest.mark.parametrize(("header", "ours"), [
    ("localhost", True), ("localhost:9680", True), ("LOCALHOST", True), ("localhost.", True), ("127.0.0.1:9680", True), ("192.168.1.7", True),
    ("[::1]:9680", True), ("[::1]", True), ("mmd.lan:80", True), ("evil.example", False), ("evil.example:9680", False), ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False), ("", False), ("localhost:", False), ("a b", False), ("user@localhost", False), ("[evil]", False), ("::1", False),
    ("localhost:9680:1", False), ("mmd.lan.evil", False), ("localhost/x", False),
])
def test_only_an_address_localhost_or_the_configured_name_is_a_host(header: str, ours: bool) -> None:
    """Any other name may have been pointed here by whoever owns it (DNS rebinding)."""
    assert is_host(header, "mmd.lan") is ours


def test_a_rebound_name_sees_nothing(served: tuple[Address, Published]) -> None:
    """Not the status, not the page, not the metrics."""
    for path in ("/", "/status.json", "/history.json", "/metrics", "/healthz"):
        status, _, body = get(served[0], path, host="evil.example")
        assert status == 421 and b"ETH" not in body


def test_every_answer_keeps_a_browser_on_a_short_leash(served: tuple[Address, Published]) -> None:
    """Nothing from elsewhere, no frames, no sniffing, no other site that reads it, nothing kept."""
    for path in ("/", "/page.js", "/status.json", "/nothing"):
        _, headers, _ = get(served[0], path)
        assert "default-src 'none'" in headers["content-security-policy"] and "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store" and headers["connection"] == "close"
        assert "access-control-allow-origin" not in headers


def test_the_page_s_files_name_nothing_elsewhere_and_nothing_inline() -> None:
    """No address of another host, no inline script or style, no markup made from text."""
    for file in resources.files("mmd.daemon.status").joinpath("page").iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"//[a-z]+\.[a-z]", text, re.IGNORECASE), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(| style=\"| on[a-z]+=\"|<style", text), file.name


def test_the_types_of_the_page_s_files_are_right(served: tuple[Address, Published]) -> None:
    """With nosniff a wrong type would not run."""
    types = {path: get(served[0], path)[1]["content-type"].partition(";")[0] for path in ("/", "/page.js", "/charts.js", "/page.css", "/icon.svg")}
    assert types == {"/": "text/html", "/page.js": "text/javascript", "/charts.js": "text/javascript", "/page.css": "text/css", "/icon.svg": "image/svg+xml"}


@pytest.mark.parametrize(("state", "still_ms", "status"), [
    ("quote", 0, 200), ("pause", 0, 200), ("sync", 0, 200), ("boot", 0, 503), ("stop", 0, 503), ("stopped", 0, 503), ("quote", 5_000, 200),
    ("quote", 10_500, 503), ("pause", 10_500, 503),
])
def test_health_is_quoting_or_pausing_with_a_main_thread_that_moves(tmp_path: Path, state: str, still_ms: int, status: int) -> None:
    """200 while it makes a market or will as soon as it may; 503 where it has stopped or stands still."""
    view = eth_view(state=state, drawn_ms=monotonic_ms() - still_ms)
    server = WebServer(routes(eth_source(tmp_path, view)[0]), "127.0.0.1", 0)
    with running(server):
        found, headers, body = get(("127.0.0.1", server.port), "/healthz")
    assert found == status and headers["content-type"] == "application/json"
    assert json.loads(body)["state"] == state


def test_health_before_the_engine_is_503_with_what_is_done(tmp_path: Path) -> None:
    """While it starts, or waits for the symbol to trade."""
    source, published, _ = eth_source(tmp_path)
    server = WebServer(routes(source), "127.0.0.1", 0)
    with running(server):
        assert json.loads(get(("127.0.0.1", server.port), "/healthz")[2])["state"] == "starting"
        published.say("waiting", "ETHUSDT is SETTLING")
        time.sleep(0.11)  # a status is good for 0.1 s
        status, _, body = get(("127.0.0.1", server.port), "/healthz")
    assert (status, json.loads(body)["state"]) == (503, "waiting")
    assert source.drawn().status["state"]["reasons"] == [{"reason": "ETHUSDT is SETTLING", "since_s": None}]


def test_an_occupied_port_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    """It names the key, and the control socket that was made along with it is not left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        config = eth_config(tmp_path, reports=ReportConfig(http=(host, port)))
        source = eth_source(tmp_path)[0]
        with pytest.raises(ConfigError, match=rf"reports\.http: 127\.0\.0\.1:{port} cannot be served: Address already in use"):
            StatusService(config, Published(), source._venue, {"STATE_DIRECTORY": str(tmp_path)})
    assert not (tmp_path / "eth.sock").exists()


def test_a_control_socket_that_is_taken_gives_the_port_back(tmp_path: Path) -> None:
    """Whichever of the two cannot be had, the other is not kept."""
    config, source = eth_config(tmp_path), eth_source(tmp_path)[0]
    (tmp_path / "eth.sock").write_text("in the way")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ConfigError, match="no socket"):
        StatusService(replace(config, reports=ReportConfig(http=("127.0.0.1", port))), Published(), source._venue, {"STATE_DIRECTORY": str(tmp_path)})
    socket.create_server(("127.0.0.1", port)).close()


def test_the_history_is_put_into_words_once_a_second(tmp_path: Path) -> None:
    """However many ask; it costs milliseconds, and the engine waits for the interpreter meanwhile."""
    source, _, _ = eth_source(tmp_path, eth_view())
    source.history.keep(1_000)
    first = source.history.text(now_ms=5_000)
    source.history.keep(2_000)
    assert source.history.text(now_ms=5_999) is first
    assert len(json.loads(source.history.text(now_ms=6_000))["points"]) == 2


def test_the_history_holds_the_last_quarter_of_an_hour(tmp_path: Path) -> None:
    """A point a second with our nearest prices, no more than 900 of them, and nothing where there is no engine."""
    source, published, _ = eth_source(tmp_path)
    source.history.keep(1_000)
    assert source.history.read()["points"] == []
    published.set(eth_view())
    for second in range(1_000):
        source.history.keep(second * 1_000)
    found = source.history.read()
    assert found["columns"] == ("time_ms", "mid", "buy", "sell", "position", "net")
    assert len(found["points"]) == 900 and found["points"][-1] == (999_000, 2501.0, None, 2501.5, 0.15, 0.55)


def test_many_who_ask_share_one_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, it is drawn up ten times a second at the most."""
    source, _, _ = eth_source(tmp_path, eth_view())
    drawn = 0
    original = StatusSource.status

    def count(self: StatusSource, now_ms: int) -> dict[str, Any]:
        nonlocal drawn
        drawn += 1
        return original(self, now_ms)

    monkeypatch.setattr(StatusSource, "status", count)
    began = time.monotonic()
    while time.monotonic() - began < 0.3:
        source.drawn()
    assert 2 <= drawn <= 5


@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium")
def test_a_browser_shows_the_running_market(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Numbers move, our order stands in the ladder, fills and a stop are shown; no complaint in the console, no request to anybody else."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = "strategy: {buy_spread: 0.0001, sell_spread: 0.0001}\norders: {order_refresh_interval: 0.3}\n"
    daemon = run_daemon("-c", exchange.config(tmp_path, text + f"reports: {{http: '127.0.0.1:{port}'}}"))
    daemon.wait_for(rf" status .*page=http://127\.0\.0\.1:{port}/")
    browser = Browser(tmp_path / "profile")
    try:
        browser.window(1440, 900)
        browser.open(f"http://127.0.0.1:{port}/")
        browser.wait_for("document.getElementById('state').textContent", lambda state: state.startswith("quoting"))
        assert browser.ask("document.getElementById('symbol').textContent") == "ETHUSDT"
        mid = browser.wait_for("document.getElementById('mid').textContent", lambda shown: bool(re.fullmatch(r"[0-9.]+", shown)))
        browser.wait_for("document.getElementById('mid').textContent", lambda shown: shown != mid)
        browser.wait_for("document.querySelectorAll('#ladder tr').length >= 11")
        browser.wait_for("document.querySelector('#ladder tr.own td').textContent", lambda size: Decimal(size) > 0)
        browser.wait_for("document.querySelector('#orders td').textContent", lambda side: side in ("buy", "sell"))
        browser.wait_for("Number(document.getElementById('fills').firstChild.textContent) > 0")
        browser.wait_for("document.querySelectorAll('#chart-price .fill').length > 0")
        browser.wait_for("document.querySelector('#chart-price .line.mid').getAttribute('d').length > 20")
        assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
        browser.window(390, 844, dark=True)
        assert browser.ask("document.documentElement.scrollWidth") <= 390
        assert browser.complaints == []
        assert {address.split("/", 3)[2] for address in browser.asked} == {f"127.0.0.1:{port}"}
        assert daemon.stop() == 0
        browser.wait_for("document.getElementById('state').textContent", lambda state: state == "the daemon does not answer")
        browser.wait_for("document.body.classList.contains('gone')")
    finally:
        browser.close()
