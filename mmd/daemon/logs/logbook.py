"""The log: one line an event, to the console and to a file that may be rotated; floods are counted, and no secret is written."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from traceback import format_exception
from types import TracebackType

from mmd.core.errors import ConfigError, MmdError
from mmd.core.messages import Level, Notice
from mmd.daemon.config import LogConfig
from mmd.daemon.logs.floods import Floods, Line, without_numbers
from mmd.daemon.logs.lines import STYLES, LineStyle, Stamp, format_fields
from mmd.daemon.logs.outlets import Console, Journal, Outlet, ReopenedFile, is_journal
from mmd.daemon.logs.redaction import conceal, redact

__all__ = ["INSTALLED_DIRECTORY", "KEPT_EVENTS", "close_log", "conceal", "format_fields", "listen", "log_notice", "open_log", "redact", "unlisten"]

INSTALLED_DIRECTORY = Path("/var/log/mmd")

# What a release log keeps beside errors and fills: that the process came and went, and what it left behind.
KEPT_EVENTS = frozenset({"start", "started", "stop", "stopping", "stopped"})

_FILL = Level.FILL.value
_LOGGER = logging.getLogger("mmd")
# Their debug and info records hold URLs with signatures, and say nothing that our own events don't.
_CHATTY = ("urllib3", "requests", "websocket", "websockets", "charset_normalizer", "dotenv")
_FLOODS_EVERY_S = 1.0
# Nothing is said after it but how it went for those beside the trading, so that the end of the log says how trading has ended.
_LAST_EVENT = "stopped"

_listeners_lock = threading.Lock()
_listeners: tuple[Callable[[Notice], None], ...] = ()  # Replaced whole under the lock, read without it.


def open_log(config: LogConfig, name: str, installed_directory: Path = INSTALLED_DIRECTORY) -> None:
    """Open the log of the configuration called `name`; once a process, before the first notice.

    `file: auto` uses `<installed_directory>/<name>.log` where that can be written, and the console alone where not. What no one catches becomes
    a line from now on. Raises ConfigError where a file that was asked for cannot be written.
    """
    close_log()
    logging.addLevelName(_FILL, "FILL")
    outlets: list[Outlet] = []
    if config.file == "auto":
        outlets += _open_file(installed_directory / f"{name}.log", must=False)
    elif config.file != "none":
        outlets += _open_file(Path(config.file), must=True)
    if config.console or not outlets:
        in_journal = is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM", ""))
        outlets.append(Journal(sys.stderr) if in_journal else Console(sys.stderr))
    root = logging.getLogger()
    least = Level[config.level.upper()].value
    log = _Log(STYLES[config.format](), Stamp(config.utc), outlets)
    # A fill is seen at every level.
    log.addFilter(_kept_in_release if config.release_mode else lambda record: record.levelno >= least or record.levelno == _FILL)
    root.addHandler(log)
    root.setLevel(min(least, _FILL))
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.excepthook = _tell_uncaught


def close_log() -> None:
    """Write out what is left and let go of the file. Notices after this are dropped.

    An exception that is on its way out of the process is told first, for Python will tell it only when there is no log any more.
    """
    error = sys.exc_info()[1]
    if isinstance(error, Exception) and not isinstance(error, MmdError):
        log_notice(_uncaught(error, threading.current_thread().name, "ends"))
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, _Log)]:
        root.removeHandler(handler)
        handler.close()
    if not root.handlers:
        # Without any handler, logging would print warnings to standard error by itself, past the place that strikes secrets out.
        root.addHandler(logging.NullHandler())


def log_notice(notice: Notice) -> None:
    """Write one line `time LEVEL event key=value …`. Any thread may call it; a full disk or a lost console raises nothing."""
    for listener in _listeners:
        listener(notice)
    level = notice.level.value
    if _LOGGER.isEnabledFor(level):
        # Made by hand, since `Logger.log` would look up who has called it, which costs more than all the rest.
        record = logging.LogRecord("mmd", level, "", 0, notice.event, None, None)
        record.fields = notice.fields
        _LOGGER.handle(record)


def listen(listener: Callable[[Notice], None]) -> None:
    """Let the listener hear every notice, whatever the log's level, on the thread that has it to say: it must return at once and raise nothing."""
    global _listeners
    with _listeners_lock:
        _listeners = (*_listeners, listener)


