"""The status: what it holds, how it reads, and what `mmd … status` says of a daemon that runs, starts, pauses, or is gone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from daemon_rig import Daemon, Exchange
from status_rig import ORDER, eth_source, eth_view

from mmd.core.messages import Level, Notice
from mmd.core.units import Side
from mmd.daemon.config import LogConfig
from mmd.daemon.logs.logbook import close_log, conceal, log_notice, open_log
from mmd.daemon.state_directory import Halt, HaltLatch
from mmd.daemon.status.event_tail import EventTail
from mmd.daemon.status.snapshot import break_even_price
from mmd.daemon.status.text import span, status_text
from mmd.venue.clock import monotonic_ms

KEYS = {
    "": "schema time daemon state market position orders foreign_orders balances session rates streams clock countdown threads notices events fills",
    "daemon": "version config symbol venue pid started uptime_s session",
    "state": "name since_s reasons mode waiting heartbeat_age_s well",
    "market": "base quote bid ask mid spread_bps age_s bids asks",
    "position": "size entry_price notional unrealized break_even",
    "balances": "assets total",
    "session": "fills volume realized fees unrealized net",
    "rates": "weight orders own_orders silent_s",
    "clock": "offset_ms uncertainty_ms",
    "countdown": "armed_s",
}


def status(directory: Path, **changes: Any) -> dict[str, Any]:
    """As a client gets it: through JSON and back."""
    return dict(json.loads(eth_source(directory, eth_view(**changes))[0].drawn().text))


def ask(config: Path, state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mmd -c CONFIG status …` in a process without credentials and without a terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASTER_")} | {"STATE_DIRECTORY": str(state)}
    command = [sys.executable, "-m", "mmd", "-c", str(config), "status", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, timeout=30, check=False)


@pytest.fixture
def tail() -> Iterator[EventTail]:
    made = EventTail(events=3, fills=2)
    open_log(LogConfig(level="error", file="none", console=True), "status")
    made.open()
    yield made
    made.close()
    close_log()


# --- the dictionary -----------------------------------------------------------------------------------------------------------------------


def test_the_keys_are_those_that_are_promised(tmp_path: Path) -> None:
    """Each key in its place, in order; whoever changes one changes this test and the schema's number."""
    found = status(tmp_path)
    assert found["schema"] == 1
    for part, names in KEYS.items():
        assert list(found[part] if part else found) == names.split(), part
    assert list(found["orders"][0]) == ["id", "order_id", "side", "price", "size", "executed", "state", "age_s", "distance_bps", "ahead", "reduce_only"]
    assert list(status(tmp_path, bids=(), asks=())["market"]) == KEYS["market"].split()


def test_money_is_text_and_ages_are_numbers(tmp_path: Path) -> None:
    """Exact decimals without an exponent, as the venue writes prices and sizes."""
    found = status(tmp_path, realized_profit=Decimal("1E-8"), orders=(ORDER,))
    assert found["session"] == {"fills": 3, "volume": "1125.3", "realized": "0.00000001", "fees": {"USDT": "0.35"}, "unrealized": "0.15", "net": "0.55"}
    assert found["position"] == {"size": "0.150", "entry_price": "2500", "notional": "375.15", "unrealized": "0.15", "break_even": None}
    assert found["balances"] == {"assets": {"USDF": "10", "USDT": "9990.5"}, "total": "10000.5"}
    (order,) = found["orders"]
    assert (order["price"], order["size"], order["executed"], order["ahead"], order["distance_bps"]) == ("2501.50", "0.200", "0.050", "3.100", 2.0)
    assert found["market"]["asks"][1] == {"price": "2501.50", "size": "7.000", "own": "0.150"}
    assert found["market"]["spread_bps"] == 0.8
    assert 1.2 <= order["age_s"] < 3 and 60 <= found["state"]["since_s"] < 62


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    """Before the first engine, and before the first book."""
    starting = dict(json.loads(eth_source(tmp_path)[0].drawn().text))
    assert starting["state"]["name"] == "starting" and starting["market"] is None and starting["session"] is None and starting["orders"] == []
    blind = status(tmp_path, bids=(), asks=(), book_age_ms=None, position=Decimal(0))
    assert blind["market"]["mid"] is None and blind["position"]["notional"] is None and blind["position"]["entry_price"] is None
    assert blind["orders"][0]["distance_bps"] is None


def test_ages_go_on_while_the_main_thread_stands_still(tmp_path: Path) -> None:
    """A view that was drawn 20 s ago shows a book, an order and a heartbeat of that age, and is not well."""
    found = status(tmp_path, drawn_ms=monotonic_ms() - 20_000)
    assert found["market"]["age_s"] >= 20 and found["orders"][0]["age_s"] >= 21 and found["state"]["heartbeat_age_s"] >= 20
    assert found["state"]["well"] is False
    assert "the main thread has not moved for 20s" in status_text(found)


