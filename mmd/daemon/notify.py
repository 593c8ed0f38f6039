"""What systemd is told of the daemon: a datagram each, as sd_notify(3) describes them. Nothing at all where nobody asked."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from mmd.daemon.logs.logbook import redact

_STATUS_LENGTH = 400  # characters


class Notifier:
    """Talks to the socket that `$NOTIFY_SOCKET` names. Never blocks and never raises: a supervisor that does not listen stops no trading."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._is_ready = False
        self.watchdog_s = _watchdog_s(environ) if self._address is not None else None

    @property
    def is_heard(self) -> bool:
        """Whether anybody asked to be told."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """The start, or a reload, is done."""
        self._is_ready = True
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(text))

    def reloading(self) -> None:
        """The configuration is read anew; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str) -> None:
        """The end has begun, whoever asked for it; systemd's TimeoutStopSec= counts from here."""
        self._is_ready = True  # It gets no more time to start.
        self._send("STOPPING=1", _status(status))

    def alive(self) -> None:
        """Feed the watchdog. Before `ready`, when systemd does not watch yet, this asks for so much more time to start."""
        if self.watchdog_s is None:
            return
        if self._is_ready:
            self._send("WATCHDOG=1")
        else:
            self._send(f"EXTEND_TIMEOUT_USEC={int(self.watchdog_s * 1_000_000)}")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
            wire.setblocking(False)
            wire.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), self._address)


def _address(name: str) -> str | None:
    """A path, or with @ a name in Linux's abstract space. None for anything else, such as the vsock of a virtual machine's manager."""
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """How long systemd waits for a sign of life; None where it waits for none, or for one of another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    wanted = environ.get("WATCHDOG_USEC", "")
    return int(wanted) / 1_000_000 if wanted.isascii() and wanted.isdigit() and int(wanted) else None


def _status(text: str) -> str:
    return "STATUS=" + redact(" ".join(text.split()))[:_STATUS_LENGTH]
