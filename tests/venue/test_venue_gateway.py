"""The core's requests against a venue that answers from a table: what goes out, what comes back, what each failure becomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from mmd.core.messages import (
    Amend,
    ArmCountdown,
    Cancel,
    CancelAll,
    CountdownArmed,
    Lost,
    OrderReport,
    OrderStatus,
    Place,
    PositionReport,
    Query,
    Reconcile,
    Reconciled,
    Refusal,
    Reply,
    Request,
    Unsent,
)
from mmd.core.rules import SymbolRules
from mmd.core.units import Side
from mmd.venue.clock import VenueClock
from mmd.venue.endpoints import V1
from mmd.venue.gateway import MAX_TRADES_PAGES, TRADES_PAGE, Gateway
from mmd.venue.rest import RestClient, Timeouts
from mmd.venue.signing import V1Signer

PLACE = Place("mmd-1", Side.BUY, 268_162, 100, reduce_only=False, post_only=True)
AMEND = Amend("mmd-1", 7, Side.BUY, 268_100, 90)
ORDER_REQUESTS: list[Request] = [PLACE, AMEND, Cancel("mmd-1"), Query("mmd-1")]
EVERY_REQUEST: list[Request] = [*ORDER_REQUESTS, CancelAll(), ArmCountdown(10_000), Reconcile(5)]

Respond = Callable[[dict[str, str]], tuple[int, Any]]


class Venue:
    """Answers from a table by method and path; keeps what it was asked."""

    def __init__(self, table: dict[str, Respond]) -> None:
        self.table = table
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, sock: Any, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        path, _, query = target.partition("?")
        params = dict(parse_qsl(query or body.decode()))
        for name in ("recvWindow", "timestamp", "signature"):
            params.pop(name)
        self.asked.append((f"{method} {path}", params))
        status, answer = self.table[f"{method} {path}"](params)
        content = json.dumps(answer).encode()
        sock.sendall(b"HTTP/1.1 %d Word\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content)


def order(**changes: Any) -> dict[str, Any]:
    return {
        "clientOrderId": "mmd-1", "orderId": 7, "symbol": "ETHUSDT", "side": "BUY", "status": "NEW", "price": "2681.62", "origQty": "0.100",
        "executedQty": "0.000", "reduceOnly": False, "updateTime": 9, **changes,
    }  # fmt: skip


def trade(trade_id: int) -> dict[str, Any]:
    return {
        "id": trade_id, "orderId": 7, "symbol": "ETHUSDT", "side": "BUY", "price": "2681.62", "qty": "0.001", "commission": "0.1",
        "commissionAsset": "USDT", "realizedPnl": "0", "maker": True, "time": 9,
    }  # fmt: skip


POSITION = {"symbol": "ETHUSDT", "positionSide": "BOTH", "positionAmt": "0.250", "entryPrice": "2680.1", "updateTime": 8}
BALANCES = [{"asset": "USDT", "balance": "1000.5"}, {"asset": "USDF", "balance": "0"}]


def healthy(**changes: Respond) -> dict[str, Respond]:
    table: dict[str, Respond] = {f"{method} /fapi/v1/order": lambda _: (200, order()) for method in ("POST", "PUT", "GET", "DELETE")}
    table |= {
        "DELETE /fapi/v1/allOpenOrders": lambda _: (200, {"code": "200", "msg": "The operation of cancel all open order is done."}),
        "POST /fapi/v1/countdownCancelAll": lambda asked: (200, {"symbol": "ETHUSDT", "countdownTime": asked["countdownTime"]}),
        "GET /fapi/v1/openOrders": lambda _: (200, [order()]),
        "GET /fapi/v1/userTrades": lambda _: (200, [trade(6), trade(9)]),
        "GET /fapi/v2/positionRisk": lambda _: (200, [POSITION]),
        "GET /fapi/v2/balance": lambda _: (200, BALANCES),
    }
    return table | changes


@pytest.fixture
def gateway_to(serve: Any, rules: SymbolRules, request: pytest.FixtureRequest) -> Callable[[dict[str, Respond]], tuple[Gateway, Venue]]:
    def make(table: dict[str, Respond]) -> tuple[Gateway, Venue]:
        venue = Venue(table)
        clock = VenueClock()
        clock.observe(1_700_000_000_000, 0, 0)
        rest = RestClient(serve(venue).url, V1, V1Signer("k", "s"), clock, Timeouts(1.0, 2.0))
        request.addfinalizer(rest.close)
        return Gateway(rest, rules, now_ms=lambda: 4321), venue

    return make


REPORT = OrderReport("mmd-1", 7, Side.BUY, OrderStatus.NEW, 268_162, 100, 0, False, 9)


@pytest.mark.parametrize("request_", ORDER_REQUESTS, ids=lambda request: type(request).__name__)
def test_an_order_request_becomes_a_report(gateway_to: Any, request_: Request) -> None:
    """The reply holds the request, the order as reported, and when sending began."""
    gateway, _ = gateway_to(healthy())
    assert gateway.perform(request_) == Reply(request_, REPORT, 4321)


def test_what_goes_out_is_exact(gateway_to: Any) -> None:
    """Prices and sizes in the symbol's own decimals; GTX or GTC; reduceOnly only when it is; the documented names."""
    gateway, venue = gateway_to(healthy())
    for request in (PLACE, Place("mmd-1", Side.SELL, 268_160, 5, reduce_only=True, post_only=False), AMEND, Cancel("mmd-1"), Query("mmd-1")):
        gateway.perform(request)
    gateway.perform(CancelAll())
    limit = {"symbol": "ETHUSDT", "type": "LIMIT", "newClientOrderId": "mmd-1", "newOrderRespType": "RESULT"}
    assert venue.asked == [
        ("POST /fapi/v1/order", {**limit, "side": "BUY", "timeInForce": "GTX", "quantity": "0.100", "price": "2681.62"}),
        ("POST /fapi/v1/order", {**limit, "side": "SELL", "timeInForce": "GTC", "quantity": "0.005", "price": "2681.60", "reduceOnly": "true"}),
        ("PUT /fapi/v1/order", {"symbol": "ETHUSDT", "orderId": "7", "side": "BUY", "quantity": "0.090", "price": "2681.00"}),
        ("DELETE /fapi/v1/order", {"symbol": "ETHUSDT", "origClientOrderId": "mmd-1"}),
        ("GET /fapi/v1/order", {"symbol": "ETHUSDT", "origClientOrderId": "mmd-1"}),
        ("DELETE /fapi/v1/allOpenOrders", {"symbol": "ETHUSDT"}),
    ]


