"""What a supervisor is told: each message as sd_notify(3) has it, to either kind of socket, and never a failure."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmd.daemon.logs.logbook import conceal
from mmd.daemon.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A supervisor's socket, and what `$NOTIFY_SOCKET` says of it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@mmd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(name if request.param == "path" else "\0" + name[1:])
        wire.settimeout(5)
        yield name, wire


def told(wire: socket.socket) -> list[str]:
    return wire.recv(4096).decode().split("\n")


def test_each_message_has_its_words(heard: tuple[str, socket.socket]) -> None:
    """Ready, status, reloading, stopping and alive, each as one datagram of assignments."""
    name, wire = heard
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    assert notifier.is_heard and notifier.watchdog_s == 30
    notifier.ready("quote")
    assert told(wire) == ["READY=1", "STATUS=quote"]
    notifier.alive()
    assert told(wire) == ["WATCHDOG=1"]
    notifier.status("pause: the book\nis stale")
    assert told(wire) == ["STATUS=pause: the book is stale"]
    notifier.reloading()
    reloading, moment = told(wire)
    assert reloading == "RELOADING=1" and moment.startswith("MONOTONIC_USEC=") and int(moment.partition("=")[2]) > 0
    notifier.stopping("SIGTERM")
    assert told(wire) == ["STOPPING=1", "STATUS=SIGTERM"]


def test_a_start_that_lives_asks_for_more_time(heard: tuple[str, socket.socket]) -> None:
    """Before `ready` a sign of life puts the end of the start off, and after the stop has begun it does not any more."""
    name, wire = heard
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000000"})
    notifier.alive()
    assert told(wire) == ["EXTEND_TIMEOUT_USEC=20000000"]
    notifier.stopping("never was ready")
    told(wire)
    notifier.alive()
    assert told(wire) == ["WATCHDOG=1"]


def test_a_status_holds_no_secret(heard: tuple[str, socket.socket]) -> None:
    """What is struck out of the log is struck out here, too."""
    name, wire = heard
    conceal(["sesame-of-the-notifier"])
    Notifier({"NOTIFY_SOCKET": name}).status("the key is sesame-of-the-notifier")
    assert told(wire) == ["STATUS=the key is ***"]


@pytest.mark.parametrize("environ", [
    {}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"NOTIFY_SOCKET": "@mmd-nobody-listens"}, {"NOTIFY_SOCKET": "vsock:2:1"},
    {"NOTIFY_SOCKET": "/" + 300 * "x"}, {"WATCHDOG_USEC": "1000000"},
])
def test_nobody_to_tell_is_no_failure(environ: dict[str, str]) -> None:
    """Without a socket, or with one that is gone, nothing happens."""
    notifier = Notifier(environ)
    notifier.ready("quote")
    notifier.status("quote")
    notifier.reloading()
    notifier.alive()
    notifier.stopping("end")
    assert notifier.is_heard == environ.get("NOTIFY_SOCKET", "").startswith(("/", "@"))


def test_a_supervisor_that_does_not_read_holds_nothing_up(heard: tuple[str, socket.socket]) -> None:
    """A full queue of messages loses the next one and does not wait."""
    name, wire = heard
    notifier = Notifier({"NOTIFY_SOCKET": name})
    for number in range(2_000):
        notifier.status(f"number {number}")
    assert told(wire) == ["STATUS=number 0"]


@pytest.mark.parametrize(("environ", "watchdog_s"), [
    ({"WATCHDOG_USEC": "500000"}, 0.5), ({"WATCHDOG_USEC": "0"}, None), ({"WATCHDOG_USEC": "soon"}, None), ({}, None),
    ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None), ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": ""}, None),
])
def test_the_watchdog_is_the_one_of_this_process(environ: dict[str, str], watchdog_s: float | None) -> None:
    """Only a sound interval that is meant for this process counts."""
    assert Notifier({"NOTIFY_SOCKET": "/nowhere/notify", **environ}).watchdog_s == watchdog_s
