"""Asks a running daemon for its status, over its control socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mmd.core.errors import MmdError
from mmd.daemon.state_directory import state_path
from mmd.daemon.status.control import address_of

_TIMEOUT_S = 3.0
# Where systemd's units keep theirs, for an operator whose shell has no such variables.
INSTALLED = ("/run/mmd", "/var/lib/mmd")


class NotRunning(MmdError):
    """No daemon answers."""


def control_directories(environ: Mapping[str, str], installed: Iterable[str] = INSTALLED) -> list[Path]:
    """Every directory in which a daemon of this host may have its control socket or keep its state, the likeliest first. Looks at nothing."""
    runtime = environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    places = [*([Path(runtime)] if runtime else []), state_path(environ), *map(Path, installed)]
    return list(dict.fromkeys(places))


class ControlClient:
    """Asks the daemon of the configuration called `name`, wherever its socket may be."""

    def __init__(self, name: str, environ: Mapping[str, str], installed: Iterable[str] = INSTALLED) -> None:
        self._paths = [directory / f"{name}.sock" for directory in control_directories(environ, installed)]

    def status(self) -> dict[str, Any]:
        """The status. Raises NotRunning where nobody listens, MmdError where the answer is none or access is denied."""
        denied: OSError | None = None
        for path in self._paths:
            try:
                return ask(path)
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                continue
            except PermissionError as error:
                denied = denied or error
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise MmdError(f"{path}: the daemon does not answer: {error or type(error).__name__}") from error
        if denied is not None:
            raise MmdError("the daemon's control socket is another user's; ask as the user that the daemon runs as, or as root")
        raise NotRunning("no daemon of this configuration is running: nobody listens at " + ", ".join(map(str, self._paths)))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        with address_of(self._path) as address:
            self.sock.connect(address)


def ask(path: Path) -> dict[str, Any]:
    """The status of whoever listens there. Raises OSError, HTTPException or ValueError where it is not to be had."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/status.json")
        answer = connection.getresponse()
        status = json.loads(answer.read())
        if answer.status != 200 or not isinstance(status, dict) or status.get("schema") != 1:
            raise ValueError(f"HTTP {answer.status}, or a status of another version")
        return status
    finally:
        connection.close()
