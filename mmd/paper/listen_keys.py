"""Listen keys: their birth, their hour of life, their end.

Source: V1 "User Data Streams" (one active key an account; POST and PUT extend it by 60 minutes; DELETE invalidates it).
"""
from __future__ import annotations

import random
import string
from dataclasses import dataclass

from mmd.paper.denials import Denied

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 64


@dataclass
class _Lease:
    listen_key: str
    until_ms: int


class ListenKeys:
    """The active listen keys, at most one an account (named by its API key)."""

    def __init__(self, rng: random.Random, life_ms: int = 3_600_000) -> None:
        self._rng = rng
        self._life_ms = life_ms
        self._leases: dict[str, _Lease] = {}
        self._closed: list[str] = []
        self._overdue: list[str] = []  # ended, replaced, and not yet reported by `expire`

    def open(self, api_key: str, now_ms: int) -> str:
        """The account's listen key, new where it has none active; good for a whole life from `now_ms`."""
        lease = self._active(api_key, now_ms)
        if lease is None:
            if api_key in self._leases:
                self._overdue.append(self._leases[api_key].listen_key)
            listen_key = "".join(self._rng.choices(_ALPHABET, k=_LENGTH))
            lease = self._leases[api_key] = _Lease(listen_key, now_ms)
        lease.until_ms = now_ms + self._life_ms
        return lease.listen_key

    def keep_alive(self, api_key: str, named: str | None, now_ms: int) -> None:
        """Extends the account's key to a whole life from `now_ms`.

        Raises Refused -1125 where it has none active, or `named` (the key that the request names, if it does) is another.
        """
        self._required(api_key, named, now_ms).until_ms = now_ms + self._life_ms

    def close(self, api_key: str, named: str | None, now_ms: int) -> None:
        """Ends the account's key at once.  Raises Refused -1125 as `keep_alive` does."""
        lease = self._required(api_key, named, now_ms)
        del self._leases[api_key]
        self._closed.append(lease.listen_key)

    def cut_short(self, api_key: str, now_ms: int) -> None:
        """Lets the life of the account's key, if it has one, be over at `now_ms`."""
        lease = self._active(api_key, now_ms)
        if lease is not None:
            lease.until_ms = now_ms

    def current(self, api_key: str, now_ms: int) -> str | None:
        """The account's active listen key, None where it has none."""
        lease = self._active(api_key, now_ms)
        return None if lease is None else lease.listen_key

    def owner(self, listen_key: str, now_ms: int) -> str | None:
        """The API key of the account that `listen_key` belongs to, None where no such key is active."""
        for api_key, lease in self._leases.items():
            if lease.listen_key == listen_key and now_ms < lease.until_ms:
                return api_key
        return None

    def take_closed(self) -> list[str]:
        """The keys that were closed since this was last asked."""
        closed, self._closed = self._closed, []
        return closed

    def expire(self, now_ms: int) -> list[str]:
        """Takes out the keys whose life is over at `now_ms`, and gives them."""
        over = [api_key for api_key, lease in self._leases.items() if now_ms >= lease.until_ms]
        expired = self._overdue + [self._leases.pop(api_key).listen_key for api_key in over]
        self._overdue = []
        return expired

    def next_expiry_ms(self) -> int | None:
        """When the next key ends, None where there is none."""
        return min((lease.until_ms for lease in self._leases.values()), default=None)

    def _active(self, api_key: str, now_ms: int) -> _Lease | None:
        lease = self._leases.get(api_key)
        return lease if lease is not None and now_ms < lease.until_ms else None

    def _required(self, api_key: str, named: str | None, now_ms: int) -> _Lease:
        lease = self._active(api_key, now_ms)
        if lease is None or (named is not None and named != lease.listen_key):
            raise Denied(-1125, "This listenKey does not exist.")
        return lease