def test_cancel_all_and_countdown(gateway_to: Any) -> None:
    """Cancel-all answers None, the countdown what the venue says that it armed; 0 disarms."""
    gateway, venue = gateway_to(healthy())
    assert gateway.perform(CancelAll()).outcome is None
    assert gateway.perform(ArmCountdown(120_000)).outcome == CountdownArmed(120_000)
    assert gateway.perform(ArmCountdown(0)).outcome == CountdownArmed(0)
    assert venue.asked[-1] == ("POST /fapi/v1/countdownCancelAll", {"symbol": "ETHUSDT", "countdownTime": "0"})


def test_reconcile_reads_in_order(gateway_to: Any) -> None:
    """Open orders, trades after the last booked one, position, balances: in this order, one of each."""
    gateway, venue = gateway_to(healthy())
    outcome = gateway.perform(Reconcile(5)).outcome
    assert isinstance(outcome, Reconciled)
    assert outcome.open_orders == (REPORT,)
    assert [fill.trade_id for fill in outcome.fills] == [6, 9]
    assert outcome.position == PositionReport(250, Decimal("2680.1"), 8)
    assert outcome.balances == {"USDT": Decimal("1000.5"), "USDF": Decimal(0)}
    assert venue.asked == [
        ("GET /fapi/v1/openOrders", {"symbol": "ETHUSDT"}),
        ("GET /fapi/v1/userTrades", {"symbol": "ETHUSDT", "fromId": "6", "limit": str(TRADES_PAGE)}),
        ("GET /fapi/v2/positionRisk", {"symbol": "ETHUSDT"}),
        ("GET /fapi/v2/balance", {}),
    ]


def test_reconcile_without_a_trade_id_reads_the_newest_trades(gateway_to: Any) -> None:
    """None means one page of the newest trades: without fromId, which "gets most recent trades"."""
    gateway, venue = gateway_to(healthy())
    outcome = gateway.perform(Reconcile(None)).outcome
    assert isinstance(outcome, Reconciled)
    assert [fill.trade_id for fill in outcome.fills] == [6, 9]
    assert ("GET /fapi/v1/userTrades", {"symbol": "ETHUSDT", "limit": str(TRADES_PAGE)}) in venue.asked


def test_trades_are_paged_until_exhausted(gateway_to: Any) -> None:
    """Pages follow one another without a gap and without a trade twice."""
    last_id = 2 * TRADES_PAGE + 37

    def page(asked: dict[str, str]) -> tuple[int, Any]:
        first = int(asked["fromId"])
        return 200, [trade(trade_id) for trade_id in range(first, min(first + int(asked["limit"]), last_id + 1))]

    gateway, venue = gateway_to(healthy() | {"GET /fapi/v1/userTrades": page})
    outcome = gateway.perform(Reconcile(10)).outcome
    assert isinstance(outcome, Reconciled)
    assert [fill.trade_id for fill in outcome.fills] == list(range(11, last_id + 1))
    assert [asked["fromId"] for call, asked in venue.asked if "userTrades" in call] == ["11", "1011", "2011"]


