"""The endpoint table and the way of a request through it, without a socket."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from mmd.paper.agents import DEFAULT_USER, Agents, AgentSettings
from mmd.paper.authority import Authority, Request, Security, sign
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.rate_limits import Limits, RateLimits
from mmd.paper.rest_gate import ENDPOINTS, Reply, RestGate
from mmd.venue.agent_signing import V3Signer
from mmd.venue.nonce import Nonces

SYMBOL = "ETHUSDT"
AGENT, AGENT_KEY = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", f"{1:064x}"
BUY = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": "2400.00"}


class Client:
    """Asks a gate as one account does, at a time that only moves when it is told to."""

    def __init__(self, exchange: PaperExchange, limits: Limits | None = None) -> None:
        secrets = {account.api_key: account.api_secret for account in exchange.accounts.values()}
        self._secrets = secrets
        self.exchange = exchange
        self.listen_keys = ListenKeys(Random(1))
        agents = Agents(exchange, AgentSettings())
        self.gate = RestGate(exchange, Authority(secrets), agents, self.listen_keys, RateLimits(limits or Limits()))
        self._agent = V3Signer(DEFAULT_USER, AGENT, AGENT_KEY, AgentSettings().chain_id, Nonces())
        self.now_ms = exchange.now_ms
        self.key = "paper"

    def ask(self, method: str, path: str, **parameters: Any) -> Reply:
        """Sends a signed request with everything in its query; under V3 it is an agent that signs."""
        if path.startswith("/fapi/v3/"):
            query = self._agent.sign([(name, str(value)) for name, value in parameters.items()], self.now_ms)
            return self.gate.answer(Request(method, path, query, "", None, "127.0.0.1"), self.now_ms)
        query = urlencode(parameters | {"timestamp": self.now_ms})
        query += f"&signature={sign(self._secrets[self.key], query)}"
        return self.gate.answer(Request(method, path, query, "", self.key, "127.0.0.1"), self.now_ms)

    def get(self, path: str, **parameters: Any) -> Any:
        return self.well("GET", path, **parameters)

    def well(self, method: str, path: str, **parameters: Any) -> Any:
        reply = self.ask(method, path, **parameters)
        assert reply.status == 200, reply.payload
        json.dumps(reply.payload)
        return reply.payload

    def code(self, method: str, path: str, **parameters: Any) -> int:
        reply = self.ask(method, path, **parameters)
        assert reply.status != 200, reply.payload
        return int(reply.payload["code"])


@pytest.fixture
def client(exchange: PaperExchange) -> Client:
    return Client(exchange)


def test_no_two_rows_answer_the_same_request() -> None:
    """Every method and path stands in the table once."""
    routes = [(endpoint.method, path) for endpoint in ENDPOINTS for path in endpoint.paths]
    assert len(routes) == len(set(routes))


PUBLIC = ["ping", "time", "exchangeInfo", "depth", "trades", "aggTrades", "klines", "markPriceKlines", "indexPriceKlines", "premiumIndex",
          "fundingRate", "ticker/price", "ticker/bookTicker", "ticker/24hr"]
PRIVATE = ["openOrder", "openOrders", "allOrders", "userTrades", "income", "commissionRate", "positionSide/dual", "multiAssetsMargin",
           "leverageBracket"]


def test_both_families_have_every_endpoint() -> None:
    """The endpoints that the paper exchange promises, under /fapi/v1 (balance, positionRisk v2, account v4) and under /fapi/v3."""
    promised = [("GET", f"/fapi/v{family}/{name}") for family in (1, 3) for name in PUBLIC + PRIVATE]
    promised += [(method, f"/fapi/v{family}/order") for family in (1, 3) for method in ("POST", "GET", "PUT", "DELETE")]
    promised += [(method, f"/fapi/v{family}/listenKey") for family in (1, 3) for method in ("POST", "PUT", "DELETE")]
    promised += [(method, f"/fapi/v{family}/batchOrders") for family in (1, 3) for method in ("POST", "DELETE")]
    promised += [("POST", f"/fapi/v{family}/{name}") for family in (1, 3)
                 for name in ("countdownCancelAll", "leverage", "marginType", "positionSide/dual", "multiAssetsMargin")]
    promised += [("DELETE", f"/fapi/v{family}/allOpenOrders") for family in (1, 3)]
    promised += [("GET", path) for path in ("/fapi/v2/balance", "/fapi/v3/balance", "/fapi/v2/positionRisk", "/fapi/v3/positionRisk",
                                            "/fapi/v4/account", "/fapi/v3/account", "/fapi/v3/accountWithJoinMargin")]
    served = {(endpoint.method, path) for endpoint in ENDPOINTS for path in endpoint.paths}
    assert [route for route in promised if route not in served] == []


@pytest.mark.parametrize("method, name, sent, weight", [
    ("GET", "ping", {}, 1), ("GET", "exchangeInfo", {}, 1),
    ("GET", "depth", {}, 10), ("GET", "depth", {"limit": "5"}, 2), ("GET", "depth", {"limit": "50"}, 2), ("GET", "depth", {"limit": "100"}, 5),
    ("GET", "depth", {"limit": "500"}, 10), ("GET", "depth", {"limit": "1000"}, 20),
    ("GET", "trades", {}, 1), ("GET", "historicalTrades", {}, 20), ("GET", "aggTrades", {}, 20),
    ("GET", "klines", {"limit": "99"}, 1), ("GET", "klines", {"limit": "100"}, 2), ("GET", "klines", {}, 5), ("GET", "klines", {"limit": "1001"}, 10),
    ("GET", "markPriceKlines", {"limit": "99"}, 1), ("GET", "indexPriceKlines", {"limit": "1001"}, 10),
    ("GET", "ticker/24hr", {"symbol": SYMBOL}, 1), ("GET", "ticker/24hr", {}, 40),
    ("GET", "ticker/price", {"symbol": SYMBOL}, 1), ("GET", "ticker/price", {}, 2), ("GET", "ticker/bookTicker", {}, 2),
    ("POST", "order", {}, 1), ("PUT", "order", {}, 1), ("DELETE", "order", {}, 1), ("GET", "order", {}, 1),
    ("POST", "batchOrders", {}, 5), ("DELETE", "batchOrders", {}, 1), ("DELETE", "allOpenOrders", {}, 1), ("POST", "countdownCancelAll", {}, 10),
    ("GET", "openOrders", {"symbol": SYMBOL}, 1), ("GET", "openOrders", {}, 40), ("GET", "allOrders", {}, 5), ("GET", "userTrades", {}, 5),
    ("GET", "income", {}, 30), ("GET", "commissionRate", {}, 20), ("GET", "positionSide/dual", {}, 30), ("GET", "multiAssetsMargin", {}, 30),
    ("GET", "forceOrders", {"symbol": SYMBOL}, 20), ("GET", "forceOrders", {}, 50), ("GET", "adlQuantile", {}, 5), ("POST", "listenKey", {}, 1),
    ("GET", "depth", {"limit": "x"}, 10),
])
def test_weights_are_the_documents(client: Client, method: str, name: str, sent: dict[str, str], weight: int) -> None:
    """What a request weighs is charged whether or not it succeeds, and stands in the header of its reply."""
    query = urlencode(sent)
    reply = client.gate.answer(Request(method, f"/fapi/v1/{name}", query, "", None, "1.2.3.4"), client.now_ms)
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/fapi/v1/nothing", 404), ("GET", "/", 404), ("GET", "/fapi/v2/order", 404), ("DELETE", "/fapi/v1/ping", 405),
    ("PATCH", "/fapi/v1/order", 405), ("POST", "/fapi/v1/depth", 405),
])
def test_unknown_paths_and_methods(client: Client, method: str, path: str, status: int) -> None:
    """An unknown path is 404, a known one with another method 405, both with a JSON body, and both weigh 1."""
    reply = client.gate.answer(Request(method, path), client.now_ms)
    assert (reply.status, reply.payload) == (status, {"code": -5000, "msg": f"Path {path}, Method {method} is invalid"})
    assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "1"


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if any(p.name == "symbol" for p in e.parameters)], ids=lambda e: e.method + e.paths[0])
def test_another_symbol_is_refused_everywhere(client: Client, endpoint: Any) -> None:
    """Every endpoint that takes a symbol answers -1121 to one that is not traded, and -1102 where a mandatory one is missing."""
    needed = {"side": "BUY", "type": "MARKET", "quantity": "1", "price": "1", "orderId": "1", "interval": "1m", "countdownTime": "0",
              "leverage": "2", "marginType": "CROSSED", "amount": "1", "windowTimeInMilliseconds": "1", "frozenTimeInMilliseconds": "1"}
    sent = {p.name: "1" if p.name == "type" and "positionMargin" in endpoint.paths[0] else needed[p.name]
            for p in endpoint.parameters if p.name in needed}
    for symbol in ("BTCUSDT", "ethusdt", "ETH/USDT"):
        assert client.code(endpoint.method, endpoint.paths[0], symbol=symbol, **sent) == -1121
    if next(p for p in endpoint.parameters if p.name == "symbol").mandatory:
        assert client.code(endpoint.method, endpoint.paths[0], **sent) == -1102


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.security.signed], ids=lambda e: e.method + e.paths[0])
def test_signed_endpoints_refuse_the_unsigned(client: Client, endpoint: Any) -> None:
    """No signed endpoint answers a request with a key and no signature, whatever else it says."""
    for path in endpoint.paths:
        reply = client.gate.answer(Request(endpoint.method, path, f"symbol={SYMBOL}", "", "paper"), client.now_ms)
        assert (reply.status, reply.payload["code"]) == (400, -1102)


def test_the_v3_family_asks_for_keys_as_its_document_says() -> None:
    """Market data is open to everybody there, and listen keys need a signature."""
    securities = {(endpoint.method, path): endpoint.security for endpoint in ENDPOINTS for path in endpoint.paths}
    assert securities["GET", "/fapi/v1/historicalTrades"] is Security.MARKET_DATA
    assert securities["GET", "/fapi/v3/historicalTrades"] is Security.NONE
    assert securities["POST", "/fapi/v1/listenKey"] is Security.USER_STREAM
    assert securities["POST", "/fapi/v3/listenKey"].signed


def test_parameters_of_a_get_come_from_the_query_alone(client: Client) -> None:
    """"For GET endpoints, parameters must be sent as a query string": a symbol in the body is not seen."""
    reply = client.gate.answer(Request("GET", "/fapi/v1/depth", "", f"symbol={SYMBOL}"), client.now_ms)
    assert reply.payload["code"] == -1102


def test_a_post_may_mix_query_and_body(client: Client) -> None:
    """Parameters of an order may be sent in either place, signed as received."""
    query, body = "symbol=ETHUSDT&side=BUY", f"type=LIMIT&timeInForce=GTC&quantity=0.01&price=2400&timestamp={client.now_ms}"
    body += f"&signature={sign('paper', query, body)}"
    assert client.gate.answer(Request("POST", "/fapi/v1/order", query, body, "paper"), client.now_ms).status == 200


@pytest.mark.parametrize("name", ["premiumIndex", "ticker/price", "ticker/bookTicker", "ticker/24hr"])
def test_one_object_with_a_symbol_and_an_array_without(client: Client, name: str) -> None:
    """Statistics of one symbol are an object, of all symbols an array."""
    one = client.get(f"/fapi/v1/{name}", symbol=SYMBOL)
    assert one["symbol"] == SYMBOL
    assert client.get(f"/fapi/v3/{name}") == [one]


def test_candles_of_the_mark_and_the_index_price(client: Client) -> None:
    """V1 "Mark Price Kline" asks for a symbol, "Index Price Kline" for a pair; both give twelve fields a candle."""
    client.now_ms += 3_000
    client.exchange.advance(client.now_ms)
    for name, of in (("markPriceKlines", "symbol"), ("indexPriceKlines", "pair")):
        candles = client.get(f"/fapi/v1/{name}", interval="1d", **{of: SYMBOL})
        assert candles and {len(candle) for candle in candles} == {12}
        assert client.code("GET", f"/fapi/v1/{name}", interval="1d") == -1102
        assert client.code("GET", f"/fapi/v1/{name}", interval="1d", **{of: "BTCUSDT"}) == -1121


@pytest.mark.parametrize("path, sent, code", [
    ("depth", {"limit": 7}, -4021), ("depth", {"limit": "x"}, -1100), ("depth", {"limit": ""}, -1105),
    ("trades", {"limit": 0}, -1130), ("trades", {"limit": 1001}, -1130), ("klines", {"interval": "1m", "limit": 1501}, -1130),
    ("klines", {"interval": "7m"}, -1120), ("klines", {}, -1102), ("klines", {"interval": "1m", "startTime": 2, "endTime": 1}, -1023),
    ("aggTrades", {"startTime": 0, "endTime": 3_600_000}, -1127), ("userTrades", {"fromId": 1, "startTime": 1}, -1128),
    ("userTrades", {"startTime": 0, "endTime": 604_800_001}, -4165), ("allOrders", {"startTime": 0, "endTime": 604_800_001}, -4165),
    ("income", {"incomeType": "GIFT"}, -1130), ("forceOrders", {"autoCloseType": "X"}, -1130), ("order", {}, -1102),
    ("openOrder", {}, -1102), ("order", {"orderId": 4711}, -2013), ("openOrder", {"origClientOrderId": "nobody"}, -2013),
])
def test_queries_are_refused_with_the_documented_codes(client: Client, path: str, sent: dict[str, Any], code: int) -> None:
    """Limits, intervals, periods, combinations, unknown orders."""
    assert client.code("GET", f"/fapi/v1/{path}", symbol=SYMBOL, **sent) == code


@pytest.mark.parametrize("change, code", [
    ({"side": "buy"}, -1117), ({"type": "LIMITED"}, -1116), ({"timeInForce": "GTD"}, -1115), ({"positionSide": "X"}, -4060),
    ({"workingType": "LAST"}, -4031), ({"newOrderRespType": "FULL"}, -1136), ({"reduceOnly": "1"}, -1130), ({"stpMode": "NONE"}, -1130),
    ({"quantity": "x"}, -1100), ({"quantity": ""}, -1105), ({"price": None}, -1102), ({"timeInForce": None}, -1102),
    ({"side": None}, -1102), ({"newClientOrderId": "no blanks"}, -4015), ({"price": "2400.001"}, -1111),
    ({"quantity": "0.001"}, -4164), ({"quantity": "0"}, -4003), ({"price": "3000"}, -4016),
])
def test_orders_are_refused_with_the_documented_codes(client: Client, change: dict[str, Any], code: int) -> None:
    """A bad word, a missing or empty parameter, a broken filter; and nothing stays behind."""
    sent = {name: value for name, value in (BUY | change).items() if value is not None}
    assert client.code("POST", "/fapi/v1/order", **sent) == code
    assert client.get("/fapi/v1/openOrders", symbol=SYMBOL) == []


@pytest.mark.parametrize("family", ["v1", "v3"])
def test_the_life_of_an_order(client: Client, family: str) -> None:
    """Placed, found, amended, cancelled; the order id takes precedence over the client's."""
    order = client.well("POST", f"/fapi/{family}/order", **BUY, newClientOrderId="a")
    other = client.well("POST", f"/fapi/{family}/order", **BUY, newClientOrderId="b")
    amended = client.well("PUT", f"/fapi/{family}/order", symbol=SYMBOL, orderId=order["orderId"], origClientOrderId="b", quantity="0.02", price="2399")
    assert (amended["clientOrderId"], amended["price"], amended["origQty"]) == ("a", "2399.00", "0.020")
    assert client.code("PUT", f"/fapi/{family}/order", symbol=SYMBOL, orderId=order["orderId"], price="2399") == -1102
    assert client.get(f"/fapi/{family}/openOrder", symbol=SYMBOL, origClientOrderId="a")["time"] == client.now_ms
    assert client.well("DELETE", f"/fapi/{family}/order", symbol=SYMBOL, origClientOrderId="a")["status"] == "CANCELED"
    assert [found["orderId"] for found in client.get(f"/fapi/{family}/openOrders")] == [other["orderId"]]
    assert client.well("DELETE", f"/fapi/{family}/allOpenOrders", symbol=SYMBOL) == {
        "code": "200", "msg": "The operation of cancel all open order is done."}
    assert client.get(f"/fapi/{family}/openOrders") == []
    assert [found["status"] for found in client.get(f"/fapi/{family}/allOrders", symbol=SYMBOL)] == ["CANCELED"] * 2


