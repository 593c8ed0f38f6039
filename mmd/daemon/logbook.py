"""The log: one line an event, to the console and to a file that may be rotated, with every known secret struck out."""

from __future__ import annotations

from collections.abc import Iterable

from mmd.core.messages import Notice
from mmd.daemon.config import LogConfig


def open_log(config: LogConfig, name: str) -> None:
    """Open the log of the configuration called `name`; once a process, before the first notice.

    Raises ConfigError where the file that was asked for cannot be written.
    """
    raise NotImplementedError


def close_log() -> None:
    """Write out what is left and let go of the file. Notices after this are dropped."""
    raise NotImplementedError


def conceal(secrets: Iterable[str]) -> None:
    """Strike these out of every line from now on (keys, listen keys). Any thread may call it."""
    raise NotImplementedError


def log_notice(notice: Notice) -> None:
    """Write one line `time LEVEL event key=value …`. Any thread may call it; it never raises for a full disk or a lost console."""
    raise NotImplementedError
