"""The whole venue floor against the served paper exchange: the documented conversation, end to end, with real signatures and sockets."""

from __future__ import annotations

import dataclasses
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from mmd.core.errors import ConfigError
from mmd.core.messages import (
    AccountConfigUpdate,
    AccountUpdate,
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    CountdownArmed,
    Depth,
    OrderReport,
    OrderStatus,
    OrderUpdate,
    Place,
    Query,
    Reconcile,
    Reconciled,
    Refusal,
    Stream,
    StreamDown,
    StreamUp,
)
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.paper.account import AccountSpec
from mmd.paper.exchange import PaperExchange
from mmd.paper.market_source import DepthFrame, MarketEvent
from mmd.paper.runtime import ExchangeClock, PaperServer, ServerSettings
from mmd.paper.symbols import Symbol
from mmd.venue import account
from mmd.venue.clock import VenueClock, monotonic_ms
from mmd.venue.connection import ConnectionLimits
from mmd.venue.endpoints import V1
from mmd.venue.gateway import Gateway
from mmd.venue.listen_key import ListenKeyKeeper
from mmd.venue.market_stream import MarketStream
from mmd.venue.rest import CallFailed, RestClient
from mmd.venue.signing import V1Signer
from mmd.venue.user_stream import UserStream

LIMITS = ConnectionLimits(ping_s=0.2, pong_s=2.0)
T = TypeVar("T")


class StillMarket:
    """Ten levels a side around 2500.00, a tick apart, five ETH each; nothing ever happens in it."""

    def snapshot(self) -> DepthFrame:
        return DepthFrame(0, tuple((249_999 - i, 5_000) for i in range(10)), tuple((250_001 + i, 5_000) for i in range(10)))

    def peek_ms(self) -> int | None:
        return None

    def pop(self) -> MarketEvent:
        raise IndexError("nothing happens here")


class Desk:
    """A paper exchange, a synchronised client of it, and everything else made on demand."""

    def __init__(self, settings: ServerSettings | None = None) -> None:
        clock = ExchangeClock()
        accounts = (AccountSpec("paper", "paper", {"USDT": Decimal(10_000), "USDF": Decimal(1_000)}),)
        self.exchange = PaperExchange(Symbol.named("ETHUSDT"), StillMarket(), start_ms=clock.now_ms(), accounts=accounts)
        self.server = PaperServer(self.exchange, clock=clock, settings=settings)
        self.server.start()
        self.clock = VenueClock()
        self._clients: list[RestClient] = []
        self._threads: list[tuple[Any, threading.Thread]] = []
        self.rest = self.client()
        account.synchronise(self.rest, self.clock)
        self.rules: SymbolRules = account.read_rules(self.rest, "ETHUSDT")
        self.gateway = Gateway(self.rest, self.rules)
        self.events: queue.Queue[Any] = queue.Queue()

    def client(self, secret: str = "paper") -> RestClient:
        self._clients.append(RestClient(self.server.rest_url, V1, V1Signer("paper", secret), self.clock))
        return self._clients[-1]

    def run(self, body: Any) -> Any:
        thread = threading.Thread(target=body.run)
        self._threads.append((body, thread))
        thread.start()
        return body

    def user_stream(self) -> UserStream:
        stream = UserStream(
            self.server.ws_url, self.client(), self.rules, self.events.put, lambda _: None, random.Random(1), limits=LIMITS
        )
        self.run(stream)
        self.expect(StreamUp)
        return stream

    def expect(self, kind: type[T], accept: Callable[[T], bool] = lambda _: True) -> T:
        """The next event of a kind that is accepted; what comes before it is passed over."""
        deadline = time.monotonic() + 5
        while (left_s := deadline - time.monotonic()) > 0:
            event = self.events.get(timeout=left_s)
            if isinstance(event, kind) and accept(event):
                return event
        raise AssertionError(f"no {kind.__name__} came")

    def close(self) -> None:
        for body, _ in self._threads:
            body.stop()
        for _, thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        for client in self._clients:
            client.close()
        self.server.stop()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


BID = Place("mmd-bid", Side.BUY, 249_900, 100, reduce_only=False, post_only=True)


def report(outcome: object) -> OrderReport:
    assert isinstance(outcome, OrderReport), outcome
    return outcome


