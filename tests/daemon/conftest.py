"""A served paper exchange, and daemon processes that are ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_rig import Daemon, Exchange


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    made.server.stop()


@pytest.fixture
def run_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons and ends whatever is left of them."""
    daemons: list[Daemon] = []

    def start(*arguments: str | Path, secret: str = "paper") -> Daemon:
        daemons.append(Daemon(*arguments, state=tmp_path / "state", secret=secret))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.end()
