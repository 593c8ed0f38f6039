"""What outlives the process: where it lies, the lock against a second daemon, and the latch of a halt.

Everything here is named after the venue, the account and the symbol (as a digest: no file name tells a key), so that two configurations of one
market share it and two markets never do.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mmd.core.errors import ConfigError

_RESERVED_BYTES = 4096
_REASON_LENGTH = 500  # characters, of which JSON may make six bytes each


def state_path(environ: Mapping[str, str]) -> Path:
    """Where state is kept: systemd's `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/mmd`, else `~/.local/state/mmd`. Looks at nothing."""
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    base = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return Path(given) if given else Path(base) / "mmd"


def state_directory(environ: Mapping[str, str]) -> Path:
    """`state_path`, made where it is absent. Raises ConfigError where it cannot be made or written."""
    path = state_path(environ)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: the state directory cannot be made: {error.strerror}; set STATE_DIRECTORY to one that can") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: the state directory cannot be written by this user; set STATE_DIRECTORY to one that can")
    return path


def market_name(venue_url: str, account: str, symbol: str) -> str:
    """A file name for one account's one market on one venue."""
    digest = hashlib.blake2s(f"{venue_url}\n{account}".encode(), digest_size=6).hexdigest()
    return f"{symbol}-{digest}"


def account_digest(account: str) -> str:
    """What stands for an account where its name must not."""
    return hashlib.blake2s(account.encode(), digest_size=8).hexdigest()


class InstanceLock:
    """At most one daemon an account and symbol on this host (FAULTS P4). Held until `release`, or until the process ends, however it ends."""

    def __init__(self, directory: Path, name: str) -> None:
        """Takes the lock. Raises ConfigError where another process holds it, naming that process."""
        self.path = directory / f"{name}.lock"
        try:
            self._file = open(self.path, "ab+", buffering=0)  # noqa: SIM115 (held open for as long as the lock is)
        except OSError as error:
            raise ConfigError(f"{self.path}: the lock cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read(20).decode("ascii", "replace").strip() or "unknown"
            self._file.close()
            raise ConfigError(f"{self.path}: this account and symbol are traded already, by process {holder}; stop that one first") from None
        with suppress(OSError):  # The lock holds without its holder's name, for which a full disk may have no room.
            self._file.truncate(0)
            self._file.write(f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the lock go; the file stays."""
        self._file.close()


@dataclass(frozen=True)
class Halt:
    """Why and when trading was halted; `time` is UTC in ISO format."""

    reason: str
    time: str


class HaltLatch:
    """A halt that outlives restarts: a file that is there until `clear`. Replaced whole or not at all (FAULTS P5).

    `name` is the market's (`market_name`), which changes with the account's key; `config` is the configuration's, whose halt holds under any key.
    """

    def __init__(self, directory: Path, name: str, config: str | None = None) -> None:
        self.path = directory / f"{name}.halt"
        self._reserved = directory / f"{name}.halt-reserve"
        self._others = f"{name.partition('-')[0]}-*.halt"
        self._config = config

    def read(self) -> Halt | None:
        """The latched halt, or None. A file that cannot be read counts as a halt: nothing is guessed."""
        for path in self._paths():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                return Halt(str(found["reason"]), str(found["time"]))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                return Halt(f"the latch itself cannot be read ({error})", "unknown")
        return None

    def reserve(self) -> None:
        """Set room aside, so that a disk that is full by the time of a halt still takes it. Raises ConfigError where there is none even now."""
        if self._reserved.exists():
            return
        try:
            _write_whole(self._reserved, b" " * _RESERVED_BYTES)
        except OSError as error:
            raise ConfigError(f"{self._reserved}: a halt could not be latched: {error.strerror}; make room before trading") from error

    def set(self, halt: Halt) -> None:
        """Latch. Raises OSError where the disk does not take it."""
        data = json.dumps({"reason": halt.reason[:_REASON_LENGTH], "time": halt.time, "config": self._config}).encode()
        try:
            _write_whole(self.path, data)
        except OSError:
            if not self._reserved.exists():
                raise
            # In place, for which no room is needed; it becomes the latch only when it is whole. JSON does not mind blanks at its end.
            with open(self._reserved, "r+b", buffering=0) as file:
                file.write(data.ljust(_RESERVED_BYTES))
                os.fsync(file.fileno())
            os.replace(self._reserved, self.path)

    def clear(self) -> bool:
        """Take the latch away; False where there was none."""
        cleared = False
        for path in self._paths():
            with suppress(FileNotFoundError):
                path.unlink()
                cleared = True
        return cleared

    def _paths(self) -> Iterator[Path]:
        """The market's own latch, and those that the same configuration has left under other keys."""
        yield self.path
        if self._config is None:
            return
        for path in sorted(self.path.parent.glob(self._others)):
            with suppress(OSError, ValueError):
                found = json.loads(path.read_text(encoding="utf-8"))
                if path != self.path and isinstance(found, dict) and found.get("config") == self._config:
                    yield path


def _write_whole(path: Path, data: bytes) -> None:
    """Replace a file by another one, or leave it as it was. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
