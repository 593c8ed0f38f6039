"""How the body of a thread tells whether it is at work or waits for some: one of two words to whoever watches it (FAULTS P3)."""

from __future__ import annotations

from collections.abc import Callable

# True: a piece of work begins, and the one before it is done. False: waits for work, which may take any time.
AtWork = Callable[[bool], None]


def unwatched(working: bool) -> None:
    """For a body that nobody watches."""
