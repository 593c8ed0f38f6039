"""Lines that come again and again: the first few are written, the others counted."""

from __future__ import annotations

import re
from typing import NamedTuple

WRITTEN = 5
WINDOW_S = 60.0
QUIET_S = 10.0

_MOST_KINDS = 256

# First what is a number and says what happened: an exchange's code (-2019), an HTTP status (status=429, or 400 before a code). Then any number, with
# what it begins, such as a time; but nothing inside a word such as mmd-mwsk1dc6.
_NUMBER = re.compile(r"""((?<![\w.])-\d{1,5}(?![\w.])|(?<=status=)\d{3}|(?<=status":[ ])\d{3}|(?<![\w.])\d{3}(?=[ ]-\d))|(?<![\w.])[-+]?\d[\d.,]*\w*""")


class Line(NamedTuple):
    """What a line says beside its time."""

    level: int
    event: str
    body: str


class Repeated(NamedTuple):
    """So many lines like `last` were not written, within `within_s` seconds."""

    last: Line
    times: int
    within_s: float


class _Kind:
    __slots__ = ("last", "last_s", "repeated", "since_s", "written")

    def __init__(self, line: Line, now_s: float) -> None:
        self.last = line
        self.last_s = now_s
        self.written = 1
        self.repeated = 0
        self.since_s = now_s


class Floods:
    """Says of each line whether to write it. Not thread-safe; times are seconds of any clock that only grows.

    Five lines of a kind are written; further ones are counted for as long as no ten seconds pass without one. What was counted is told after a
    minute, and again after each further one, and when the flood is over. A kind that has not come for ten seconds is forgotten, so memory is bounded
    by the kinds of ten seconds, of which at most 256 are kept.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[int, str, str], _Kind] = {}  # the one that came last stands last

    def admit(self, line: Line, alike: str, now_s: float) -> bool:
        """Whether to write the line. `alike` is the same for lines that say the same."""
        key = line.level, line.event, alike
        kind = self._kinds.pop(key, None)
        if kind is None or (now_s - kind.last_s >= QUIET_S and not kind.repeated):
            kind = _Kind(line, now_s)
            self._kinds[key] = kind
            return True
        self._kinds[key] = kind
        kind.last_s = now_s
        if kind.written < WRITTEN:
            kind.written += 1
            return True
        if not kind.repeated:
            kind.since_s = now_s
        kind.repeated += 1
        kind.last = line
        return False

    def take_due(self, now_s: float) -> list[Repeated]:
        """What is to be told now; to be asked every second or so, and after each line of a new kind."""
        told: list[Repeated] = []
        for key, kind in list(self._kinds.items()):
            over = now_s - kind.last_s >= QUIET_S
            if kind.repeated and (over or now_s - kind.since_s >= WINDOW_S):
                told.append(_take(kind))
            if over:
                del self._kinds[key]
        while len(self._kinds) > _MOST_KINDS:
            kind = self._kinds.pop(next(iter(self._kinds)))
            if kind.repeated:
                told.append(_take(kind))
        return told

    def take_all(self) -> list[Repeated]:
        """What was counted and not told yet, at the end."""
        kinds, self._kinds = self._kinds, {}
        return [_take(kind) for kind in kinds.values() if kind.repeated]

    @property
    def is_full(self) -> bool:
        """Whether `take_due` should be asked now, for the sake of memory."""
        return len(self._kinds) > 2 * _MOST_KINDS


def _take(kind: _Kind) -> Repeated:
    told = Repeated(kind.last, kind.repeated, kind.last_s - kind.since_s)
    kind.repeated = 0
    return told


def without_numbers(body: str) -> str:
    """The body with its numbers and the times and ids that begin with one struck out, but for codes and statuses."""
    return _NUMBER.sub(lambda found: found[1] or "#", body)
