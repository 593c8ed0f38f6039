"""What one process could know, kept apart from its engine: the second opinion that the oracle judges its actions by."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mmd.core.messages import (
    AccountConfigUpdate,
    Action,
    Amend,
    Cancel,
    CancelAll,
    Depth,
    Event,
    Level,
    Lost,
    Notice,
    OrderReport,
    OrderUpdate,
    Place,
    Query,
    Reconciled,
    Refusal,
    Reply,
    Stream,
    StreamDown,
    StreamUp,
    Unsent,
)
from mmd.core.units import Side
from mmd.sim.own_limits import Limits

if TYPE_CHECKING:
    from mmd.sim.process import Process

_CLOCK_TOLERANCE_MS = 600
_ECHO_SLACK_MS = 500
_NO_SUCH_ORDER = frozenset({-2011, -2013})

Finding = tuple[int, str]


class VenueTruth(NamedTuple):
    """What only the world knows: the exchange's time, and what must stay out of the log."""

    now_ms: int
    secret: str
    listen_key: str | None
    deaf_since_ms: int | None


class OwnView:
    """One run's events and actions, remembered independently: what is held on which side, what has been booked, what is up."""

    def __init__(self, process: Process, prefix: str) -> None:
        self.booked: list[tuple[int, str]] = []
        self.first_truth: Reconciled | None = None
        self._doubted_ms = 0
        self._process = process
        self._prefix = prefix
        self._held: dict[str, Side] = {}  # orders that may be live, for all that this run has been told
        self._reported: set[str] = set()
        self._order_ids: dict[str, int] = {}
        self._twins: set[str] = set()  # client ids of two orders: something on the way has sent the POST twice
        self._refused: set[str] = set()  # what turns up after its refusal is no order of a slot: it is cancelled, and no slot waits for it
        self._accepted_ms: deque[int] = deque(maxlen=20)  # the exchange's times at which orders were accepted
        self.halted = ""
        self._limits = Limits(process)
        self._foreign_open = False
        self.last_read_ms = 0  # when the last reading of the account was asked for
        self._dead: set[int] = set()  # order ids that were reported terminal
        self._unknown: set[str] = set()
        self._sent_ms: dict[str, int] = {}
        self._down = {Stream.MARKET, Stream.USER}
        self._good_frame_ms: int | None = None
        self._executed: dict[str, tuple[int, int]] = {}  # of the engine's live orders: the venue's order id, executed lots
        self._done: set[int] = set()  # order ids that the engine has held to be terminal

    def step(self, event: Event, actions: Sequence[Action], truth: VenueTruth) -> Iterator[Finding]:
        """Take in one step of the engine; what it broke."""
        self._hear(event)
        self._limits.look()
        for action in actions:
            if isinstance(action, Place):
                yield from self._judge_place(action, truth)
                yield from self._limits.judge(action.client_order_id)
                self._held[action.client_order_id] = action.side
                self._sent_ms[action.client_order_id] = self._process.clock.monotonic_ms()
            elif isinstance(action, Amend):
                yield from self._limits.judge(action.client_order_id)
                if self.halted:
                    yield 19, f"{action.client_order_id} is amended after {self.halted}"
                self._sent_ms[action.client_order_id] = self._process.clock.monotonic_ms()
            elif isinstance(action, CancelAll):
                if not self._foreign_open:
                    yield 17, "all of the symbol's orders are cancelled, and none is known that is not ours"
            elif isinstance(action, Notice):
                yield from self._judge_notice(action, truth)
        yield from self._judge_orders()

    # --- what it is told

    def _hear(self, event: Event) -> None:
        if isinstance(event, Depth):
            if event.bids and event.asks and event.bids[0][0] < event.asks[0][0]:
                self._good_frame_ms = event.received_ms
        elif isinstance(event, StreamUp):
            self._down.discard(event.stream)
            self._doubt(event.stream)
            if event.stream is Stream.MARKET:
                self._good_frame_ms = None
        elif isinstance(event, StreamDown):
            self._down.add(event.stream)
            self._doubt(event.stream)
        elif isinstance(event, OrderUpdate):
            self._report(event.report)
            self.halted = self.halted or ("a liquidation" if event.forced else "")
        elif isinstance(event, AccountConfigUpdate):
            self.halted = self.halted or "a change of the account's modes"
        elif isinstance(event, Reply):
            self._reply(event)

    def _doubt(self, stream: Stream) -> None:
        """What was asked for before the user stream fell or came is no basis."""
        if stream is Stream.USER:
            self._doubted_ms = self._process.clock.monotonic_ms()

    def _reply(self, reply: Reply) -> None:
        request, outcome, now_ms = reply.request, reply.outcome, self._process.clock.monotonic_ms()
        if isinstance(outcome, Reconciled):
            self.last_read_ms = reply.sent_ms
            if self.first_truth is None and reply.sent_ms >= self._doubted_ms:
                self.first_truth = outcome
                self._limits.start_from(outcome.position, outcome.fills)
            self._foreign_open = any(not report.client_order_id.startswith(self._prefix) for report in outcome.open_orders)
            for report in outcome.open_orders:
                self._report(report)
        elif isinstance(outcome, OrderReport):
            self._report(outcome)
            if isinstance(request, Place):
                self._accepted_ms.append(outcome.update_time_ms)
        if isinstance(request, Place) and isinstance(outcome, Refusal) and outcome.code != -5022 and request.client_order_id not in self._reported:
            self._limits.refused(outcome)
        if isinstance(request, Place) and isinstance(outcome, (Refusal, Unsent)):
            self._refused.add(request.client_order_id)
            self._release(request.client_order_id)
        elif isinstance(request, (Place, Amend, Cancel)) and isinstance(outcome, Lost) and request.client_order_id in self._held:
            # What the user stream has told of a new order before its reply was lost, is known.
            if not isinstance(request, Place) or request.client_order_id not in self._reported:
                self._unknown.add(request.client_order_id)
        elif isinstance(request, Query) and isinstance(outcome, Refusal) and outcome.code in _NO_SUCH_ORDER:
            timing = self._process.settings.timing
            if now_ms - self._sent_ms.get(request.client_order_id, 0) >= timing.acceptance_window_ms + timing.acceptance_grace_ms:
                self._release(request.client_order_id)

    def _report(self, report: OrderReport) -> None:
        self._reported.add(report.client_order_id)
        if self._order_ids.setdefault(report.client_order_id, report.order_id) != report.order_id:
            self._twins.add(report.client_order_id)
        if report.status.is_terminal:
            self._dead.add(report.order_id)
            self._release(report.client_order_id)
        elif self._is_expected(report) and report.order_id not in self._dead and report.client_order_id not in self._refused | self._twins:
            self._held[report.client_order_id] = report.side
            self._unknown.discard(report.client_order_id)

    def _is_expected(self, report: OrderReport) -> bool:
        """Our own, and not one of an earlier run that was still on its way when this run read the account."""
        own = f"{self._prefix}{self._process.session}-"
        return report.client_order_id.startswith(own if self.first_truth is not None else self._prefix)

    def _release(self, client_order_id: str) -> None:
        self._held.pop(client_order_id, None)
        self._unknown.discard(client_order_id)

    # --- what it does

    def _judge_place(self, place: Place, truth: VenueTruth) -> Iterator[Finding]:
        now_ms = self._process.clock.monotonic_ms()
        held = [client_order_id for client_order_id, side in self._held.items() if side is place.side]
        if len(held) >= self._process.settings.strategy.levels:
            yield 4, f"{place.client_order_id} is sent while {' and '.join(held)} is not proven dead"
        for client_order_id in held:
            if client_order_id in self._unknown:
                yield 6, f"{place.client_order_id} is sent while {client_order_id} is unknown"
        if self.first_truth is None:
            yield 12, f"{place.client_order_id} is sent before the account was read"
        for stream in sorted(self._down):
            yield 11, f"{place.client_order_id} is sent while the {stream.value} stream is down"
        if self._good_frame_ms is None or now_ms - self._good_frame_ms > self._process.settings.timing.stale_book_ms:
            yield 11, f"{place.client_order_id} is sent on a stale book"
        patience_ms = self._process.settings.timing.echo_ms + _ECHO_SLACK_MS
        if truth.deaf_since_ms is not None and any(truth.deaf_since_ms <= at_ms < truth.now_ms - patience_ms for at_ms in self._accepted_ms):
            yield 11, f"{place.client_order_id} is sent although the user stream has not echoed an order for {patience_ms} ms"
        if self.halted:
            yield 19, f"{place.client_order_id} is sent after {self.halted}"
        error_ms = self._process.venue_clock.now_ms(now_ms) - truth.now_ms
        if abs(error_ms) > _CLOCK_TOLERANCE_MS:
            yield 11, f"{place.client_order_id} is sent while the venue's clock is {error_ms} ms off"

    def _judge_notice(self, notice: Notice, truth: VenueTruth) -> Iterator[Finding]:
        text = " ".join(str(value) for value in notice.fields.values())
        if truth.secret in text or (truth.listen_key is not None and truth.listen_key in text) or "signature=" in text:
            yield 21, f"{notice.event} holds a secret"
        if notice.level is Level.ERROR and "does" not in notice.fields:
            yield 25, f"{notice.event} does not say what is done about it"
        if notice.event in ("fill", "foreign_fill"):
            trade = (int(str(notice.fields["trade"])), str(notice.fields["side"]))
            if trade in self.booked:
                yield 9, f"trade {trade[0]} was booked twice"
            self.booked.append(trade)
            self._limits.booked(notice.fields)
        elif notice.event == "halt":
            self.halted = self.halted or str(notice.fields["why"])
        elif notice.event == "position_adopted":
            self._limits.adopted()

    def _judge_orders(self) -> Iterator[Finding]:
        """By the venue's order id, because a POST that was replayed on its way makes a second order of the same client id."""
        engine = self._process.engine
        assert engine is not None
        for order in engine.desk.live():
            if order.order_id in self._done and order.client_order_id not in self._twins:
                yield 18, f"{order.client_order_id} was terminal and is {order.state.value}"
            self._executed.setdefault(order.client_order_id, (0, 0))
        for client_order_id, (order_id, executed) in list(self._executed.items()):
            found = engine.desk.find(client_order_id)
            if found is None or not found.is_live:
                del self._executed[client_order_id]
            if found is None:
                continue
            if found.order_id == order_id and found.executed_lots < executed:
                yield 18, f"{client_order_id} had {executed} lots executed and has {found.executed_lots}"
            if found.is_live:
                self._executed[client_order_id] = found.order_id, found.executed_lots
            elif found.status is not None and found.status.is_terminal and found.order_id:
                self._done.add(found.order_id)
