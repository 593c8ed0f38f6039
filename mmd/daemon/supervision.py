"""What the running daemon owes systemd: a word when it is ready, signs of life while it waits, a line for each state, a word when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from mmd.core.messages import Event
from mmd.daemon.inbox import Inbox
from mmd.daemon.notify import Notifier
from mmd.daemon.published import View
from mmd.daemon.pulses import Watchdog, Watched


class Supervision:
    """Used by the main thread alone."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._notifier = Notifier(environ)
        self._watchdog = Watchdog(self._notifier)
        self._said = ""
        self._is_ready = False
        self._is_reloading = False
        self._is_stopping = False

    @property
    def is_heard(self) -> bool:
        """Whether systemd, or whoever else speaks like it, supervises this process."""
        return self._notifier.is_heard

    def watch(self, threads: Iterable[Watched]) -> None:
        """The process is well for as long as these threads are."""
        self._watchdog.watch(threads)

    def wait(self, inbox: Inbox, timeout_s: float) -> Event | None:
        """`inbox.get`, with signs of life however long it takes."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._watchdog.feed()
            left_s = deadline - time.monotonic()
            event = inbox.get(min(left_s, self._watchdog.every_s))
            if event is not None or left_s <= self._watchdog.every_s:
                return event

    def say(self, text: str) -> None:
        """One line for `systemctl status`, where it is another one than before."""
        if text != self._said:
            self._said = text
            self._notifier.status(text)

    def show(self, view: View) -> None:
        """The state of trading; the first quotes end a start, and a run with what a reload took over ends that. Cheap where nothing has changed.

        A reload does not wait for quotes, because systemd calls one that takes long a failure: while a market pauses, it would fail for no fault.
        """
        why = ", ".join(view.reasons) or view.waiting or ""
        text = f"{view.rules.symbol} {view.state}{' ' + view.mode if view.mode else ''}, position {view.position}{': ' + why if why else ''}"
        if view.state == "quote" and not self._is_ready or view.state in ("quote", "pause") and self._is_reloading:
            self._ready(text)
        else:
            self.say(text)

    def end(self, why: str) -> None:
        """From here on it ends, and nothing waits with `wait` any more: what still has to be done has systemd's TimeoutStopSec= for it."""
        if not self._is_stopping:
            self._is_stopping = True
            self._notifier.stopping(why)

    def reload_begins(self) -> None:
        """The configuration is read anew. Before the first quotes that is a part of the start, of which systemd need not know."""
        if self._is_ready:
            self._is_reloading = True
            self._notifier.reloading()

    def reload_is_done(self, text: str) -> None:
        """Nothing of the configuration was taken over, as `text` says; where something was, the next run says so."""
        if self._is_reloading:
            self._ready(text)
        else:
            self.say(text)

    def _ready(self, text: str) -> None:
        self._is_ready, self._is_reloading, self._said = True, False, text
        self._notifier.ready(text)
