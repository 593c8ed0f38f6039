"""`mmd paper`: the paper exchange on its own, until SIGTERM or SIGINT."""
from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Serves the paper exchange that `argv` (without the program's name) describes; returns the exit code: 0, or 78 for bad options or data."""
    raise NotImplementedError
