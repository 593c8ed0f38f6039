"""What was traded: one pass over the fills of a period, in the order of time, with the totals as they stood at any moment asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mmd.report.inventory import InventoryPath
from mmd.report.mark_outs import MarkOutSums
from mmd.report.period import HOUR_MS, Zone
from mmd.report.round_trips import RoundTripPath
from mmd.report.rows import FillRow, amount_of, price_text

_NEVER_MS = 1 << 62
_ZERO = Decimal(0)


class Totals(NamedTuple):
    """Sums since the period began; `volume` and `spread` in units of 1e-16, commissions by asset, paid and received both positive."""

    fills: int
    volume: int
    spread: int
    realized: Decimal
    paid: dict[str, Decimal]
    received: dict[str, Decimal]


NOTHING = Totals(0, 0, 0, _ZERO, {}, {})


@dataclass(frozen=True, slots=True)
class Trading:
    """What was traded. Volumes are in the quote asset, quantities in the base asset. Shares are parts of one, None without fills.

    `own` are fills of the daemon's orders, `foreign` those of anybody else's on the account, `unknown` those read from the venue's list,
    which does not say. Maker share (by notional) and spread leave the foreign ones out. `from_history` were read after a gap and have no
    mids.
    """

    fills: int
    own: int
    foreign: int
    unknown: int
    from_history: int
    buys: int
    sells: int
    volume: Decimal
    buy_volume: Decimal
    sell_volume: Decimal
    bought: Decimal
    sold: Decimal
    foreign_volume: Decimal
    maker_share: float | None
    first_ms: int | None
    last_ms: int | None


# Hears of every fill: time, whether it is a buy, price, size, mid (None: unknown), and the position after it.
FillListener = Callable[[int, int, int, int, int | None, int], None]


class _Part:
    """Some of the fills: how many, of what size (1e-8) and volume (1e-16)."""

    __slots__ = ("fills", "size", "volume")

    def __init__(self) -> None:
        self.fills = self.size = self.volume = 0


class FillPass:
    """The pass. `stops` are moments at which the totals are wanted, `resets` those at which a new account began."""

    def __init__(
        self,
        zone: Zone,
        margin_assets: Iterable[str],
        path: RoundTripPath,
        inventory: InventoryPath,
        stops: Sequence[int],
        resets: Sequence[int],
        listener: FillListener | None = None,
    ) -> None:
        self.mark_outs = MarkOutSums()
        self.at_stop: dict[int, Totals] = {}
        self.hours: list[tuple[int, Totals]] = []  # beginning of an hour with fills, totals at its end
        self._zone, self._listener = zone, listener
        self._margin_assets = frozenset(margin_assets)
        self._path, self._inventory = path, inventory
        self._stops, self._resets = sorted(set(stops), reverse=True), sorted(resets, reverse=True)
        self._hour_ms = self._hour_end_ms = 0
        self._next_ms = 0
        self._buys, self._sells, self._foreign = _Part(), _Part(), _Part()
        self._own = self._history = self._maker_volume = 0
        self._realized = _ZERO
        self._paid: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._received: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._span: tuple[int, int] | None = None

    def take(self, rows: Iterable[FillRow]) -> None:
        """Go through all of them. Raises decimal.InvalidOperation for an amount that is none."""
        self._take(rows)
        self._pass_stops(_NEVER_MS)
        self._end_hour()

    def results(self) -> Trading:
        buys, sells = self._buys, self._sells
        volume, of_ours = buys.volume + sells.volume, buys.volume + sells.volume - self._foreign.volume
        fills = buys.fills + sells.fills
        return Trading(
            fills=fills,
            own=self._own,
            foreign=self._foreign.fills,
            unknown=fills - self._own - self._foreign.fills,
            from_history=self._history,
            buys=buys.fills,
            sells=sells.fills,
            volume=amount_of(volume),
            buy_volume=amount_of(buys.volume),
            sell_volume=amount_of(sells.volume),
            bought=price_text(buys.size),
            sold=price_text(sells.size),
            foreign_volume=amount_of(self._foreign.volume),
            maker_share=self._maker_volume / of_ours if of_ours else None,
            first_ms=self._span[0] if self._span else None,
            last_ms=self._span[1] if self._span else None,
        )

    def totals(self) -> Totals:
        buys, sells = self._buys, self._sells
        return Totals(
            buys.fills + sells.fills,
            buys.volume + sells.volume,
            self.mark_outs.spread,
            self._realized,
            dict(self._paid),
            dict(self._received),
        )

    def _take(self, rows: Iterable[FillRow]) -> None:
        """The one loop that a million fills go through: no call or attribute more than it needs."""
        margin_assets, paid, received = self._margin_assets, self._paid, self._received
        add, follow, move, path = self.mark_outs.add, self._path.fill, self._inventory.move, self._path
        hear = self._listener
        first_ms = time_ms = 0
        for time_ms, is_buy, price, size, realized_text, commission_text, asset, maker, own, source, stated, *mids in rows:
            if time_ms >= self._next_ms:
                self._pass_stops(time_ms)
                first_ms = first_ms or time_ms
            notional = price * size
            side = self._buys if is_buy else self._sells
            side.fills += 1
            side.size += size
            side.volume += notional
            realized, commission = Decimal(realized_text), Decimal(commission_text)
            self._realized += realized
            if commission > 0:
                paid[asset] += commission
            elif commission:
                received[asset] -= commission
            fee = commission if asset in margin_assets else _ZERO
            if source == "history":
                self._history += 1
            if own == 0:
                self._foreign.fills += 1
                self._foreign.volume += notional
            else:
                if own:
                    self._own += 1
                if maker:
                    self._maker_volume += notional
                add(is_buy, price, size, notional, fee, mids)
            follow(time_ms, size if is_buy else -size, stated, source, realized, fee)
            move(time_ms, path.position, price)
            if hear is not None:
                hear(time_ms, is_buy, price, size, mids[0], path.position)
        if first_ms:
            self._span = (first_ms, time_ms)

    def _pass_stops(self, time_ms: int) -> None:
        """Everything before this moment has been taken: note the totals where they were wanted, and begin a new hour."""
        while self._resets and self._resets[-1] <= time_ms:
            reset_ms = self._resets.pop()
            self._path.reset()
            self._inventory.move(reset_ms, 0, 0)
        while self._stops and self._stops[-1] <= time_ms:
            self.at_stop[self._stops.pop()] = self.totals()
        if time_ms >= self._hour_end_ms and time_ms < _NEVER_MS:
            self._end_hour()
            self._hour_ms = self._zone.hour_ms(time_ms)
            self._hour_end_ms = self._hour_ms + HOUR_MS
        self._next_ms = min(self._hour_end_ms, *(each[-1] for each in (self._stops, self._resets) if each), _NEVER_MS)

    def _end_hour(self) -> None:
        if self._hour_end_ms and (not self.hours or self.hours[-1][0] != self._hour_ms):
            self.hours.append((self._hour_ms, self.totals()))


def difference(later: Totals, earlier: Totals) -> Totals:
    """What was added between two moments."""

    def less(ours: dict[str, Decimal], theirs: dict[str, Decimal]) -> dict[str, Decimal]:
        return {asset: amount - theirs.get(asset, _ZERO) for asset, amount in ours.items() if amount != theirs.get(asset, _ZERO)}

    return Totals(
        later.fills - earlier.fills,
        later.volume - earlier.volume,
        later.spread - earlier.spread,
        later.realized - earlier.realized,
        less(later.paid, earlier.paid),
        less(later.received, earlier.received),
    )
