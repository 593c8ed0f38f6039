"""`mmd -c FILE check --offline`: what is wrong on this machine is named, with 78, and no connection is so much as tried."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from mmd.daemon.cli import main
from mmd.daemon.state_directory import Halt, HaltLatch, market_name

LIVE = "symbol: ETHUSDT\nexchange: {venue: custom, rest_url: 'https://exchange.invalid', ws_url: 'wss://exchange.invalid'}\n"


@pytest.fixture(autouse=True)
def _off_the_net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys and a place for state, and every way to the network is a defect."""
    monkeypatch.setenv("ASTER_API_KEY", "paper")
    monkeypatch.setenv("ASTER_API_SECRET", "paper")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("went to the network")

    for way in ("connect", "bind", "listen"):
        monkeypatch.setattr(socket.socket, way, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def checked(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str = LIVE) -> tuple[int, dict[str, str]]:
    """Exit code, and `verdict text` by subject."""
    path = tmp_path / "market.yaml"
    path.write_text(text)
    path.chmod(0o640)
    code = main(["-c", str(path), "check", "--offline", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] == (code == 0)
    return code, {each["subject"]: f"{each['verdict']} {each['text']}" for each in report["findings"]}


@pytest.mark.parametrize("text", [LIVE, "symbol: ETHUSDT\nexchange: {venue: paper}\n"])
def test_all_well(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """A live and a paper configuration pass, with a finding on each subject and none that needs the venue."""
    code, found = checked(tmp_path, capsys, text)
    assert code == 0
    assert list(found) == ["config", "credentials", "packages", "file modes", "log", "ledger", "state"]
    assert all(finding.startswith("ok ") for finding in found.values())


def test_nothing_is_made_but_the_state_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A check leaves no ledger, no latch and no lock behind."""
    checked(tmp_path, capsys)
    assert list((tmp_path / "state").iterdir()) == []


def test_a_missing_key_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the secret there is one finding, which names it."""
    monkeypatch.delenv("ASTER_API_SECRET")
    code, found = checked(tmp_path, capsys)
    assert code == 78
    assert "ASTER_API_SECRET" in found["config"]


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A paper market without the paper extra cannot start."""
    monkeypatch.setattr("mmd.daemon.check_place.find_spec", lambda name: None)
    code, found = checked(tmp_path, capsys, "symbol: ETHUSDT\nexchange: {venue: paper}\n")
    assert code == 78
    assert found["packages"] == "fail exchange.venue: paper needs the package websockets, which is not installed"


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever else stands under the ledger's name is named before the start, not at the first fill."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "market.ledger").write_bytes(b"a shopping list\n" * 1000)
    code, found = checked(tmp_path, capsys)
    assert code == 78
    assert found["ledger"].startswith("fail ") and "market.ledger" in found["ledger"]


def test_a_configured_ledger_needs_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path that leads nowhere is named."""
    code, found = checked(tmp_path, capsys, f"{LIVE}ledger: {{file: nowhere/market.ledger}}\n")
    assert code == 78
    assert found["ledger"].startswith("fail ") and "cannot be written" in found["ledger"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A read-only place for state forbids the start."""
    (tmp_path / "state").mkdir(mode=0o500)
    code, found = checked(tmp_path, capsys)
    assert code == 78
    assert found["state"].startswith("fail ")


def test_a_state_directory_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So does one that cannot be made."""
    (tmp_path / "state").write_text("")
    code, found = checked(tmp_path, capsys)
    assert code == 78
    assert found["state"].startswith("fail ")


def test_a_latched_halt_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A halt forbids the start, and the finding says why it was."""
    (tmp_path / "state").mkdir()
    HaltLatch(tmp_path / "state", market_name("https://exchange.invalid", "paper", "ETHUSDT")).set(Halt("lost too much", "2026-11-23T00:00:00+00:00"))
    code, found = checked(tmp_path, capsys)
    assert code == 78
    assert found["state"] == "fail halted at 2026-11-23T00:00:00+00:00: lost too much"


def test_offline_belongs_to_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody runs, cancels or flattens offline by mistake."""
    path = tmp_path / "market.yaml"
    path.write_text(LIVE)
    for command in ("run", "cancel", "flatten", "resume"):
        assert main(["-c", str(path), command, "--offline"]) == 78
        assert "--offline is only for check" in capsys.readouterr().err