def test_a_venue_that_pages_in_circles_is_a_failure(gateway_to: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trades from before what was asked for end the reconcile, as does a list without end; neither hangs."""
    gateway, _ = gateway_to(healthy() | {"GET /fapi/v1/userTrades": lambda _: (200, [trade(5)])})
    assert isinstance(gateway.perform(Reconcile(5)).outcome, Lost)
    monkeypatch.setattr("mmd.venue.gateway.TRADES_PAGE", 1)
    gateway, venue = gateway_to(healthy() | {"GET /fapi/v1/userTrades": lambda asked: (200, [trade(int(asked["fromId"]))])})
    assert isinstance(gateway.perform(Reconcile(5)).outcome, Lost)
    assert len(venue.asked) == 1 + MAX_TRADES_PAGES


@pytest.mark.parametrize("path", ["v1/openOrders", "v1/userTrades", "v2/positionRisk", "v2/balance"])
def test_one_failed_read_fails_the_whole_reconcile(gateway_to: Any, path: str) -> None:
    """FAULTS A2: nothing half-read, empty or malformed becomes a state of the account."""
    gateway, _ = gateway_to(healthy() | {f"GET /fapi/{path}": lambda _: (400, {"code": -2015, "msg": "Invalid API-key"})})
    assert gateway.perform(Reconcile(5)).outcome == Refusal(400, -2015, "Invalid API-key")
    for answer in ({}, None, [None], {"code": 0}):
        gateway, _ = gateway_to(healthy() | {f"GET /fapi/{path}": lambda _, answer=answer: (200, answer)})
        assert isinstance(gateway.perform(Reconcile(5)).outcome, Lost)


@pytest.mark.parametrize("rows", [[], [{**POSITION, "symbol": "BTCUSDT"}], [POSITION, POSITION]])
def test_no_position_is_never_flat(gateway_to: Any, rows: list[Any]) -> None:
    """A reply without exactly one one-way row of the symbol fails the reconcile."""
    gateway, _ = gateway_to(healthy() | {"GET /fapi/v2/positionRisk": lambda _: (200, rows)})
    assert isinstance(gateway.perform(Reconcile(None)).outcome, Lost)


def test_hedge_mode_is_told_as_the_refusal_that_it_is(gateway_to: Any) -> None:
    """Rows of LONG and SHORT are no accident of one answer: asking again cannot help (FAULTS A3)."""
    rows = [{**POSITION, "positionSide": side} for side in ("BOTH", "LONG", "SHORT")]
    gateway, _ = gateway_to(healthy() | {"GET /fapi/v2/positionRisk": lambda _: (200, rows)})
    outcome = gateway.perform(Reconcile(None)).outcome
    assert isinstance(outcome, Refusal) and outcome.code == -4061


@pytest.mark.parametrize("request_", ORDER_REQUESTS, ids=lambda request: type(request).__name__)
@pytest.mark.parametrize("answer", [{}, [], None, order(clientOrderId="other"), order(symbol="BTCUSDT"), order(status="?"), order(origQty=None)])
def test_an_answer_that_is_no_report_of_this_order_leaves_it_unknown(gateway_to: Any, request_: Request, answer: Any) -> None:
    """HTTP 200 proves that something happened, not what."""
    table = healthy() | {f"{method} /fapi/v1/order": lambda _: (200, answer) for method in ("POST", "PUT", "GET", "DELETE")}
    gateway, _ = gateway_to(table)
    assert isinstance(gateway.perform(request_).outcome, Lost)


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda request: type(request).__name__)
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": -2011, "msg": "Unknown order sent."}, Refusal),
        (400, {"code": -2013, "msg": "Order does not exist."}, Refusal),
        (429, {"code": -1003, "msg": "Too many requests"}, Refusal),
        (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, Refusal),
        (503, {"code": -1007, "msg": "Timeout"}, Lost),
        (500, {}, Lost),
    ],
)
def test_every_failure_is_an_outcome(gateway_to: Any, request_: Request, status: int, body: Any, kind: type) -> None:
    """Whatever the venue says, `perform` returns a Reply to the same request; codes and messages are kept."""
    gateway, _ = gateway_to({key: lambda _: (status, body) for key in healthy()})
    reply = gateway.perform(request_)
    assert reply.request is request_ and isinstance(reply.outcome, kind)
    if isinstance(reply.outcome, Refusal):
        assert (reply.outcome.code, reply.outcome.message) == (body["code"], body["msg"])


def test_nobody_there_is_unsent(rules: SymbolRules) -> None:
    """A refused connection is an outcome as well."""
    clock = VenueClock()
    clock.observe(0, 0, 0)
    gateway = Gateway(RestClient("http://127.0.0.1:9", V1, V1Signer("k", "s"), clock, Timeouts(0.5, 0.5)), rules)
    assert [type(gateway.perform(request).outcome) for request in EVERY_REQUEST] == [Unsent] * len(EVERY_REQUEST)
