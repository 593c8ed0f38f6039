"""`mmd status --all`: every market of the host in one look, the dead ones too."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon_rig import Daemon

from mmd.daemon.cli import main
from mmd.daemon.status.every_market import markets_of, show_all

Run = Callable[..., Daemon]


def embedded(directory: Path, name: str) -> Path:
    path = directory / f"{name}.yaml"
    path.write_text("symbol: ETHUSDT\nexchange: {venue: paper}\nstrategy: {buy_spread: 0.004}\n")
    return path


def test_each_market_has_its_line(run_daemon: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two that quote, and one that was stopped: what each is doing, and what they add up to; not all is well, so the exit code is 1."""
    first, second, third = (run_daemon("-c", embedded(tmp_path, name)) for name in ("one", "two", "was"))
    for daemon in (first, second, third):
        daemon.wait_for(r" placed ")
    assert third.stop() == 0
    environ = {"STATE_DIRECTORY": str(tmp_path / "state")}
    assert show_all(environ, as_json=False, installed=()) == 1
    head, one, two, was, why, _, total, *weights = capsys.readouterr().out.splitlines()
    assert head.split() == ["market", "state", "for", "position", "net", "fills", "up"]
    assert one.split()[:3] == ["one", "quote", "BUY"] and two.split()[:3] == ["two", "quote", "BUY"] and " flat " in one
    assert was.split()[:2] == ["was", "down"] and why.startswith("    the last run ended at ") and why.endswith(": stop, SIGTERM")
    assert total == "running   2, net +0.00 USDT"
    assert len(weights) == 2 and all(line.startswith("weight    ") for line in weights)  # each has an exchange of its own
    assert max(map(len, (head, one, two, was, why, total, *weights))) <= 80
    assert show_all(environ, as_json=True, installed=()) == 1
    told = json.loads(capsys.readouterr().out)["markets"]
    assert [(each["config"], each["running"]) for each in told] == [("one", True), ("two", True), ("was", False)]
    assert told[0]["status"]["state"]["name"] == "quote" and told[2]["status"] is None
    (tmp_path / "state" / "was.ledger").unlink()
    assert show_all(environ, as_json=False, installed=()) == 0, "all that is known is well"


def test_what_a_dead_daemon_left_is_no_market(tmp_path: Path) -> None:
    """A socket that nobody listens at counts for nothing without a ledger; one that answers nonsense is named."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    assert markets_of([tmp_path, tmp_path / "absent"]) == []
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen(1)
        (market,) = markets_of([tmp_path])
    assert (market.name, market.status, market.is_well) == ("mute", None, False) and "does not answer" in market.why


def test_nothing_at_all_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the places that were looked at; nothing is made on the way."""
    place = tmp_path / "nowhere"
    assert show_all({"STATE_DIRECTORY": str(place)}, as_json=False, installed=()) == 1
    assert capsys.readouterr().out == f"no market has left a trace in {place}\n"[:80].rstrip() + "\n"
    assert not place.exists()


@pytest.mark.parametrize(("arguments", "says"), [
    (["status", "--all", "--watch"], "neither -c nor --watch"), (["-c", "x.yaml", "status", "--all"], "neither -c nor --watch"),
    (["flatten", "--all"], "--all is only for status"), (["status"], "-c FILE is needed"), ([], "-c FILE is needed"),
])
def test_what_does_not_go_together(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused with 78 and the reason, whatever files there are."""
    assert main(arguments) == 78
    assert says in capsys.readouterr().err
