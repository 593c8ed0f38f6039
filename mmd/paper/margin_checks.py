"""Whether an account can carry an order: margin and the largest position at its leverage."""

from __future__ import annotations

from decimal import Decimal

from mmd.core.units import Side
from mmd.paper.account import ZERO, Account
from mmd.paper.margin import cross_wallet_of, exposures, initial, margin_of, max_notional
from mmd.paper.order_request import MarginType, PositionSide
from mmd.paper.orders import Order
from mmd.paper.refusals import Refused
from mmd.paper.symbols import Symbol


def check_margin(
    account: Account, symbol: Symbol, mark_price: Decimal, position_side: PositionSide, side: Side, price: Decimal, quantity: Decimal,
    replaces: Order | None = None,
) -> None:
    """Raises Refused -2027 or -2019 where the account cannot carry the order. An order that needs no more margin than before always passes.

    Beside the initial margin, the loss that a price worse than the mark price opens with must be covered.
    """
    before = exposures(account, symbol, mark_price)
    after = exposures(account, symbol, mark_price, extra=(position_side, side, price * quantity), without=replaces)
    needs = sum((e.worst for e in after.values()), ZERO)
    if needs <= sum((e.worst for e in before.values()), ZERO):
        return
    if any(e.worst > max_notional(symbol, account.leverage) for e in after.values()):
        raise Refused(-2027)
    held = initial(sum((e.held for e in after.values()), ZERO), account.leverage)
    needed = initial(needs, account.leverage)
    unrealized = margin_of(account, symbol, mark_price).cross_unrealized
    if account.margin_type is MarginType.ISOLATED:
        needed -= held
    opening_loss = max(ZERO, side.sign * (price - mark_price) * quantity)
    if cross_wallet_of(account, symbol) + unrealized < needed + opening_loss:
        raise Refused(-2019)