def test_the_start(desk: Desk) -> None:
    """Clock, rules, modes, leverage, margin type and balances as the daemon reads and sets them."""
    uncertainty = desk.clock.uncertainty_ms(monotonic_ms())
    assert uncertainty is not None and uncertainty < 500
    assert abs(desk.clock.now_ms(monotonic_ms()) - desk.server.clock.now_ms()) <= uncertainty + 1
    assert (desk.rules.price.step, desk.rules.size.step, desk.rules.is_trading) == (Decimal("0.01"), Decimal("0.001"), True)
    assert account.read_dual_side_position(desk.rest) is False
    assert account.read_multi_assets_margin(desk.rest) in (True, False)
    for leverage, margin_type in ((7, "ISOLATED"), (7, "ISOLATED"), (9, "CROSSED")):
        account.set_leverage(desk.rest, "ETHUSDT", leverage)
        account.set_margin_type(desk.rest, "ETHUSDT", margin_type)
        assert account.read_position_settings(desk.rest, "ETHUSDT") == account.PositionSettings(leverage, margin_type)
    assert account.read_balances(desk.rest) == {"USDT": Decimal(10_000), "USDF": Decimal(1_000)}
    with pytest.raises(ConfigError, match="ETHUSTD"):
        account.read_rules(desk.rest, "ETHUSTD")


def test_the_life_of_an_order(desk: Desk) -> None:
    """Placed, queried, amended, cancelled; afterwards a cancel is refused and a query still finds it."""
    placed = report(desk.gateway.perform(BID).outcome)
    assert (placed.client_order_id, placed.status, placed.price_ticks, placed.size_lots) == ("mmd-bid", OrderStatus.NEW, 249_900, 100)
    amended = report(desk.gateway.perform(Amend("mmd-bid", placed.order_id, Side.BUY, 249_950, 120)).outcome)
    assert (amended.order_id, amended.price_ticks, amended.size_lots) == (placed.order_id, 249_950, 120)
    assert report(desk.gateway.perform(Query("mmd-bid")).outcome).price_ticks == 249_950
    assert report(desk.gateway.perform(Cancel("mmd-bid")).outcome).status is OrderStatus.CANCELED
    refused = desk.gateway.perform(Cancel("mmd-bid")).outcome
    assert isinstance(refused, Refusal) and refused.code == -2011
    assert report(desk.gateway.perform(Query("mmd-bid")).outcome).status is OrderStatus.CANCELED
    unknown = desk.gateway.perform(Query("mmd-none")).outcome
    assert isinstance(unknown, Refusal) and unknown.code == -2013
    assert desk.rest.usage.weight_1m is not None and desk.rest.usage.orders_1m is not None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size_lots": 1}, -4164),
        ({"size_lots": 10**9}, -4005),
        ({"price_ticks": 400_000}, -4016),
        ({"reduce_only": True}, -2022),
        ({"client_order_id": "no blanks allowed"}, -4015),
        ({"size_lots": 500_000}, -2019),
    ],
)
def test_what_the_venue_refuses_is_a_refusal_with_its_code(desk: Desk, change: dict[str, Any], code: int) -> None:
    """Filters, margin, reduce-only and ids: all of them definite, none leaves an order."""
    outcome = desk.gateway.perform(dataclasses.replace(BID, **{"post_only": False, **change})).outcome
    assert isinstance(outcome, Refusal) and outcome.code == code
    reconciled = desk.gateway.perform(Reconcile(None)).outcome
    assert isinstance(reconciled, Reconciled) and reconciled.open_orders == ()


def test_a_post_only_order_that_would_take_expires(desk: Desk) -> None:
    """FAULTS O7: accepted and expired, as one outcome; or refused with -5022 where the venue is set so."""
    crossing = Place("mmd-x", Side.BUY, 250_010, 10, reduce_only=False, post_only=True)
    outcome = report(desk.gateway.perform(crossing).outcome)
    assert (outcome.status, outcome.executed_lots) == (OrderStatus.EXPIRED, 0)
    desk.exchange.gtx_refused = True
    refused = desk.gateway.perform(dataclasses.replace(crossing, client_order_id="mmd-y")).outcome
    assert isinstance(refused, Refusal) and refused.code == -5022


def test_a_wrong_secret_is_told_by_its_code(desk: Desk) -> None:
    """-1022 from the venue is a definite refusal, for orders too."""
    stranger = desk.client("wrong")
    with pytest.raises(CallFailed, match="-1022"):
        account.read_balances(stranger)
    outcome = Gateway(stranger, desk.rules).perform(BID).outcome
    assert isinstance(outcome, Refusal) and outcome.code == -1022


