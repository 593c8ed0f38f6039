"""A client that somebody else wrote for Binance USD-M futures works against the paper exchange with only its base URLs changed."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from mmd.paper.options import PaperOptions, build_exchange
from mmd.paper.runtime import ExchangeClock, PaperServer

um_futures = pytest.importorskip("binance.um_futures", reason="binance-futures-connector is not installed")
websocket_client = pytest.importorskip("binance.websocket.um_futures.websocket_client")
client_error = pytest.importorskip("binance.error")

SYMBOL = "ETHUSDT"
FRAME_S = 5.0


@pytest.fixture
def lively() -> Iterator[PaperServer]:
    """A synthetic market behind both doors."""
    clock = ExchangeClock()
    server = PaperServer(build_exchange(PaperOptions(seed=7), clock.now_ms()), clock=clock)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., Any]]:
    """Makes foreign REST clients, and closes their sockets in the end."""
    with contextlib.ExitStack() as stack:
        def connect(server: PaperServer, key: str | None = "paper", secret: str | None = "paper", **options: Any) -> Any:
            client = um_futures.UMFutures(key, secret, base_url=server.rest_url, timeout=5, **options)
            stack.callback(client.session.close)
            return client

        yield connect


class Listener:
    """The foreign websocket client, with its frames in a queue."""

    def __init__(self, server: PaperServer, combined: bool = False) -> None:
        self._frames: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.closed = threading.Event()
        self.client = websocket_client.UMFuturesWebsocketClient(
            stream_url=server.ws_url, is_combined=combined,
            on_message=lambda _, text: self._frames.put(json.loads(text)), on_close=lambda _: self.closed.set())

    def frame(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next frame that is wanted; others are passed over."""
        while True:
            frame = self._frames.get(timeout=FRAME_S)
            if wanted(frame):
                return frame

    def close(self) -> None:
        self.client.stop()
        self.client.socket_manager.ws.shutdown()  # which the client leaves to the garbage collector


def event(name: str, **fields: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: frame.get("e") == name and all(frame.get(key) == value for key, value in fields.items())


def order_update(execution: str, order_id: int) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: frame.get("e") == "ORDER_TRADE_UPDATE" and (frame["o"]["x"], frame["o"]["i"]) == (execution, order_id)


def test_an_order_is_placed_amended_queried_and_cancelled(served: PaperServer, connect: Callable[..., Any]) -> None:
    """The whole life of a resting order through the foreign client, every reply agreeing with the one before."""
    client = connect(served)
    placed = client.new_order(
        symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=2400.5, newClientOrderId="mine-1")
    assert (placed["status"], placed["clientOrderId"], placed["origQty"], placed["price"]) == ("NEW", "mine-1", "0.010", "2400.50")
    amended = client.modify_order(symbol=SYMBOL, side="BUY", orderId=placed["orderId"], quantity=0.02, price=2401)
    assert (amended["orderId"], amended["origQty"], amended["price"]) == (placed["orderId"], "0.020", "2401.00")
    queried = client.query_order(symbol=SYMBOL, origClientOrderId="mine-1")
    assert (queried["orderId"], queried["status"], queried["origQty"]) == (placed["orderId"], "NEW", "0.020")
    assert [order["orderId"] for order in client.get_orders(symbol=SYMBOL)] == [placed["orderId"]]
    assert client.get_open_orders(symbol=SYMBOL, orderId=placed["orderId"])["price"] == "2401.00"
    cancelled = client.cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
    assert (cancelled["status"], cancelled["executedQty"]) == ("CANCELED", "0")
    assert client.get_orders() == []
    assert client.get_all_orders(symbol=SYMBOL)[0]["status"] == "CANCELED"
    with pytest.raises(client_error.ClientError) as caught:
        client.cancel_order(symbol=SYMBOL, orderId=placed["orderId"])
    assert (caught.value.status_code, caught.value.error_code) == (400, -2011)


def test_a_market_order_makes_a_position_trades_fees_and_income(served: PaperServer, connect: Callable[..., Any]) -> None:
    """Balance, account, position, trades and income tell one story of one trade."""
    client = connect(served)
    before = Decimal(next(line for line in client.balance() if line["asset"] == "USDT")["balance"])
    placed = client.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.1, newOrderRespType="RESULT")
    assert (placed["status"], placed["executedQty"]) == ("FILLED", "0.100")
    position, = [line for line in client.get_position_risk(symbol=SYMBOL) if Decimal(line["positionAmt"])]
    assert (Decimal(position["positionAmt"]), Decimal(position["entryPrice"])) == (Decimal("0.1"), Decimal("2500.01"))
    trade, = client.get_account_trades(symbol=SYMBOL)
    assert (trade["orderId"], trade["qty"], trade["maker"], trade["buyer"]) == (placed["orderId"], "0.100", False, True)
    rate = Decimal(client.commission_rate(SYMBOL)["takerCommissionRate"])
    fee = Decimal("0.1") * Decimal("2500.01") * rate
    assert abs(Decimal(trade["commission"])) == fee
    assert [Decimal(line["income"]) for line in client.get_income_history(incomeType="COMMISSION")] == [-fee]
    after = Decimal(next(line for line in client.balance() if line["asset"] == "USDT")["balance"])
    assert after == before - fee
    account = client.account()
    assert Decimal(next(asset for asset in account["assets"] if asset["asset"] == "USDT")["walletBalance"]) == after


