"""The venue's side of a simulated world: the paper exchange, its doors without sockets, and all that others do to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import NamedTuple

from mmd.core.units import Side
from mmd.paper.account import Account, AccountSpec
from mmd.paper.agents import Agents, AgentSettings
from mmd.paper.authority import Authority, Request
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.market_source import MarketSource
from mmd.paper.order_request import MarginType, OrderRequest, OrderType, TimeInForce
from mmd.paper.rate_limits import RateLimits
from mmd.paper.refusals import Refused
from mmd.paper.rest_gate import RestGate
from mmd.paper.stream_hub import StreamHub, Subscriber
from mmd.paper.symbols import Symbol
from mmd.sim.faults import Fault, Kind
from mmd.sim.virtual_time import Timeline
from mmd.venue.rest_codec import Outgoing

FOREIGN_PREFIX = "other-"
_FAR = Decimal("0.05")  # how far from the market foreign orders rest
_PIECE_LOTS = 1_000


class HttpAnswer(NamedTuple):
    """A whole answer, as it leaves the venue."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class VenueSide:
    """One exchange with one account, driven by the timeline. `observe` is called after everything that may have changed it."""

    def __init__(
        self, timeline: Timeline, symbol: Symbol, source: MarketSource, account: AccountSpec, seed: int, observe: Callable[[], None], *,
        listen_key_life_ms: int = 3_600_000, funding_interval_ms: int = 8 * 3_600_000,
    ) -> None:
        self._timeline = timeline
        self._observe = observe
        self.exchange = PaperExchange(
            symbol, source, start_ms=timeline.now_ms, accounts=(account,), journal_limit=None, funding_interval_ms=funding_interval_ms
        )
        self.account: Account = self.exchange.accounts[account.api_key]
        self.listen_keys = ListenKeys(Random(seed), listen_key_life_ms)
        self._usual_symbol = symbol
        self._hub = StreamHub(self.exchange, self.listen_keys)
        authority = Authority({account.api_key: account.api_secret})
        self._gate = RestGate(self.exchange, authority, Agents(self.exchange, AgentSettings()), self.listen_keys, RateLimits())
        self.down_until_ms = 0  # restarting: no connection can be made
        self.closed_until_ms = 0  # maintenance: every request is refused
        self.others_act = False  # what is cancelled or refused now is not the daemon's doing
        self._changes_pushed = -1
        self._wake_ms: int | None = None
        self._foreign_orders = 0
        self._plan()

    # --- what clients see

    @property
    def is_down(self) -> bool:
        return self._timeline.now_ms < self.down_until_ms

    def answer(self, outgoing: Outgoing) -> HttpAnswer:
        """One request arrives now. The events that it causes are on their way before its answer."""
        now_ms = self._timeline.now_ms
        if now_ms < self.closed_until_ms:
            return json_answer(503, {"code": -1016, "msg": "This service is no longer available."})
        path, _, query = outgoing.target.partition("?")
        body = outgoing.body.decode("ascii") if outgoing.body else ""
        self.exchange.advance(now_ms)
        reply = self._gate.answer(Request(outgoing.method, path, query, body, outgoing.headers.get("X-MBX-APIKEY"), "127.0.0.1"), now_ms)
        self._hub.publish_user_events(now_ms)
        self._after()
        return json_answer(reply.status, reply.payload, reply.headers)

    def attach(self, subscriber: Subscriber) -> bool:
        """A stream connection; False where the exchange is down or serves no such stream."""
        now_ms = self._timeline.now_ms
        if self.is_down or not all(self._hub.serves(stream, now_ms) for stream in subscriber.subscriptions.streams):
            return False
        self._hub.attach(subscriber)
        self._changes_pushed = -1
        self._plan()
        return True

    def detach(self, subscriber: Subscriber) -> None:
        self._hub.detach(subscriber)

    # --- time

    def _wake(self) -> None:
        if self._wake_ms != self._timeline.now_ms:
            return  # an earlier plan was made meanwhile
        self._wake_ms = None
        now_ms = self._timeline.now_ms
        self.exchange.advance(now_ms)
        self._hub.publish_user_events(now_ms)
        hub_due_ms = self._hub.due_ms()
        if hub_due_ms is not None and hub_due_ms <= now_ms:
            self._changes_pushed = self.exchange.market.changes.end
            self._hub.tick(now_ms)
        self._after()

    def _after(self) -> None:
        self._observe()
        self._plan()

    def _plan(self) -> None:
        """Wake at the next happening. The hub is looked at only where it has something to say."""
        now_ms = self._timeline.now_ms
        due = [self.exchange.next_due_ms()]
        key_ms = self.listen_keys.next_expiry_ms()
        if key_ms is not None:
            due.append(key_ms)
        hub_ms = self._hub.due_ms()
        if hub_ms is not None and self.exchange.market.changes.end != self._changes_pushed:
            due.append(hub_ms)
        wake_ms = max(min(due), now_ms + 1)
        if self._wake_ms is None or wake_ms < self._wake_ms:
            self._wake_ms = wake_ms
            self._timeline.at(wake_ms, self._wake)

    # --- what others do

    def suffer(self, fault: Fault) -> bool:
        """A fault of the exchange or the account; False where it does not apply at present (no position to liquidate, hedge mode refused)."""
        now_ms = self._timeline.now_ms
        self.exchange.advance(now_ms)
        self._observe()
        self.others_act = True
        try:
            done = self._suffer(fault, now_ms)
        except Refused:
            done = False
        self._hub.publish_user_events(now_ms)
        self._after()
        self.others_act = False
        return done

    def _suffer(self, fault: Fault, now_ms: int) -> bool:
        exchange, account, kind = self.exchange, self.account, fault.kind
        if kind is Kind.HALTED:
            self._change_symbol(status="HALT")
            self._timeline.after(fault.for_ms, lambda: self._change_symbol(status="TRADING"))
        elif kind is Kind.FILTERS:
            self._change_filters(fault.amount)
        elif kind is Kind.LEVERAGE:
            exchange.set_leverage(account, fault.amount, now_ms)
        elif kind is Kind.MARGIN_TYPE:
            exchange.set_margin_type(account, MarginType.ISOLATED, now_ms)
        elif kind is Kind.HEDGE_MODE:
            exchange.set_dual_side(account, True, now_ms)
        elif kind is Kind.WITHDRAWAL:
            exchange.deposit(account, "USDT", -(account.wallets["USDT"] / 10).quantize(Decimal("0.01")), now_ms)
        elif kind is Kind.LIQUIDATION:
            return self._liquidate(now_ms)
        elif kind is Kind.FOREIGN_ORDER:
            self._foreign(fault.amount, _FAR, now_ms)
        elif kind is Kind.FOREIGN_FILL:
            self._foreign(fault.amount, None, now_ms)
        elif kind is Kind.VENUE_RESTART:
            self.down_until_ms = now_ms + fault.for_ms
        elif kind is Kind.MAINTENANCE:
            self.closed_until_ms = now_ms + fault.for_ms
        elif kind is Kind.KEY_EXPIRED:
            return self._expire_key()
        return True

    def mend(self, leverage: int) -> None:
        """What the operator sets right before the daemon is started again: one-way mode, cross margin, the leverage, money in the wallet.

        Modes cannot be changed with orders or a position, so where they are wrong everything is closed first.
        """
        now_ms, account, exchange = self._timeline.now_ms, self.account, self.exchange
        exchange.advance(now_ms)
        self._observe()
        self.others_act = True
        if account.wallets["USDT"] < 5_000:
            exchange.deposit(account, "USDT", Decimal(10_000), now_ms)
        if account.dual_side or account.margin_type is not MarginType.CROSSED:
            for order in list(account.open_orders.values()):
                exchange.cancel(account, order_id=order.order_id, now_ms=now_ms)
            for position in account.open_positions():
                self._close(position.lots, now_ms)
            if account.dual_side:
                exchange.set_dual_side(account, False, now_ms)
            if account.margin_type is not MarginType.CROSSED:
                exchange.set_margin_type(account, MarginType.CROSSED, now_ms)
        exchange.set_leverage(account, leverage, now_ms)
        self._hub.publish_user_events(now_ms)
        self._after()
        self.others_act = False

    def calm(self) -> None:
        """The exchange is up, open, trading, and has the filters that it had at first."""
        self.down_until_ms = self.closed_until_ms = 0
        usual = self._usual_symbol
        self._change_symbol(
            status="TRADING", min_notional=usual.min_notional, min_lots=usual.min_lots, max_lots=usual.max_lots, max_price_ticks=usual.max_price_ticks
        )

    def _change_filters(self, which: int) -> None:
        """1 to 3: orders have to be larger. 4: they have to be smaller. 5: nothing may cost what it costs now."""
        if which == 4:
            self._change_symbol(max_lots=30)
        elif which == 5:
            self._change_symbol(max_price_ticks=self.exchange.symbol.price_grid.floor(self.exchange.market.mark_price) // 2)
        else:
            self._change_symbol(min_notional=Decimal(5 * (which + 1)), min_lots=which)

    def _change_symbol(self, **changes: object) -> None:
        self.exchange.change_symbol(replace(self.exchange.symbol, **changes))  # type: ignore[arg-type]

    def _liquidate(self, now_ms: int) -> bool:
        """All but a sliver of the margin is gone."""
        if not self.account.open_positions():
            return False
        self.exchange.deposit(self.account, "USDT", -(self.account.wallets["USDT"] - Decimal("0.01")), now_ms)
        self.exchange.advance(now_ms)
        # The exchange looks at margins where prices move; a trade in the market moves the last price.
        return True

    def _close(self, lots: int, now_ms: int) -> None:
        """Close a one-way position at the market, in pieces that the book can take."""
        while lots:
            piece = max(-_PIECE_LOTS, min(_PIECE_LOTS, lots))
            self._foreign(-piece, None, now_ms)
            lots -= piece

    def _foreign(self, lots: int, away: Decimal | None, now_ms: int) -> None:
        """An order of somebody else on the account: `lots` (negative: sold) at the market, or resting far `away` from it."""
        side = Side.BUY if lots > 0 else Side.SELL
        self._foreign_orders += 1
        symbol, quantity = self.exchange.symbol, self.exchange.symbol.lot_grid.decimal(abs(lots))
        client_order_id = f"{FOREIGN_PREFIX}{self._foreign_orders}"
        if away is None:
            request = OrderRequest(symbol.name, side, OrderType.MARKET, quantity=quantity, client_order_id=client_order_id)
        else:
            price = symbol.price_grid.decimal(symbol.price_grid.floor(self.exchange.market.mark_price * (1 - side.sign * away)))
            request = OrderRequest(
                symbol.name, side, OrderType.LIMIT, time_in_force=TimeInForce.GTC, quantity=quantity, price=price, client_order_id=client_order_id
            )
        self.exchange.place(self.account, request, now_ms)

    def _expire_key(self) -> bool:
        """The listen key ends before its time."""
        if self.listen_keys.current(self.account.api_key, self._timeline.now_ms) is None:
            return False
        self.listen_keys.cut_short(self.account.api_key, self._timeline.now_ms)
        self._hub.tick(self._timeline.now_ms)
        return True


def json_answer(status: int, payload: object, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    return HttpAnswer(status, headers or {}, json.dumps(payload, separators=(",", ":")).encode())
