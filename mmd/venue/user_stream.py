"""The user stream: a listen key, the account's events in order, for ever (V1 "User Data Streams")."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from mmd.core.messages import Event, Level, Notice, Stream
from mmd.core.rules import SymbolRules
from mmd.venue.at_work import AtWork, unwatched
from mmd.venue.clock import monotonic_ms
from mmd.venue.connection import DEFAULT_LIMITS, ConnectionLimits
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_object, text
from mmd.venue.pulse import Pulse
from mmd.venue.rest import RestClient
from mmd.venue.stream_loop import RENEWAL_S, StreamBroken, StreamLoop, checked_ws_url
from mmd.venue.user_events import ListenKeyExpired, UnknownEvent, read_user_event

_LISTEN_KEY = re.compile(r"[0-9A-Za-z_-]{1,512}")
_MAX_UNKNOWN_TYPES = 50


class UserStream:
    """The user-stream thread's body. `rest` is its own client (POST listenKey). `put` takes StreamUp, StreamDown and the account's events.

    No event is dropped: one that cannot be read ends the connection, because what it said has then to be read over REST.
    """

    def __init__(
        self,
        ws_url: str,
        rest: RestClient,
        rules: SymbolRules,
        put: Callable[[Event], None],
        notice: Callable[[Notice], None],
        generator: random.Random,
        *,
        learned_key: Callable[[str], None] | None = None,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        renewal_s: float = RENEWAL_S,
        now_ms: Callable[[], int] = monotonic_ms,
    ) -> None:
        """`learned_key` is told each listen key before it is used, to keep it out of the log; `generator` jitters the back-off.

        Raises ConfigError for a `ws_url` that is none.
        """
        self._base_url = checked_ws_url(ws_url)
        self._rest = rest
        self._rules = rules
        self._put = put
        self._notice = notice
        self._learned_key = learned_key
        self._unknown_types: set[str] = set()
        self._loop = StreamLoop(
            Stream.USER, self._address, self._take, put, notice, generator, limits=limits, renewal_s=renewal_s, now_ms=now_ms
        )

    @property
    def pulse(self) -> Pulse:
        """May be read from any thread."""
        return self._loop.pulse

    def run(self, at_work: AtWork = unwatched) -> None:
        """Get a listen key, connect, read, reconnect, until `stop`."""
        try:
            self._loop.run(at_work)
        finally:
            self._rest.close()

    def stop(self) -> None:
        """End `run` soon; returns at once. From any thread."""
        self._loop.stop()

    def restart(self, reason: str) -> None:
        """Drop the connection, ask for the listen key anew and connect; returns at once. From any thread."""
        self._loop.restart(reason)

    def _address(self) -> str:
        """POST listenKey gives the account's active key and extends it, or makes one."""
        listen_key = text(as_object(self._rest.call(Call.NEW_LISTEN_KEY), "listenKey"), "listenKey")
        if not _LISTEN_KEY.fullmatch(listen_key):
            raise ParseError("listenKey has characters that do not belong into an address")
        if self._learned_key is not None:
            self._learned_key(listen_key)
        return f"{self._base_url}/ws/{listen_key}"

    def _take(self, message: bytes, _received_ms: int) -> None:
        try:
            event = read_user_event(message, self._rules)
        except ParseError as error:
            raise StreamBroken(f"an event does not read: {error}") from error
        if isinstance(event, ListenKeyExpired):
            raise StreamBroken("the listen key expired")
        if isinstance(event, UnknownEvent):
            if event.event_type not in self._unknown_types and len(self._unknown_types) < _MAX_UNKNOWN_TYPES:
                self._unknown_types.add(event.event_type)
                self._notice(Notice(Level.INFO, "user_event_unknown", {"type": event.event_type}))
        elif event is not None:
            self._put(event)