def test_batches_countdown_and_settings(served: PaperServer, connect: Callable[..., Any]) -> None:
    """Batch orders, cancel-all, the countdown and the account's settings are understood as this client writes them."""
    client = connect(served)
    order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTX", "quantity": "0.01", "price": "2600"}
    replies = client.new_batch_order([order, order | {"price": "2600.001"}])
    assert (replies[0]["status"], replies[1]["code"]) == ("NEW", -1111)
    second = client.new_order(**order)
    cancelled = client.cancel_batch_order(symbol=SYMBOL, orderIdList=[replies[0]["orderId"], 1], origClientOrderIdList=None)
    assert (cancelled[0]["status"], cancelled[1]["code"]) == ("CANCELED", -2011)
    assert client.countdown_cancel_order(symbol=SYMBOL, countdownTime=60_000)["symbol"] == SYMBOL
    assert client.cancel_open_orders(symbol=SYMBOL)["code"] in (200, "200")
    assert client.query_order(symbol=SYMBOL, orderId=second["orderId"])["status"] == "CANCELED"
    assert client.change_leverage(symbol=SYMBOL, leverage=7)["leverage"] == 7
    assert client.change_margin_type(symbol=SYMBOL, marginType="ISOLATED") == {"code": 200, "msg": "success"}
    assert client.change_position_mode(dualSidePosition="true") == {"code": 200, "msg": "success"}
    assert client.get_position_mode() == {"dualSidePosition": True}
    assert client.get_multi_asset_mode() == {"multiAssetsMargin": False}
    assert client.leverage_brackets(symbol=SYMBOL)["symbol"] == SYMBOL
    assert client.adl_quantile(symbol=SYMBOL)[0]["symbol"] == SYMBOL
    assert client.force_orders(symbol=SYMBOL) == []


def test_market_data(lively: PaperServer, connect: Callable[..., Any]) -> None:
    """Every public reply that this client knows has the shape that its users read."""
    client = connect(lively, None, None, show_limit_usage=True)
    assert client.ping()["data"] == {}
    assert abs(client.time()["data"]["serverTime"] - lively.clock.now_ms()) < 5_000
    info = client.exchange_info()
    rules = {row["filterType"]: row for row in info["data"]["symbols"][0]["filters"]}
    assert (rules["PRICE_FILTER"]["tickSize"], rules["LOT_SIZE"]["stepSize"]) == ("0.01", "0.001")
    assert int(info["limit_usage"]["x-mbx-used-weight-1m"]) >= 3
    depth = client.depth(SYMBOL, limit=5)["data"]
    assert len(depth["bids"]) == len(depth["asks"]) == 5
    assert Decimal(depth["bids"][0][0]) < Decimal(depth["asks"][0][0])
    assert client.klines(SYMBOL, "1m", limit=3)["data"][-1][0] % 60_000 == 0
    assert isinstance(client.trades(SYMBOL)["data"], list)
    assert isinstance(client.agg_trades(SYMBOL)["data"], list)
    assert client.mark_price(SYMBOL)["data"]["symbol"] == SYMBOL
    assert isinstance(client.funding_rate(SYMBOL)["data"], list)
    assert client.ticker_price(SYMBOL)["data"]["symbol"] == SYMBOL
    assert client.book_ticker()["data"][0]["symbol"] == SYMBOL
    assert client.ticker_24hr_price_change(SYMBOL)["data"]["symbol"] == SYMBOL


