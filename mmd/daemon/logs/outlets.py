"""Where lines go: a file that may be rotated, and the console or the journal behind it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

# Levels of syslog(3) for the journal, by the least level of a record: what an operator sees with `journalctl -p warning`.
_PRIORITIES = ((50, 2), (40, 3), (30, 4), (25, 5), (20, 6))
_DEBUG_PRIORITY = 7


class Outlet(Protocol):
    """Takes whole lines without their ends. `stamps` says whether a line needs its time. Nothing that goes wrong is raised."""

    stamps: bool

    def write(self, level: int, line: str) -> int:
        """How many lines could not be written before this one, which could; told once. Otherwise 0."""

    def close(self) -> None: ...


class Console:
    """The terminal. A console that is gone stops nothing."""

    stamps = True

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, level: int, line: str) -> int:
        # ValueError: it was closed. UnicodeError is one, too.
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()
        return 0

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class Journal(Console):
    """Standard error where systemd's journal reads it: each line with its priority, and without its time, which the journal keeps itself.

    Source: sd-daemon(3), "<N>" prefixes.
    """

    stamps = False

    def write(self, level: int, line: str) -> int:
        return super().write(level, f"<{_priority(level)}>{line}")


def is_journal(stream: TextIO, journal_stream: str) -> bool:
    """Whether the stream is what `$JOURNAL_STREAM` names, as device and inode (systemd.exec(5), "JOURNAL_STREAM")."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG_PRIORITY)


class ReopenedFile:
    """A file that is opened anew once it was renamed or removed (FAULTS P6), written a line at a time without a buffer.

    A full disk loses lines and stops nothing. Raises OSError where the file cannot be opened.
    """

    stamps = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = _open_to_append(path)
        self._lost = 0
        self._torn = False

    def write(self, level: int, line: str) -> int:
        self._reopen_if_rotated()
        data = ("\n" if self._torn else "").encode() + line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            self._lost += 1
            return 0
        self._torn = written < len(data)
        if self._torn:
            self._lost += 1
            return 0
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)

    def _reopen_if_rotated(self) -> None:
        try:
            if os.path.samestat(os.stat(self._path), os.fstat(self._descriptor)):
                return
        except FileNotFoundError:
            pass  # Renamed or removed, and nobody has made a new one yet.
        except OSError:
            return
        # Where the new file cannot be opened, the old one is better than none.
        with suppress(OSError):
            fresh = _open_to_append(self._path)
            os.close(self._descriptor)
            self._descriptor = fresh


def _open_to_append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
