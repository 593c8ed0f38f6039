"""Replies about an account, field for field as documented; every number is plain decimal text."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from mmd.paper.account import ZERO, Account, Income, Position
from mmd.paper.amount_text import average_text, money_text, plain, quantity_text
from mmd.paper.exchange import PaperExchange
from mmd.paper.margin import Margin, exposures, initial, liquidation_price, maintenance, margin_of, max_notional
from mmd.paper.order_request import MarginType
from mmd.paper.user_events import margin_type_text

Json = dict[str, Any]


def render_income(income: Income) -> Json:
    """V1 "Get Income History"."""
    return {
        "symbol": income.symbol,
        "incomeType": income.income_type,
        "income": money_text(income.amount),
        "asset": income.asset,
        "info": income.info,
        "time": income.at_ms,
        "tranId": str(income.tran_id),
        "tradeId": "" if income.trade_id is None else str(income.trade_id),
    }


def render_balance(exchange: PaperExchange, account: Account) -> list[Json]:
    """V1 "Futures Account Balance V2"."""
    margin = margin_of(account, exchange.symbol, exchange.market.mark_price)
    alias = hashlib.sha256(account.api_key.encode()).hexdigest()[:8]
    replies = []
    for asset in account.wallets:
        figures = _asset(exchange, account, asset, margin)
        replies.append(
            {
                "accountAlias": alias,
                "asset": asset,
                "balance": figures["walletBalance"],
                "crossWalletBalance": figures["crossWalletBalance"],
                "crossUnPnl": figures["crossUnPnl"],
                "availableBalance": figures["availableBalance"],
                "maxWithdrawAmount": figures["maxWithdrawAmount"],
                "marginAvailable": True,
                "updateTime": account.updated_ms,
            }
        )
    return replies


def render_account(exchange: PaperExchange, account: Account) -> Json:
    """V1 "Account Information V4", V3 "Account Information v3" (`accountWithJoinMargin`).

    The totals are of the margin asset; in Multi-Assets mode of all assets, at par.
    """
    symbol = exchange.symbol
    margin = margin_of(account, symbol, exchange.market.mark_price)
    wallet = sum(account.wallets.values(), ZERO) if account.multi_assets else account.wallets[symbol.margin_asset]
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "totalInitialMargin": money_text(margin.position_initial + margin.order_initial),
        "totalMaintMargin": money_text(margin.maintenance),
        "totalWalletBalance": money_text(wallet),
        "totalUnrealizedProfit": money_text(margin.unrealized),
        "totalMarginBalance": money_text(wallet + margin.unrealized),
        "totalPositionInitialMargin": money_text(margin.position_initial),
        "totalOpenOrderInitialMargin": money_text(margin.order_initial),
        "totalCrossWalletBalance": money_text(margin.cross_wallet),
        "totalCrossUnPnl": money_text(margin.cross_unrealized),
        "availableBalance": money_text(margin.available),
        "maxWithdrawAmount": money_text(margin.withdrawable),
        "assets": [_asset(exchange, account, asset, margin) for asset in account.wallets],
        "positions": [_position(exchange, account, position) for position in account.shown_positions()],
    }


def _asset(exchange: PaperExchange, account: Account, asset: str, margin: Margin) -> Json:
    """One asset of the account: margin is needed, and profit is made, in the margin asset only."""
    symbol = exchange.symbol
    own = asset == symbol.margin_asset
    wallet = account.wallets[asset]
    cross = account.cross_wallet(asset, symbol.margin_asset)

    def share(amount: Decimal) -> str:
        return money_text(amount if own else ZERO)

    return {
        "asset": asset,
        "walletBalance": money_text(wallet),
        "unrealizedProfit": share(margin.unrealized),
        "marginBalance": money_text(wallet + (margin.unrealized if own else ZERO)),
        "maintMargin": share(margin.maintenance),
        "initialMargin": share(margin.position_initial + margin.order_initial),
        "positionInitialMargin": share(margin.position_initial),
        "openOrderInitialMargin": share(margin.order_initial),
        "crossWalletBalance": money_text(cross),
        "crossUnPnl": share(margin.cross_unrealized),
        "availableBalance": money_text(margin.available if own or account.multi_assets else cross),
        "maxWithdrawAmount": money_text(min(cross, margin.withdrawable) if own or account.multi_assets else cross),
        "marginAvailable": True,
        "updateTime": account.updated_ms,
    }


def _position(exchange: PaperExchange, account: Account, position: Position) -> Json:
    symbol, mark = exchange.symbol, exchange.market.mark_price
    exposure = exposures(account, symbol, mark)[position.side]
    held, worst = initial(exposure.held, account.leverage), initial(exposure.worst, account.leverage)
    return {
        "symbol": symbol.name,
        "initialMargin": plain(worst),
        "maintMargin": plain(maintenance(position, symbol, mark)),
        "unrealizedProfit": money_text(position.unrealized(symbol, mark)),
        "positionInitialMargin": plain(held),
        "openOrderInitialMargin": plain(worst - held),
        "leverage": str(account.leverage),
        "isolated": account.margin_type is MarginType.ISOLATED,
        "entryPrice": average_text(position.entry_price(symbol)),
        "maxNotional": plain(max_notional(symbol, account.leverage)),
        "positionSide": position.side.value,
        "positionAmt": quantity_text(position.lots, symbol),
        "updateTime": position.updated_ms,
    }


def render_position_risk(exchange: PaperExchange, account: Account) -> list[Json]:
    """V1 "Position Information V2"."""
    symbol, mark = exchange.symbol, exchange.market.mark_price
    return [
        {
            "entryPrice": average_text(position.entry_price(symbol)),
            "marginType": margin_type_text(account.margin_type),
            "isAutoAddMargin": "false",
            "isolatedMargin": money_text(_isolated_margin(position, exchange)),
            "leverage": str(account.leverage),
            "liquidationPrice": plain(liquidation_price(account, position, symbol, mark)),
            "markPrice": money_text(mark),
            "maxNotionalValue": plain(max_notional(symbol, account.leverage)),
            "positionAmt": symbol.lot_grid.text(position.lots),
            "symbol": symbol.name,
            "unRealizedProfit": money_text(position.unrealized(symbol, mark)),
            "positionSide": position.side.value,
            "updateTime": position.updated_ms,
        }
        for position in account.shown_positions()
    ]


def _isolated_margin(position: Position, exchange: PaperExchange) -> Decimal:
    if not position.isolated_wallet:
        return ZERO
    return position.isolated_wallet + position.unrealized(exchange.symbol, exchange.market.mark_price)


def render_leverage_brackets(exchange: PaperExchange) -> Json:
    """V1 "Notional and Leverage Brackets", the object of the one symbol."""
    return {
        "symbol": exchange.symbol.name,
        "brackets": [
            {
                "bracket": bracket.bracket,
                "initialLeverage": bracket.initial_leverage,
                "notionalCap": int(bracket.notional_cap),
                "notionalFloor": int(bracket.notional_floor),
                "maintMarginRatio": float(bracket.maint_margin_ratio),
                "cum": float(bracket.cum),
            }
            for bracket in exchange.symbol.brackets
        ],
    }


def render_commission_rate(exchange: PaperExchange) -> Json:
    """V1 "User Commission Rate"."""
    symbol = exchange.symbol
    return {"symbol": symbol.name, "makerCommissionRate": plain(symbol.maker_rate), "takerCommissionRate": plain(symbol.taker_rate)}


def render_adl_quantile(exchange: PaperExchange, account: Account) -> list[Json]:
    """V1 "Position ADL Quantile Estimation": nobody is ever auto-deleveraged here, so every place is the lowest."""
    crossed_hedge = account.dual_side and account.margin_type is MarginType.CROSSED
    return [{"symbol": exchange.symbol.name, "adlQuantile": {"LONG": 0, "SHORT": 0, "HEDGE" if crossed_hedge else "BOTH": 0}}]
