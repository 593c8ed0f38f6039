"""What the operator allows one run, reckoned apart from its engine: orders a minute, fills within a window, refusals and loss."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from mmd.core.messages import Fill, PositionReport, Refusal
from mmd.core.units import Side

if TYPE_CHECKING:
    from mmd.sim.process import Process

_MINUTE_MS = 60_000
# The exchange's own limit of orders a minute ("ORDERS" in exchangeInfo).
_ORDERS_PER_MINUTE = 1_200
# The engine reckons from the first price that it knows, and so a little otherwise.
_LOSS_SLACK = Decimal("1.1")
_ZERO = Decimal(0)


class Limits:
    """One run's. Money is reckoned as cash: what was bought is paid, what was sold is received, and what is held is worth mid."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sent_ms: deque[int] = deque()
        self._fills: deque[tuple[int, Decimal, Decimal]] = deque()  # when, signed size, notional
        self._frozen_until_ms = 0
        self._refused_ms: deque[int] = deque()
        self._cash = _ZERO
        self._held: Decimal | None = None  # signed size; None while it is not known, or no longer for sure
        self._brought_in: Decimal | None = None  # worth of what was held at first
        self._first_held = _ZERO
        self._told_before: set[int] = set()  # ids of trades that came before the first reading
        self._started = False

    def start_from(self, position: PositionReport, fills: Iterable[Fill]) -> None:
        """The first reading of the account. A trade that the user stream told of before it is in the position, and was paid for before this run's
        reckoning began; where the reading does not list it, nobody can tell."""
        engine = self._process.engine
        assert engine is not None
        self._cash = _ZERO
        if self._told_before <= {fill.trade_id for fill in fills}:
            self._held = self._first_held = engine.rules.size.decimal(position.amount_lots)
        self._started = True

    def look(self) -> None:
        """After each step: what was held at first is worth what the first price says."""
        engine = self._process.engine
        assert engine is not None
        if self._brought_in is None and self._held is not None and engine.book.is_known:
            self._brought_in = self._first_held * engine.book.mid * engine.rules.price.step

    def adopted(self) -> None:
        """The engine took over a position that its trades do not explain."""
        self._held = None

    def booked(self, fields: Mapping[str, object]) -> None:
        """A fill, as the engine has told of it."""
        size, price = Decimal(str(fields["size"])), Decimal(str(fields["price"]))
        signed, limits, now_ms = size * Side(fields["side"]).sign, self._process.settings.risk.fills, self._now_ms()
        self._cash -= signed * price + Decimal(str(fields["fee"]))
        if not self._started:
            self._told_before.add(int(str(fields["trade"])))
        if self._held is not None:
            self._held += signed
        if not limits.are_set:
            return
        self._fills.append((now_ms, signed, size * price))
        while self._fills[0][0] <= now_ms - limits.window_ms:
            self._fills.popleft()
        found = (
            (sum((abs(signed) for _, signed, _ in self._fills), _ZERO), limits.size),
            (sum((notional for _, _, notional in self._fills), _ZERO), limits.notional),
            (abs(sum((signed for _, signed, _ in self._fills), _ZERO)), limits.net_size),
        )
        if now_ms >= self._frozen_until_ms and any(limit is not None and value >= limit for value, limit in found):
            self._frozen_until_ms = now_ms + limits.frozen_ms
            self._fills.clear()

    def refused(self, refusal: Refusal) -> None:
        self._refused_ms.append(self._now_ms())

    def judge(self, client_order_id: str) -> Iterator[tuple[int, str]]:
        """An order goes out, or is amended."""
        now_ms, risk = self._now_ms(), self._process.settings.risk
        self._sent_ms.append(now_ms)
        while self._sent_ms[0] <= now_ms - _MINUTE_MS:
            self._sent_ms.popleft()
        if len(self._sent_ms) > max(1, int(_ORDERS_PER_MINUTE * risk.order_rate_fraction)):
            yield 15, f"{client_order_id} is number {len(self._sent_ms)} within a minute"
        if now_ms < self._frozen_until_ms:
            yield 11, f"{client_order_id} is sent although too much was filled {risk.fills.frozen_ms - self._frozen_until_ms + now_ms} ms ago"
        while self._refused_ms and self._refused_ms[0] <= now_ms - _MINUTE_MS:
            self._refused_ms.popleft()
        if len(self._refused_ms) >= risk.max_refusals:
            yield 19, f"{client_order_id} is sent after {len(self._refused_ms)} refusals within a minute"
        if risk.max_loss is not None:
            loss = self._loss()
            if loss > risk.max_loss * _LOSS_SLACK:
                yield 19, f"{client_order_id} is sent after a loss of {loss}"

    def _loss(self) -> Decimal:
        engine = self._process.engine
        assert engine is not None
        if self._held is None:
            return _ZERO
        mid = engine.book.mid * engine.rules.price.step
        return -(self._cash + self._held * mid - (self._brought_in or _ZERO))

    def _now_ms(self) -> int:
        return self._process.clock.monotonic_ms()
