"""The threads around one engine: the lanes that perform its requests, the streams that feed it, the keepers and reporters beside them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from mmd.core.messages import Action, CheckClock, Finished, Notice, RestartStream, Stream
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.inbox import Inbox
from mmd.daemon.lanes import Lane, Lanes
from mmd.daemon.logs.logbook import conceal, log_notice
from mmd.daemon.published import Published
from mmd.daemon.reporters import Reporter, balance_line, price_line
from mmd.daemon.startup import Prepared
from mmd.daemon.workers import Died, Worker, stop_all
from mmd.venue.clock_keeper import ClockKeeper
from mmd.venue.gateway import Gateway
from mmd.venue.listen_key import ListenKeyKeeper
from mmd.venue.market_stream import MarketStream
from mmd.venue.user_stream import UserStream


class TradingThreads:
    """Made and used by the main thread. `workers` are in the order in which they start, `streams` by what they carry."""

    def __init__(self, config: Config, venue: Venue, prepared: Prepared, inbox: Inbox, published: Published, died: Died) -> None:
        self._config = config
        self._died = died
        rules, put, generator = prepared.rules, inbox.put, random.Random()  # jitters reconnects, decides nothing
        stp_mode = config.engine.orders.stp_mode
        orders, cancels, countdown = (Lane(Gateway(venue.client(), rules, stp_mode=stp_mode), put) for _ in range(3))
        self._lanes = Lanes(orders, cancels, countdown)
        renewal_s = config.connection.stream_renewal_ms / 1000
        market = MarketStream(venue.ws_url, rules, put, inbox.put_depth, log_notice, generator, renewal_s=renewal_s, clock=venue.clock)
        user = UserStream(
            venue.ws_url, venue.client(), rules, put, log_notice, generator, learned_key=lambda key: conceal([key]), renewal_s=renewal_s
        )
        self._clock_keeper = ClockKeeper(venue.client(), venue.clock, put, log_notice)
        listen_key = ListenKeyKeeper(venue.client(), user.restart, log_notice, config.connection.listen_key_interval_ms / 1000)
        self.streams: dict[Stream, MarketStream | UserStream] = {Stream.MARKET: market, Stream.USER: user}
        self.workers = [
            Worker.of("orders-lane", orders, died),
            Worker.of("cancels-lane", cancels, died),
            Worker.of("countdown-lane", countdown, died),
            Worker.of("market-stream", market, died),
            Worker.of("user-stream", user, died),
            Worker.of("listen-key", listen_key, died),
            Worker.of("clock", self._clock_keeper, died),
            *self._reporters(published),
        ]

    def _reporters(self, published: Published) -> Iterable[Worker]:
        reports = self._config.reports
        for name, line, interval_ms in (("prices", price_line, reports.prices_ms), ("balances", balance_line, reports.balances_ms)):
            if interval_ms:
                yield Worker.of(f"{name}-reporter", Reporter(published, line, interval_ms, log_notice), self._died)

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def stop(self, within_s: float) -> None:
        """Stop and join all; the lanes first perform what is queued, such as disarming the countdown."""
        stop_all(self.workers, within_s)

    def hand_out(self, actions: Iterable[Action]) -> Finished | None:
        """Give every action to whom it is for; the engine's last word, where it is among them."""
        finished = None
        for action in actions:
            if isinstance(action, Notice):
                log_notice(action)
            elif isinstance(action, Finished):
                finished = action
            elif isinstance(action, RestartStream):
                self.streams[action.stream].restart(action.reason)
            elif isinstance(action, CheckClock):
                self._clock_keeper.hurry()
            else:
                self._lanes.send(action)
        return finished
