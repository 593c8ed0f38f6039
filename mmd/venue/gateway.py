"""The core's requests as calls over REST: messages in, `Reply` out, nothing decided."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from mmd.core.errors import MmdError
from mmd.core.messages import (
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    CountdownArmed,
    Fill,
    Lost,
    OrderReport,
    Outcome,
    Place,
    Query,
    ReadRules,
    Reconcile,
    Reconciled,
    Refusal,
    Reply,
    Request,
    Unsent,
)
from mmd.core.rules import SymbolRules, parse_rules
from mmd.venue.batches import perform_batch
from mmd.venue.clock import monotonic_ms
from mmd.venue.endpoints import Call
from mmd.venue.history import TRADES_PAGE, read_trades_page, trades_page
from mmd.venue.json_fields import ParseError, as_object, text, whole
from mmd.venue.new_order import place_params
from mmd.venue.order_reply import HEDGE_MODE_CODE, HedgeMode, read_open_orders, read_order, read_position, read_trades, read_wallets
from mmd.venue.rest_codec import Caller, CallFailed
from mmd.venue.signing import Params

MAX_TRADES_PAGES = 50


# What becomes of a new order in a batch that the venue does not know.
NO_BATCHES = Unsent("the venue takes no batches")

Ask = tuple[Call, Params]


class Conversation:
    """One request as the calls that it takes, one after the other, whoever makes them.

    `ask` is the call to make next and whose answer goes into `answer` or `fail`; None once `outcome` is there. Every failure of the venue or
    the network is an outcome, none is an exception.
    """

    def __init__(self, request: Request, rules: SymbolRules, stp_mode: str | None = None) -> None:
        self.outcome: Outcome = None
        self._steps = _Calls(rules, stp_mode).of(request)
        self.ask: Ask | None = next(self._steps)

    def answer(self, answer: Any) -> None:
        """Take in the JSON that answers `ask`."""
        try:
            self.ask = self._steps.send(answer)
        except StopIteration as end:
            self.ask, self.outcome = None, end.value
        except HedgeMode as error:
            self.fail(Refusal(200, HEDGE_MODE_CODE, str(error)))
        except ParseError as error:
            self.fail(Lost(f"the answer does not read: {error}"))

    def fail(self, outcome: Refusal | Lost | Unsent) -> None:
        """Take in what is known of an `ask` without a usable answer."""
        self.ask, self.outcome = None, outcome


class Gateway:
    """One lane's requests on one symbol. `rules` may be replaced between requests. For one thread at a time, like its client.

    `stp_mode` (V3 "STP Mode") goes out with every new order; None leaves the account's own.
    """

    def __init__(self, rest: Caller, rules: SymbolRules, now_ms: Callable[[], int] = monotonic_ms, stp_mode: str | None = None) -> None:
        self.rules = rules
        self._rest = rest
        self._now_ms = now_ms
        self._stp_mode = stp_mode
        self._batches_work = True

    def perform(self, request: Request) -> Reply:
        """What became of the request; every failure of the venue or the network is an outcome, none is an exception."""
        sent_ms = self._now_ms()
        conversation = Conversation(request, self.rules, self._stp_mode)
        while conversation.ask is not None:
            try:
                answer = self._rest.call(*conversation.ask)
            except CallFailed as failure:
                conversation.fail(failure.outcome)
            else:
                conversation.answer(answer)
        return Reply(request, conversation.outcome, sent_ms)

    def perform_batch(self, requests: Sequence[Place | Cancel]) -> list[Reply]:
        """What became of each of several new orders (at most 5), or of each of several cancels (at most 10), sent as one request.

        Where the venue has no batches, they go out one by one, from then on always. New orders that were in the one that showed it are Unsent: their ids
        have been posted once, and are not posted again (FAULTS O2).
        """
        if len(requests) < 2 or not self._batches_work:
            return [self.perform(request) for request in requests]
        sent_ms = self._now_ms()
        outcomes = perform_batch(self._rest, self.rules, requests, self._stp_mode)
        if outcomes is None:
            self._batches_work = False
            return [self._perform_after_batch(request, sent_ms) for request in requests]
        return [Reply(request, outcome, sent_ms) for request, outcome in zip(requests, outcomes, strict=True)]


    def _perform_after_batch(self, request: Place | Cancel, sent_ms: int) -> Reply:
        return Reply(request, NO_BATCHES, sent_ms) if isinstance(request, Place) else self.perform(request)


T = TypeVar("T")
Steps = Generator[Ask, Any, T]


class _Calls:
    """The calls of each kind of request: generators that yield a call and are sent its answer. They raise ParseError."""

    def __init__(self, rules: SymbolRules, stp_mode: str | None) -> None:
        self.rules = rules
        self._stp_mode = stp_mode

    def of(self, request: Request) -> Steps[Outcome]:
        if isinstance(request, Place):
            return self._order(Call.PLACE, place_params(request, self.rules, self._stp_mode), request.client_order_id)
        if isinstance(request, Amend):
            return self._order(Call.AMEND, self._amend_params(request), request.client_order_id)
        if isinstance(request, Cancel):
            return self._order(Call.CANCEL, self._by_client_id(request.client_order_id), request.client_order_id)
        if isinstance(request, Query):
            return self._order(Call.QUERY, self._by_client_id(request.client_order_id), request.client_order_id)
        if isinstance(request, CancelAll):
            return self._cancel_all()
        if isinstance(request, ArmCountdown):
            return self._arm_countdown(request)
        if isinstance(request, ReadRules):
            return self._read_rules()
        return self._reconcile(request)

    def _order(self, call: Call, params: Params, client_order_id: str) -> Steps[OrderReport]:
        report = read_order((yield call, params), self.rules)
        if report.client_order_id != client_order_id:
            raise ParseError("clientOrderId: the answer is about another order")
        return report

    def _read_rules(self) -> Steps[SymbolRules]:
        answer = as_object((yield Call.EXCHANGE_INFO, ()), "exchangeInfo")
        try:
            return parse_rules(answer, self.rules.symbol)
        except MmdError as error:
            raise ParseError(str(error)) from error

    def _cancel_all(self) -> Steps[None]:
        yield Call.CANCEL_ALL, self._symbol()

    def _amend_params(self, amend: Amend) -> Params:
        # `side` is not in Aster's table (V3 "Modify Order") but mandatory on Binance USD-M, whose API this is otherwise.
        return [
            *self._symbol(),
            ("orderId", str(amend.order_id)),
            ("side", amend.side.value),
            ("quantity", self.rules.size.text(amend.size_lots)),
            ("price", self.rules.price.text(amend.price_ticks)),
        ]

    def _arm_countdown(self, request: ArmCountdown) -> Steps[CountdownArmed]:
        answer = yield Call.COUNTDOWN, [*self._symbol(), ("countdownTime", str(request.countdown_ms))]
        fields = as_object(answer, "countdownCancelAll")
        if text(fields, "symbol") != self.rules.symbol:
            raise ParseError("symbol: the countdown is another symbol's")
        return CountdownArmed(whole(fields, "countdownTime"))

    def _reconcile(self, request: Reconcile) -> Steps[Reconciled]:
        """In this order: what fills after its read shows up in a later one, never in none."""
        open_orders = read_open_orders((yield Call.OPEN_ORDERS, self._symbol()), self.rules)
        fills = yield from (self._newest_trades() if request.from_trade_id is None else self._trades_after(request.from_trade_id))
        position = read_position((yield Call.POSITION_RISK, self._symbol()), self.rules)
        balances = read_wallets((yield Call.BALANCE, ()))
        return Reconciled(open_orders, fills, position, balances)

    def _newest_trades(self) -> Steps[tuple[Fill, ...]]:
        return read_trades((yield Call.USER_TRADES, [*self._symbol(), ("limit", str(TRADES_PAGE))]), self.rules)

    def _trades_after(self, trade_id: int) -> Steps[tuple[Fill, ...]]:
        fills: list[Fill] = []
        last = trade_id
        for _ in range(MAX_TRADES_PAGES):
            page = read_trades_page((yield trades_page(self.rules, last)), self.rules, last)
            fills += page
            if len(page) < TRADES_PAGE:
                return tuple(fills)
            last = max(fill.trade_id for fill in page)
        raise ParseError(f"userTrades: more than {TRADES_PAGE * MAX_TRADES_PAGES} trades")

    def _symbol(self) -> list[tuple[str, str]]:
        return [("symbol", self.rules.symbol)]

    def _by_client_id(self, client_order_id: str) -> list[tuple[str, str]]:
        return [*self._symbol(), ("origClientOrderId", client_order_id)]