@pytest.mark.parametrize(("position", "fee", "expected"), [
    ("1", "0.001", "2505.005005005005005005005005"), ("-1", "0.001", "2495.004995004995004995004995"), ("1", "0", "2500"), ("1", "-0.0001", "2499.500049995000499950005000"),
    ("0", "0.001", None), ("1", None, None),
])
def test_the_break_even_price_pays_for_both_fees(position: str, fee: str | None, expected: str | None) -> None:
    """Closing at it leaves nothing: what is bought at entry and sold there, less a maker's fee on each."""
    rate = None if fee is None else Decimal(fee)
    found = break_even_price(Decimal(position), Decimal(2500), rate)
    assert found == (None if expected is None else Decimal(expected))
    if found is not None and rate is not None:
        assert abs(Decimal(position) * (found - 2500) - rate * (found + 2500)) < Decimal("1e-20")


def test_the_tail_keeps_the_last_warnings_and_fills(tail: EventTail) -> None:
    """Whatever the log's own level; INFO is not kept; older ones make room; all are counted."""
    log_notice(Notice(Level.INFO, "quote", {}))
    for number in range(5):
        log_notice(Notice(Level.WARNING, "trouble", {"number": number}))
        log_notice(Notice(Level.FILL, "fill", {"trade": number}))
    log_notice(Notice(Level.ERROR, "halt", {"why": "two words"}))
    log_notice(Notice(Level.FILL, "foreign_fill", {"trade": 9}))
    assert [(entry.event, entry.text) for entry in tail.events()] == [("trouble", "number=3"), ("trouble", "number=4"), ("halt", 'why="two words"')]
    assert [(entry.event, entry.fields["trade"]) for entry in tail.fills()] == [("fill", 4), ("foreign_fill", 9)]
    assert tail.counts() == {"WARNING": 5, "ERROR": 1}


def test_no_secret_gets_into_the_tail_s_words(tail: EventTail) -> None:
    """What the log strikes out is struck out here, whenever it was learned."""
    log_notice(Notice(Level.WARNING, "trouble", {"url": "https://x/y?signature=0123456789abcdef&listenKey=abcdefgh1234", "key": "hunter2hunter2"}))
    conceal(["hunter2hunter2"])
    assert tail.events()[0].text == "url=https://x/y?signature=***&listenKey=*** key=***"


def test_a_closed_tail_hears_nothing(tail: EventTail) -> None:
    """It leaves no handler behind."""
    tail.close()
    log_notice(Notice(Level.WARNING, "trouble", {}))
    assert tail.events() == [] and tail not in logging.getLogger("mmd").handlers


# --- the text -----------------------------------------------------------------------------------------------------------------------------


def test_the_text_fits_eighty_columns_and_says_what_matters(tmp_path: Path) -> None:
    """Every line, with long reasons and many orders too."""
    orders = tuple(ORDER._replace(client_order_id=f"mmd-s1-{n}", side=side, price_ticks=250_000 + n) for n in range(6) for side in Side)
    reasons = ("market stream: " + "no message for a very long time " * 4, "stale book")
    text = status_text(status(tmp_path, state="pause", reasons=reasons, reasons_since_ms=(1, 2), orders=orders, waiting="too small"))
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("ETHUSDT  PAUSE  for 60s  mode SELL") and "! stale book" in text and "! waiting: too small" in text
    assert "0.150 ETH at 2500 = 375.15 USDT" in text and "net +0.5500 USDT" in text and text.count("2500.0") == 12


def test_what_others_said_moves_no_cursor(tmp_path: Path) -> None:
    """A venue's refusal is a reason to pause, and so stands on the terminal: on its line, without its controls."""
    told = status(tmp_path, state="pause", reasons=("refused: \x1b[2J\nall is well",), reasons_since_ms=(1,), waiting="\x1b]0;title\x07")
    told["events"] = [{"time": "2026-01-02T03:04:05.000Z", "level": "ERROR", "event": "e", "text": "why=\u202e\x9b2J"}]
    text = status_text(told)
    assert "refused:  [2J all is well" in text and all(line.isprintable() for line in text.splitlines())


def test_the_text_of_a_start_says_so(tmp_path: Path) -> None:
    """There is no book and no money to show yet."""
    text = status_text(dict(json.loads(eth_source(tmp_path)[0].drawn().text)))
    assert text.startswith("ETHUSDT  STARTING") and "no working orders" in text


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (0.04, "0.0s"), (9.94, "9.9s"), (61, "61s"), (3_600, "60m"), (7_300, "2.0h"), (200_000, "2.3d")])
def test_spans_of_time_have_the_unit_that_suits_them(seconds: float | None, text: str) -> None:
    """Seconds, minutes, hours, days."""
    assert span(seconds) == text


# --- the command --------------------------------------------------------------------------------------------------------------------------


