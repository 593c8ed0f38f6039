"""The log: one line an event, to the console and to a file that may be rotated, with every known secret struck out."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.daemon.config import LogConfig

INSTALLED_DIRECTORY = Path("/var/log/mmd")

# What a release log keeps beside errors and fills: that the process came and went, and what it left behind.
KEPT_EVENTS = frozenset({"start", "started", "stop", "stopping", "stopped"})

_FILL = Level.FILL.value
_LOGGER = logging.getLogger("mmd")
# Their debug and info records hold URLs with signatures, and say nothing that our own events don't.
_CHATTY = ("urllib3", "requests", "websocket", "websockets", "charset_normalizer", "dotenv")

_STRUCK = "***"
_STRUCTURAL = re.compile(r"(signature=|listenKey=|X-MBX-APIKEY\W{1,4})[0-9A-Za-z%+/_-]{4,}", re.IGNORECASE)
_SAFE_VALUE = re.compile(r"[!-~\u00a1-\U0010ffff]+")

_secrets_lock = threading.Lock()
_secrets: tuple[str, ...] = ()  # Replaced whole under the lock, read without it.


def open_log(config: LogConfig, name: str, installed_directory: Path = INSTALLED_DIRECTORY) -> None:
    """Open the log of the configuration called `name`; once a process, before the first notice.

    `file: auto` uses `<installed_directory>/<name>.log` where that can be written, and the console alone where not.
    Raises ConfigError where a file that was asked for cannot be written.
    """
    close_log()
    logging.addLevelName(_FILL, "FILL")
    handlers: list[logging.Handler] = []
    if config.file == "auto":
        handlers += _open_file(installed_directory / f"{name}.log", must=False)
    elif config.file != "none":
        handlers += _open_file(Path(config.file), must=True)
    if config.console or not handlers:
        handlers.append(_Console(sys.stderr))
    root = logging.getLogger()
    least = Level[config.level.upper()].value
    for handler in handlers:
        handler.setFormatter(_LineFormatter(utc=config.utc))
        # A fill is seen at every level.
        handler.addFilter(_kept_in_release if config.release_mode else lambda record: record.levelno >= least or record.levelno == _FILL)
        root.addHandler(handler)
    root.setLevel(min(least, _FILL))
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def close_log() -> None:
    """Write out what is left and let go of the file. Notices after this are dropped."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, (_Console, _ReopenedFile))]:
        root.removeHandler(handler)
        handler.close()
    if not root.handlers:
        # Without any handler, logging would print warnings to standard error by itself, past the formatter that strikes secrets out.
        root.addHandler(logging.NullHandler())


def conceal(secrets: Iterable[str]) -> None:
    """Strike these out of every line from now on (keys, listen keys). Any thread may call it.

    Words of fewer than six characters are left alone: they are the paper exchange's, and striking them out would garble the log.
    """
    global _secrets
    with _secrets_lock:
        known = {form for secret in secrets if len(secret) >= 6 for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])}
        # The longest first, so that one secret inside another leaves no rest.
        _secrets = tuple(sorted(known.union(_secrets), key=len, reverse=True))


def redact(text: str) -> str:
    """The text with every concealed secret, and whatever stands where a signature, key or listen key stands, struck out."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, _STRUCK)
    return _STRUCTURAL.sub(rf"\g<1>{_STRUCK}", text)


def log_notice(notice: Notice) -> None:
    """Write one line `time LEVEL event key=value …`. Any thread may call it; a full disk or a lost console raises nothing."""
    if _LOGGER.isEnabledFor(notice.level.value):
        _LOGGER.log(notice.level.value, "%s", notice.event, extra={"fields": notice.fields})


def format_fields(fields: Mapping[str, object]) -> str:
    """`key=value` pairs; a value is quoted (as JSON text) where it is empty, holds a blank, a quote or a control character."""
    return " ".join(f"{key}={_format_value(value)}" for key, value in fields.items())


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "none" if value is None else str(value.value if isinstance(value, Enum) else value)
    if _SAFE_VALUE.fullmatch(text) and '"' not in text:
        return text
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class _LineFormatter(logging.Formatter):
    """The one place where a record becomes text."""

    def __init__(self, utc: bool) -> None:
        super().__init__()
        self._utc = utc

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "fields", {}))
        event = record.getMessage()
        if not hasattr(record, "fields"):  # A library's record: its message is a value, not an event's name.
            event, fields = "library", {"logger": record.name, "message": event}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        line = f"{self._time(record.created)} {record.levelname:<7} {event}"
        return redact(f"{line} {format_fields(fields)}" if fields else line)

    def _time(self, created: float) -> str:
        moment = datetime.fromtimestamp(created, timezone.utc)
        if self._utc:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        return moment.astimezone().isoformat(timespec="milliseconds")


def _kept_in_release(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or record.levelno == _FILL or (
        record.levelno >= logging.INFO and hasattr(record, "fields") and record.getMessage() in KEPT_EVENTS)


def _open_file(path: Path, must: bool) -> list[logging.Handler]:
    try:
        return [_ReopenedFile(path)]
    except OSError as error:
        if not must:
            return []
        raise ConfigError(f"logging.file: {path} cannot be written: {error.strerror}; make its directory, or choose another") from error


class _Console(logging.StreamHandler):  # type: ignore[type-arg]
    """The terminal or the journal. A console that is gone stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


class _ReopenedFile(logging.Handler):
    """A file that is opened anew once it was renamed or removed (FAULTS P6), written a line at a time without a buffer.

    A full disk loses lines and stops nothing; the next line that fits is followed by one that says how many were lost.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._descriptor = _open_to_append(path)
        self._lost = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        self._reopen_if_rotated()
        if not self._write(self.format(record)):
            self._lost += 1
        elif self._lost:
            lost, self._lost = self._lost, 0
            gap = logging.LogRecord("mmd", logging.WARNING, "", 0, "log_gap", None, None)
            gap.fields = {"lost_lines": lost}
            self._write(self.format(gap))

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)
        super().close()

    def _write(self, line: str) -> bool:
        data = ("\n" if self._torn else "").encode() + line.encode("utf-8", "backslashreplace") + b"\n"
        try:
            written = os.write(self._descriptor, data)
        except OSError:
            return False
        self._torn = written < len(data)
        return not self._torn

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
