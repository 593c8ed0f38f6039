"""Who gets which payload: market feeds and user events on one side, connections on the other."""
from __future__ import annotations

import json
from typing import Any, Protocol

from mmd.paper.exchange import PaperExchange
from mmd.paper.feeds import Feed, UnknownStreamError, make_feed
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.subscriptions import Subscriptions


class Subscriber(Protocol):
    """One connection, seen from inside; neither method blocks, and both may be called under the exchange's lock."""

    subscriptions: Subscriptions

    def deliver(self, frame: str) -> None:
        """Sends `frame` (JSON text) after everything delivered before, or drops the connection if it does not keep up."""

    def hang_up(self) -> None:
        """Closes the connection after everything delivered before."""


class StreamHub:
    """Polls every stream that somebody listens to once, and hands its payloads to all who do.

    Not thread-safe: whoever holds the exchange's lock may call it.
    """

    def __init__(self, exchange: PaperExchange, listen_keys: ListenKeys) -> None:
        self._exchange = exchange
        self._listen_keys = listen_keys
        self._subscribers: list[Subscriber] = []
        self._feeds: dict[str, Feed] = {}

    def serves(self, stream: str, now_ms: int) -> bool:
        """Whether `stream` is the name of a market stream or an active listen key."""
        if stream in self._feeds or self._listen_keys.owner(stream, now_ms) is not None:
            return True
        try:
            make_feed(stream, self._exchange.market)
        except UnknownStreamError:
            return False
        return True

    def attach(self, subscriber: Subscriber) -> None:
        """Takes a connection in."""
        self._subscribers.append(subscriber)
        self.refresh()

    def detach(self, subscriber: Subscriber) -> None:
        """Lets a connection go; one that is not there is no matter."""
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            self.refresh()

    def refresh(self) -> None:
        """To be called whenever a connection's subscriptions changed: feeds begin with their first listener and end with their last.

        A name that is neither a stream nor a listen key stays silent, as on the exchange.
        """
        wanted = {name for subscriber in self._subscribers for name in subscriber.subscriptions.streams}
        for name in self._feeds.keys() - wanted:
            del self._feeds[name]
        for name in wanted - self._feeds.keys():
            try:
                self._feeds[name] = make_feed(name, self._exchange.market)
            except UnknownStreamError:
                continue

    def tick(self, now_ms: int) -> None:
        """Delivers everything that is due: user events first, then market payloads, then the ends of listen keys."""
        self.publish_user_events(now_ms)
        for name, feed in self._feeds.items():
            for payload in feed.poll(now_ms):
                self._deliver(name, payload)
        for listen_key in self._listen_keys.expire(now_ms):
            self._deliver(listen_key, {"e": "listenKeyExpired", "E": now_ms})

    def publish_user_events(self, now_ms: int) -> None:
        """Empties every account's outbox, and ends the streams of closed listen keys; call it after every request.

        The events of an account that nobody listens to are gone, as on the exchange.
        """
        for api_key, account in self._exchange.accounts.items():
            if not account.outbox:
                continue
            listen_key = self._listen_keys.current(api_key, now_ms)
            while account.outbox:
                event = account.outbox.popleft()
                if listen_key is not None:
                    self._deliver(listen_key, event)
        for listen_key in self._listen_keys.take_closed():
            self._close_user_stream(listen_key)

    def _close_user_stream(self, listen_key: str) -> None:
        """Ends the stream of a closed listen key: connections that carry nothing else are hung up."""
        for subscriber in self._subscribers:
            streams = subscriber.subscriptions.streams
            if listen_key in streams:
                del streams[listen_key]
                if not streams:
                    subscriber.hang_up()

    def due_ms(self) -> int | None:
        """The earliest time at which `tick` can deliver something that time alone brings about, None where nothing waits for a time."""
        times = [feed.due_ms() for feed in self._feeds.values()]
        times.append(self._listen_keys.next_expiry_ms())
        return min((time for time in times if time is not None), default=None)

    def _deliver(self, stream: str, payload: Any) -> None:
        text = json.dumps(payload, separators=(",", ":"))
        for subscriber in self._subscribers:
            if stream in subscriber.subscriptions.streams:
                subscriber.deliver(subscriber.subscriptions.wrap(stream, text))
