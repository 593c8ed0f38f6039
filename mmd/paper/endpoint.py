"""What an endpoint is: its method and paths, what it asks of the caller, what it costs, what it reads and what it answers."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mmd.paper.account import Account
from mmd.paper.authority import Security
from mmd.paper.denials import Denied
from mmd.paper.exchange import PaperExchange
from mmd.paper.listen_keys import ListenKeys
from mmd.paper.parameters import Parameter, between, matching, read_parameters, whole
from mmd.paper.rate_limits import Limits
from mmd.paper.refusals import Refused

WEEK_MS = 7 * 86_400_000

SentWeight = Callable[[Mapping[str, str]], int]


class Call(NamedTuple):
    """A request on its way into an endpoint, checked: who asks, what, when, and of what exchange."""

    exchange: PaperExchange
    listen_keys: ListenKeys
    limits: Limits
    api_key: str | None
    values: Mapping[str, Any]
    now_ms: int

    @property
    def account(self) -> Account:
        """The account that asks; only for endpoints that ask for a key."""
        assert self.api_key is not None
        return self.exchange.accounts[self.api_key]


@dataclass(frozen=True)
class Endpoint:
    """One row of the endpoint table."""

    method: str
    paths: tuple[str, ...]
    security: Security
    weight: int | SentWeight
    answer: Callable[[Call], Any]
    """Gives the JSON of the reply.  Raises Refused."""
    parameters: tuple[Parameter, ...] = ()
    orders: int | SentWeight = 0
    """How many orders it counts against the account's limit."""

    def weight_of(self, sent: Mapping[str, str]) -> int:
        """The request weight, which may depend on what is sent."""
        return self.weight if isinstance(self.weight, int) else self.weight(sent)

    def read(self, sent: Mapping[str, str]) -> dict[str, Any]:
        """The values of its parameters.  Raises Refused."""
        return read_parameters(self.parameters, sent)

    def orders_of(self, sent: Mapping[str, str]) -> int:
        """The orders counted, which may depend on what is sent."""
        return self.orders if isinstance(self.orders, int) else self.orders(sent)


def both(name: str, *more: str) -> tuple[str, ...]:
    """The paths of `name` in the V1 and the V3 family, and `more` (whole paths)."""
    return (f"/fapi/v1/{name}", f"/fapi/v3/{name}", *more)


SYMBOL = Parameter("symbol", matching(r"[A-Z0-9_.-]{1,20}", -1121, "Invalid symbol."), mandatory=True)
ANY_SYMBOL = Parameter("symbol", SYMBOL.read)
START = Parameter("startTime", whole)
END = Parameter("endTime", whole)


def check_symbol(call: Call, name: str = "symbol") -> bool:
    """Whether the request names the symbol.  Raises Refused -1121 where it names one that is not traded here."""
    symbol = call.values[name]
    if symbol is None:
        return False
    if symbol != call.exchange.symbol.name:
        raise Refused(-1121)
    return True


def check_period(call: Call) -> tuple[int | None, int | None]:
    """startTime and endTime.  Raises Refused -1023 where they are the wrong way round."""
    start, end = call.values["startTime"], call.values["endTime"]
    if start is not None and end is not None and start > end:
        raise Denied(-1023, "Start time is greater than end time.")
    return start, end


def check_week(call: Call) -> tuple[int | None, int | None]:
    """startTime and endTime.  Raises Refused as `check_period` does, and -4165 where they lie more than 7 days apart."""
    start, end = check_period(call)
    if start is not None and end is not None and end - start > WEEK_MS:
        raise Denied(-4165, "Maximum time interval is 7 days")
    return start, end


def by_symbol(with_symbol: int, without: int) -> SentWeight:
    """A weight that depends on whether a symbol is sent."""
    return lambda sent: with_symbol if sent.get("symbol") else without


def capped(default: int, most: int) -> Parameter:
    """The parameter `limit`, from 1 to `most`."""

    return Parameter("limit", between(1, most), default=default)
