"""A numbered list that forgets its oldest entries, so that everything the market remembers is bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """Entries numbered one by one from `first`; at least the latest `capacity` of them are kept, at most twice as many."""

    __slots__ = ("_capacity", "_entries", "first")

    def __init__(self, capacity: int, first: int = 0) -> None:
        self.first = first
        self._capacity = capacity
        self._entries: list[T] = []

    @property
    def end(self) -> int:
        """The number that the next entry will get."""
        return self.first + len(self._entries)

    def append(self, entry: T) -> int:
        """Adds one entry and returns its number."""
        self.extend((entry,))
        return self.end - 1

    def extend(self, entries: Iterable[T]) -> None:
        """Adds entries in their order."""
        self._entries.extend(entries)
        surplus = len(self._entries) - self._capacity
        if surplus > self._capacity:
            del self._entries[:surplus]
            self.first += surplus

    def newest(self) -> T | None:
        """The latest entry, or None where there is none."""
        return self._entries[-1] if self._entries else None

    def replace_newest(self, entry: T) -> None:
        """Puts another value in the latest entry's place. Raises IndexError where there is none."""
        self._entries[-1] = entry

    def last(self, limit: int) -> list[T]:
        """The latest `limit` entries, oldest first."""
        return self._entries[-limit:] if limit else []

    def since(self, number: int, limit: int | None = None) -> list[T]:
        """Up to `limit` entries from that number on (or from the oldest one kept), oldest first."""
        start = max(0, number - self.first)
        return self._entries[start:] if limit is None else self._entries[start:start + limit]

    def entries(self) -> list[T]:
        """All that is remembered, oldest first."""
        return list(self._entries)
