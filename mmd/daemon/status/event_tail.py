"""The last warnings, errors and fills of the log, kept in memory for the status."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple

from mmd.core.messages import Level
from mmd.daemon.logs.logbook import format_fields, redact

_FILL_EVENTS = frozenset({"fill", "foreign_fill"})


class Entry(NamedTuple):
    """One line of the log; `time_s` is this machine's clock in seconds since the epoch."""

    time_s: float
    level: str
    event: str
    fields: Mapping[str, object]

    @property
    def text(self) -> str:
        """The fields as the log writes them, secrets struck out."""
        return redact(format_fields(self.fields))


class EventTail(logging.Handler):
    """Hears every notice that the log hears, from `open` to `close`; keeps the last few. Any thread may ask.

    Nothing is put into words before somebody asks, so that a notice costs its thread next to nothing. Readers take copies, which are atomic.
    """

    def __init__(self, events: int = 20, fills: int = 500) -> None:
        super().__init__()
        self._events: deque[Entry] = deque(maxlen=events)
        self._fills: deque[Entry] = deque(maxlen=fills)
        self._counts: Counter[str] = Counter()

    def open(self) -> None:
        """Hear from now on."""
        logging.getLogger("mmd").addHandler(self)

    def close(self) -> None:
        logging.getLogger("mmd").removeHandler(self)
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        event = record.getMessage()
        if record.levelno >= Level.WARNING.value:
            self._events.append(Entry(record.created, record.levelname, event, getattr(record, "fields", {})))
            self._counts[record.levelname] += 1
        elif event in _FILL_EVENTS:
            self._fills.append(Entry(record.created, record.levelname, event, getattr(record, "fields", {})))

    def events(self) -> list[Entry]:
        """The last notices of WARNING and above, oldest first."""
        return list(self._events.copy())

    def fills(self) -> list[Entry]:
        """The last fills, oldest first; a `foreign_fill` is of an order that is not ours."""
        return list(self._fills.copy())

    def counts(self) -> dict[str, int]:
        """How many notices of WARNING and of ERROR there have been."""
        return {level: self._counts[level] for level in (Level.WARNING.name, Level.ERROR.name)}
