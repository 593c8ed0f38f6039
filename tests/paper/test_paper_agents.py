"""Agents: whose signature it is, what it must cover, which nonces are taken, and whose account it reaches. Signed by eth-account, not by mmd."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from mmd.paper.agents import DEFAULT_USER, MAX_ACCOUNTS, NONCES_KEPT, Agents, AgentSettings
from mmd.paper.authority import Authority, Request, Security, sign
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.options import PaperOptions
from mmd.paper.parameters import sent_parameters
from mmd.paper.rate_limits import RateLimits
from mmd.paper.refusals import Refused
from mmd.paper.rest_gate import BINANCE_V3, ENDPOINTS, RestGate

# The demonstration agent of V3 "Example of POST /fapi/v3/order".
SIGNER = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
KEY = "0x4fd0a42218f3eae43a6ce26d22544e986139a01e5b34a62db53757ffca81bae1"
OTHER_USER = "0x014c85ffb0fF2F2972237AA950B452f92C69Ae1D"
SOLANA_USER = "6mSp4BuWCNgRSwv8JopQwCma26hmBT8jrcgJNadq23Gt"

NOW_MS = 1_700_000_000_000
NOW_US = NOW_MS * 1000


def signature_of(message: str, key: str = KEY, chain_id: int = 1666) -> str:
    """By eth-account, over the typed data of the document's example; hexadecimal digits without 0x."""
    typed_data = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Message": [{"name": "msg", "type": "string"}],
        },
        "primaryType": "Message",
        "domain": {"name": "AsterSignTransaction", "version": "1", "chainId": chain_id, "verifyingContract": "0x" + "0" * 40},
        "message": {"msg": message},
    }
    signature: str = Account.sign_message(encode_typed_data(full_message=typed_data), key).signature.hex()
    return signature.removeprefix("0x")


def signed(key: str = KEY, chain_id: int = 1666, **parameters: Any) -> str:
    """The parameters with nonce, user and signer where they are not given (None leaves one out), and the signature last."""
    identity = {"nonce": NOW_US, "user": DEFAULT_USER, "signer": SIGNER}
    message = urlencode({name: value for name, value in (parameters | identity | parameters).items() if value is not None})
    return f"{message}&signature={signature_of(message, key, chain_id)}"


@pytest.fixture
def agents(exchange: PaperExchange) -> Agents:
    return Agents(exchange, AgentSettings())


def ask(agents: Agents, query: str = "", body: str = "", method: str = "POST", now_ms: int = NOW_MS) -> str | None:
    request = Request(method, "/fapi/v3/order", query, body)
    sent = sent_parameters(query, "" if method == "GET" else body)
    return agents.authenticate(request, Security.TRADE, sent, now_ms)


def code(agents: Agents, query: str = "", body: str = "", method: str = "POST", now_ms: int = NOW_MS) -> int:
    with pytest.raises(Refused) as caught:
        ask(agents, query, body, method, now_ms)
    return caught.value.code


# --- signatures ---


@pytest.mark.parametrize("parameters", [
    {}, {"symbol": "ETHUSDT", "newClientOrderId": "a b/c?&=+%", "note": "Zürich 苏黎世 🙂", "empty": ""},
    {"batchOrders": "[{'symbol':'ETHUSDT'}]"}, {"long": "x" * 500},
])
def test_a_signature_of_the_text_as_received_is_accepted(agents: Agents, parameters: dict[str, str]) -> None:
    """In the query or in the body, whatever characters it holds, with 0x or without."""
    assert ask(agents, signed(**parameters, nonce=NOW_US)) == "paper"
    assert ask(agents, body=signed(**parameters, nonce=NOW_US + 1)) == "paper"
    assert ask(agents, signed(**parameters, nonce=NOW_US + 2), method="GET") == "paper"
    assert ask(agents, signed(**parameters, nonce=NOW_US + 3).replace("signature=", "signature=0x")) == "paper"


def test_both_recovery_bits_are_understood(agents: Agents) -> None:
    """v is 27 or 28, about as often; both lead to the signer."""
    queries = [signed(nonce=NOW_US + i) for i in range(16)]
    assert {query[-2:] for query in queries} == {"1b", "1c"}
    assert [ask(agents, query) for query in queries] == ["paper"] * 16


def test_another_keys_signature_is_refused(agents: Agents) -> None:
    """A signature that is good, but not the named signer's."""
    assert code(agents, signed(key=f"{7:064x}")) == -1022


