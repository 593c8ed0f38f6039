"""Keeps the account's listen key alive, and never deletes it: it belongs to the account, not to this process (FAULTS U8)."""

from __future__ import annotations

from collections.abc import Callable

from mmd.core.messages import Notice
from mmd.venue.rest import RestClient


class ListenKeyKeeper:
    """The listen-key thread's body. `rest` is its own client; `restart` asks the user stream for a new key."""

    def __init__(self, rest: RestClient, restart: Callable[[str], None], notice: Callable[[Notice], None], interval_s: float = 1800.0) -> None:
        raise NotImplementedError

    def run(self) -> None:
        """PUT listenKey every `interval_s` until `stop`; on any failure `restart(reason)`."""
        raise NotImplementedError

    def stop(self) -> None:
        """End `run` soon; returns at once."""
        raise NotImplementedError
