"""Changes of an account's leverage, margin type and modes (V1 "Account/Trades Endpoints"), each with its refusals and its event."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mmd.paper.account import ZERO, Account, MarginChange
from mmd.paper.amount_text import plain
from mmd.paper.margin import initial, margin_of, max_notional
from mmd.paper.market_data import MarketData
from mmd.paper.order_request import MarginType, PositionSide
from mmd.paper.refusals import Refused
from mmd.paper.user_events import account_update, leverage_update, modes_update

Json = dict[str, Any]


def set_leverage(account: Account, market: MarketData, leverage: int, now_ms: int) -> Json:
    """V1 "Change Initial Leverage"."""
    symbol, mark = market.symbol, market.mark_price
    if not 1 <= leverage <= symbol.brackets[0].initial_leverage:
        raise Refused(-4028, leverage)
    positions = account.open_positions()
    if any(abs(p.notional(symbol, mark)) > max_notional(symbol, leverage) for p in positions):
        raise Refused(-2027)
    if leverage < account.leverage:
        if positions and account.margin_type is MarginType.ISOLATED:
            raise Refused(-4161)
        margin = margin_of(account, symbol, mark)
        more = (margin.position_initial + margin.order_initial) * account.leverage / leverage - margin.position_initial - margin.order_initial
        if more > margin.available:
            raise Refused(-2028)
    if leverage != account.leverage:
        account.leverage = leverage
        account.outbox.append(leverage_update(symbol, leverage, now_ms))
    return {"leverage": leverage, "maxNotionalValue": plain(max_notional(symbol, leverage)), "symbol": symbol.name}


def set_margin_type(account: Account, market: MarketData, margin_type: MarginType, now_ms: int) -> None:
    """V1 "Change Margin Type"."""
    if margin_type is account.margin_type:
        raise Refused(-4046)
    if account.multi_assets:
        raise Refused(-4168)
    if account.open_orders:
        raise Refused(-4047)
    if account.open_positions():
        raise Refused(-4048)
    account.margin_type = margin_type
    account.outbox.append(
        account_update(account, market.symbol, market.mark_price, "MARGIN_TYPE_CHANGE", now_ms, positions=account.shown_positions())
    )


def set_dual_side(account: Account, dual_side: bool, now_ms: int) -> None:
    """V1 "Change Position Mode"."""
    if dual_side == account.dual_side:
        raise Refused(-4059)
    if account.open_orders:
        raise Refused(-4067)
    if account.open_positions():
        raise Refused(-4068)
    account.dual_side = dual_side
    account.outbox.append(modes_update(account, now_ms))


def set_multi_assets(account: Account, multi_assets: bool, now_ms: int) -> None:
    """V1 "Change Multi-Assets Mode". Its refusals are Binance's, Aster lists none."""
    if multi_assets == account.multi_assets:
        raise Refused(-4171)
    if account.margin_type is MarginType.ISOLATED:
        raise Refused(-4167)
    if account.open_orders or account.open_positions():
        raise Refused(-4170)
    account.multi_assets = multi_assets
    account.outbox.append(modes_update(account, now_ms))


def set_position_margin(
    account: Account, market: MarketData, position_side: PositionSide | None, amount: Decimal, kind: int, now_ms: int
) -> Json:
    """V1 "Modify Isolated Position Margin": `kind` 1 adds, 2 takes away."""
    symbol, mark = market.symbol, market.mark_price
    if kind not in (1, 2):
        raise Refused(-1130, "type")
    if (position_side in (None, PositionSide.BOTH)) == account.dual_side:
        raise Refused(-4061)
    if not amount.is_finite() or amount <= 0:
        raise Refused(-4055)
    if account.margin_type is not MarginType.ISOLATED:
        raise Refused(-4049)
    position = account.positions[position_side or PositionSide.BOTH]
    if not position.lots:
        raise Refused(-4054)
    if kind == 1:
        if amount > margin_of(account, symbol, mark).available:
            raise Refused(-4050)
    else:
        needed = initial(abs(position.notional(symbol, mark)), account.leverage)
        if position.isolated_wallet + min(ZERO, position.unrealized(symbol, mark)) - amount < needed:
            raise Refused(-4051)
    position.isolated_wallet += amount if kind == 1 else -amount
    account.margin_changes.append(MarginChange(amount, kind, position.side, now_ms))
    account.outbox.append(
        account_update(account, symbol, mark, "MARGIN_TRANSFER", now_ms, assets=[symbol.margin_asset], positions=[position])
    )
    return {"amount": float(amount), "code": 200, "msg": "Successfully modify position margin.", "type": kind}