def test_a_fill_and_the_reconcile_after_it(desk: Desk) -> None:
    """A taking order fills; the user stream tells orders, fills and the account in ticks, lots and exact money; REST agrees."""
    desk.user_stream()
    taken = report(desk.gateway.perform(Place("mmd-take", Side.BUY, 250_001, 1_000, reduce_only=False, post_only=False)).outcome)
    assert (taken.status, taken.executed_lots) == (OrderStatus.FILLED, 1_000)
    update = desk.expect(OrderUpdate, lambda event: event.fill is not None)
    fill = update.fill
    assert fill is not None and not update.forced
    assert (fill.client_order_id, fill.price_ticks, fill.size_lots, fill.maker) == ("mmd-take", 250_001, 1_000, False)
    reconciled = desk.gateway.perform(Reconcile(fill.trade_id - 1)).outcome
    assert isinstance(reconciled, Reconciled)
    assert reconciled.fills == (fill._replace(client_order_id=""),), "userTrades and the stream tell the same trade"
    assert (reconciled.position.amount_lots, reconciled.position.entry_price) == (1_000, Decimal("2500.01"))
    assert reconciled.balances["USDT"] == 10_000 - fill.commission
    after = desk.gateway.perform(Reconcile(fill.trade_id)).outcome
    assert isinstance(after, Reconciled) and after.fills == ()


def test_the_account_tells_of_itself(desk: Desk) -> None:
    """ACCOUNT_UPDATE with wallet and position, ACCOUNT_CONFIG_UPDATE with the leverage."""
    desk.user_stream()
    desk.gateway.perform(Place("mmd-take", Side.SELL, 249_999, 500, reduce_only=False, post_only=False))
    update = desk.expect(AccountUpdate, lambda event: event.position is not None)
    assert update.reason == "ORDER" and update.position is not None
    assert (update.position.amount_lots, update.position.entry_price) == (-500, Decimal("2499.99"))
    assert update.balances["USDT"] < 10_000
    account.set_leverage(desk.rest, "ETHUSDT", 3)
    assert desk.expect(AccountConfigUpdate) == AccountConfigUpdate(leverage=3)


def test_cancel_all_and_the_dead_mans_switch(desk: Desk) -> None:
    """Both end every open order of the symbol, the second by itself; the stream tells of each."""
    desk.user_stream()
    for number in range(3):
        report(desk.gateway.perform(dataclasses.replace(BID, client_order_id=f"mmd-{number}")).outcome)
    assert desk.gateway.perform(CancelAll()).outcome is None
    ended = {desk.expect(OrderUpdate, lambda event: event.report.status is OrderStatus.CANCELED).report.client_order_id for _ in range(3)}
    assert ended == {"mmd-0", "mmd-1", "mmd-2"}
    report(desk.gateway.perform(BID).outcome)
    assert desk.gateway.perform(ArmCountdown(100)).outcome == CountdownArmed(100)
    assert desk.expect(OrderUpdate, lambda event: event.report.status.is_terminal).report.client_order_id == "mmd-bid"


def test_the_book_comes_and_shows_our_order(desk: Desk) -> None:
    """depth5 at 100 ms: the outside book and our order in it."""
    depths: queue.Queue[Depth] = queue.Queue()
    stream = MarketStream(desk.server.ws_url, desk.rules, desk.events.put, depths.put, lambda _: None, random.Random(1), limits=LIMITS)
    desk.run(stream)
    desk.expect(StreamUp)
    first = depths.get(timeout=5)
    assert first.bids[0] == (249_999, 5_000) and first.asks[0] == (250_001, 5_000) and len(first.bids) == len(first.asks) == 5
    desk.gateway.perform(Place("mmd-mid", Side.BUY, 250_000, 7, reduce_only=False, post_only=True))
    second = depths.get(timeout=5)
    while second.bids[0][0] != 250_000:
        second = depths.get(timeout=5)
    assert second.bids[0] == (250_000, 7) and second.update_id > first.update_id and second.received_ms >= first.received_ms


def test_quiet_streams_stay_up(desk: Desk) -> None:
    """FAULTS U3: several ping intervals without an event, and the connection is still the first one."""
    desk.user_stream()
    time.sleep(0.7)
    assert desk.events.empty()
    desk.gateway.perform(BID)
    assert desk.expect(OrderUpdate).report.client_order_id == "mmd-bid"


def test_an_expired_listen_key_is_replaced() -> None:
    """FAULTS U1: the venue lets the key expire while the socket stays open; the stream comes back on a new key and delivers."""
    desk = Desk(ServerSettings(listen_key_life_ms=300))
    try:
        desk.user_stream()
        assert desk.expect(StreamDown) == StreamDown(Stream.USER, "the listen key expired")
        desk.expect(StreamUp)
        desk.gateway.perform(BID)
        assert desk.expect(OrderUpdate).report.client_order_id == "mmd-bid"
    finally:
        desk.close()


def test_the_keeper_keeps_the_key_alive() -> None:
    """With a PUT in time the key outlives its life several times over."""
    desk = Desk(ServerSettings(listen_key_life_ms=400))
    try:
        stream = desk.user_stream()
        desk.run(ListenKeyKeeper(desk.client(), stream.restart, lambda _: None, interval_s=0.1))
        time.sleep(1.0)
        assert desk.events.empty()
    finally:
        desk.close()
