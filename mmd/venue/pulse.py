"""The pulse of a stream: since when it is connected, when it last said something, how often it was connected."""

from __future__ import annotations


class Pulse:
    """Written by the stream's own thread, a word at a time, and read by any. Times are monotonic milliseconds.

    Attributes to read: `up_since_ms` (None while it is not connected), `heard_ms` (the last message of any kind, None before the first), `connects`.
    """

    __slots__ = ("connects", "heard_ms", "up_since_ms")

    def __init__(self) -> None:
        self.up_since_ms: int | None = None
        self.heard_ms: int | None = None
        self.connects = 0

    def connected(self, now_ms: int) -> None:
        self.up_since_ms, self.connects = now_ms, self.connects + 1

    def lost(self) -> None:
        self.up_since_ms = None
