"""FAULTS S1: no secret in any byte that a daemon writes, through everything that goes wrong; and the search that says so finds what is there."""

from __future__ import annotations

import base64
import json
import random
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from alert_rig import hook
from binance.um_futures import UMFutures
from daemon_rig import LISTEN_KEYS, SECRET, Daemon, Exchange, found_in

from mmd.paper.listen_keys import ListenKeys
from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.runtime import ExchangeClock, PaperServer, ServerSettings

Run = Callable[..., Daemon]

# The demonstration account of V3 "Example of POST /fapi/v3/order".
AGENT = {
    "ASTER_USER": "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e", "ASTER_SIGNER": "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0",
    "ASTER_SIGNER_KEY": "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1",
}
API_KEY = "mmd-test-k3y-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789-AB"


# --- the search ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [
    SECRET, quote(SECRET, safe=""), quote(SECRET), json.dumps({"a": f'"{SECRET}"'}), SECRET.encode().hex(), SECRET.encode().hex().upper(),
    base64.b64encode(SECRET.encode()).decode(), base64.b64encode(f"user:{SECRET}:x".encode()).decode(), base64.urlsafe_b64encode(f"u:{SECRET}".encode()).decode(),
    base64.b64encode(f"{SECRET}{SECRET}".encode()).decode(),
])
def test_the_search_finds_every_form(written: str) -> None:
    """As it is, quoted, in hexadecimal, in base64 wherever it begins there; in the middle of whatever else."""
    assert found_in(b"\x00before " + written.encode() + b" after\xff", [SECRET]) == [f"mmd-te… ({len(SECRET)} characters)"]


def test_the_search_finds_signatures_and_nothing_else() -> None:
    """A signature is found by its name; the name alone, a part of a secret and a struck-out one are not."""
    for written in ("signature=0123456789abcdef01", '"signature": "0x0123456789abcdef01"', "Signature='0123456789ABCDEF01'"):
        assert found_in(written.encode(), [SECRET]) == ["a signature"]
    assert found_in(f"signature=*** signature is bad {SECRET[:-1]} {SECRET[1:]}".encode(), [SECRET]) == []


def test_a_daemon_that_writes_a_secret_fails_its_test(tmp_path: Path) -> None:
    """On its console, or in any file of its state directory or beside its configuration; the files that held the secret before don't count."""
    state = tmp_path / "state"
    config = tmp_path / "c.yaml"
    config.write_text("symbol: ETHUSDT\n")
    (tmp_path / ".env").write_text(f"ASTER_API_SECRET={SECRET}\n")
    daemon = Daemon("-c", config, "--version", state=state)
    daemon.exit_code()
    assert list(daemon.leaks()) == []
    daemon.lines.append(f"so it was {SECRET}")
    (state / "deep").mkdir(parents=True)
    (state / "deep" / "file").write_bytes(b"\xff" + SECRET.encode())
    (tmp_path / "core").write_bytes(API_KEY.encode() + SECRET.encode().hex().encode())
    places = {leak.partition(" in ")[2] for leak in daemon.leaks()}
    assert places == {"the console", str(state / "deep" / "file"), str(tmp_path / "core")}
    with pytest.raises(AssertionError, match="secrets were written"):
        daemon.end()


def test_listen_keys_are_known_to_the_search() -> None:
    """Whatever exchange in this process makes one, it is searched for."""
    listen_key = ListenKeys(random.Random(1)).open("a", 0)
    assert found_in(f"GET /ws/{listen_key}".encode(), LISTEN_KEYS) == [f"{listen_key[:6]}… (64 characters)"]


# --- daemons that have a hard time --------------------------------------------------------------------------------------------------------


