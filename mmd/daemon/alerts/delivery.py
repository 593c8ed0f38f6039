"""The two ways out for an alert: a webhook and a command. Either has taken it, or says that it has not."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import string
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import IO, Protocol
from urllib.parse import urlsplit

import certifi

from mmd import __version__
from mmd.core.errors import MmdError
from mmd.daemon.alerts.rules import Alert
from mmd.daemon.config_alerts import BODY_NAMES
from mmd.daemon.logs.redaction import redact
from mmd.venue.redaction import describe

_MOST_TEXT = 3000  # characters; Telegram takes 4096
_MOST_COMPLAINT = 300
_SHORTEST_TOKEN = 16
_LONGEST_RETRY_AFTER_S = 3600.0
# Whoever answers with these may take the same alert later; any other refusal is for good.
_LATER = frozenset({408, 425, 429})


class NotDelivered(MmdError):
    """The alert was not taken. `for_good`: it would not be taken another time either. `after_s`: not before that."""

    def __init__(self, why: str, for_good: bool = False, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.for_good = for_good
        self.after_s = after_s


class Origin:
    """Whose alerts these are."""

    def __init__(self, config: str, symbol: str, host: str) -> None:
        self.config = config
        self.symbol = symbol
        self.host = host

    def message(self, alert: Alert) -> dict[str, object]:
        """All that is told of an alert, by the names of BODY_NAMES; secrets struck out, no line broken."""
        fields = {_plain(name): _plain(value) for name, value in alert.fields.items()}
        moment = datetime.fromtimestamp(alert.time_s, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        text = _plain(f"mmd {self.config} ({self.symbol}) on {self.host}: {alert.text}")
        return {"text": text, "kind": alert.kind, "config": self.config, "symbol": self.symbol, "host": self.host, "time": moment, "fields": fields}


class Channel(Protocol):
    """One way out. `where` tells an operator which, without a secret."""

    name: str
    where: str

    def deliver(self, message: Mapping[str, object], within_s: float) -> None:
        """Blocks until the alert is taken. Raises NotDelivered, after little more than `within_s` at the latest."""

    def abort(self) -> None:
        """From another thread: a `deliver` that is under way soon raises."""


class Webhook:
    """Posts JSON. No proxy, no redirect, no cookie, and the certificate is verified (FAULTS S3); of the answer only its status is read."""

    name = "webhook"

    def __init__(self, url: str, template: str | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = ssl.create_default_context(cafile=certifi.where()) if parts.scheme == "https" else None
        self._template = None if template is None else string.Template(template)
        self._connection: http.client.HTTPConnection | None = None
        self.where = f"{parts.scheme}://{self._host}" + (f":{self._port}" if self._port else "")

    def deliver(self, message: Mapping[str, object], within_s: float) -> None:
        body = self._body(message).encode()
        connection: http.client.HTTPConnection
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=within_s)
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=within_s, context=self._tls)
        self._connection = connection
        # The timeout is for each read: whoever drips would outlive it.
        alarm = threading.Timer(within_s, _cut, (connection,))
        alarm.daemon = True
        alarm.start()
        try:
            headers = {"Content-Type": "application/json", "User-Agent": f"mmd/{__version__}", "Connection": "close"}
            connection.request("POST", self._target, body, headers)
            response = connection.getresponse()
            status, retry_after = response.status, response.getheader("Retry-After", "")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotDelivered(describe(error)) from error
        finally:
            alarm.cancel()
            connection.close()
        if not 200 <= status < 300:
            raise NotDelivered(f"answered {status}", for_good=status < 500 and status not in _LATER, after_s=_seconds(retry_after))

    def abort(self) -> None:
        if self._connection is not None:
            _cut(self._connection)

    def _body(self, message: Mapping[str, object]) -> str:
        if self._template is None:
            return json.dumps(message)
        return self._template.substitute({name: json.dumps(message[name]) for name in BODY_NAMES})


class Command:
    """Runs a program for each alert: JSON on its standard input, MMD_* in its environment, none of the exchange's keys."""

    name = "command"

    def __init__(self, words: Iterable[str], environ: Mapping[str, str]) -> None:
        self._words = tuple(words)
        self._environ = {name: value for name, value in environ.items() if not name.startswith("ASTER_") and name != WEBHOOK_VARIABLE}
        self._process: subprocess.Popen[bytes] | None = None
        self.where = os.path.basename(self._words[0])

    def deliver(self, message: Mapping[str, object], within_s: float) -> None:
        environ = {**self._environ, **{f"MMD_{name.upper()}": str(value) for name, value in message.items() if name != "fields"}}
        # Its complaints go to a file, so that any length of them is read in part and none is waited for.
        with tempfile.TemporaryFile() as complaints:
            try:
                process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints, env=environ, start_new_session=True)
            except (OSError, ValueError) as error:
                raise NotDelivered(describe(error)) from error
            self._process = process
            try:
                process.communicate(json.dumps(message).encode() + b"\n", within_s)
            except subprocess.TimeoutExpired:
                raise NotDelivered(f"had not ended after {within_s:.0f} s") from None
            finally:
                _end(process)
            if process.returncode != 0:
                raise NotDelivered(f"ended with {process.returncode}{_last_words(complaints)}")

    def abort(self) -> None:
        if self._process is not None:
            _kill(self._process)


WEBHOOK_VARIABLE = "MMD_ALERT_WEBHOOK"


def tokens_in(url: str) -> tuple[str, ...]:
    """What of a webhook's address no line may show: the whole, what follows the host, and each part that is as long as a token."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    words = target.replace("?", "/").replace("&", "/").replace("=", "/").split("/")
    return (url, *([target] if len(target) >= _SHORTEST_TOKEN else []), *(word for word in words if len(word) >= _SHORTEST_TOKEN))


def _plain(text: str) -> str:
    """For one line of a chat: redacted, of bounded length, without control characters."""
    return "".join(character if character.isprintable() else " " for character in redact(text))[:_MOST_TEXT]


def _cut(connection: http.client.HTTPConnection) -> None:
    """From another thread: whatever the connection waits for ends now."""
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            sock.shutdown(2)


def _seconds(retry_after: str) -> float:
    """Of the header's two forms the one with a number of seconds."""
    return min(float(retry_after), _LONGEST_RETRY_AFTER_S) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10 else 0.0


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program and what it has started, where they still run."""
    if process.poll() is None:
        _kill(process)
        process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """It leads a group of its own, so that what it has started goes with it."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _last_words(complaints: IO[bytes]) -> str:
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, size - _MOST_COMPLAINT))
    words = complaints.read(_MOST_COMPLAINT).decode("utf-8", "replace").split("\n")
    last = [word.strip() for word in words if word.strip()]
    return f": {_plain(last[-1])}" if last else ""
