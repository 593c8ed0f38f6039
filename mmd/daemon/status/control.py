"""The control socket: the daemon's status on a Unix socket that only its own user can open. It reads, it never trades.

It speaks HTTP, so that `curl --unix-socket FILE http://localhost/status.json` works beside `mmd -c FILE status`.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mmd.core.errors import ConfigError
from mmd.daemon.state_directory import state_directory
from mmd.daemon.status.server import BoundedServer, Routes

_BACKLOG = 128
# sockaddr_un has room for 108 bytes with the zero at its end.
_LONGEST = 107
_PROBE_S = 1.0


def control_path(name: str, environ: Mapping[str, str]) -> Path:
    """Where the daemon of the configuration called `name` listens: in systemd's `$RUNTIME_DIRECTORY`, else in the state directory. Raises ConfigError."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return (Path(runtime) if runtime else state_directory(environ)) / f"{name}.sock"


class ControlServer(BoundedServer):
    """Listens from the moment it is made, until `run` ends; then the socket's file is gone."""

    def __init__(self, routes: Routes, path: Path) -> None:
        """Replaces the socket of a daemon that died. Raises ConfigError where one is alive, and where the socket cannot be made."""
        self.path = path
        try:
            listener = _listen(path)
            self._made = os.stat(path)
        except OSError as error:
            raise ConfigError(f"{path}: the control socket cannot be made: {error.strerror or error}") from error
        super().__init__(listener, routes, lambda header: True)

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.remove()

    def remove(self) -> None:
        """Take the socket's file away, unless another's has taken its place."""
        with suppress(OSError):
            if os.path.samestat(os.stat(self.path), self._made):
                self.path.unlink()


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """The path as a socket address, good for as long as the context lasts; one that is too long goes by its directory's descriptor. Raises OSError."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _listen(path: Path) -> socket.socket:
    _clear_the_way(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # A socket's file takes its mode from the socket, so it is nobody else's from its first moment on (Linux).
        os.fchmod(listener.fileno(), 0o600)
        with address_of(path) as address:
            listener.bind(address)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _clear_the_way(path: Path) -> None:
    """Remove what a dead daemon has left. Raises ConfigError where somebody answers, or where the file is no socket."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise ConfigError(f"{path}: is in the way of the control socket, and is no socket; move it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, address_of(path) as address:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            with suppress(FileNotFoundError):
                path.unlink()
            return
        except TimeoutError:
            pass  # Its queue is full: somebody listens, who is busy.
    raise ConfigError(f"{path}: a daemon of this configuration is running already; ask it with `status`, or stop it first")