class Distinct(Exchange):
    """An exchange whose account has a key that is as easily found as its secret, and that agents may trade on."""

    def __init__(self) -> None:
        clock = ExchangeClock()
        self.options = PaperOptions(seed=1, api_key=API_KEY, api_secret=SECRET)
        self.server = PaperServer(build_exchange(self.options, clock.now_ms()), clock=clock, settings=ServerSettings(agents=self.options.agents))
        self.server.start()
        self.client = UMFutures(API_KEY, SECRET, base_url=self.server.rest_url)

    def change_status(self, status: str) -> None:
        with self.server.lock:
            self.server.exchange.change_symbol(replace(self.server.exchange.symbol, status=status))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def hard_time(exchange: Distinct, config: Path, port: int, start: Callable[..., Daemon]) -> list[Daemon]:
    """Fills, questions, an ended listen key, a symbol that stops for a while, a halt; then what each command says, and a crash while nobody answers."""
    daemon = start()
    daemon.wait_for(r"\bFILL\b")
    asked = [start("status"), start("status", "--json")]
    assert [each.exit_code() for each in asked] == [0, 0]
    pages = "\n".join(requests.get(f"http://127.0.0.1:{port}{path}", timeout=5).text for path in ("/", "/status.json", "/metrics", "/nothing"))
    assert len(pages) > 2000
    assert found_in(pages.encode(), daemon.secrets()) == []
    seen = len(daemon.lines)
    exchange.client.close_listen_key(exchange.client.new_listen_key()["listenKey"])
    daemon.wait_for("stream_up", since=seen)
    seen = len(daemon.lines)
    exchange.change_status("SETTLING")
    daemon.wait_for("rules_changed", since=seen)
    exchange.change_status("TRADING")
    daemon.wait_for("placed", since=seen)
    exchange.client.change_leverage(symbol="ETHUSDT", leverage=7)
    assert daemon.exit_code() == 1
    assert any("ERROR" in line and "account_changed" in line for line in daemon.lines)
    after: list[Daemon] = []
    for words, code in ((("check",), 78), (("cancel",), 0), ((), 78), (("resume",), 0), (("flatten",), 0), (("report",), 0)):
        after.append(start(*words))
        assert after[-1].exit_code() == code, words
    crashed = start()
    crashed.wait_for("placed")
    exchange.server.stop()
    crashed.wait_for("stream_connect_failed", count=2)
    crashed.stop(signal.SIGABRT)
    assert any("most recent call first" in line for line in crashed.lines)
    return [daemon, *asked, *after, crashed]


@pytest.mark.parametrize(("auth", "form"), [("v1", "text"), ("v3", "json")])
def test_no_secret_in_any_byte_written(run_daemon: Run, tmp_path: Path, auth: str, form: str) -> None:
    """Key, secret, agent's key, listen keys, signatures and the token of the alerts' address are in no byte of console, log, ledger, state and answers."""
    (tmp_path / "log").mkdir()
    exchange, port = Distinct(), free_port()
    text = (f"strategy: {{buy_spread: 0.0001, sell_spread: 0.0001}}\nlogging: {{level: debug, format: {form}, file: log/eth.log}}\norders: {{max_order_age: 1}}\n"
            f"timing: {{probe_interval: 0.2, listen_key_interval: 1}}\nreports: {{prices: 0.5, balances: 0.5, http: '127.0.0.1:{port}'}}")
    config = exchange.config(tmp_path, text)
    config.write_text(config.read_text().replace("venue: custom", f"venue: custom, auth: {auth}"))
    try:
        with hook("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n") as served:
            environ = {"ASTER_API_KEY": API_KEY, "MMD_ALERT_WEBHOOK": served.url, **(AGENT if auth == "v3" else {})}
            known = set(LISTEN_KEYS)
            daemons = hard_time(exchange, config, port, lambda *words: run_daemon("-c", config, *words, more=environ))
        assert len(LISTEN_KEYS - known) >= 2
        assert {SECRET, API_KEY, served.url, *LISTEN_KEYS} <= daemons[0].secrets()
        assert [leak for daemon in daemons for leak in daemon.leaks()] == []
        written = (tmp_path / "log" / "eth.log").read_text()
        assert len(written) > 5_000 and "DEBUG" in written
    finally:
        exchange.server.stop()
