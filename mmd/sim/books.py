"""The two books of a run, compared to the last digit: the engine's and the exchange's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from mmd.core.engine import Engine
from mmd.sim.venue_side import VenueSide

if TYPE_CHECKING:
    from mmd.sim.own_view import OwnView

_ZERO = Decimal(0)


def differences(engine: Engine, view: OwnView, venue: VenueSide, wallets_known: bool) -> Iterator[tuple[int, str]]:
    """What the engine holds otherwise than the exchange, with the invariant that it breaks; the wallets count only where it could know them."""
    if view.first_truth is None:
        return
    account = venue.account
    venue_lots = sum(position.lots for position in account.open_positions())
    if engine.account.position.amount_lots != venue_lots:
        yield 8, f"the engine holds {engine.account.position.amount_lots} lots, the exchange {venue_lots}"
    known = {(fill.trade_id, fill.side.value) for fill in view.first_truth.fills}  # made before the run had read the account
    first_id = min((trade_id for trade_id, _ in known), default=0)
    made = {(trade.trade_id, trade.side.value): trade for trade in account.trades}
    booked = set(view.booked)
    for trade_id, side in sorted(made.keys() - booked - known):
        if trade_id >= first_id:
            yield 9, f"trade {trade_id} ({side}) was never booked"
    for trade_id, side in sorted(booked - made.keys()):
        yield 9, f"trade {trade_id} ({side}) was booked and never made"
    trades = [made[key] for key in booked & made.keys()]
    profit = sum((trade.realized_pnl for trade in trades), _ZERO)
    if profit != engine.account.realized_profit:
        yield 10, f"realized profit is {engine.account.realized_profit}, the exchange's {profit}"
    fees: dict[str, Decimal] = {}
    for trade in trades:
        fees[trade.commission_asset] = fees.get(trade.commission_asset, _ZERO) + trade.commission
    if {asset: fee for asset, fee in fees.items() if fee} != {asset: fee for asset, fee in engine.account.commission.items() if fee}:
        yield 10, f"fees are {dict(engine.account.commission)}, the exchange's {fees}"
    for asset, wallet in account.wallets.items():
        if wallets_known and engine.account.balances.get(asset, _ZERO) != wallet:
            yield 10, f"{asset} is {engine.account.balances.get(asset)}, the exchange's {wallet}"
