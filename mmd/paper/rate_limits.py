"""Request weights, order counts, and the bans of those who do not back off.

Source: V1 "LIMITS", "IP Limits", "Order Rate Limits" and "HTTP Return Codes" (429, 418; bans from 2 minutes to 3 days).
"""
from __future__ import annotations

import math
from dataclasses import dataclass

from mmd.paper.denials import Denied

MINUTE_MS = 60_000


class OverLimit(Denied):
    """A request above a rate limit (429) or from a banned address (418); `retry_after_s` goes into `Retry-After`."""

    def __init__(self, code: int, msg: str, status: int, retry_after_s: int) -> None:
        super().__init__(code, msg, status)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Limits:
    """What is allowed a minute, and what becomes of those who take more."""

    weight: int = 2400
    """Request weight a minute and address."""
    orders: int = 1200
    """Orders a minute and account."""
    tolerated_violations: int = 20
    """Requests answered with 429 within one minute before the address is banned."""
    first_ban_ms: int = 120_000
    longest_ban_ms: int = 259_200_000


@dataclass
class _Window:
    minute: int = -1
    used: int = 0
    violations: int = 0

    def enter(self, now_ms: int) -> None:
        minute = now_ms // MINUTE_MS
        if minute != self.minute:
            self.minute, self.used, self.violations = minute, 0, 0


@dataclass
class _Record:
    until_ms: int = 0
    length_ms: int = 0


class RateLimits:
    """Counts in fixed windows, minute by minute, as the exchange does."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._weights: dict[str, _Window] = {}
        self._orders: dict[str, _Window] = {}
        self._bans: dict[str, _Record] = {}

    def used_weight(self, address: str, now_ms: int) -> int:
        """The weight that `address` has used in the minute of `now_ms`."""
        return self._window(self._weights, address, now_ms).used

    def order_count(self, account: str, now_ms: int) -> int:
        """The orders that `account` has sent in the minute of `now_ms`."""
        return self._window(self._orders, account, now_ms).used

    def charge_weight(self, address: str, weight: int, now_ms: int) -> None:
        """Counts a request against its address.

        Raises OverLimit with status 429 above the limit, and 418 while the address is banned; asking on after 429 bans it,
        each time four times as long as before, until it has been quiet for as long as the longest ban.
        """
        ban = self._bans.get(address)
        if ban is not None and now_ms < ban.until_ms:
            raise _banned(ban, now_ms)
        window = self._window(self._weights, address, now_ms)
        window.used += weight
        if window.used <= self.limits.weight:
            return
        window.violations += 1
        if window.violations > self.limits.tolerated_violations:
            raise _banned(self._ban(address, now_ms), now_ms)
        message = (f"Too many requests; current limit is {self.limits.weight} requests per minute. "
                   "Please use the websocket for live updates to avoid polling the API.")
        raise OverLimit(-1003, message, 429, _until_next_minute_s(now_ms))

    def charge_orders(self, account: str, orders: int, now_ms: int) -> None:
        """Counts new and amended orders against their account.  Raises OverLimit -1015 (429) above the limit."""
        window = self._window(self._orders, account, now_ms)
        window.used += orders
        if window.used > self.limits.orders:
            message = f"Too many new orders; current limit is {self.limits.orders} orders per MINUTE."
            raise OverLimit(-1015, message, 429, _until_next_minute_s(now_ms))

    def _ban(self, address: str, now_ms: int) -> _Record:
        record = self._bans.setdefault(address, _Record())
        forgiven = now_ms - record.until_ms > self.limits.longest_ban_ms
        longer = self.limits.first_ban_ms if forgiven or not record.length_ms else record.length_ms * 4
        record.length_ms = min(longer, self.limits.longest_ban_ms)
        record.until_ms = now_ms + record.length_ms
        return record

    @staticmethod
    def _window(windows: dict[str, _Window], name: str, now_ms: int) -> _Window:
        window = windows.setdefault(name, _Window())
        window.enter(now_ms)
        return window


def _banned(ban: _Record, now_ms: int) -> OverLimit:
    message = f"Way too many requests; IP banned until {ban.until_ms}. Please use the websocket for live updates to avoid bans."
    return OverLimit(-1003, message, 418, math.ceil((ban.until_ms - now_ms) / 1000))


def _until_next_minute_s(now_ms: int) -> int:
    return math.ceil((MINUTE_MS - now_ms % MINUTE_MS) / 1000)
