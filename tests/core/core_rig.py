"""An engine on a bench: events go in by name, requests come out in a list, and each is answered by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from mmd.core.engine import Engine
from mmd.core.lifecycle import State
from mmd.core.messages import (
    AccountUpdate,
    Action,
    Amend,
    ArmCountdown,
    Cancel,
    CountdownArmed,
    Depth,
    Event,
    Fill,
    Finished,
    Lost,
    Notice,
    OrderReport,
    OrderStatus,
    OrderUpdate,
    Outcome,
    Place,
    PositionReport,
    Query,
    ReadRules,
    Reconcile,
    Reconciled,
    Refusal,
    Reply,
    Request,
    Stream,
    StreamDown,
    StreamUp,
    Tick,
)
from mmd.core.orders import Order
from mmd.core.quoting import QuoteModel
from mmd.core.rules import SymbolRules
from mmd.core.settings import EngineSettings, OrderSettings, RiskSettings, StrategySettings, TimingSettings
from mmd.core.units import Grid, Side

VENUE_EPOCH_MS = 1_700_000_000_000
MID = 250_000  # 2500.00
USDT = {"USDT": Decimal(10_000)}

R = TypeVar("R")
_REQUESTS = (Place, Amend, Cancel, Query, Reconcile, ReadRules, ArmCountdown)


def eth_rules(**changes: Any) -> SymbolRules:
    """ETHUSDT: tick 0.01, step 0.001, minimum notional 5."""
    rules = SymbolRules(
        symbol="ETHUSDT",
        status="TRADING",
        base_asset="ETH",
        quote_asset="USDT",
        margin_asset="USDT",
        price=Grid("0.01"),
        size=Grid("0.001"),
        min_price_ticks=1,
        max_price_ticks=10_000_000,
        min_size_lots=1,
        max_size_lots=10_000_000,
        min_notional=Decimal(5),
        multiplier_up=Decimal("1.1"),
        multiplier_down=Decimal("0.9"),
        weight_per_minute=2400,
        orders_per_minute=1200,
    )
    return replace(rules, **changes)


def make_settings(**changes: Any) -> EngineSettings:
    """The defaults, with any field of any section changed by its name."""
    parts = {"strategy": StrategySettings(), "orders": OrderSettings(), "risk": RiskSettings(), "timing": TimingSettings()}
    for name, value in changes.items():
        (section,) = [section for section, part in parts.items() if name in part.__dataclass_fields__]
        parts[section] = replace(parts[section], **{name: value})
    return EngineSettings(**parts)  # type: ignore[arg-type]


def depth_at(mid: int = MID, *, now_ms: int, update_id: int = 1, half_width: int = 1) -> Depth:
    """A book of one level a side around `mid` ticks."""
    bids, asks = ((mid - half_width, 5_000),), ((mid + half_width, 5_000),)
    return Depth(bids, asks, update_id, VENUE_EPOCH_MS + now_ms, now_ms)


class Rig:
    """An engine, the time, every action so far, and the requests that wait for an answer.

    The countdown is answered at once, unless `answers_countdown` is False. Times are the engine's; the venue's clock is `VENUE_EPOCH_MS` ahead.
    """

    def __init__(self, *, rules: SymbolRules | None = None, quote_model: QuoteModel | None = None, **changes: Any) -> None:
        self.rules = rules or eth_rules()
        self.settings = make_settings(**changes)
        self.engine = Engine(self.rules, self.settings, "s1", quote_model)
        self.now_ms = 1_000
        self.answers_countdown = True
        self.actions: list[Action] = []
        self.waiting: list[Request] = []
        self.sent_ms: dict[int, int] = {}
        self.amount_lots = 0  # the position that `fill` moves and `truth` tells
        self.changed_ms = 0  # when it last moved
        self._update_id = 0
        self._trade_id = 1_000
        self._order_ids: dict[str, int] = {}

    # --- time and events

    @property
    def state(self) -> State:
        return self.engine.state

    def step(self, event: Event) -> list[Action]:
        """One step; requests join those that wait."""
        out = self.engine.step(event, self.now_ms)
        self.actions += out
        for action in out:
            if isinstance(action, ArmCountdown) and self.answers_countdown:
                out = out + self.step(Reply(action, CountdownArmed(action.countdown_ms), self.now_ms))
            elif isinstance(action, _REQUESTS):
                self.waiting.append(action)
                self.sent_ms[id(action)] = self.now_ms
        return out

    def depth(self, mid: int = MID, **changes: Any) -> list[Action]:
        """A good frame around `mid`."""
        self._update_id += 1
        return self.step(depth_at(mid, now_ms=self.now_ms, update_id=self._update_id, **changes))

    def tick(self, after_ms: int = 0) -> list[Action]:
        """Nothing but time."""
        self.now_ms += after_ms
        return self.step(Tick())

    def run(self, for_ms: int, *, mid: int | None = MID, every_ms: int = 100) -> list[Action]:
        """Time goes on, with a frame every `every_ms` (none where `mid` is None)."""
        out: list[Action] = []
        for _ in range(for_ms // every_ms):
            self.now_ms += every_ms
            out += self.tick() if mid is None else self.depth(mid)
        return out

    def streams_up(self) -> list[Action]:
        return self.step(StreamUp(Stream.USER)) + self.step(StreamUp(Stream.MARKET))

    def user_down(self, reason: str = "closed") -> list[Action]:
        return self.step(StreamDown(Stream.USER, reason))

    # --- answers

    def pending(self, kind: type[R]) -> R:
        """The one request of a kind that waits for an answer."""
        found = [request for request in self.waiting if isinstance(request, kind)]
        assert len(found) == 1, f"{len(found)} of {kind.__name__} wait: {self.waiting}"
        return found[0]

    def waits(self, kind: type[Any]) -> bool:
        return any(isinstance(request, kind) for request in self.waiting)

    def answer(self, request: Request, outcome: Outcome, sent_ms: int | None = None) -> list[Action]:
        """Answer one request that waits."""
        self.waiting = [other for other in self.waiting if other is not request]
        return self.step(Reply(request, outcome, self.sent_ms[id(request)] if sent_ms is None else sent_ms))

    def order(self, client_order_id: str) -> Order:
        order = self.engine.desk.find(client_order_id)
        assert order is not None
        return order

    def report(self, client_order_id: str, status: OrderStatus = OrderStatus.NEW, executed: int | None = None, **changes: Any) -> OrderReport:
        """What the venue would say of an order that the desk knows, now."""
        order = self.order(client_order_id)
        order_id = self._order_ids.setdefault(client_order_id, 500 + len(self._order_ids))
        report = OrderReport(
            client_order_id=client_order_id,
            order_id=order_id,
            side=order.side,
            status=status,
            price_ticks=order.price_ticks,
            size_lots=order.size_lots,
            executed_lots=order.executed_lots if executed is None else executed,
            reduce_only=order.reduce_only,
            update_time_ms=VENUE_EPOCH_MS + self.now_ms,
        )
        return report._replace(**changes)

    def update(self, report: OrderReport, fill: Fill | None = None, forced: bool = False) -> list[Action]:
        """The user stream's word on an order."""
        return self.step(OrderUpdate(report, fill, forced, VENUE_EPOCH_MS + self.now_ms))

    def accept(self, place: Place | None = None, *, echo: bool = True) -> Place:
        """The venue takes a POST: the reply, and the echo on the user stream."""
        place = place or self.pending(Place)
        self.answer(place, self.report(place.client_order_id))
        if echo:
            self.update(self.report(place.client_order_id))
        return place

    def refuse(self, request: Request | None = None, code: int = -2010, status: int = 400, **more: Any) -> list[Action]:
        return self.answer(request or self.pending(Place), Refusal(status, code, "no", **more))

    def lose(self, request: Request | None = None) -> list[Action]:
        return self.answer(request or self.pending(Place), Lost("timed out"))

    def cancelled(self, cancel: Cancel | None = None, executed: int | None = None) -> list[Action]:
        """The venue carries out a DELETE."""
        cancel = cancel or self.pending(Cancel)
        return self.answer(cancel, self.report(cancel.client_order_id, OrderStatus.CANCELED, executed))

    def amended(self) -> Amend:
        """The venue carries out a PUT."""
        amend = self.pending(Amend)
        report = self.report(amend.client_order_id, price_ticks=amend.price_ticks, size_lots=amend.size_lots)
        self.answer(amend, report)
        return amend

    def truth(self, *open_orders: OrderReport, position: int | None = None, fills: tuple[Fill, ...] = (), **changes: Any) -> Reconciled:
        """The account's truth as the venue would tell it now."""
        amount = self.amount_lots if position is None else position
        report = PositionReport(amount, Decimal(2500) if amount else Decimal(0), VENUE_EPOCH_MS + self.changed_ms)
        return Reconciled(open_orders, fills, report._replace(**changes), USDT)

    # --- trades

    def make_fill(self, client_order_id: str, size_lots: int, **changes: Any) -> Fill:
        """The next trade of an order, at its price."""
        order = self.order(client_order_id)
        self._trade_id += 1
        fill = Fill(
            trade_id=self._trade_id,
            order_id=self._order_ids.get(client_order_id, 0),
            client_order_id=client_order_id,
            side=order.side,
            price_ticks=order.price_ticks,
            size_lots=size_lots,
            commission=Decimal("0.01"),
            commission_asset="USDT",
            realized_profit=Decimal(0),
            maker=True,
            trade_time_ms=VENUE_EPOCH_MS + self.now_ms,
        )
        return fill._replace(**changes)

    def fill(self, client_order_id: str, size_lots: int | None = None, *, account_update: bool = True) -> Fill:
        """An order trades (all that is left of it, unless told): the order's event, and the account's."""
        order = self.order(client_order_id)
        size_lots = order.size_lots - order.executed_lots if size_lots is None else size_lots
        fill = self.make_fill(client_order_id, size_lots)
        executed = order.executed_lots + size_lots
        status = OrderStatus.FILLED if executed == order.size_lots else OrderStatus.PARTIALLY_FILLED
        self.amount_lots += order.side.sign * size_lots
        self.changed_ms = self.now_ms
        self.update(self.report(client_order_id, status, executed), fill)
        if account_update:
            self.account_says(self.amount_lots)
        return fill

    def account_says(self, amount_lots: int, **balances: Decimal) -> list[Action]:
        """ACCOUNT_UPDATE with the symbol's position."""
        report = PositionReport(amount_lots, Decimal(2500) if amount_lots else Decimal(0), VENUE_EPOCH_MS + self.now_ms)
        return self.step(AccountUpdate("ORDER", balances, report, VENUE_EPOCH_MS + self.now_ms))

    # --- whole stretches

    def boot(self, position: int = 0, *, balances: dict[str, Decimal] | None = None) -> Rig:
        """From nothing to the first quote's POST waiting."""
        self.amount_lots = position
        self.tick()
        self.streams_up()
        self.depth()
        truth = self.truth()
        self.answer(self.pending(Reconcile), truth if balances is None else replace(truth, balances=balances))
        assert self.state is State.QUOTE, self.engine.reasons
        return self

    def quoting(self, position: int = 0, **changes: Any) -> Place:
        """Booted, and the first quote accepted."""
        self.boot(position, **changes)
        return self.accept()

    def settle_down(self) -> None:
        """Answer whatever waits as a healthy venue would, until nothing does."""
        for _ in range(50):
            if not self.waiting:
                return
            request = self.waiting[0]
            if isinstance(request, Place):
                self.accept(request)
            elif isinstance(request, Amend):
                self.amended()
            elif isinstance(request, Cancel):
                self.cancelled(request)
            elif isinstance(request, Query):
                self.answer(request, self.report(request.client_order_id))
            elif isinstance(request, ArmCountdown):
                self.answer(request, CountdownArmed(request.countdown_ms))
            else:
                self.answer(request, self.truth())
        raise AssertionError(f"no rest: {self.waiting}")

    # --- what came out

    def notices(self, event: str) -> list[Notice]:
        return [action for action in self.actions if isinstance(action, Notice) and action.event == event]

    def all(self, kind: type[R]) -> list[R]:
        return [action for action in self.actions if isinstance(action, kind)]

    @property
    def finished(self) -> Finished | None:
        found = self.all(Finished)
        assert len(found) <= 1
        return found[0] if found else None


def only(actions: list[Action], kind: type[R]) -> R:
    """The one action of a kind among some."""
    found = [action for action in actions if isinstance(action, kind)]
    assert len(found) == 1, f"{len(found)} of {kind.__name__}: {actions}"
    return found[0]


def none_of(actions: list[Action], *kinds: type[Any]) -> bool:
    return not any(isinstance(action, kinds) for action in actions)


__all__ = ["MID", "USDT", "VENUE_EPOCH_MS", "Rig", "Side", "depth_at", "eth_rules", "make_settings", "none_of", "only"]
