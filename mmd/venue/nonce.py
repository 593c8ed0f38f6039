"""Nonces of V3 requests: microseconds of the venue's clock that only grow, whatever the clock, the threads and the restarts do.

The venue accepts a nonce once, within 10 seconds of its own clock, and refuses one below the newest hundred (V3 "V3 Nonce Mechanism").
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.venue.signing import CannotSign

# How far the venue lets a nonce be from its clock, either way.
WINDOW_US = 10_000_000
# How far ours may run ahead. A request stays acceptable for the window from its nonce on, so this adds to the time for which an order of unknown
# fate is not given up; `timing.acceptance_grace` (2 s) covers it.
MAX_LEAD_US = 2_000_000

_DIGITS = 20
_LOCK_ATTEMPTS = 50
_LOCK_PAUSE_S = 0.001


def _microsecond() -> int:
    """Where the monotonic clock stands within its millisecond: `time_ms` is that clock plus a constant, cut to milliseconds."""
    return time.monotonic_ns() // 1000 % 1000


class Nonces:
    """The nonces of one signer. Any thread may ask.

    With a `path` the last nonce is kept in that file, locked and written for each nonce, so that they also grow across restarts and among
    processes that sign for the same agent. Nothing is synced to the disk: the file's page outlives every end of the process, and a machine
    that lost it was down for longer than nonces ever run ahead of the clock, which is the venue's and does not go back with the machine's.
    Without a `path` the same holds but for two things: a restart that is quicker than the venue's clock is uncertain may go back by that
    little, which the venue accepts unless the hundred newest nonces are all above; and two processes may draw the same microsecond.
    """

    def __init__(
        self, path: Path | None = None, notice: Callable[[Notice], None] = lambda notice: None, microsecond: Callable[[], int] = _microsecond
    ) -> None:
        """`notice` is told once where the file cannot be used any more. Raises ConfigError where it cannot be used at all."""
        self._file = None if path is None else _LastNonce(path)
        self._notice = notice
        self._microsecond = microsecond
        self._lock = threading.Lock()
        self._last = 0
        self._warned = False

    def next(self, time_ms: int) -> int:
        """A nonce above all before, `time_ms` (the venue's clock) in microseconds where that is above them.

        Raises CannotSign where the last one is so far ahead of the clock that the venue would refuse its successor.
        """
        with self._lock:
            now_us = time_ms * 1000 + self._microsecond()
            nonce = self._advance(max(now_us, self._last + 1), now_us + MAX_LEAD_US)
            if nonce > now_us + MAX_LEAD_US:
                kept = "" if self._file is None else f" (kept in {self._file.path}; if the venue's clock was misread, stop the daemon and delete that file)"
                raise CannotSign(f"the last nonce is {(nonce - now_us) // 1_000_000} s ahead of the venue's clock{kept}; waits until that has caught up")
            self._last = nonce
            return nonce

    def _advance(self, at_least: int, at_most: int) -> int:
        """Holds `_lock`. Where the file fails (a full disk, another process that hangs with it) orders must still be cancelled."""
        if self._file is None:
            return at_least
        try:
            return self._file.advance(at_least, at_most)
        except OSError as error:
            if not self._warned:
                self._warned = True
                fields = {"file": self._file.path, "why": error.strerror or str(error), "does": "goes on, with nonces from the clock alone"}
                self._notice(Notice(Level.WARNING, "nonce_not_kept", fields))
            return at_least


class _LastNonce:
    """One number in a file, always of the same width and written in place, so that no end of the process leaves half of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{path}: the last nonce cannot be kept: {error.strerror}; check the owner and mode of {path.parent}") from error

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def advance(self, at_least: int, at_most: int) -> int:
        """`at_least`, or one more than the number in the file where that is higher; it is kept unless it is above `at_most`. Raises OSError."""
        self._acquire()
        try:
            nonce = max(at_least, self._read() + 1)
            if nonce <= at_most:
                os.pwrite(self._descriptor, b"%0*d\n" % (_DIGITS, nonce), 0)
            return nonce
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _acquire(self) -> None:
        """Others hold the lock for microseconds, unless they are stopped in the middle. Raises TimeoutError."""
        for _ in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_S)
            else:
                return
        raise TimeoutError("another process holds its lock")

    def _read(self) -> int:
        """0 in a new file, and in one that a failing machine left without its contents."""
        digits = os.pread(self._descriptor, _DIGITS, 0)
        return int(digits) if digits.isdigit() else 0
