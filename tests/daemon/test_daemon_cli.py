"""The command line: every kind of bad input ends with exit code 78 and one clear message, before any order."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from mmd import __version__
from mmd.daemon.cli import main

PAPER = "symbol: ETHUSDT\nexchange: {venue: paper}\n"
SNAPSHOT = '{"lastUpdateId":10,"E":1,"T":1,"bids":[["2500.00","1.000"]],"asks":[["2500.10","1.000"]]}'


def depth(first: int, last: int, before: int) -> str:
    data = {"e": "depthUpdate", "E": 1, "T": 1, "s": "ETHUSDT", "U": first, "u": last, "pu": before, "b": [["2500.00", "2.000"]], "a": []}
    return json.dumps({"stream": "ethusdt@depth@0ms", "data": data})


def recording(*frames: str) -> bytes:
    """A gzip recording of these frames, a second apart."""
    return gzip.compress("".join(f"{1_700_000_000_000_000_000 + n * 10**9} {frame}\n" for n, frame in enumerate(frames)).encode())


GOOD = recording(SNAPSHOT, depth(9, 12, 8), depth(13, 14, 12))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What `mmd …` writes when it ends with 78."""
    assert main([str(argument) for argument in arguments]) == 78
    written = capsys.readouterr()
    assert not written.out or written.out.startswith(("ok", "fail")), written.out
    return written.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAPER + "orders: {order_refresh_intervall: 1}\n", r"bad\.yaml.*order_refresh_intervall.*order_refresh_interval"),
        (PAPER + "strategy: {buy_spread: wide}\n", r"bad\.yaml.*strategy\.buy_spread.*wide"),
        (PAPER + "strategy: {buy_spread: [0.1]}\n", r"bad\.yaml.*strategy\.buy_spread"),
        (PAPER + "strategy: {buy_spread: -0.001}\n", r"bad\.yaml.*strategy\.buy_spread.*-0\.001"),
        (PAPER + "strategy: {balance_fraction: .nan}\n", r"bad\.yaml.*strategy\.balance_fraction.*nan"),
        (PAPER + "orders: {order_refresh_interval: .inf}\n", r"bad\.yaml.*order_refresh_interval.*inf"),
        (PAPER + "orders: {post_only: 1}\n", r"bad\.yaml.*orders\.post_only"),
        ("exchange: {venue: paper}\n", r"bad\.yaml.*symbol"),
        ("symbol: ETHUSDT\nexchange: {venue: asterr}\n", r"bad\.yaml.*exchange\.venue.*asterr.*aster"),
        ("symbol: [ETHUSDT\n", r"bad\.yaml"),
        ("- ETHUSDT\n", r"bad\.yaml"),
        (PAPER + "symbol: BTCUSDT\n", r"bad\.yaml.*symbol"),
        (PAPER + "exchange: {api_secret: hunter2hunter2}\n", r"bad\.yaml"),
    ],
)
def test_a_bad_configuration_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, expected: str) -> None:
    """Each fault names the file, the key and the value, and nothing is started."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    message = refusal(capsys, "-c", path)
    assert re.search(expected, message, re.DOTALL), message
    assert "hunter2" not in message
    assert "Traceback" not in message


def test_a_missing_file_and_a_directory_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The path is named."""
    assert "nowhere.yaml" in refusal(capsys, "-c", tmp_path / "nowhere.yaml")
    assert str(tmp_path) in refusal(capsys, "-c", tmp_path)


def test_bytes_that_are_no_text_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A binary file is not taken for YAML."""
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\x00\xff\xfe symbol")
    assert "bad.yaml" in refusal(capsys, "-c", path)


def test_missing_credentials_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that is missing, and where it was looked for."""
    for name in ("ASTER_API_KEY", "ASTER_API_SECRET", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "real.yaml"
    path.write_text("symbol: ETHUSDT\nexchange: {venue: aster}\n")
    message = refusal(capsys, "-c", path)
    assert "ASTER_API_KEY" in message and ".env" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, r"day\.gz"),
        (b"not a gzip file at all", r"day\.gz.*gzip"),
        (GOOD[: len(GOOD) // 2], r"day\.gz"),
        (recording("{not json"), r"day\.gz.*1"),
        (recording(SNAPSHOT, "nonsense"), r"day\.gz.*2"),
        (recording(depth(9, 12, 8), depth(13, 14, 12)), r"day\.gz.*snapshot"),
        (recording(SNAPSHOT, depth(9, 12, 8), depth(20, 21, 19)), r"day\.gz.*3"),
        (recording(SNAPSHOT.replace("2500.10", "2500.105"), depth(9, 12, 8)), r"day\.gz.*2500\.105"),
    ],
    ids=["missing", "not gzip", "truncated", "broken json", "broken line", "no snapshot", "gap", "off the tick"],
)
def test_a_bad_recording_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None, expected: str
) -> None:
    """A replay file that is missing, no gzip, truncated or broken ends the start, with the file and where it can the line."""
    config, data = tmp_path / "replay.yaml", tmp_path / "day.gz"
    config.write_text(PAPER + "paper: {market: replay}\n")
    if content is not None:
        data.write_bytes(content)
    message = refusal(capsys, "-c", config, "--data", data)
    assert re.search(expected, message, re.DOTALL), message
    assert "Traceback" not in message


@pytest.mark.parametrize("arguments", [(), ("-c",), ("-c", "x.yaml", "dance"), ("--frobnicate",)])
def test_a_command_line_that_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """And says where help is."""
    assert "mmd --help" in refusal(capsys, *arguments)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`mmd --version` prints it and exits 0."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mmd {__version__}\n"