def test_an_acknowledgement_tells_less_than_a_result(client: Client) -> None:
    """ACK, the default, shows the order as accepted although it has traded; RESULT shows the trade."""
    taking = BUY | {"price": "2500.01"}
    acknowledged = client.well("POST", "/fapi/v1/order", **taking)
    assert (acknowledged["status"], acknowledged["executedQty"], acknowledged["cumQuote"]) == ("NEW", "0", "0")
    assert client.get("/fapi/v1/order", symbol=SYMBOL, orderId=acknowledged["orderId"])["status"] == "FILLED"
    result = client.well("POST", "/fapi/v1/order", **taking, newOrderRespType="RESULT")
    assert (result["status"], result["executedQty"], Decimal(result["cumQuote"])) == ("FILLED", "0.010", Decimal("25.0001"))


def test_a_batch_is_answered_element_by_element(client: Client) -> None:
    """Good and bad elements side by side, in the order sent, numbers as JSON numbers or as text."""
    batch = [BUY, BUY | {"side": "up"}, BUY | {"quantity": 0.02, "price": 2399.5, "reduceOnly": False}, BUY | {"symbol": "BTCUSDT"}, 7]
    replies = client.well("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps(batch))
    assert [reply.get("code", reply.get("origQty")) for reply in replies] == ["0.010", -1117, "0.020", -1121, -1130]
    ids = json.dumps([reply["orderId"] for reply in replies if "orderId" in reply] + [99])
    cancelled = client.well("DELETE", "/fapi/v1/batchOrders", symbol=SYMBOL, orderIdList=ids)
    assert [reply.get("code", reply.get("status")) for reply in cancelled] == ["CANCELED", "CANCELED", -2011]


@pytest.mark.parametrize("method, sent, code", [
    ("POST", {"batchOrders": "[]"}, -4082), ("POST", {"batchOrders": json.dumps([BUY] * 6)}, -4082), ("POST", {"batchOrders": "{}"}, -1102),
    ("POST", {}, -1102), ("DELETE", {"symbol": SYMBOL}, -1102), ("DELETE", {"symbol": SYMBOL, "orderIdList": "[]"}, -1102),
    ("DELETE", {"symbol": SYMBOL, "orderIdList": json.dumps(list(range(1, 12)))}, -4032), ("DELETE", {"symbol": SYMBOL, "orderIdList": "[\"x\"]"}, -1100),
])
def test_a_batch_of_the_wrong_size_or_shape_is_refused_whole(client: Client, method: str, sent: dict[str, str], code: int) -> None:
    """None or more than 5 placed, none or more than 10 cancelled, lists that are none."""
    assert client.code(method, "/fapi/v1/batchOrders", **sent) == code


def test_orders_are_counted_by_account(client: Client) -> None:
    """New orders and amendments count one each, a batch each of its elements, cancels nothing; the header tells."""
    first = client.ask("POST", "/fapi/v1/order", **BUY)
    assert first.headers["X-MBX-ORDER-COUNT-1M"] == "1"
    order_id = first.payload["orderId"]
    assert client.ask("PUT", "/fapi/v1/order", symbol=SYMBOL, orderId=order_id, quantity="0.01", price="2399").headers["X-MBX-ORDER-COUNT-1M"] == "2"
    assert "X-MBX-ORDER-COUNT-1M" not in client.ask("DELETE", "/fapi/v1/order", symbol=SYMBOL, orderId=order_id).headers
    assert client.ask("POST", "/fapi/v1/batchOrders", batchOrders=json.dumps([BUY] * 3)).headers["X-MBX-ORDER-COUNT-1M"] == "5"
    client.key = "second"
    assert client.ask("POST", "/fapi/v1/order", **BUY).headers["X-MBX-ORDER-COUNT-1M"] == "1"


def test_above_the_order_limit_nothing_is_placed(exchange: PaperExchange) -> None:
    """-1015 with 429 and the header; the next minute is free again."""
    client = Client(exchange, Limits(orders=2))
    for _ in range(2):
        client.well("POST", "/fapi/v1/order", **BUY)
    refused = client.ask("POST", "/fapi/v1/order", **BUY)
    assert (refused.status, refused.payload["code"], refused.headers["X-MBX-ORDER-COUNT-1M"]) == (429, -1015, "3")
    assert int(refused.headers["Retry-After"]) <= 60
    assert len(client.get("/fapi/v1/openOrders", symbol=SYMBOL)) == 2
    client.now_ms += 60_000
    client.exchange.advance(client.now_ms)
    client.well("POST", "/fapi/v1/order", **BUY)


def test_a_ban_stands_before_everything(exchange: PaperExchange) -> None:
    """429 above the weight limit, 418 for who asks on, signed or not, known path or not."""
    client = Client(exchange, Limits(weight=3, tolerated_violations=1))
    statuses = [client.ask("GET", "/fapi/v1/ping").status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 418]
    banned = client.ask("GET", "/fapi/v1/nothing")
    assert (banned.status, banned.payload["code"], banned.headers["Retry-After"]) == (418, -1003, "120")
    assert client.ask("POST", "/fapi/v1/order", **BUY).status == 418


def test_the_settings_of_an_account(client: Client) -> None:
    """Every setting is read back as it was set, and refused where nothing would change or the value makes no sense."""
    success = {"code": 200, "msg": "success"}
    assert client.well("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=7)["leverage"] == 7
    assert client.code("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=126) == -4028
    assert client.well("POST", "/fapi/v1/marginType", symbol=SYMBOL, marginType="ISOLATED") == success
    assert client.code("POST", "/fapi/v1/marginType", symbol=SYMBOL, marginType="ISOLATED") == -4046
    assert client.code("POST", "/fapi/v1/marginType", symbol=SYMBOL, marginType="isolated") == -1130
    assert client.get("/fapi/v1/positionSide/dual") == {"dualSidePosition": False}
    assert client.well("POST", "/fapi/v3/positionSide/dual", dualSidePosition="true") == success
    assert client.get("/fapi/v3/positionSide/dual") == {"dualSidePosition": True}
    assert client.code("POST", "/fapi/v1/positionSide/dual", dualSidePosition="yes") == -1130
    assert client.get("/fapi/v3/stpMode") == {"stpMode": "EXPIRE_TAKER"}
    assert client.well("POST", "/fapi/v3/stpMode", stpMode="EXPIRE_BOTH") == success
    assert client.get("/fapi/v3/stpMode") == {"stpMode": "EXPIRE_BOTH"}
    assert client.get("/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}


def test_the_replies_about_an_account(client: Client) -> None:
    """Balances, account, positions, brackets, fees: answered under every documented path."""
    assert {line["asset"] for line in client.get("/fapi/v2/balance")} >= {"USDT", "USDF"}
    assert client.get("/fapi/v3/balance") == client.get("/fapi/v2/balance")
    for path in ("/fapi/v2/account", "/fapi/v3/account", "/fapi/v3/accountWithJoinMargin"):
        assert client.get(path) == client.get("/fapi/v4/account")
    assert [line["symbol"] for line in client.get("/fapi/v2/positionRisk")] == [SYMBOL]
    one = client.get("/fapi/v1/leverageBracket", symbol=SYMBOL)
    assert client.get("/fapi/v1/leverageBracket") == [one]
    assert set(client.get("/fapi/v1/commissionRate", symbol=SYMBOL)) == {"symbol", "makerCommissionRate", "takerCommissionRate"}
    assert client.get("/fapi/v1/positionMargin/history", symbol=SYMBOL) == []
    assert client.code("POST", "/fapi/v1/positionMargin", symbol=SYMBOL, amount="1", type="1") < 0


def test_the_listen_key_over_rest(client: Client) -> None:
    """POST gives it, PUT and DELETE answer {}, and after DELETE there is none; other keys than the account's own are -1125."""
    listen_key = client.well("POST", "/fapi/v1/listenKey")["listenKey"]
    assert client.well("PUT", "/fapi/v1/listenKey") == {}
    assert client.well("POST", "/fapi/v3/listenKey") == {"listenKey": listen_key}
    assert client.code("PUT", "/fapi/v1/listenKey", listenKey="another") == -1125
    assert client.well("DELETE", "/fapi/v1/listenKey") == {}
    assert client.code("PUT", "/fapi/v1/listenKey") == -1125
    reply = client.gate.answer(Request("POST", "/fapi/v1/listenKey", "", "", "paper"), client.now_ms)
    assert reply.payload["listenKey"] not in ("", listen_key)


def test_exchange_info_tells_the_limits_that_are_kept(exchange: PaperExchange) -> None:
    """rateLimits name the limits of this server, not the defaults."""
    client = Client(exchange, Limits(weight=77, orders=5))
    assert {row["rateLimitType"]: row["limit"] for row in client.get("/fapi/v1/exchangeInfo")["rateLimits"]} == {
        "REQUEST_WEIGHT": 77, "ORDERS": 5}
