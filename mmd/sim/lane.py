"""A lane without a thread: one request at a time, in order, each reply an event; what waits together goes out as one batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mmd.core.messages import Amend, Cancel, Outcome, Place, Reply, Request, Unsent
from mmd.core.rules import SymbolRules
from mmd.venue.batches import MAX_CANCELS, MAX_PLACES, Batch
from mmd.venue.gateway import NO_BATCHES, Conversation
from mmd.venue.rest_codec import CallFailed

if TYPE_CHECKING:
    from mmd.sim.process import Process

# As the daemon's lanes have it: an order decided on so long ago is not sent any more.
STALE_MS = 2_000


class Lane:
    """Does what the daemon's lane does with a thread and the gateway."""

    def __init__(self, process: Process, rules: SymbolRules) -> None:
        self._process = process
        self._rules = rules
        self._codec = process.codec()
        self._queue: deque[tuple[Request, int]] = deque()
        self.is_idle = True
        self._batches_work = True

    def send(self, request: Request) -> None:
        """Queue a request. The lane wakes up in a moment: what the engine decides in one step is queued together."""
        self._queue.append((request, self._now_ms()))
        if self.is_idle:
            self.is_idle = False
            self._process.timeline.after(0, lambda: self._process.enter(self._next))

    def _next(self) -> None:
        if not self._queue:
            self.is_idle = True
            return
        request, queued_ms = self._queue.popleft()
        if isinstance(request, (Place, Amend)) and self._now_ms() - queued_ms > STALE_MS:
            self._reply([request], [Unsent("waited too long behind another request")], self._now_ms())
            return
        together: list[Place | Cancel] = []
        if not self._batches_work:
            together = []
        elif isinstance(request, Place):
            together = [request, *self._more(Place, MAX_PLACES - 1)]
        elif isinstance(request, Cancel):
            together = [request, *self._more(Cancel, MAX_CANCELS - 1)]
        if len(together) > 1:
            self._perform_batch(together)
        else:
            self._proceed(request, Conversation(request, self._rules), self._now_ms())

    def _more(self, kind: type[Place | Cancel], most: int) -> list[Place | Cancel]:
        found: list[Place | Cancel] = []
        while len(found) < most and self._queue:
            request, queued_ms = self._queue[0]
            if not isinstance(request, kind) or (kind is Place and self._now_ms() - queued_ms > STALE_MS):
                break
            found.append(request)
            self._queue.popleft()
        return found

    def _perform_batch(self, requests: list[Place | Cancel]) -> None:
        batch, sent_ms = Batch(self._rules, requests, None), self._now_ms()

        def failed(failure: CallFailed) -> None:
            outcomes = batch.failed(failure.outcome)
            if outcomes is None:
                # There are no batches, or so it was answered: from now on they go out one by one, of these the cancels only.
                self._batches_work = False
                self._one_by_one(requests, [], sent_ms)
            else:
                self._reply(requests, outcomes, sent_ms)

        self._transmit(*batch.ask, lambda answer: self._reply(requests, batch.answered(answer), sent_ms), failed)

    def _one_by_one(self, requests: Sequence[Place | Cancel], outcomes: list[Outcome], sent_ms: int) -> None:
        """As the gateway does it: the replies come together, when the last request is answered."""
        if len(outcomes) == len(requests):
            self._reply(requests, outcomes, sent_ms)
            return
        request = requests[len(outcomes)]
        if isinstance(request, Place):
            self._one_by_one(requests, [*outcomes, NO_BATCHES], sent_ms)
            return
        conversation = Conversation(request, self._rules)

        def over() -> None:
            self._one_by_one(requests, [*outcomes, conversation.outcome], sent_ms)

        def taken(answer: Any) -> None:
            conversation.answer(answer)
            over()

        def failed(failure: CallFailed) -> None:
            conversation.fail(failure.outcome)
            over()

        assert conversation.ask is not None
        self._transmit(*conversation.ask, taken, failed)

    def _proceed(self, request: Request, conversation: Conversation, sent_ms: int) -> None:
        if conversation.ask is None:
            self._reply([request], [conversation.outcome], sent_ms)
            return

        def taken(answer: Any) -> None:
            conversation.answer(answer)
            self._proceed(request, conversation, sent_ms)

        def failed(failure: CallFailed) -> None:
            conversation.fail(failure.outcome)
            self._proceed(request, conversation, sent_ms)

        self._transmit(*conversation.ask, taken, failed)

    def _transmit(self, call: Any, params: Any, taken: Callable[[Any], None], failed: Callable[[CallFailed], None]) -> None:
        self._process.transmit(self._codec, call, params, taken, failed)

    def _reply(self, requests: Sequence[Request], outcomes: Sequence[Outcome], sent_ms: int) -> None:
        """The lane goes on with its next request while the main thread takes the replies in."""
        self._next()
        for request, outcome in zip(requests, outcomes, strict=True):
            self._process.put(Reply(request, outcome, sent_ms))

    def _now_ms(self) -> int:
        return self._process.clock.monotonic_ms()
