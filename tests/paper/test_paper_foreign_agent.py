"""A client that somebody else wrote for Aster's V3 trades on the paper exchange with only its base URLs changed: ccxt's `aster`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import pytest
from eth_account import Account

from mmd.paper.runtime import PaperServer

KEY = f"0x{0x1234567890:064x}"
SYMBOL = "ETH/USDT:USDT"


@pytest.fixture
def connect(served: PaperServer) -> Iterator[Callable[..., Any]]:
    """Makes clients of the served exchange, and closes their sockets in the end."""
    clients: list[Any] = []

    def made(key: str = KEY, **options: Any) -> Any:
        client = ccxt.aster({"privateKey": key, "timeout": 5000, "enableRateLimit": False, "options": {"defaultType": "swap", **options}})
        client.urls["api"] = {name: f"{served.rest_url}/fapi" for name in client.urls["api"]}
        clients.append(client)
        return client

    yield made
    for client in clients:
        client.session.close()


def test_an_order_is_placed_found_and_cancelled(served: PaperServer, connect: Callable[..., Any]) -> None:
    """The whole life of a resting order, on an account of the key's own address."""
    client = connect()
    placed = client.create_order(SYMBOL, "limit", "buy", 0.01, 2400, {"timeInForce": "GTX"})
    assert (placed["status"], placed["price"], placed["amount"]) == ("open", 2400, 0.01)
    assert [order["id"] for order in client.fetch_open_orders(SYMBOL)] == [placed["id"]]
    assert client.cancel_order(placed["id"], SYMBOL)["status"] == "canceled"
    assert client.fetch_open_orders(SYMBOL) == []
    with served.lock:
        (order,) = served.exchange.accounts[Account.from_key(KEY).address.lower()].orders.values()
    assert str(order.order_id) == placed["id"]


def test_a_market_order_makes_a_position(connect: Callable[..., Any]) -> None:
    """Position, balance and trades are read by V3 too."""
    client = connect()
    client.create_order(SYMBOL, "market", "sell", 0.1)
    (position,) = client.fetch_positions([SYMBOL])
    assert (position["info"]["positionAmt"], position["contracts"]) == ("-0.100", 0.1)
    assert [trade["amount"] for trade in client.fetch_my_trades(SYMBOL)] == [0.1]
    assert client.fetch_balance()["USDT"]["total"] < 10_000


def test_two_keys_are_two_accounts(connect: Callable[..., Any]) -> None:
    """Nobody sees another's orders."""
    one, other = connect(), connect(f"0x{0x987654321:064x}")
    one.create_order(SYMBOL, "limit", "buy", 0.01, 2400)
    assert len(one.fetch_open_orders(SYMBOL)) == 1
    assert other.fetch_open_orders(SYMBOL) == []


def test_another_chain_is_refused(connect: Callable[..., Any]) -> None:
    """A client that signs for the test network reads the documented error."""
    with pytest.raises(ccxt.BaseError, match="-1022"):
        connect(v3ChainId=714).fetch_balance()
