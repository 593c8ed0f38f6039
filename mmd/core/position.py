"""The account as far as the symbol goes: position, balances, and every fill booked exactly once."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import TypeGuard

from mmd.core.messages import Fill, PositionReport
from mmd.core.rules import SymbolRules
from mmd.core.units import Side

_REMEMBERED_TRADES = 20_000
_RECENT_FILLS = 256
_REREAD_TRADES = 500
_SETTLED_MS = 1_000
_ZERO = Decimal(0)


class Position:
    """Signed lots and their average entry price (quote units), moved by fills; one-way mode."""

    __slots__ = ("amount_lots", "entry_price")

    def __init__(self, amount_lots: int = 0, entry_price: Decimal = _ZERO) -> None:
        self.amount_lots = amount_lots
        self.entry_price = entry_price

    def fill(self, signed_lots: int, price: Decimal) -> None:
        """Book a trade: adding averages the entry price, reducing keeps it, crossing zero starts anew at `price`."""
        before, after = self.amount_lots, self.amount_lots + signed_lots
        if after == 0:
            self.entry_price = _ZERO
        elif before == 0 or (before > 0) != (after > 0):
            self.entry_price = price
        elif abs(after) > abs(before):
            self.entry_price = (self.entry_price * abs(before) + price * abs(signed_lots)) / abs(after)
        self.amount_lots = after


class Account:
    """Position, balances and totals of this run.

    Two figures of the position are kept: `position`, moved by each fill, and `reported`, the venue's own absolute figure from
    ACCOUNT_UPDATE. At rest they agree; `differs_since_ms` says since when they do not (FAULTS A1).
    """

    def __init__(self, rules: SymbolRules) -> None:
        self._rules = rules
        self.position = Position()
        self.reported: PositionReport | None = None
        self.differs_since_ms: int | None = None
        self.balances: dict[str, Decimal] = {}
        self.fills = 0
        self.filled_notional = _ZERO
        self.realized_profit = _ZERO
        self.commission: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._booked: OrderedDict[tuple[int, Side], None] = OrderedDict()
        self._read_to_trade_id: int | None = None  # the last trade of the last list that was read
        self._booked_since: deque[int] = deque(maxlen=_REREAD_TRADES)
        self._recent: deque[tuple[int, Fill]] = deque(maxlen=_RECENT_FILLS)
        self._adopted_time_ms = 0
        self._reported_heard_ms = 0
        self._balance_heard_ms: dict[str, int] = {}
        self._balance_time_ms: dict[str, int] = {}  # up to when, by the venue's time, what is known of an asset holds everything
        self._started = False
        self.unexplained_lots = 0  # signed: of what was adopted, as much as no trade has explained yet

    def balance(self, assets: Iterable[str]) -> Decimal:
        """The wallet total of the given assets, at par."""
        return sum((self.balances.get(asset, _ZERO) for asset in assets), _ZERO)

    @property
    def read_trades_from_id(self) -> int | None:
        """The trade after which the venue's list of trades has to be read (FAULTS U7); None where the newest ones will do.

        Not the last one booked: the user stream may go on after a gap, and a trade in the gap comes before those booked since. A few hundred
        are read again rather than one missed.
        """
        return self._booked_since[0] if len(self._booked_since) == _REREAD_TRADES else self._read_to_trade_id

    def book(self, fill: Fill, now_ms: int) -> bool:
        """Book a fill, once for its trade id and side (FAULTS U5; both sides of one trade may be ours); False where it was booked before.

        A fill that the adopted position already held moves the totals, but not the position.
        """
        if (fill.trade_id, fill.side) in self._booked:
            return False
        self._remember(fill)
        self._booked_since.append(fill.trade_id)
        self.fills += 1
        self.filled_notional += self._rules.notional(fill.price_ticks, fill.size_lots)
        self.realized_profit += fill.realized_profit
        self.commission[fill.commission_asset] += fill.commission
        if fill.trade_time_ms > self._adopted_time_ms:
            self._recent.append((now_ms, fill))
            self.position.fill(fill.side.sign * fill.size_lots, self._rules.price.decimal(fill.price_ticks))
            self._compare(now_ms)
        else:
            self._explain(fill.side.sign * fill.size_lots)
        return True

    def hear_balances(self, balances: Mapping[str, Decimal], time_ms: int, now_ms: int) -> None:
        """Wallet balances of the venue's time `time_ms`, from ACCOUNT_UPDATE; an asset that is not named is unchanged.

        An older one than the last is passed over (FAULTS U4), and so is one that a reading has held.
        """
        for asset, balance in balances.items():
            if time_ms >= self._balance_time_ms.get(asset, 0):
                self.balances[asset] = balance
                self._balance_heard_ms[asset], self._balance_time_ms[asset] = now_ms, time_ms

    def hear_position(self, report: PositionReport, now_ms: int) -> None:
        """The venue's absolute position from ACCOUNT_UPDATE; an older one than the last is passed over (FAULTS U4)."""
        if self.reported is None or report.update_time_ms >= self.reported.update_time_ms:
            self.reported, self._reported_heard_ms = report, now_ms
            self._compare(now_ms)

    def stream_lost(self) -> None:
        """What the user stream last said is no longer known to be current."""
        self.reported = None
        self.differs_since_ms = None

    def start_from(
        self, position: PositionReport, balances: Mapping[str, Decimal], fills: Collection[Fill], asked_ms: int, now_ms: int
    ) -> None:
        """The first truth of this run: adopt it; `fills` are from before it and only mark where trades go on."""
        for fill in fills:
            self._remember(fill)
        self.check(position, balances, fills, asked_ms, now_ms)
        self._started, self.unexplained_lots = True, 0

    def check(
        self, position: PositionReport, balances: Mapping[str, Decimal], fills: Collection[Fill], asked_ms: int, now_ms: int
    ) -> int:
        """Compare with a reading that was asked for at `asked_ms`, adopt the venue's, and return the difference in lots.

        `fills` were read just before the position and are in it. A reading older than the stream is not applied (FAULTS R6); other fills that
        came while it was on its way are counted on top.
        """
        self._read_balances(balances, position.update_time_ms, asked_ms)
        if self._is_newer(self.reported, position, asked_ms):
            position = self.reported
        else:
            self.reported, self._reported_heard_ms = position, asked_ms - _SETTLED_MS
        held = {(fill.trade_id, fill.side) for fill in fills}
        since = [
            fill.side.sign * fill.size_lots
            for booked_ms, fill in self._recent
            if booked_ms >= asked_ms and fill.trade_time_ms > position.update_time_ms and (fill.trade_id, fill.side) not in held
        ]
        expected = position.amount_lots + sum(since)
        difference = expected - self.position.amount_lots
        if difference:
            self._adopt(expected, position.entry_price, position.update_time_ms)
        if fills:
            self._read_to_trade_id = max(fill.trade_id for fill in fills)
            self._booked_since.clear()
        self.differs_since_ms = None
        self._compare(now_ms)
        return difference

    def _read_balances(self, balances: Mapping[str, Decimal], position_time_ms: int, asked_ms: int) -> None:
        """They were read after the position, and hold whatever last moved it; what the stream has told since of a later time is newer."""
        for asset, balance in balances.items():
            heard_ms, time_ms = self._balance_heard_ms.get(asset, -1), self._balance_time_ms.get(asset, 0)
            if heard_ms < asked_ms or time_ms <= position_time_ms:
                self.balances[asset] = balance
                self._balance_time_ms[asset] = max(time_ms, position_time_ms + 1)

    def _is_newer(self, reported: PositionReport | None, position: PositionReport, asked_ms: int) -> TypeGuard[PositionReport]:
        """Whether the stream's figure is newer than the reading; within one millisecond the one that came later is, unless it is the reading that
        the trades agree with: of two events of one match the second may have come first (FAULTS U4).

        A reading that was asked for a second after the stream spoke is newer whatever its time says, for a flat position may have none.
        """
        if reported is None or asked_ms - self._reported_heard_ms >= _SETTLED_MS:
            return False
        if reported.update_time_ms == position.update_time_ms:
            explained = self._started and position.amount_lots == self.position.amount_lots
            return self._reported_heard_ms >= asked_ms and not explained
        return reported.update_time_ms > position.update_time_ms

    def _explain(self, signed_lots: int) -> None:
        """A trade has come that the adopted position held."""
        left = abs(self.unexplained_lots) - abs(signed_lots)
        if self.unexplained_lots * signed_lots > 0:
            self.unexplained_lots = max(0, left) * (1 if signed_lots > 0 else -1)

    def _adopt(self, amount_lots: int, entry_price: Decimal, time_ms: int) -> None:
        self.unexplained_lots += amount_lots - self.position.amount_lots
        self.position = Position(amount_lots, entry_price)
        self._adopted_time_ms = max(self._adopted_time_ms, time_ms)
        self.differs_since_ms = None

    def _compare(self, now_ms: int) -> None:
        if self.reported is None or self.reported.amount_lots == self.position.amount_lots:
            self.differs_since_ms = None
        elif self.differs_since_ms is None:
            self.differs_since_ms = now_ms

    def _remember(self, fill: Fill) -> None:
        self._booked[fill.trade_id, fill.side] = None
        if len(self._booked) > _REMEMBERED_TRADES:
            self._booked.popitem(last=False)
