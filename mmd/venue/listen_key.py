"""Keeps the account's listen key alive, and never deletes it: it belongs to the account, not to this process (FAULTS U8)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mmd.core.messages import Level, Notice
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.endpoints import Call
from mmd.venue.rest import CallFailed, RestClient

# A key lives 60 minutes after its last PUT (V1 "User Data Streams").
KEEPALIVE_S = 1800.0


class ListenKeyKeeper:
    """The listen-key thread's body. `rest` is its own client; `restart` asks the user stream for a new key."""

    def __init__(
        self, rest: RestClient, restart: Callable[[str], None], notice: Callable[[Notice], None], interval_s: float = KEEPALIVE_S
    ) -> None:
        self._rest = rest
        self._restart = restart
        self._notice = notice
        self._interval_s = interval_s
        self._stopped = threading.Event()

    def run(self, at_work: AtWork = unwatched) -> None:
        """PUT listenKey every `interval_s` until `stop`; on any failure, "no such key" (-1125) among them, `restart(reason)`."""
        try:
            while not self._stopped.wait(self._interval_s):
                at_work(True)
                self._keep_alive()
                at_work(False)
        finally:
            self._rest.close()

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        self._stopped.set()

    def _keep_alive(self) -> None:
        try:
            self._rest.call(Call.KEEP_LISTEN_KEY)
        except CallFailed as failure:
            self._notice(Notice(Level.WARNING, "listen_key_keepalive_failed", {"reason": str(failure), "action": "asking for a new key"}))
            self._restart("listen key keepalive failed")
        else:
            self._notice(Notice(Level.DEBUG, "listen_key_kept"))
