"""`mmd paper` as a process: its one line, its signals, its exit codes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mmd.paper.command import main

START = "import sys; from mmd.paper.command import main; sys.exit(main(sys.argv[1:]))"
# The same, but SIGTERM comes at the worst moment: inside of the wait for it, where an event's lock would be held.
INTERRUPTED = """
import signal, sys, threading
from mmd.paper import command

def trace(frame, event, argument):
    waits = frame.f_code is threading.Condition.wait.__code__ and frame.f_back.f_back.f_code is command._serve.__code__
    if waits or frame.f_code is command._is_asked_to_stop.__code__:
        sys.settrace(None)
        signal.raise_signal(signal.SIGTERM)

sys.settrace(trace)
sys.exit(command.main(sys.argv[1:]))
"""
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 20.0


def start(*arguments: str, code: str = START) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_serves_and_stops_when_told(number: signal.Signals) -> None:
    """One ready line with both addresses, which answer; after SIGTERM or SIGINT exit 0 and nothing more is said."""
    with start("--balance", "123.45", "--usdf", "7") as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            ready = re.fullmatch(r"ready rest=(http://127\.0\.0\.1:\d+) ws=(ws://127\.0\.0\.1:\d+)\n", line)
            assert ready, line
            with urllib.request.urlopen(f"{ready[1]}/fapi/v1/exchangeInfo", timeout=WAIT_S) as reply:
                assert json.load(reply)["symbols"][0]["symbol"] == "ETHUSDT"
            process.send_signal(number)
            assert process.communicate(timeout=WAIT_S) == ("", "")
            assert process.returncode == 0
        finally:
            process.kill()


@pytest.mark.parametrize("arguments, said", [
    (["--nonsense"], "--nonsense"),
    (["--symbol", "eth"], "'eth'"),
    (["--market", "magic"], "'magic'"),
    (["--rest-port", "70000"], "70000 is no port"),
    (["--rest-port", "x"], "--rest-port"),
    (["--seed", "x"], "--seed"),
    (["--balance", "-1"], "-1"),
    (["--balance", "NaN"], "NaN"),
    (["--balance", "much"], "'much'"),
    (["--speed", "nan"], "nan"),
    (["--speed", "0", "--market", "replay", "--data", "x.gz"], "speed"),
    (["--volatility", "-0.1"], "-0.1"),
    (["--volatility", "7"], "volatility"),
    (["--market", "replay"], "data"),
    (["--market", "replay", "--data", "/nonexistent/day.gz"], "/nonexistent/day.gz"),
    (["--data", "day.gz"], "market replay"),
])
def test_bad_options_are_one_line_and_78(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is wrong is named on one line of stderr; nothing is served."""
    assert main(arguments) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("mmd paper: ")
    assert said in err


def test_a_taken_port_is_one_line_and_78() -> None:
    """A second exchange on the same port says so."""
    with start() as first:
        try:
            assert first.stdout is not None
            port = first.stdout.readline().split()[1].rpartition(":")[2]
            with start("--rest-port", port) as second:
                out, err = second.communicate(timeout=WAIT_S)
            assert (second.returncode, out) == (78, "")
            assert err.count("\n") == 1
            assert f"port {port}" in err
        finally:
            first.kill()


def test_a_signal_inside_of_the_wait_for_it_stops_it_too() -> None:
    """A handler runs in whatever it interrupts, so it takes no lock that the wait holds."""
    with start(code=INTERRUPTED) as process:
        try:
            out, err = process.communicate(timeout=WAIT_S)
            assert (process.returncode, err) == (0, "")
            assert out.startswith("ready ")
        finally:
            process.kill()


def test_a_missing_package_is_named() -> None:
    """Without websockets the message says what to install."""
    with start(code="import sys; sys.modules['websockets'] = None; " + START.removeprefix("import sys; ")) as process:
        out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out) == (78, "")
    assert "pip install websockets" in err
    assert err.count("\n") == 1


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names every option and exits 0."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--rest-port" in capsys.readouterr().out
