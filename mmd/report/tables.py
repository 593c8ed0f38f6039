"""The report as CSV: four tables in one directory, every digit kept, times as ISO text and in milliseconds."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mmd.report.amounts import exact
from mmd.report.mark_outs import HORIZONS_S
from mmd.report.period import Zone
from mmd.report.profit import Slot
from mmd.report.round_trips import RoundTrip
from mmd.report.rows import NamedFillRow

if TYPE_CHECKING:
    from _csv import Writer

NAMES = ("fills.csv", "hours.csv", "days.csv", "round_trips.csv")

_FILL_HEAD = (
    "time",
    "time_ms",
    "trade_id",
    "side",
    "price",
    "size",
    "notional",
    "realized",
    "commission",
    "commission_asset",
    "maker",
    "own",
    "source",
    "order_id",
    "client_order_id",
    "position",
    *(f"mid_{s}" for s in HORIZONS_S),
    *(f"mark_out_{s}" for s in HORIZONS_S),
)
_SLOT_HEAD = ("start", "start_ms", "fills", "volume", "spread", "realized", "fees", "rebates", "funding", "net")
_TRIP_HEAD = ("opened", "opened_ms", "closed", "closed_ms", "holding_ms", "direction", "size", "fills", "realized", "profit")


def paths_in(directory: Path) -> list[Path]:
    """The files of a report, in the order of NAMES."""
    return [directory / name for name in NAMES]


def write_fills(file: TextIO, rows: Iterable[NamedFillRow], zone: Zone) -> None:
    """Every fill with its mids and mark-outs (quote asset; positive is good for us; empty where the mid is unknown)."""
    writer = _headed(file, _FILL_HEAD)
    second, second_text = -1, ""
    for row in rows:
        (
            time_ms,
            is_buy,
            price,
            size,
            realized,
            commission,
            asset,
            maker,
            own,
            source,
            position,
            *mids,
            trade_id,
            order_id,
            client_order_id,
        ) = row
        if time_ms // 1000 != second:  # the same text but for its milliseconds, which stand after its point
            second = time_ms // 1000
            second_text = zone.iso(second * 1000)
        edges = ["" if mid is None else _scaled((mid - price if is_buy else price - mid) * size, 16) for mid in mids]
        writer.writerow(
            (
                second_text.replace(".000", f".{time_ms % 1000:03}", 1),
                time_ms,
                trade_id,
                "BUY" if is_buy else "SELL",
                _units(price),
                _units(size),
                _scaled(price * size, 16),
                realized,
                commission,
                _inert(asset),
                maker,
                "" if own is None else own,
                source,
                order_id,
                _inert(client_order_id),
                "" if position is None else _units(position),
                *("" if mid is None else _units(mid) for mid in mids),
                *edges,
            )
        )


def write_slots(file: TextIO, slots: Iterable[Slot], zone: Zone) -> None:
    """Hours or days in which something was booked."""
    writer = _headed(file, _SLOT_HEAD)
    for slot in slots:
        writer.writerow(
            (
                zone.iso(slot.start_ms),
                slot.start_ms,
                slot.fills,
                *map(exact, (slot.volume, slot.spread, slot.realized, slot.fees, slot.rebates, slot.funding, slot.net)),
            )
        )


class RoundTripTable:
    """Takes round trips as they are found."""

    def __init__(self, file: TextIO, zone: Zone) -> None:
        self._writer, self._zone = _headed(file, _TRIP_HEAD), zone

    def add(self, trip: RoundTrip) -> None:
        opened = ("", "") if trip.opened_ms is None else (self._zone.iso(trip.opened_ms), trip.opened_ms)
        self._writer.writerow(
            (
                *opened,
                self._zone.iso(trip.closed_ms),
                trip.closed_ms,
                "" if trip.holding_ms is None else trip.holding_ms,
                "long" if trip.is_long else "short",
                exact(trip.size),
                trip.fills,
                exact(trip.realized),
                exact(trip.profit),
            )
        )


def _headed(file: TextIO, head: tuple[str, ...]) -> Writer:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    return writer


@lru_cache(maxsize=50_000)
def _units(number: int) -> str:
    """A price, size or mid of the ledger (1e-8); on its grid the same ones come again and again."""
    return _scaled(number, 8)


def _scaled(number: int, decimals: int) -> str:
    """A whole number of 10**-decimals as text without idle zeros (much faster than through Decimal)."""
    whole, rest = divmod(abs(number), 10**decimals)
    text = f"{whole}.{rest:0{decimals}}".rstrip("0") if rest else f"{whole}"
    return f"-{text}" if number < 0 else text


def _inert(text: str) -> str:
    """Text of others that a spreadsheet would take for a formula is given an apostrophe."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