def unlisten(listener: Callable[[Notice], None]) -> None:
    """Let the listener hear nothing more. One that does not listen is no error."""
    global _listeners
    with _listeners_lock:
        _listeners = tuple(each for each in _listeners if each != listener)


def _kept_in_release(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or record.levelno == _FILL or (
        record.levelno >= logging.INFO and hasattr(record, "fields") and record.getMessage() in KEPT_EVENTS)


def _open_file(path: Path, must: bool) -> list[Outlet]:
    try:
        return [ReopenedFile(path)]
    except OSError as error:
        if not must:
            return []
        raise ConfigError(f"logging.file: {path} cannot be written: {error.strerror}; make its directory, or choose another") from error


def _tell_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """What Python would print to standard error by itself, secrets included. On the main thread the log is closed by then."""
    Console(sys.stderr).write(logging.ERROR, redact("".join(format_exception(kind, error, traceback)).rstrip()))


def _tell_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        name = arguments.thread.name if arguments.thread is not None else "unknown"
        log_notice(_uncaught(arguments.exc_value, name, "goes on without the thread"))


def _uncaught(error: BaseException, thread: str, does: str) -> Notice:
    return Notice(Level.ERROR, "uncaught", {"thread": thread, "error": repr(error), "does": does, "traceback": "".join(format_exception(error))})


class _Log(logging.Handler):
    """The one place where a record becomes a line, and where it is decided whether it is one too many of its kind."""

    def __init__(self, style: LineStyle, stamp: Stamp, outlets: list[Outlet]) -> None:
        super().__init__()
        self._style = style
        self._stamp = stamp
        self._outlets = outlets
        self._floods = Floods()
        self._before = threading.excepthook
        threading.excepthook = _tell_uncaught_in_thread
        self._closing = threading.Event()
        self._teller = threading.Thread(target=self._tell_floods, name="log-floods", daemon=True)
        self._teller.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Under the handler's lock, which `handle` holds."""
        event, fields = _said(record)
        line = Line(record.levelno, event, self._style.body(fields))
        if record.levelno != _FILL:
            # What is told of trading differs in its numbers; what is complained of is the same complaint with others.
            alike = without_numbers(line.body) if record.levelno > _FILL else line.body
            if not self._floods.admit(line, alike, time.monotonic()):
                return
            if self._floods.is_full or event == _LAST_EVENT:
                self._write_repeated(everything=event == _LAST_EVENT)
        self._write(line, self._stamp.text(record.created))

    def close(self) -> None:
        """Tell what was counted, and let go of the outlets."""
        threading.excepthook = self._before
        self._closing.set()
        if self._teller is not threading.current_thread():
            self._teller.join(_FLOODS_EVERY_S)
        self.acquire()
        try:
            self._write_repeated(everything=True)
            for outlet in self._outlets:
                outlet.close()
            self._outlets = []
        finally:
            self.release()
        super().close()

    def _tell_floods(self) -> None:
        while not self._closing.wait(_FLOODS_EVERY_S):
            self.acquire()
            try:
                self._write_repeated(everything=False)
            finally:
                self.release()

    def _write_repeated(self, everything: bool) -> None:
        now_s = time.monotonic()
        for told in self._floods.take_all() if everything else self._floods.take_due(now_s):
            body = self._style.repeated(told.last.body, told.times, round(told.within_s))
            self._write(Line(told.last.level, told.last.event, body), self._stamp.now())

    def _write(self, line: Line, moment: str) -> None:
        name = logging.getLevelName(line.level)
        for outlet in self._outlets:
            lost = outlet.write(line.level, self._style.line(moment, name, line.event, line.body, outlet.stamps))
            if lost:
                gap = self._style.body({"lost_lines": lost})
                outlet.write(logging.WARNING, self._style.line(moment, "WARNING", "log_gap", gap, outlet.stamps))


def _said(record: logging.LogRecord) -> tuple[str, Mapping[str, object]]:
    """The event and the fields; of a library's record the message is a value, not an event's name."""
    fields: Mapping[str, object] | None = getattr(record, "fields", None)
    if fields is not None:
        return record.getMessage(), fields
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = str(record.msg)  # Its arguments do not fit it.
    said = {"logger": record.name, "message": message}
    if record.exc_info:
        said["traceback"] = logging.Formatter().formatException(record.exc_info)
    return "library", said
