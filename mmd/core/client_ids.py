"""Client order ids of our own: how an order is told from a foreign one, and one run's from another's."""

from __future__ import annotations


class ClientIds:
    """Ids `<prefix>-<session>-<n>`; `session` is unique to the run, so no id is ever used twice (FAULTS O2).

    The venue takes `^[\\.A-Z\\:/a-z0-9_-]{1,36}$` (V1 "New Order").
    """

    def __init__(self, prefix: str, session: str) -> None:
        self._prefix = f"{prefix}-"
        self._session = session
        self._count = 0

    def next(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._session}-{self._count}"

    def is_own(self, client_order_id: str) -> bool:
        """Whether an order of this or an earlier run of ours bears the id."""
        return client_order_id.startswith(self._prefix)
