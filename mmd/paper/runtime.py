"""The paper exchange served: its lock, its clock, its ticker thread, and both doors."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, field

from mmd.paper.agents import Agents, AgentSettings
from mmd.paper.authority import Authority, Request
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.rate_limits import Limits, RateLimits
from mmd.paper.rest_gate import Reply, RestGate
from mmd.paper.rest_server import RestServer
from mmd.paper.stream_hub import StreamHub
from mmd.paper.ws_server import StreamServer, StreamTimes

TICK_MS = 10
"""The longest time between two looks at the exchange ("the system will check all countdowns approximately every 10 milliseconds")."""

_log = logging.getLogger(__name__)


class ExchangeClock:
    """The exchange's time: the wall clock at its birth, carried on by a clock that never goes back, nor stands still in a suspended machine."""

    _CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.clock_gettime_ns(self._CLOCK)

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return (time.clock_gettime_ns(self._CLOCK) + self._offset_ns) // 1_000_000


@dataclass(frozen=True)
class ServerSettings:
    """Limits and times of the doors, the documented ones by default; and who is who under V3."""

    limits: Limits = field(default_factory=Limits)
    times: StreamTimes = field(default_factory=StreamTimes)
    listen_key_life_ms: int = 3_600_000
    agents: AgentSettings = field(default_factory=AgentSettings)


class PaperServer:
    """One paper exchange behind a REST door and a WebSocket door on the loopback.

    `host`, `rest_port` and `ws_port` say where (0: the system chooses).  Raises OSError where a port is taken.
    One lock guards the exchange and everything pure around it; no thread waits for a socket while it holds it.
    """

    def __init__(
        self, exchange: PaperExchange, *, rest_port: int = 0, ws_port: int = 0, host: str = "127.0.0.1",
        settings: ServerSettings | None = None, clock: ExchangeClock | None = None,
    ) -> None:
        settings = settings or ServerSettings()
        self.exchange = exchange
        self.lock = threading.Lock()
        self.clock = clock or ExchangeClock()
        self._host = host
        listen_keys = ListenKeys(random.Random(time.time_ns()), settings.listen_key_life_ms)
        authority = Authority({api_key: account.api_secret for api_key, account in exchange.accounts.items()})
        self._hub = StreamHub(exchange, listen_keys)
        agents = Agents(exchange, settings.agents)
        self._gate = RestGate(exchange, authority, agents, listen_keys, RateLimits(settings.limits))
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._rest = RestServer(self._answer, host, rest_port)
        try:
            self._streams = StreamServer(self._hub, self.lock, self.clock.now_ms, host, ws_port, settings.times)
        except OSError:
            self._rest.stop()
            raise
        self._ticker = threading.Thread(target=self._tick_until_stopped, name="paper-ticker")

    def start(self) -> None:
        """Opens both doors and starts the ticker; returns when both accept connections."""
        self._rest.start()
        self._streams.start()
        self._ticker.start()

    @property
    def rest_url(self) -> str:
        """`http://127.0.0.1:P`."""
        return f"http://{self._host}:{self._rest.port}"

    @property
    def ws_url(self) -> str:
        """`ws://127.0.0.1:P`."""
        return f"ws://{self._host}:{self._streams.port}"

    @property
    def failure(self) -> BaseException | None:
        """What ended the ticker before its time, None while all is well; a paper exchange without it must not be used on."""
        return self._failure

    def stop(self) -> None:
        """Closes both doors and joins every thread; takes a few seconds at most, and may be called twice."""
        self._stopping.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._streams.stop()
        self._rest.stop()

    def _answer(self, request: Request) -> Reply:
        """One request: the exchange is brought to the present, the gate answers, and user events are on their way before the reply."""
        with self.lock:
            now_ms = self.clock.now_ms()
            self.exchange.advance(now_ms)
            reply = self._gate.answer(request, now_ms)
            self._hub.publish_user_events(now_ms)
        return reply

    def _tick_until_stopped(self) -> None:
        wait_s = 0.0
        try:
            while not self._stopping.wait(wait_s):
                wait_s = self._tick() / 1000
        except Exception as error:  # noqa: BLE001 (The top of the thread: whoever runs the server looks at `failure`.)
            _log.exception("the paper exchange's ticker failed")
            self._failure = error

    def _tick(self) -> float:
        """Brings exchange and streams to the present; gives the milliseconds until there is something to do again."""
        with self.lock:
            now_ms = self.clock.now_ms()
            self.exchange.advance(now_ms)
            self._hub.tick(now_ms)
            due = [time_ms for time_ms in (self.exchange.next_due_ms(), self._hub.due_ms()) if time_ms is not None]
        return float(min(max(min(due, default=now_ms + TICK_MS) - now_ms, 1), TICK_MS))
