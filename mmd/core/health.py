"""Why not to quote: the streams, the age of the book, the venue's countdown and its wish for silence, as a set of reasons."""

from __future__ import annotations

from mmd.core.book import Book
from mmd.core.breaker import FillBreaker
from mmd.core.budget import OrderBudget
from mmd.core.messages import Stream
from mmd.core.settings import EngineSettings


class Health:
    """What is known to work. `reasons(now_ms)` is empty exactly when quoting is allowed."""

    def __init__(self, settings: EngineSettings, book: Book, budget: OrderBudget, breaker: FillBreaker) -> None:
        self._settings = settings
        self._book = book
        self._budget = budget
        self._breaker = breaker
        self._down: dict[Stream, str] = {Stream.MARKET: "not connected yet", Stream.USER: "not connected yet"}
        self._armed_until_ms: int | None = None
        self.countdown_due_ms = 0
        self.countdown_wanted = False
        self.last_refused_frame = ""
        self.rules_are_unread = False
        self.clock_uncertainty_ms: int | None = 0

    def stream_up(self, stream: Stream) -> None:
        self._down.pop(stream, None)

    def stream_down(self, stream: Stream, reason: str) -> None:
        self._down[stream] = reason

    def is_up(self, stream: Stream) -> bool:
        return stream not in self._down

    def countdown_sent(self, now_ms: int) -> None:
        """A renewal is on its way; the next one is due after a third of the countdown (FAULTS P2)."""
        self.countdown_due_ms = now_ms + self._settings.risk.countdown_ms // 3

    def countdown_armed(self, countdown_ms: int, sent_ms: int) -> None:
        """The venue cancels everything `countdown_ms` after it got the request, so not before `countdown_ms` after it was sent."""
        self._armed_until_ms = sent_ms + countdown_ms

    @property
    def armed_until_ms(self) -> int | None:
        """Until when the venue is known to cancel what we leave open; None where it was never armed."""
        return self._armed_until_ms

    def countdown_failed(self, now_ms: int) -> None:
        self.countdown_due_ms = now_ms + self._settings.timing.reconcile_retry_ms

    def reasons(self, now_ms: int) -> tuple[str, ...]:
        """Every reason to pause, in plain words; none: quote."""
        found = [f"{stream.value} stream: {why}" for stream, why in self._down.items()]
        if Stream.MARKET not in self._down:
            age = self.book_age_ms(now_ms)
            if age is None:
                found.append("no book yet")
            elif age > self._settings.timing.stale_book_ms:
                found.append("stale book" if not self.last_refused_frame else f"stale book: last frame refused, {self.last_refused_frame}")
        if self._settings.risk.countdown_ms and (self._armed_until_ms is None or now_ms >= self._armed_until_ms):
            found.append("countdown not armed")
        if self._budget.is_silent(now_ms):
            found.append("the venue asked for silence")
        if self.clock_uncertainty_ms is None or self.clock_uncertainty_ms > self._settings.timing.max_clock_uncertainty_ms:
            found.append("the venue's time is not known well enough")
        if self.rules_are_unread:
            found.append("the symbol's rules are in doubt and cannot be read")
        if self._breaker.is_frozen(now_ms):
            found.append("too much filled at once")
        return tuple(found)

    def book_age_ms(self, now_ms: int) -> int | None:
        """Milliseconds since the last good frame; None where there was none."""
        return None if self._book.received_ms is None else now_ms - self._book.received_ms

    def deadline_ms(self, now_ms: int) -> int:
        """When a reason may appear or go by time alone, or the countdown is due."""
        due = [now_ms + self._settings.orders.refresh_interval_ms]
        if self._budget.is_silent(now_ms):
            return min(due[0], self._budget.silent_until_ms)
        if self._book.received_ms is not None and Stream.MARKET not in self._down:
            stale_at = self._book.received_ms + self._settings.timing.stale_book_ms + 1
            if stale_at > now_ms:
                due.append(stale_at)
        if self._settings.risk.countdown_ms and self.countdown_wanted:
            due.append(self.countdown_due_ms)
        if self._breaker.is_frozen(now_ms):
            due.append(self._breaker.frozen_until_ms)
        return min(due)