def test_market_streams(lively: PaperServer) -> None:
    """Subscribing on a raw connection, the streams arrive with their documented events."""
    with contextlib.closing(Listener(lively)) as listener:
        listener.client.partial_book_depth(SYMBOL, level=5, speed=100, id=1)
        assert listener.frame(lambda frame: "result" in frame) == {"result": None, "id": 1}
        depth = listener.frame(event("depthUpdate"))
        assert (depth["s"], len(depth["b"]), len(depth["a"])) == (SYMBOL, 5, 5)
        listener.client.diff_book_depth(SYMBOL, speed=100)
        listener.client.book_ticker(SYMBOL)
        listener.client.mark_price(SYMBOL, speed=1)
        listener.client.agg_trade(SYMBOL)
        assert set(listener.frame(event("bookTicker"))) >= {"u", "s", "b", "B", "a", "A", "T", "E"}
        assert set(listener.frame(event("markPriceUpdate"))) >= {"s", "p", "i", "r", "T", "E"}
        assert set(listener.frame(event("aggTrade"))) >= {"a", "p", "q", "f", "l", "T", "m", "E", "s"}
        listener.client.list_subscribe(id=9)
        assert len(listener.frame(lambda frame: frame.get("id") == 9)["result"]) == 5


def test_combined_streams(lively: PaperServer) -> None:
    """On a combined connection every payload comes wrapped in its stream's name."""
    with contextlib.closing(Listener(lively, combined=True)) as listener:
        listener.client.partial_book_depth(SYMBOL, level=10, speed=100)
        frame = listener.frame(lambda frame: "stream" in frame)
        assert (frame["stream"], frame["data"]["e"], len(frame["data"]["b"])) == ("ethusdt@depth10@100ms", "depthUpdate", 10)


def test_the_user_stream(served: PaperServer, connect: Callable[..., Any]) -> None:
    """A listen key is made, kept alive and closed, and between that the stream tells of the order's whole life."""
    client = connect(served)
    listen_key = client.new_listen_key()["listenKey"]
    assert client.new_listen_key() == {"listenKey": listen_key}
    client.renew_listen_key(listen_key)
    with contextlib.closing(Listener(served)) as listener:
        listener.client.user_data(listen_key, id=1)
        listener.frame(lambda frame: frame.get("id") == 1)
        order_id = client.new_order(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.01, price=2400)["orderId"]
        assert listener.frame(order_update("NEW", order_id))["o"]["X"] == "NEW"
        client.modify_order(symbol=SYMBOL, side="BUY", orderId=order_id, quantity=0.01, price=2500.02)
        traded = listener.frame(order_update("TRADE", order_id))["o"]
        assert (traded["X"], traded["z"], traded["ap"], traded["m"]) == ("FILLED", "0.010", "2500.01000", False)
        second_id = client.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.01)["orderId"]
        update = listener.frame(event("ACCOUNT_UPDATE"))
        while Decimal(update["a"]["P"][0]["pa"]):
            update = listener.frame(event("ACCOUNT_UPDATE"))
        assert update["a"]["m"] == "ORDER"
        assert listener.frame(order_update("TRADE", second_id))["o"]["X"] == "FILLED"
        client.change_leverage(symbol=SYMBOL, leverage=9)
        assert listener.frame(event("ACCOUNT_CONFIG_UPDATE"))["ac"] == {"s": SYMBOL, "l": 9}
        client.close_listen_key(listen_key)
        assert listener.closed.wait(FRAME_S)


def test_a_stranger_is_refused(served: PaperServer, connect: Callable[..., Any]) -> None:
    """Without a known key, or with the wrong secret, the client reads the documented errors."""
    for key, secret, status, code in (("nobody", "x", 401, -2015), ("paper", "wrong", 400, -1022)):
        client = connect(served, key, secret)
        with pytest.raises(client_error.ClientError) as caught:
            client.balance()
        assert (caught.value.status_code, caught.value.error_code) == (status, code)
