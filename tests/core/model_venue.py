"""A tiny venue around an engine, in virtual time, that loses, delays, doubles and reorders what passes between the two.

It has an opinion of its own on every order and trade, and `broken` lists each promise of the engine that it saw broken.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from core_rig import MID, USDT, VENUE_EPOCH_MS, depth_at, eth_rules, make_settings

from mmd.core.engine import Engine
from mmd.core.lifecycle import State
from mmd.core.messages import (
    AccountUpdate,
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    CountdownArmed,
    Event,
    Fill,
    Finished,
    Lost,
    OrderReport,
    OrderStatus,
    OrderUpdate,
    Outcome,
    Place,
    PositionReport,
    Query,
    Reconcile,
    Reconciled,
    Refusal,
    Reply,
    Request,
    RestartStream,
    Stop,
    Stream,
    StreamDown,
    StreamUp,
    Tick,
    Unsent,
)
from mmd.core.records import Record
from mmd.core.units import Side

WINDOW_MS = 1_500
LIMIT = Decimal(1_000)  # the most notional that may be held: 10 % of the balance


@dataclass
class VenueOrder:
    client_order_id: str
    order_id: int
    side: Side
    price_ticks: int
    size_lots: int
    reduce_only: bool
    status: OrderStatus = OrderStatus.NEW
    executed_lots: int = 0
    update_time_ms: int = 0

    @property
    def is_live(self) -> bool:
        return not self.status.is_terminal

    def report(self) -> OrderReport:
        return OrderReport(
            self.client_order_id, self.order_id, self.side, self.status, self.price_ticks, self.size_lots, self.executed_lots,
            self.reduce_only, self.update_time_ms,
        )  # fmt: skip


class ModelVenue:
    """One run. `faults` are the probabilities of each fault while `faulty` is set; absent ones are 0."""

    def __init__(self, seed: int, **faults: float) -> None:
        self.generator = Random(seed)
        self.faults = faults
        self.faulty = True
        self.settings = make_settings(acceptance_window_ms=WINDOW_MS, acceptance_grace_ms=500, countdown_ms=6_000, max_order_age_ms=5_000)
        self.engine = Engine(eth_rules(), self.settings, "m")
        self.now_ms = 1_000
        self.mid = MID
        self.orders: dict[str, VenueOrder] = {}
        self.trades: list[Fill] = []
        self.position_lots = 0
        self.position_time_ms = 0
        self.countdown_until_ms: int | None = None
        self.finished: Finished | None = None
        self.broken: list[str] = []
        self.records: list[Record] = []
        self.steps = 0
        self.quoted_ms = 0  # when the engine last had a live order here
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._lane_free_ms = {"orders": 0, "cancels": 0, "countdown": 0}
        self._posted: set[str] = set()
        self._silent_until_ms = 0
        self._user_connection = 0
        self._user_up = False
        self._market_up = False
        self._next_id = 100
        self._update_id = 0

    # --- time -------------------------------------------------------------------------------------------------------------------------

    def run(self, for_ms: int) -> None:
        """Let time pass; the engine is stepped at each event and at each of its deadlines."""
        end_ms = self.now_ms + for_ms
        while self.now_ms < end_ms:
            due_ms = end_ms + 1 if self.finished is not None else max(self.now_ms, self.engine.deadline_ms(self.now_ms))
            if self._queue and self._queue[0][0] <= min(due_ms, end_ms):
                self.now_ms, _, act = heapq.heappop(self._queue)
                act()
            elif due_ms <= end_ms:
                self.now_ms = due_ms
                self.tell(Tick())
            else:
                self.now_ms = end_ms

    def start(self) -> None:
        """Both streams connect, and the market begins to move."""
        self.tell(Tick())
        self._connect_user()
        self._connect_market()
        self._move()

    def stop(self) -> None:
        self.tell(Stop("asked"))

    @property
    def live(self) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.is_live]

    def tell(self, event: Event) -> None:
        """One step of the engine, and what follows from it."""
        if self.finished is not None:
            return
        self.steps += 1
        for action in self.engine.step(event, self.now_ms):
            if isinstance(action, Finished):
                self.finished = action
            elif isinstance(action, RestartStream):
                self._drop_user("restarted")
            elif isinstance(action, (Place, Amend, Cancel, CancelAll, Query, Reconcile, ArmCountdown)):
                self._take(action)
        self.records += self.engine.records
        self._check()

    def _later(self, after_ms: int, act: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (self.now_ms + after_ms, self._sequence, act))

    def _happens(self, fault: str) -> bool:
        return self.faulty and self.generator.random() < self.faults.get(fault, 0.0)

    def _venue_ms(self) -> int:
        return VENUE_EPOCH_MS + self.now_ms

    # --- the market -------------------------------------------------------------------------------------------------------------------

    def _move(self) -> None:
        """A tenth of a second of market: the price moves, an order may trade, a stream may fail."""
        generator = self.generator
        self.mid += generator.choice((0, 0, 0, -60, 60, -150, 150)) if abs(self.mid - MID) < 3_000 else (60 if self.mid < MID else -60)
        for order in self.live:
            while order.is_live and generator.random() < 0.08:  # at times twice in one millisecond
                self._trade(order, generator.choice((order.size_lots, generator.randint(1, 60), 3)))
        if self.countdown_until_ms is not None and self.now_ms >= self.countdown_until_ms:
            self.countdown_until_ms = None
            for order in list(self.orders.values()):
                self._end(order, OrderStatus.CANCELED)
        if self._market_up and not self._happens("frame lost"):
            self._update_id += 1
            self.tell(depth_at(self.mid, now_ms=self.now_ms, update_id=self._update_id))
        if self._happens("user down"):
            self._drop_user("failed")
        if self._market_up and self._happens("market down"):
            self._market_up = False
            self.tell(StreamDown(Stream.MARKET, "failed"))
            self._later(generator.randint(50, 1_500), self._connect_market)
        self._later(100, self._move)

    def _trade(self, order: VenueOrder, size_lots: int) -> None:
        size_lots = min(size_lots, order.size_lots - order.executed_lots)
        if order.reduce_only:
            size_lots = min(size_lots, max(0, -order.side.sign * self.position_lots))
            if size_lots == 0:
                self._end(order, OrderStatus.EXPIRED)
                return
        self._next_id += 1
        order.executed_lots += size_lots
        order.status = OrderStatus.FILLED if order.executed_lots == order.size_lots else OrderStatus.PARTIALLY_FILLED
        order.update_time_ms = self._venue_ms()
        self.position_lots += order.side.sign * size_lots
        self.position_time_ms = self._venue_ms()
        fill = Fill(
            self._next_id, order.order_id, order.client_order_id, order.side, order.price_ticks, size_lots, Decimal("0.01"), "USDT",
            Decimal(0), True, self._venue_ms(),
        )  # fmt: skip
        self.trades.append(fill)
        self._send(AccountUpdate("ORDER", {}, self._position(), self._venue_ms()))
        self._send(OrderUpdate(order.report(), fill, False, self._venue_ms()))

    def _end(self, order: VenueOrder, status: OrderStatus) -> None:
        if order.is_live:
            order.status = status
            order.update_time_ms = self._venue_ms()
            self._send(OrderUpdate(order.report(), None, False, self._venue_ms()))

    def _position(self) -> PositionReport:
        return PositionReport(self.position_lots, Decimal(2500) if self.position_lots else Decimal(0), self.position_time_ms)

    # --- the streams ------------------------------------------------------------------------------------------------------------------

    def _send(self, event: OrderUpdate | AccountUpdate) -> None:
        """Push an event on the user stream: later, perhaps twice, perhaps out of order; gone with its connection."""
        if not self._user_up or self._happens("event lost"):
            return
        connection = self._user_connection

        def deliver() -> None:
            if self._user_up and connection == self._user_connection:
                self.tell(event)

        usual_ms = 5
        self._later(usual_ms + (self.generator.randint(0, 300) if self._happens("event late") else 0), deliver)
        if self._happens("event twice"):
            self._later(usual_ms + self.generator.randint(0, 500), deliver)

    def _connect_user(self) -> None:
        self._user_up = True
        self._user_connection += 1
        self.tell(StreamUp(Stream.USER))

    def _connect_market(self) -> None:
        self._market_up = True
        self.tell(StreamUp(Stream.MARKET))

    def _drop_user(self, reason: str) -> None:
        if self._user_up:
            self._user_up = False
            self._later(0, lambda: self.tell(StreamDown(Stream.USER, reason)))
            self._later(self.generator.randint(20, 1_000), self._connect_user)

    # --- requests ---------------------------------------------------------------------------------------------------------------------

    def _take(self, request: Request) -> None:
        """A request leaves the engine: it waits for its lane, travels, is carried out, and is answered; or not."""
        if self.now_ms < self._silent_until_ms:
            self._break(f"sent in silence: {request}")
        if isinstance(request, Place):
            if self.engine.state is not State.QUOTE:
                self._break(f"POST while {self.engine.state.value}")
            if request.client_order_id in self._posted:
                self._break(f"posted twice: {request.client_order_id}")
            self._posted.add(request.client_order_id)
        lane = "countdown" if isinstance(request, ArmCountdown) else "orders" if isinstance(request, (Place, Amend, Reconcile)) else "cancels"
        begin_ms = max(self.now_ms, self._lane_free_ms[lane])
        there, back = (self.generator.randint(1, 400) if self._happens("slow") else 2 for _ in range(2))
        if self._happens("unsent"):
            self._lane_free_ms[lane] = begin_ms + there
            self._answer(request, begin_ms, begin_ms + there, lambda: Unsent("no connection"))
        elif self._happens("lost"):
            # The caller waits 600 ms and gives up; the request may yet arrive, for as long as its signature holds.
            self._lane_free_ms[lane] = begin_ms + 600
            self._answer(request, begin_ms, begin_ms + 600, lambda: Lost("timed out"))
            if self.generator.random() < 0.6:
                arrival_ms = begin_ms + self.generator.randint(1, WINDOW_MS)
                self._later(arrival_ms - self.now_ms, lambda: self._perform(request) and None)
        else:
            self._lane_free_ms[lane] = begin_ms + there + back
            self._later(begin_ms + there - self.now_ms, lambda: self._carry_out(request, begin_ms, back))

    def _carry_out(self, request: Request, begin_ms: int, back_ms: int) -> None:
        outcome: Outcome
        if self._happens("limited"):
            wait_ms = self.generator.randint(200, 2_000)
            outcome = Refusal(429, -1003, "too many", wait_ms)
        elif self._happens("failed"):
            outcome = Lost("HTTP 503")
            if self.generator.random() < 0.5:
                self._perform(request)
        else:
            outcome = self._perform(request)
        self._answer(request, begin_ms, self.now_ms + back_ms, lambda: outcome)

    def _answer(self, request: Request, sent_ms: int, at_ms: int, outcome: Callable[[], Outcome]) -> None:
        def deliver() -> None:
            found = outcome()
            if isinstance(found, Refusal) and found.status == 429:
                self._silent_until_ms = max(self._silent_until_ms, self.now_ms + (found.retry_after_ms or 0))
            self.tell(Reply(request, found, sent_ms))

        self._later(at_ms - self.now_ms, deliver)

    def _perform(self, request: Request) -> Any:
        if isinstance(request, Place):
            return self._place(request)
        if isinstance(request, ArmCountdown):
            self.countdown_until_ms = self.now_ms + request.countdown_ms if request.countdown_ms else None
            return CountdownArmed(request.countdown_ms)
        if isinstance(request, Reconcile):
            return self._truth(request)
        if isinstance(request, CancelAll):
            for order in list(self.orders.values()):
                self._end(order, OrderStatus.CANCELED)
            return None
        order = self.orders.get(request.client_order_id)
        if isinstance(request, Query):
            return order.report() if order is not None else Refusal(400, -2013, "no such order")
        if order is None or not order.is_live:
            return Refusal(400, -2011 if isinstance(request, Cancel) else -2013, "not open")
        if isinstance(request, Cancel):
            self._end(order, OrderStatus.CANCELED)
        elif self._happens("amend refused") or request.size_lots <= order.executed_lots:
            return Refusal(400, -2010, "no")
        else:
            order.price_ticks, order.size_lots, order.update_time_ms = request.price_ticks, request.size_lots, self._venue_ms()
            self._send(OrderUpdate(order.report(), None, False, self._venue_ms()))
        return order.report()

    def _place(self, place: Place) -> OrderReport | Refusal:
        crosses = place.price_ticks >= self.mid + 1 if place.side is Side.BUY else place.price_ticks <= self.mid - 1
        if self._happens("refused"):
            return Refusal(400, -2019, "margin is insufficient")
        if place.reduce_only and self.position_lots * place.side.sign >= 0:
            return Refusal(400, -2022, "reduce-only rejected")
        if crosses and self.generator.random() < 0.5:
            return Refusal(400, -5022, "would take")
        self._next_id += 1
        order = VenueOrder(place.client_order_id, self._next_id, place.side, place.price_ticks, place.size_lots, place.reduce_only)
        order.update_time_ms = self._venue_ms()
        self.orders[order.client_order_id] = order
        self._send(OrderUpdate(order.report(), None, False, self._venue_ms()))
        accepted = order.report()
        if crosses or self._happens("expires"):
            self._end(order, OrderStatus.EXPIRED)
        elif self.generator.random() < 0.1:
            self._trade(order, self.generator.randint(1, order.size_lots))
        return accepted

    def _truth(self, request: Reconcile) -> Reconciled:
        listed = tuple(order.report() for order in self.live)
        self._meanwhile()
        since = request.from_trade_id
        fills = tuple(fill for fill in self.trades if since is None or fill.trade_id > since)
        self._meanwhile()
        return Reconciled(listed, tuple(fill._replace(client_order_id="") for fill in fills), self._position(), USDT)

    def _meanwhile(self) -> None:
        """The reads of one reconciliation are not one moment: an order may trade in between."""
        live = self.live
        if live and self._happens("trade between reads"):
            self._trade(self.generator.choice(live), self.generator.randint(1, 50))

    # --- promises ---------------------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        live = self.live
        for side in Side:
            if sum(order.side is side for order in live) > 1:
                self._break(f"two live {side.value} orders")
        if live:
            self.quoted_ms = self.now_ms
            if self.countdown_until_ms is None:
                self._break("a live order and no countdown")
        opening = sum(order.size_lots - order.executed_lots for order in live if order.side is Side.BUY and not order.reduce_only)
        most = int(LIMIT / Decimal("0.00001") / (MID - 4_000))
        if self.position_lots + opening > most:
            self._break(f"{self.position_lots} held and {opening} bid for, of {most}")
        if self.position_lots < 0:
            self._break(f"short by {self.position_lots}")

    def _break(self, promise: str) -> None:
        self.broken.append(f"{self.now_ms} ms: {promise}")
