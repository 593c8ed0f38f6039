"""`mmd -c FILE report`: its options, its files, and every way in which it can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_ledger import make_ledger
from report_rig import HOUR, MINUTE, T0, HandLedger

from mmd.daemon.cli import main

NAMES = ["days.csv", "fills.csv", "hours.csv", "round_trips.csv"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration without credentials, and a state directory of its own with a small ledger."""
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    for name in ("ASTER_API_KEY", "ASTER_API_SECRET", "ASTER_USER", "ASTER_SIGNER", "ASTER_SIGNER_KEY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "eth.yaml"
    path.write_text("symbol: ETHUSDT\n")
    make_ledger(state / "eth.ledger", 200, seed=2)
    return path


def run(config: Path, *arguments: str | Path) -> int:
    return main(["-c", str(config), "report", *map(str, arguments)])


def test_text_and_json_go_to_standard_output(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No credentials, no network, no log."""
    assert run(config) == 0
    text = capsys.readouterr()
    assert "reconciles to the last digit" in text.out and not text.err
    assert run(config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["trading"]["fills"] == 200


def test_a_period_can_be_asked_for(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the zone of the log."""
    assert run(config, "--json", "--since", "2025-06-15T15:08", "--until", "2025-06-15T15:10Z") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["period"]["since"], found["period"]["until"]) == ("2025-06-15T15:08:00.000Z", "2025-06-15T15:10:00.000Z")
    assert 0 < found["trading"]["fills"] < 200


@pytest.mark.parametrize(("arguments", "expected"), [
    (("--since", "24"), r"--since: '24' is no time"), (("--until", "noon"), "--until: 'noon' is no time"), (("--since", "1h", "--until", "2h"), "is not before"),
    (("--json", "--csv", "x"), "give one of them"), (("--csv", "x", "--html", "y"), "give one of them"), (("--since",), "expected one argument"),
])  # fmt: skip
def test_bad_options_are_refused(config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str) -> None:
    """With 78, as everything else on the command line, and one line that says what is wrong."""
    assert run(config, *arguments) == 78
    message = capsys.readouterr().err
    assert expected in message and message.count("\n") == 1


def test_options_of_the_report_are_for_the_report(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another command that is given one does nothing."""
    assert main(["-c", str(config), "--since", "24h", "cancel"]) == 78
    assert "--since is only for report" in capsys.readouterr().err


def test_no_ledger_is_said(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Where there is none yet, where none is kept, where it is of another symbol, and where the file is something else."""
    (tmp_path / "btc.yaml").write_text("symbol: BTCUSDT\n")
    assert run(tmp_path / "btc.yaml") == 78
    assert "btc.ledger: there is no ledger yet" in capsys.readouterr().err
    (tmp_path / "none.yaml").write_text("symbol: ETHUSDT\nledger: {file: none}\n")
    assert run(tmp_path / "none.yaml") == 78
    assert "ledger.file is none" in capsys.readouterr().err
    (tmp_path / "other.yaml").write_text(f"symbol: BTCUSDT\nledger: {{file: {tmp_path / 'state' / 'eth.ledger'}}}\n")
    assert run(tmp_path / "other.yaml") == 78
    assert "the ledger is of ETHUSDT, and the configuration trades BTCUSDT" in capsys.readouterr().err
    (tmp_path / "noise.ledger").write_text("not a database, but long enough to be looked at as one" * 100)
    (tmp_path / "noise.yaml").write_text(f"symbol: ETHUSDT\nledger: {{file: {tmp_path / 'noise.ledger'}}}\n")
    assert run(tmp_path / "noise.yaml") == 78
    assert "noise.ledger" in capsys.readouterr().err


def test_a_damaged_ledger_is_an_error(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Named, with what can be done, and without a traceback."""
    path = tmp_path / "state" / "eth.ledger"
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)
    assert run(config) in (1, 78)
    message = capsys.readouterr().err
    assert "eth.ledger" in message and "Traceback" not in message


def test_csv_makes_four_tables(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In a directory that is made where it is absent; their names are printed; they can be written again."""
    directory = tmp_path / "out" / "tables"
    for _ in range(2):
        assert run(config, "--csv", directory) == 0
        assert sorted(path.name for path in directory.iterdir()) == NAMES
        assert sorted(Path(line).name for line in capsys.readouterr().out.splitlines()) == NAMES
    assert len((directory / "fills.csv").read_text().splitlines()) == 201


def test_files_are_written_whole_or_not_at_all(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A ledger that turns out to be bad half-way leaves the files of before as they were, and nothing beside them."""
    directory = tmp_path / "tables"
    directory.mkdir()
    (directory / "fills.csv").write_text("of before")
    ledger = HandLedger(tmp_path / "state" / "bad.ledger")
    ledger.run(end=T0 + HOUR)
    for number in range(50):
        ledger.fill(T0 + number * MINUTE, "BUY", "100", "1", realized="rubbish" if number == 40 else "0")
    ledger.connection.close()
    (tmp_path / "bad.yaml").write_text("symbol: ETHUSDT\n")
    assert run(tmp_path / "bad.yaml", "--csv", directory) == 1
    assert "amount belongs" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in directory.iterdir()] == [("fills.csv", "of before")]


def test_an_unwritable_path_is_an_error(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Named, with the reason, and 1."""
    (tmp_path / "file").write_text("")
    for arguments in (
        ("--csv", tmp_path / "file"),
        ("--csv", tmp_path / "file" / "below"),
        ("--html", tmp_path / "no" / "page.html"),
        ("--html", tmp_path),
    ):
        assert run(config, *arguments) == 1, arguments
        message = capsys.readouterr().err
        assert str(arguments[1]) in message and message.count("\n") == 1


def test_a_device_or_a_pipe_is_not_replaced(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A superuser's `--html /dev/null` must leave /dev/null a device for everybody else; the same through a link."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        assert run(config, "--html", path) == 1
        assert capsys.readouterr().err == f"mmd: {path}: cannot be written: it is no regular file\n"
    assert pipe.is_fifo() and link.is_symlink()


def test_a_link_stays_a_link(config: Path, tmp_path: Path) -> None:
    """The file that it leads to is replaced, in its own directory."""
    (tmp_path / "web").mkdir()
    link, page = tmp_path / "report.html", tmp_path / "web" / "page.html"
    link.symlink_to(page)
    assert run(config, "--html", link) == 0
    assert link.is_symlink() and page.read_text().startswith("<!DOCTYPE html>")


def test_a_page_is_one_file(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Readable by those whom the umask lets, and nothing beside it."""
    pytest.importorskip("plotly", reason="the extra [report] is not installed")
    path = tmp_path / "out" / "page.html"
    path.parent.mkdir()
    assert run(config, "--html", path) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(path.parent.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_without_the_plotting_library_the_rest_works(config: Path, tmp_path: Path) -> None:
    """Text, JSON and CSV need nothing beyond the run-time packages; the page names the extra and ends with 78, writing nothing."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "plotly.py").write_text("raise ModuleNotFoundError(\"No module named 'plotly'\", name='plotly')\n")
    environ = {**os.environ, "PYTHONPATH": f"{blocked}:{Path(__file__).parents[2]}"}
    for arguments, code in ((["--json"], 0), (["--csv", str(tmp_path / "csv")], 0), ([], 0), (["--html", str(tmp_path / "page.html")], 78)):
        done = subprocess.run(
            [sys.executable, "-m", "mmd", "-c", str(config), "report", *arguments], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
    assert "pip install plotly" in done.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_running_daemon_is_reported_on(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What it has committed is there, what it is writing is not, and neither waits for the other."""
    ledger = HandLedger(tmp_path / "state" / "live.ledger")
    ledger.connection.execute("PRAGMA journal_mode = WAL")
    ledger.run()
    ledger.fill(T0, "BUY", "100", "1", position="1")
    ledger.connection.execute("BEGIN IMMEDIATE")
    ledger.fill(T0 + 1, "BUY", "100", "1", position="2")
    (tmp_path / "live.yaml").write_text("symbol: ETHUSDT\n")
    assert run(tmp_path / "live.yaml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["trading"]["fills"] == 1
    ledger.connection.execute("COMMIT")
    assert run(tmp_path / "live.yaml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["trading"]["fills"] == 2
    ledger.connection.close()


def test_whoever_reads_may_stop_reading(config: Path) -> None:
    """A pipe that is closed early is no failure worth a traceback; a full disk behind standard output is an error."""
    command = [sys.executable, "-m", "mmd", "-c", str(config), "report"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "ascii"}
    closed = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert closed.stdout is not None and closed.stderr is not None
    closed.stdout.close()
    message = closed.stderr.read()
    closed.stderr.close()
    assert (closed.wait(), message) == (0, "")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(command, env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "mmd: standard output: cannot be written: No space left on device")
    assert "Traceback" not in done.stderr