def test_another_signer_is_refused(agents: Agents) -> None:
    """The signer's own signature under somebody else's name."""
    assert code(agents, signed(signer=OTHER_USER)) == -1022


def test_another_chain_is_refused(exchange: PaperExchange) -> None:
    """A request for the test network is nothing here, and the other way round."""
    assert code(Agents(exchange, AgentSettings()), signed(chain_id=714)) == -1022
    testnet = Agents(exchange, AgentSettings(chain_id=714))
    assert code(testnet, signed(chain_id=1666)) == -1022
    assert ask(testnet, signed(chain_id=714)) == "paper"


@pytest.mark.parametrize("spoil", [
    lambda query: query.replace("price=1", "price=2"),
    lambda query: query + "&price=2",
    lambda query: query[:-1],
    lambda query: query[:-2] + "00",
    lambda query: query[:-130] + "0" * 130,
    lambda query: query[:-130] + "f" * 128 + "1b",
    lambda query: query.replace("signature=", "signature=0x0x"),
    lambda query: "&".join(reversed(query.split("&"))),
], ids=["changed", "added", "cut", "v", "zeros", "beyond", "prefixes", "not last"])
def test_a_spoilt_request_is_refused(agents: Agents, spoil: Any) -> None:
    """Any change to what was signed, and whatever cannot be a signature."""
    good = signed(price="1")
    assert code(agents, spoil(good)) in (-1022, -1101)
    assert ask(agents, good) == "paper", "the refused ones must not have used up the nonce"


def test_a_parameter_outside_of_what_is_signed_is_refused(agents: Agents) -> None:
    """Query and body may say the same, but nothing may be slipped in beside the signed text."""
    query = signed(price="1")
    assert code(agents, query, "quantity=5") == -1022
    assert code(agents, "price=2", signed(price="1")) == -1022
    assert ask(agents, query, "price=1") == "paper"


def test_a_get_is_read_from_its_query_alone(agents: Agents) -> None:
    """A signature in the body of a GET is not looked for."""
    assert code(agents, "symbol=ETHUSDT", signed(), method="GET") == -1102


@pytest.mark.parametrize(("parameters", "expected"), [
    ({"signer": None}, -1102), ({"nonce": None}, -1102), ({"signer": ""}, -1105), ({"signer": "0x12"}, -1100), ({"nonce": "soon"}, -1100),
    ({"user": "nobody"}, -1100), ({"user": "0x" + "g" * 40}, -1100),
])
def test_what_is_missing_or_malformed_is_named(agents: Agents, parameters: dict[str, Any], expected: int) -> None:
    """Signer and nonce must be there, and addresses must look like some."""
    assert code(agents, signed(**parameters)) == expected


def test_an_unsigned_request_is_refused(agents: Agents) -> None:
    """-1102 names what V3 wants; an API key's HMAC does not help."""
    assert code(agents, "symbol=ETHUSDT") == -1102
    query = f"timestamp={NOW_MS}"
    assert code(agents, f"{query}&signature={sign('paper', query)}") == -1102


@pytest.mark.parametrize("security", list(Security))
def test_what_is_open_and_what_is_signed(agents: Agents, security: Security) -> None:
    """V3 knows two kinds: NONE and MARKET_DATA ask for nothing, all others for a signature."""
    request = Request("GET", "/fapi/v3/x")
    if security in (Security.NONE, Security.MARKET_DATA):
        assert agents.authenticate(request, security, {}, NOW_MS) is None
    else:
        with pytest.raises(Refused):
            agents.authenticate(request, security, {}, NOW_MS)


@pytest.mark.parametrize("package", ["coincurve", "Crypto"])
def test_without_the_packages_the_refusal_names_them(agents: Agents, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """An exchange that cannot verify lets nobody in, and says what it lacks."""
    query = signed()
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Refused, match=r"pip install coincurve pycryptodome") as caught:
        ask(agents, query)
    assert caught.value.code == -1020


# --- nonces ---


def test_a_replayed_request_is_refused(agents: Agents) -> None:
    """A nonce serves once, whatever it was used for."""
    query = signed(price="1")
    assert ask(agents, query) == "paper"
    assert code(agents, query) == -4225
    assert code(agents, signed(price="2")) == -4225


@pytest.mark.parametrize(("off_us", "accepted"), [(-10_000_000, True), (-10_000_001, False), (10_000_000, True), (10_000_001, False)])
def test_the_nonce_must_be_close_to_the_clock(agents: Agents, off_us: int, accepted: bool) -> None:
    """Up to ten seconds on either side, to the microsecond."""
    query = signed(nonce=NOW_US + off_us)
    if accepted:
        assert ask(agents, query) == "paper"
    else:
        assert code(agents, query) == -4225


