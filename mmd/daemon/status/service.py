"""All that shows the daemon to those who look at it: the control socket, the web page where there is one, and what they tell."""

from __future__ import annotations

from collections.abc import Mapping

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.logs.logbook import log_notice
from mmd.daemon.published import Published
from mmd.daemon.status.control import ControlServer, control_path
from mmd.daemon.status.event_tail import EventTail
from mmd.daemon.status.pages import routes
from mmd.daemon.status.source import StatusSource
from mmd.daemon.status.web import WebServer
from mmd.daemon.workers import Worker, stop_all


class StatusService:
    """From before the start to after the end of everything else. Attributes to read: `source`, to be told what runs."""

    def __init__(self, config: Config, published: Published, venue: Venue, environ: Mapping[str, str]) -> None:
        """Listens from now on, and answers once started. Raises ConfigError where it cannot, or where a daemon of this configuration runs already."""
        self._tail = EventTail()
        self.source = StatusSource(config, published, venue, self._tail)
        pages, http, history = routes(self.source), config.reports.http, self.source.history
        # The web first: it leaves nothing behind where the other then fails.
        web = WebServer(pages, *http) if http is not None else None
        try:
            self._control = ControlServer(pages, control_path(config.name, environ))
        except ConfigError:
            if web is not None:
                web.socket.close()
            raise
        self._workers = [
            Worker("status-history", history.run, history.stop, self._died), Worker("control", self._control.run, self._control.stop, self._died)
        ]
        self._page: str | None = None
        if web is not None and http is not None:
            self._workers.append(Worker("web", web.run, web.stop, self._died))
            self._page = f"http://{f'[{http[0]}]' if ':' in http[0] else http[0]}:{web.port}/"

    def start(self) -> None:
        self._tail.open()
        self.source.count_in(self._workers)
        for worker in self._workers:
            worker.start()
        log_notice(Notice(Level.INFO, "status", {"socket": self._control.path, "page": self._page}))

    def stop(self, within_s: float) -> None:
        """Stop and join everything; the socket's file is gone then."""
        stop_all(self._workers, within_s)
        self._control.remove()
        self._tail.close()

    def _died(self, name: str, error: BaseException) -> None:
        """Nobody can look any more, which is no reason to stop trading."""
        log_notice(Notice(Level.ERROR, "thread_died", {"thread": name, "error": repr(error), "does": "goes on without it"}))

