"""How much margin an account needs and has. Pure functions of the account, the symbol and the mark price.

Initial margin is notional / leverage. In one-way mode bids and asks offset: what counts is the larger of the two positions that the
account would have if all its bids, or all its asks, were filled. Orders that only close need none.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from mmd.core.units import Side
from mmd.paper.account import ZERO, Account, Position, money
from mmd.paper.order_request import MarginType, PositionSide
from mmd.paper.orders import Order
from mmd.paper.symbols import Symbol


class Exposure(NamedTuple):
    """Notional that would be held (absolute) and that is held, in the quote asset."""

    worst: Decimal
    held: Decimal


class Margin(NamedTuple):
    """An account's margin in the margin asset, at the mark price; the cross figures leave isolated positions out."""

    position_initial: Decimal
    order_initial: Decimal
    maintenance: Decimal
    unrealized: Decimal
    cross_wallet: Decimal
    cross_unrealized: Decimal
    cross_maintenance: Decimal
    available: Decimal
    withdrawable: Decimal


def order_notional(order: Order, symbol: Symbol) -> Decimal:
    """What the order's remaining lots are worth at its price, or at its trigger price."""
    return symbol.notional(order.price_ticks or order.stop_ticks or order.activation_ticks, order.remaining_lots)


def exposures(
    account: Account, symbol: Symbol, mark_price: Decimal, extra: tuple[PositionSide, Side, Decimal] | None = None, without: Order | None = None
) -> dict[PositionSide, Exposure]:
    """Per position side: the position's notional now, and at worst. `extra` is the notional of an order still to come, `without` is left out."""
    bids = dict.fromkeys(PositionSide, ZERO)
    asks = dict.fromkeys(PositionSide, ZERO)
    for order in account.open_orders.values():
        if not order.closes and order is not without:
            (bids if order.side is Side.BUY else asks)[order.position_side] += order_notional(order, symbol)
    if extra is not None:
        (bids if extra[1] is Side.BUY else asks)[extra[0]] += extra[2]
    result = {}
    for position in account.shown_positions():
        held = position.notional(symbol, mark_price)
        result[position.side] = Exposure(max(abs(held + bids[position.side]), abs(held - asks[position.side]), abs(held)), abs(held))
    return result


def max_notional(symbol: Symbol, leverage: int) -> Decimal:
    """The largest position that may be held at that leverage."""
    return max(bracket.notional_cap for bracket in symbol.brackets if bracket.initial_leverage >= leverage)


def maintenance(position: Position, symbol: Symbol, mark_price: Decimal) -> Decimal:
    notional = abs(position.notional(symbol, mark_price))
    bracket = symbol.bracket(notional)
    return money(notional * bracket.maint_margin_ratio - bracket.cum)


def initial(notional: Decimal, leverage: int) -> Decimal:
    return money(notional / leverage)


def margin_of(account: Account, symbol: Symbol, mark_price: Decimal, worst: dict[PositionSide, Exposure] | None = None) -> Margin:
    """The whole account's margin; `worst` replaces the exposures, to ask what an order would do."""
    if worst is None:
        worst = exposures(account, symbol, mark_price)
    isolated = account.margin_type is MarginType.ISOLATED
    held = initial(sum((e.held for e in worst.values()), ZERO), account.leverage)
    total = initial(sum((e.worst for e in worst.values()), ZERO), account.leverage)
    positions = account.open_positions()
    unrealized = sum((p.unrealized(symbol, mark_price) for p in positions), ZERO)
    needed = sum((maintenance(p, symbol, mark_price) for p in positions), ZERO)
    cross_wallet = cross_wallet_of(account, symbol)
    cross_unrealized = ZERO if isolated else unrealized
    bound = total - held if isolated else total
    free = cross_wallet - bound
    return Margin(
        position_initial=held, order_initial=total - held, maintenance=needed, unrealized=unrealized, cross_wallet=cross_wallet,
        cross_unrealized=cross_unrealized, cross_maintenance=ZERO if isolated else needed,
        available=max(ZERO, free + cross_unrealized), withdrawable=max(ZERO, free + min(ZERO, cross_unrealized)),
    )


def cross_wallet_of(account: Account, symbol: Symbol) -> Decimal:
    """The wallet that stands behind crossed positions: the margin asset's, in Multi-Assets mode all of them at par."""
    if not account.multi_assets:
        return account.cross_wallet(symbol.margin_asset, symbol.margin_asset)
    return sum((account.cross_wallet(asset, symbol.margin_asset) for asset in account.wallets), ZERO)


def bankruptcy_price_ticks(account: Account, position: Position, symbol: Symbol, mark_price: Decimal) -> int:
    """The last price, rounded to the account's side, at which closing the position leaves the wallet behind it at or above zero."""
    behind = position.isolated_wallet
    if account.margin_type is MarginType.CROSSED:
        others = (p.unrealized(symbol, mark_price) for p in account.open_positions() if p is not position)
        behind = cross_wallet_of(account, symbol) + sum(others, ZERO)
    size = symbol.lot_grid.decimal(abs(position.lots))
    price = (position.cost - behind) / size if position.lots > 0 else (position.cost + behind) / size
    ticks = (price / symbol.price_grid.step).to_integral_value(ROUND_CEILING if position.lots > 0 else ROUND_FLOOR)
    return max(1, int(ticks))


def liquidation_price(account: Account, position: Position, symbol: Symbol, mark_price: Decimal) -> Decimal:
    """The mark price at which the margin behind the position falls to its maintenance margin; 0 where there is none.

    With wallet W, size q, entry E, ratio r and cum c: W + q (P - E) = q P r - c for a long position, solved for P in the present bracket.
    """
    if not position.lots:
        return ZERO
    behind = position.isolated_wallet
    if account.margin_type is MarginType.CROSSED:
        others = [p for p in account.open_positions() if p is not position]
        behind = cross_wallet_of(account, symbol) + sum((p.unrealized(symbol, mark_price) for p in others), ZERO)
        behind -= sum((maintenance(p, symbol, mark_price) for p in others), ZERO)
    size = symbol.lot_grid.decimal(abs(position.lots))
    bracket = symbol.bracket(abs(position.notional(symbol, mark_price)))
    if position.lots > 0:
        price = (position.cost - behind - bracket.cum) / (size * (1 - bracket.maint_margin_ratio))
    else:
        price = (position.cost + behind + bracket.cum) / (size * (1 + bracket.maint_margin_ratio))
    return max(ZERO, money(price))