def test_nonces_may_come_out_of_order_among_the_newest_hundred(agents: Agents) -> None:
    """With a full list a nonce below its least is expired, one within it is taken, and the least makes room."""
    for i in range(NONCES_KEPT):
        assert ask(agents, signed(nonce=NOW_US + 10 * i)) == "paper"
    assert code(agents, signed(nonce=NOW_US - 1)) == -4225
    assert ask(agents, signed(nonce=NOW_US + 5)) == "paper"  # the least, NOW_US, makes room
    assert code(agents, signed(nonce=NOW_US)) == -4225
    assert code(agents, signed(nonce=NOW_US + 5)) == -4225
    assert ask(agents, signed(nonce=NOW_US + 10 * NONCES_KEPT)) == "paper"  # NOW_US + 5 makes room
    assert code(agents, signed(nonce=NOW_US + 5)) == -4225


def test_before_the_list_is_full_an_older_nonce_is_taken(agents: Agents) -> None:
    """Below a hundred there is no least."""
    assert ask(agents, signed(nonce=NOW_US)) == "paper"
    assert ask(agents, signed(nonce=NOW_US - 9_000_000)) == "paper"


def test_nonces_are_counted_by_user(agents: Agents) -> None:
    """The same nonce is good for another user, and not for another agent of the same one."""
    other_key = f"{7:064x}"
    other = Account.from_key(other_key).address
    assert ask(agents, signed()) == "paper"
    assert ask(agents, signed(user=OTHER_USER)) == OTHER_USER.lower()
    assert code(agents, signed(key=other_key, signer=other)) == -4225
    assert ask(agents, signed(key=other_key, signer=other, nonce=NOW_US + 1)) == "paper"


# --- accounts ---


@pytest.mark.parametrize("user", [DEFAULT_USER, DEFAULT_USER.lower(), "0x" + DEFAULT_USER[2:].upper(), None])
def test_the_named_user_trades_on_the_first_account(agents: Agents, user: str | None) -> None:
    """However its address is written, and where it is left out, as the document's own example does."""
    assert ask(agents, signed(user=user)) == "paper"


@pytest.mark.parametrize("user", [OTHER_USER, SOLANA_USER])
def test_a_new_user_gets_an_account_of_its_own(exchange: PaperExchange, user: str) -> None:
    """Named by the address, with the same deposits; the second request finds it again."""
    agents = Agents(exchange, AgentSettings(deposits=PaperOptions(balance_usdf=PaperOptions().balance).deposits))
    before = set(exchange.accounts)
    name = ask(agents, signed(user=user))
    assert name == ask(agents, signed(user=user, nonce=NOW_US + 1))
    assert set(exchange.accounts) - before == {name}
    assert exchange.accounts[str(name)].wallets == {"USDT": 10_000, "USDF": 10_000}


def test_a_stale_or_badly_signed_request_opens_no_account(exchange: PaperExchange) -> None:
    """Only a request that could have traded leaves something behind."""
    agents = Agents(exchange, AgentSettings())
    before = set(exchange.accounts)
    assert code(agents, signed(user=OTHER_USER, nonce=1)) == -4225
    assert code(agents, signed(user=OTHER_USER, key=f"{7:064x}")) == -1022
    assert set(exchange.accounts) == before


