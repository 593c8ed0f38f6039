"""The core's requests performed over REST: messages in, `Reply` out, nothing decided."""

from __future__ import annotations

from collections.abc import Callable

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
    Reconcile,
    Reconciled,
    Reply,
    Request,
)
from mmd.core.rules import SymbolRules
from mmd.venue.clock import monotonic_ms
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_object, text, whole
from mmd.venue.order_reply import read_open_orders, read_order, read_position, read_trades, read_wallets
from mmd.venue.rest import CallFailed, RestClient
from mmd.venue.signing import Params

TRADES_PAGE = 1000  # "Account Trade List": max 1000
MAX_TRADES_PAGES = 50


class Gateway:
    """One lane's requests on one symbol. `rules` may be replaced between requests. For one thread at a time, like its client."""

    def __init__(self, rest: RestClient, rules: SymbolRules, now_ms: Callable[[], int] = monotonic_ms) -> None:
        self.rules = rules
        self._rest = rest
        self._now_ms = now_ms

    def perform(self, request: Request) -> Reply:
        """What became of the request; every failure of the venue or the network is an outcome, none is an exception."""
        sent_ms = self._now_ms()
        outcome: Outcome
        try:
            outcome = self._perform(request)
        except CallFailed as failure:
            outcome = failure.outcome
        except ParseError as error:
            outcome = Lost(f"the answer does not read: {error}")
        return Reply(request, outcome, sent_ms)

    def _perform(self, request: Request) -> Outcome:
        if isinstance(request, Place):
            return self._order(Call.PLACE, self._place_params(request), request.client_order_id)
        if isinstance(request, Amend):
            return self._order(Call.AMEND, self._amend_params(request), request.client_order_id)
        if isinstance(request, Cancel):
            return self._order(Call.CANCEL, self._by_client_id(request.client_order_id), request.client_order_id)
        if isinstance(request, Query):
            return self._order(Call.QUERY, self._by_client_id(request.client_order_id), request.client_order_id)
        if isinstance(request, CancelAll):
            self._rest.call(Call.CANCEL_ALL, self._symbol())
            return None
        if isinstance(request, ArmCountdown):
            return self._arm_countdown(request)
        return self._reconcile(request)

    def _order(self, call: Call, params: Params, client_order_id: str) -> OrderReport:
        report = read_order(self._rest.call(call, params), self.rules)
        if report.client_order_id != client_order_id:
            raise ParseError("clientOrderId: the answer is about another order")
        return report

    def _place_params(self, place: Place) -> Params:
        params = [
            *self._symbol(),
            ("side", place.side.value),
            ("type", "LIMIT"),
            ("timeInForce", "GTX" if place.post_only else "GTC"),
            ("quantity", self.rules.size.text(place.size_lots)),
            ("price", self.rules.price.text(place.price_ticks)),
            ("newClientOrderId", place.client_order_id),
            ("newOrderRespType", "RESULT"),
        ]
        if place.reduce_only:
            params.append(("reduceOnly", "true"))
        return params

    def _amend_params(self, amend: Amend) -> Params:
        # `side` is not in Aster's table (V3 "Modify Order") but mandatory on Binance USD-M, whose API this is otherwise.
        return [
            *self._symbol(),
            ("orderId", str(amend.order_id)),
            ("side", amend.side.value),
            ("quantity", self.rules.size.text(amend.size_lots)),
            ("price", self.rules.price.text(amend.price_ticks)),
        ]

    def _arm_countdown(self, request: ArmCountdown) -> CountdownArmed:
        answer = self._rest.call(Call.COUNTDOWN, [*self._symbol(), ("countdownTime", str(request.countdown_ms))])
        fields = as_object(answer, "countdownCancelAll")
        if text(fields, "symbol") != self.rules.symbol:
            raise ParseError("symbol: the countdown is another symbol's")
        return CountdownArmed(whole(fields, "countdownTime"))

    def _reconcile(self, request: Reconcile) -> Reconciled:
        """In this order: what fills after its read shows up in a later one, never in none."""
        open_orders = read_open_orders(self._rest.call(Call.OPEN_ORDERS, self._symbol()), self.rules)
        fills = self._newest_trades() if request.from_trade_id is None else self._trades_after(request.from_trade_id)
        position = read_position(self._rest.call(Call.POSITION_RISK, self._symbol()), self.rules)
        balances = read_wallets(self._rest.call(Call.BALANCE))
        return Reconciled(open_orders, fills, position, balances)

    def _newest_trades(self) -> tuple[Fill, ...]:
        return read_trades(self._rest.call(Call.USER_TRADES, [*self._symbol(), ("limit", str(TRADES_PAGE))]), self.rules)

    def _trades_after(self, trade_id: int) -> tuple[Fill, ...]:
        fills: list[Fill] = []
        last = trade_id
        for _ in range(MAX_TRADES_PAGES):
            params = [*self._symbol(), ("fromId", str(last + 1)), ("limit", str(TRADES_PAGE))]
            page = read_trades(self._rest.call(Call.USER_TRADES, params), self.rules)
            if any(fill.trade_id <= last for fill in page):
                raise ParseError("userTrades: trades from before fromId")
            fills += page
            if len(page) < TRADES_PAGE:
                return tuple(fills)
            last = max(fill.trade_id for fill in page)
        raise ParseError(f"userTrades: more than {TRADES_PAGE * MAX_TRADES_PAGES} trades")

    def _symbol(self) -> list[tuple[str, str]]:
        return [("symbol", self.rules.symbol)]

    def _by_client_id(self, client_order_id: str) -> list[tuple[str, str]]:
        return [*self._symbol(), ("origClientOrderId", client_order_id)]
