"""A served paper exchange, and daemon processes that are ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from daemon_rig import SECRET, Daemon, Exchange


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    made.server.stop()


@pytest.fixture
def run_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons, ends whatever is left of them, and fails where any has written a secret."""

    def start(*arguments: str | Path, secret: str = SECRET, more: dict[str, str] | None = None) -> Daemon:
        daemon = Daemon(*arguments, state=tmp_path / "state", secret=secret, more=more)
        ends.callback(daemon.end)
        return daemon

    with ExitStack() as ends:
        yield start
