"""The way of a request: route, weight, parameters, authority, order count, endpoint; and back as a reply or a refusal."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from mmd.paper.agents import Agents
from mmd.paper.authority import Authority, Request
from mmd.paper.denials import Denied
from mmd.paper.endpoint import Call, Endpoint
from mmd.paper.endpoints_account import ACCOUNT_ENDPOINTS
from mmd.paper.endpoints_market import MARKET_ENDPOINTS
from mmd.paper.endpoints_trade import TRADE_ENDPOINTS
from mmd.paper.endpoints_v3 import V3_ENDPOINTS
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.parameters import sent_parameters
from mmd.paper.rate_limits import OverLimit, RateLimits
from mmd.paper.refusals import Refused

ENDPOINTS: tuple[Endpoint, ...] = MARKET_ENDPOINTS + TRADE_ENDPOINTS + ACCOUNT_ENDPOINTS + V3_ENDPOINTS

# Binance serves these to API keys, and its own clients ask there and nowhere else; nothing that trades is among them.
BINANCE_V3 = frozenset({"/fapi/v3/account", "/fapi/v3/balance", "/fapi/v3/positionRisk"})

USED_WEIGHT = "X-MBX-USED-WEIGHT-1M"
ORDER_COUNT = "X-MBX-ORDER-COUNT-1M"


class Reply(NamedTuple):
    """What goes back: the HTTP status, the JSON of the body, and the headers that are the exchange's own."""

    status: int
    payload: Any
    headers: dict[str, str]


class RestGate:
    """Answers every request; pure, and not thread-safe: whoever holds the exchange's lock may call it."""

    def __init__(
        self, exchange: PaperExchange, authority: Authority, agents: Agents, listen_keys: ListenKeys, rate_limits: RateLimits,
        endpoints: Sequence[Endpoint] = ENDPOINTS,
    ) -> None:
        self._exchange = exchange
        self._authority = authority
        self._agents = agents
        self._listen_keys = listen_keys
        self._rate_limits = rate_limits
        self._routes = {(endpoint.method, path): endpoint for endpoint in endpoints for path in endpoint.paths}
        self._paths = {path for _, path in self._routes}

    def answer(self, request: Request, now_ms: int) -> Reply:
        """The reply to `request` at `now_ms`; never raises for anything that a request can hold."""
        headers: dict[str, str] = {}
        try:
            status, payload = 200, self._perform(request, now_ms, headers)
        except Refused as refusal:
            status, payload = refusal.status, {"code": refusal.code, "msg": refusal.msg}
            if isinstance(refusal, OverLimit):
                headers["Retry-After"] = str(refusal.retry_after_s)
        headers[USED_WEIGHT] = str(self._rate_limits.used_weight(request.address, now_ms))
        return Reply(status, payload, headers)

    def _perform(self, request: Request, now_ms: int, headers: dict[str, str]) -> Any:
        endpoint = self._routes.get((request.method, request.path))
        if endpoint is None:
            self._rate_limits.charge_weight(request.address, 1, now_ms)
            status = 405 if request.path in self._paths else 404
            raise Denied(-5000, f"Path {request.path[:128]}, Method {request.method} is invalid", status)
        try:
            # "For GET endpoints, parameters must be sent as a query string" (V1 "General Information on Endpoints").
            sent = sent_parameters(request.query, "" if request.method == "GET" else request.body)
        except Refused:
            self._rate_limits.charge_weight(request.address, endpoint.weight_of({}), now_ms)
            raise
        self._rate_limits.charge_weight(request.address, endpoint.weight_of(sent), now_ms)
        api_key = self._authority_over(request).authenticate(request, endpoint.security, sent, now_ms)
        orders = endpoint.orders_of(sent)
        if orders and api_key is not None:
            try:
                self._rate_limits.charge_orders(api_key, orders, now_ms)
            finally:
                headers[ORDER_COUNT] = str(self._rate_limits.order_count(api_key, now_ms))
        call = Call(self._exchange, self._listen_keys, self._rate_limits.limits, api_key, endpoint.read(sent), now_ms)
        return endpoint.answer(call)

    def _authority_over(self, request: Request) -> Authority | Agents:
        """Under V3 agents sign, and everywhere else keys."""
        if not request.path.startswith("/fapi/v3/"):
            return self._authority
        return self._authority if request.api_key is not None and request.path in BINANCE_V3 else self._agents