def test_accounts_are_bounded(exchange: PaperExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users beyond the bound are refused, and those before keep their accounts."""
    monkeypatch.setattr("mmd.paper.agents.MAX_ACCOUNTS", 3)
    assert MAX_ACCOUNTS > 3
    agents = Agents(exchange, AgentSettings())
    assert ask(agents, signed(user=OTHER_USER)) == OTHER_USER.lower()
    assert code(agents, signed(user=SOLANA_USER)) == -2015
    assert ask(agents, signed(user=OTHER_USER, nonce=NOW_US + 1)) == OTHER_USER.lower()


# --- through the gate ---


class Gate:
    """The gate before the still exchange, asked by the one agent."""

    def __init__(self, exchange: PaperExchange, listen_keys: ListenKeys) -> None:
        authority = Authority({account.api_key: account.api_secret for account in exchange.accounts.values()})
        self._gate = RestGate(exchange, authority, Agents(exchange, AgentSettings()), listen_keys, RateLimits())
        self.nonce = NOW_US

    def ask(self, method: str, path: str, nonce: int | None = None, api_key: str | None = None, **parameters: Any) -> Any:
        """The JSON of the reply; GET asks by query, all others by form body."""
        self.nonce += 1
        form = signed(**parameters, nonce=nonce or self.nonce)
        query, body = (form, "") if method == "GET" else ("", form)
        return self._gate.answer(Request(method, path, query, body, api_key, "127.0.0.1"), NOW_MS).payload

    def hmac(self, method: str, path: str) -> Any:
        query = f"timestamp={NOW_MS}"
        query += f"&signature={sign('paper', query)}"
        return self._gate.answer(Request(method, path, query, "", "paper", "127.0.0.1"), NOW_MS).payload


@pytest.fixture
def gate(exchange: PaperExchange) -> Iterator[Gate]:
    import random

    yield Gate(exchange, ListenKeys(random.Random(1)))


ORDER = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTX", "quantity": "0.010", "price": "2400.00"}


def test_an_agent_places_amends_and_cancels(gate: Gate) -> None:
    """The life of an order in form bodies, for the user's account."""
    order_id = gate.ask("POST", "/fapi/v3/order", **ORDER)["orderId"]
    assert gate.ask("PUT", "/fapi/v3/order", symbol="ETHUSDT", orderId=order_id, quantity="0.020", price="2401.00")["origQty"] == "0.020"
    assert [order["orderId"] for order in gate.ask("GET", "/fapi/v3/openOrders", symbol="ETHUSDT")] == [order_id]
    assert gate.ask("DELETE", "/fapi/v3/order", symbol="ETHUSDT", orderId=order_id)["status"] == "CANCELED"


def test_a_noop_expires_the_nonce_of_what_comes_later(gate: Gate) -> None:
    """The document's own demonstration: the order that arrives after the noop is refused, -4225 "Nonce Expired"."""
    assert gate.ask("POST", "/fapi/v3/noop", nonce=NOW_US + 500) == {"code": 200, "msg": "success"}
    assert gate.ask("POST", "/fapi/v3/order", nonce=NOW_US + 500, **ORDER) == {"code": -4225, "msg": "Nonce Expired"}
    assert gate.ask("GET", "/fapi/v3/openOrders") == []


def test_a_noop_that_comes_too_late_changes_nothing(gate: Gate) -> None:
    """"No guarantee of success": the order stands, and the noop is the one refused."""
    gate.ask("POST", "/fapi/v3/order", nonce=NOW_US + 500, **ORDER)
    assert gate.ask("POST", "/fapi/v3/noop", nonce=NOW_US + 500)["code"] == -4225
    assert len(gate.ask("GET", "/fapi/v3/openOrders")) == 1


def test_a_noop_must_be_signed_and_is_v3_alone(gate: Gate) -> None:
    """V1 has no nonce to expire."""
    assert gate.ask("POST", "/fapi/v3/noop", signer=OTHER_USER)["code"] == -1022
    assert gate.ask("POST", "/fapi/v1/noop")["code"] == -5000


def test_the_listen_key_is_signed_for(gate: Gate) -> None:
    """USER_STREAM asks for a signature under V3, and the key is the account's."""
    listen_key = gate.ask("POST", "/fapi/v3/listenKey")["listenKey"]
    assert gate.ask("PUT", "/fapi/v3/listenKey") == {}
    assert gate.hmac("POST", "/fapi/v3/listenKey")["code"] == -1102
    assert gate.hmac("POST", "/fapi/v1/listenKey") == {"listenKey": listen_key}


def test_api_keys_have_no_business_under_v3(gate: Gate) -> None:
    """Every signed endpoint refuses the HMAC of a known key there, but for the three that Binance has under the same paths and that only read."""
    for endpoint in ENDPOINTS:
        for path in endpoint.paths:
            if path.startswith("/fapi/v3/") and endpoint.security.signed and path not in BINANCE_V3:
                assert gate.hmac(endpoint.method, path)["code"] == -1102, path
    for path in BINANCE_V3:
        assert "code" not in gate.hmac("GET", path), path
        assert "code" not in gate.ask("GET", path), path


def test_agents_have_no_business_under_v1(gate: Gate) -> None:
    """Nor does an agent's signature open the old family."""
    assert gate.ask("POST", "/fapi/v1/order", **ORDER)["code"] == -1022
    assert gate.ask("POST", "/fapi/v1/order", api_key="paper", **ORDER)["code"] == -1102
