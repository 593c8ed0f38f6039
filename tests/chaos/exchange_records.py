"""What a paper exchange's journal says about the orders, trades and position of one account: the judge of real daemon processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mmd.paper.account import Account
from mmd.paper.journal import JournalEntry
from mmd.paper.orders import Order
from mmd.paper.runtime import PaperServer


class Trade(NamedTuple):
    """One trade of the account; `position_lots` is the position after it."""

    trade_id: int
    client_order_id: str
    at_ms: int
    position_lots: int


class Records:
    """One account of a served exchange; every answer is of the moment. The journal must be unlimited, or short enough to be whole."""

    def __init__(self, server: PaperServer, api_key: str = "paper") -> None:
        self._server = server
        self._account: Account = server.exchange.accounts[api_key]

    def open_orders(self) -> list[Order]:
        with self._server.lock:
            return list(self._server.exchange.open_orders(self._account))

    def is_countdown_armed(self) -> bool:
        with self._server.lock:
            return self._account.countdown_at_ms is not None

    def position_lots(self) -> int:
        with self._server.lock:
            return sum(position.lots for position in self._account.positions.values())

    def posted(self) -> list[str]:
        """Client ids of all orders that the exchange ever took, in order."""
        return [entry.details["client_order_id"] for entry in self._entries() if entry.kind == "new"]

    def trades(self) -> list[Trade]:
        """All trades, oldest first."""
        return [
            Trade(details["trade_id"], details["client_order_id"], at_ms, details["position_lots"])
            for at_ms, kind, details in self._entries() if kind == "trade"
        ]  # fmt: skip

    def most_live_at_once(self) -> int:
        return max((len(live) for _, live in self._live()), default=0)

    def sessions_at_once(self) -> list[tuple[int, str]]:
        """Where an order came to life beside one of another run: when, and both orders' client ids."""
        found = []
        for entry, live in self._live():
            if entry.kind == "new":
                own = entry.details["client_order_id"]
                others = [each for each in live.values() if session_of(each) != session_of(own)]
                found += [(entry.at_ms, f"{own} beside {', '.join(others)}")] if others else []
        return found

    def _live(self) -> Iterator[tuple[JournalEntry, dict[int, str]]]:
        """After each entry the orders that are live: order id to client id."""
        live: dict[int, str] = {}
        for entry in self._entries():
            details = entry.details
            if entry.kind == "new":
                live[details["order_id"]] = details["client_order_id"]
            elif entry.kind in ("canceled", "expired") or details.get("status") == "FILLED":
                live.pop(details["order_id"], None)
            yield entry, live

    def _entries(self) -> list[JournalEntry]:
        with self._server.lock:
            return [entry for entry in self._server.exchange.journal if entry.details.get("account") == self._account.api_key]


def session_of(client_order_id: str) -> str:
    """The run that an own order belongs to: `mmd-SESSION-NUMBER`."""
    return client_order_id.split("-")[1]