def test_a_running_daemon_tells_its_status(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """Text and JSON with exit code 0, without credentials; our order with its venue id; the streams; the socket is gone after the stop."""
    config, state = exchange.config(tmp_path), tmp_path / "state"
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" placed ")
    found = json.loads(ask(config, state, "--json").stdout)
    assert found["daemon"]["pid"] == daemon.process.pid and found["daemon"]["symbol"] == "ETHUSDT"
    assert found["state"]["name"] == "quote" and found["state"]["well"]
    (order,) = exchange.open_orders()
    assert [(each["id"], each["order_id"], each["price"]) for each in found["orders"]] == [(order.client_order_id, order.order_id, str(found["orders"][0]["price"]))]
    assert set(found["streams"]) == {"market", "user"} and all(stream["up_s"] >= 0 and stream["connects"] == 1 for stream in found["streams"].values())
    assert found["rates"]["weight"]["used"] > 0 and found["rates"]["weight"]["limit"] == 2400 and found["clock"]["offset_ms"] is not None
    assert {"main", "orders-lane", "market-stream", "control"} <= {thread["name"] for thread in found["threads"]}
    assert all(thread["alive"] for thread in found["threads"]) and found["countdown"]["armed_s"] > 0
    text = ask(config, state)
    assert text.returncode == 0 and text.stdout.startswith("ETHUSDT  QUOTE") and order.client_order_id not in text.stderr
    assert daemon.stop() == 0
    assert not (state / "market.sock").exists()
    gone = ask(config, state)
    assert gone.returncode == 1 and "no daemon of this configuration is running" in gone.stderr and gone.stdout == ""


def test_a_pause_is_told_with_its_reasons_and_how_long(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """The venue goes away: the state, each reason, the streams that are down, the warning in the log."""
    config, state = exchange.config(tmp_path), tmp_path / "state"
    daemon = run_daemon("-c", config)
    daemon.wait_for(r" placed ")
    exchange.server.stop()
    daemon.wait_for(r" pause from=quote ")
    found = json.loads(ask(config, state, "--json").stdout)
    assert found["state"]["name"] in ("pause", "sync") and found["state"]["reasons"] and all(each["since_s"] < 10 for each in found["state"]["reasons"])
    assert None in [stream["up_s"] for stream in found["streams"].values()]
    assert found["notices"]["WARNING"] > 0 and found["events"]


def test_what_a_daemon_has_left_is_told(exchange: Exchange, tmp_path: Path) -> None:
    """A latched halt of the symbol stands beside "not running", in text and in JSON."""
    config, state = exchange.config(tmp_path), tmp_path / "state"
    state.mkdir()
    HaltLatch(state, "ETHUSDT-0123456789ab").set(Halt("lost too much", "2026-01-02T03:04:05+00:00"))
    found = ask(config, state)
    assert found.returncode == 1 and "halted at 2026-01-02T03:04:05+00:00: lost too much" in found.stderr and "resume" in found.stderr
    HaltLatch(state, "ETHUSDT-0123456789ab").set(Halt("lost \x1b[31mtoo much", "2026-01-02T03:04:05+00:00"))
    assert "lost  [31mtoo much" in ask(config, state).stderr
    HaltLatch(state, "ETHUSDT-0123456789ab").set(Halt("lost too much", "2026-01-02T03:04:05+00:00"))
    told = json.loads(ask(config, state, "--json").stdout)
    assert told["running"] is False and "lost too much" in told["notes"][0]


def test_a_pipe_in_the_ledger_s_place_is_not_waited_for(exchange: Exchange, tmp_path: Path) -> None:
    """Opening it would wait for its other end for ever; without a ledger there is just nothing to tell."""
    config, state = exchange.config(tmp_path), tmp_path / "state"
    state.mkdir()
    os.mkfifo(state / f"{config.stem}.ledger")
    found = ask(config, state)
    assert found.returncode == 1 and found.stderr.startswith("mmd: no daemon of this configuration is running") and "last run" not in found.stderr


@pytest.mark.parametrize(("arguments", "message"), [
    (["--watch"], "--watch needs a terminal"), (["--watch", "--json"], "do not go together"),
])
def test_what_cannot_be_shown_is_an_error_of_the_command_line(exchange: Exchange, tmp_path: Path, arguments: list[str], message: str) -> None:
    """Exit code 78 and the reason."""
    found = ask(exchange.config(tmp_path), tmp_path / "state", *arguments)
    assert found.returncode == 78 and message in found.stderr


def test_a_second_daemon_of_one_configuration_is_refused(exchange: Exchange, run_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    """On a paper market, which needs no lock, too: the first goes on undisturbed."""
    config = tmp_path / "paper.yaml"
    config.write_text("symbol: ETHUSDT\nexchange: {venue: paper}\n")
    first = run_daemon("-c", config)
    first.wait_for(r" placed ")
    second = run_daemon("-c", config)
    assert second.exit_code() == 78
    assert ask(config, tmp_path / "state").returncode == 0
    assert first.stop() == 0
