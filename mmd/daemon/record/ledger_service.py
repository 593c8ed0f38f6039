"""The durable record of everything that the process trades: the ledger's file and thread, the journal that the main thread writes in, the history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmd.core.messages import Finished, Level, Notice
from mmd.core.rules import SymbolRules
from mmd.daemon.config import Config
from mmd.daemon.connections import Venue
from mmd.daemon.logs.logbook import log_notice
from mmd.daemon.published import Published
from mmd.daemon.record.history_thread import HistoryReader
from mmd.daemon.record.journal import Journal
from mmd.daemon.record.ledger_thread import LedgerKeeper
from mmd.daemon.workers import Died, Worker, stop_all
from mmd.ledger.entries import Entry
from mmd.ledger.opening import Identity
from mmd.ledger.writer import Ledger, open_ledger

_CATCH_UP_S = 900.0  # after a long absence there are many pages to read
_HISTORY_S = 1.5  # for the last look at the venue's lists, where something in them is known to be unread


class LedgerService:
    """Opened by the first run, closed after the last. On the main thread only.

    `failed(text)` is told, on another thread, when the disk does not take the record: trading has to stop. With `path` None nothing is kept.
    """

    def __init__(
        self, config: Config, path: Path | None, account: str, venue: Venue, published: Published, failed: Callable[[str], None], died: Died
    ) -> None:
        self._config = config
        self._path = path
        self._account = account
        self._venue = venue
        self._published = published
        self._failed = failed
        self._died = died
        self._ledger: Ledger | None = None
        self._keeper: LedgerKeeper | None = None
        self._writing: Worker | None = None
        self._reading: Worker | None = None
        self._history: HistoryReader | None = None
        self.journal = Journal(self._put, venue.clock, self._unread)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The threads that run now."""
        return tuple(worker for worker in (self._writing, self._reading) if worker is not None)

    def begin(self, rules: SymbolRules, session: str) -> None:
        """A run begins. Raises ConfigError for a file that cannot be used for this market, LedgerError where the disk does not take it."""
        is_paper = self._config.exchange.is_paper
        is_first = self._ledger is None
        if self._path is not None and is_first:
            self._open(self._path, rules, is_paper)
        self.journal.started(rules, session, new_account=is_paper and is_first)  # an embedded exchange begins afresh with the process
        ledger = self._ledger
        if ledger is not None:
            history = HistoryReader(self._venue.client(), rules, lambda: ledger.read_marks, self._put, log_notice, self._venue.clock)
            self._history, self._reading = history, Worker.of("history", history, self._died, busy_s=_CATCH_UP_S)
            self._reading.start()

    def end(self, finished: Finished) -> None:
        """The run is over: what the venue's lists are known to hold is read, for a moment, and the run is closed."""
        if self._reading is not None:
            stop_all([self._reading], _HISTORY_S)
        self._reading = self._history = None
        self.journal.ended(finished)

    def close(self, within_s: float) -> None:
        """Write what waits and close the file."""
        stop_all(self.workers, within_s)
        self._writing = self._reading = None

    def _open(self, path: Path, rules: SymbolRules, is_paper: bool) -> None:
        identity = Identity("paper" if is_paper else self._venue.rest_url, self._account, self._config.engine.strategy.margin_assets)
        self._ledger = open_ledger(path, identity, rules)
        settings = self._config.ledger
        keeper = LedgerKeeper(self._ledger, self._published, self._venue.clock, settings.mark_ms, self._failed, settings.keep_orders_days)
        self._keeper, self._writing = keeper, Worker.of("ledger", keeper, self._died)
        self._writing.start()
        log_notice(Notice(Level.INFO, "ledger", {"file": path}))

    def _put(self, entry: Entry) -> None:
        if self._keeper is not None:
            self._keeper.put(entry)

    def _unread(self) -> None:
        if self._history is not None:
            self._history.hurry()
