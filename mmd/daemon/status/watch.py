"""`mmd -c FILE status --watch`: the status as a picture that fills the terminal and is drawn anew twice a second (extra `watch`)."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.live import Live

from mmd.core.errors import ConfigError, MmdError
from mmd.daemon.status.control_client import ControlClient, NotRunning
from mmd.daemon.status.watch_panels import screen

_EVERY_S = 0.5
_QUIT = frozenset(b"qQ\x03\x04")


def watch_status(client: ControlClient, what_is_left: Callable[[], Sequence[str]]) -> int:
    """Until q or Ctrl-C. A daemon that goes away is waited for. Raises ConfigError where there is no terminal to draw on."""
    console = Console()
    if not (sys.stdin.isatty() and console.is_terminal) or console.is_dumb_terminal:
        raise ConfigError("--watch needs a terminal to draw on; without one use `status` or `status --json`")
    with _keys(sys.stdin.fileno()) as keys, suppress(KeyboardInterrupt), Live(console=console, screen=True, auto_refresh=False) as live:
        try:
            _watch(client, what_is_left, keys, lambda picture: live.update(picture, refresh=True), console)
        finally:
            # A terminal that grew meanwhile would otherwise scroll the picture into what it shows next (tmux 3.3 does).
            console.clear()
    return 0


def _watch(client: ControlClient, what_is_left: Callable[[], Sequence[str]], keys: int, draw: Callable[[Any], None], console: Console) -> None:
    status: dict[str, Any] | None = None
    while True:
        due = time.monotonic() + _EVERY_S
        gone: list[str] = []
        try:
            status = client.status()
        except MmdError as error:
            gone = [str(error), *(what_is_left() if isinstance(error, NotRunning) else [])]
        draw(screen(status, gone, *console.size))
        while (left_s := due - time.monotonic()) > 0:
            if select.select([keys], [], [], left_s)[0]:
                typed = os.read(keys, 64)
                if not typed or _QUIT.intersection(typed):
                    return


@contextmanager
def _keys(terminal: int) -> Iterator[int]:
    """The terminal, a key at a time and unechoed; as it was afterwards, whatever ends this."""
    before = termios.tcgetattr(terminal)
    # SIGINT too, for a parent may have left it ignored.
    handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        tty.setcbreak(terminal)
        yield terminal
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt

