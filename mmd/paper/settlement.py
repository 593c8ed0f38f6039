"""What an order's events do to the books: its state, the account's ledger and position, the user stream, the journal."""

from __future__ import annotations

from decimal import Decimal

from mmd.core.units import Side
from mmd.paper.account import ZERO, Account, Position, money
from mmd.paper.journal import Journal
from mmd.paper.market_data import MarketData
from mmd.paper.order_request import MarginType
from mmd.paper.orders import Order, OrderStatus, UserTrade
from mmd.paper.user_events import account_update, order_trade_update


class Settlement:
    """Books what the matching decides. It never decides itself, and it never refuses."""

    def __init__(self, market: MarketData, journal: Journal) -> None:
        self._market = market
        self.journal = journal
        self.trades_booked = 0

    def accept(self, order: Order, now_ms: int) -> None:
        """A new order is in."""
        order.account.register(order)
        self._report(order, "NEW", now_ms)
        self._write("new", order, now_ms, price_ticks=order.price_ticks, lots=order.original_lots)

    def amended(self, order: Order, now_ms: int) -> None:
        """The order's price or size was changed by its owner."""
        order.updated_ms = now_ms
        self._report(order, "AMENDMENT", now_ms)
        self._write("amended", order, now_ms, price_ticks=order.price_ticks, lots=order.original_lots)

    def triggered(self, order: Order, now_ms: int) -> None:
        """A conditional order has become the LIMIT or MARKET order that it stood for."""
        order.updated_ms = now_ms
        self._report(order, "NEW", now_ms)
        self._write("triggered", order, now_ms, price_ticks=order.price_ticks, lots=order.original_lots)

    def end(self, order: Order, status: OrderStatus, now_ms: int, why: str) -> None:
        """The order ends without a trade: CANCELED or EXPIRED."""
        order.status = status
        order.updated_ms = now_ms
        order.account.finish(order)
        self._report(order, status.value, now_ms)
        self._write(status.value.lower(), order, now_ms, why=why, executed_lots=order.executed_lots)

    def trade(self, order: Order, price_ticks: int, lots: int, trade_id: int, maker: bool, now_ms: int) -> None:
        """One side of a trade: position, profit, fee, then ACCOUNT_UPDATE and ORDER_TRADE_UPDATE."""
        self.trades_booked += 1
        account, symbol = order.account, self._market.symbol
        position = account.positions[order.position_side]
        realized = self._move_position(account, position, order.side, price_ticks, lots)
        position.updated_ms = now_ms
        if realized:
            account.book("REALIZED_PNL", symbol.margin_asset, realized, now_ms, symbol.name, str(trade_id), trade_id)
        commission, asset = self._commission(account, symbol.notional(price_ticks, lots), maker)
        if commission:
            account.book("COMMISSION", asset, -commission, now_ms, symbol.name, str(trade_id), trade_id)
        order.executed_lots += lots
        order.executed_tick_lots += price_ticks * lots
        order.updated_ms = now_ms
        order.status = OrderStatus.PARTIALLY_FILLED if order.remaining_lots else OrderStatus.FILLED
        trade = UserTrade(
            trade_id, order.order_id, order.client_order_id, order.symbol, order.side, order.position_side, price_ticks, lots, maker,
            realized, commission, asset, now_ms,
        )
        account.trades.append(trade)
        if not order.open:
            account.finish(order)
        changed = [p for p in account.positions.values() if p is position or p.lots or p.isolated_wallet]
        assets = dict.fromkeys((symbol.margin_asset, asset))
        account.outbox.append(
            account_update(account, symbol, self._market.mark_price, "ORDER", now_ms, assets=assets, positions=changed)
        )
        self._report(order, "CALCULATED" if order.liquidates else "TRADE", now_ms, trade)
        self._write(
            "trade", order, now_ms, trade_id=trade_id, price_ticks=price_ticks, lots=lots, maker=maker, realized_pnl=realized,
            commission=commission, commission_asset=asset, status=order.status.value, position_lots=position.lots,
        )

    def _move_position(self, account: Account, position: Position, side: Side, price_ticks: int, lots: int) -> Decimal:
        """Books the trade in the position and, where it is isolated, sets aside the margin of what opens and frees that of what closes."""
        symbol = self._market.symbol
        held = abs(position.lots)
        closing = min(lots, position.closable_lots(side))
        realized = position.fill(symbol, side, price_ticks, lots)
        if account.margin_type is MarginType.ISOLATED:
            if closing:
                wallet = position.isolated_wallet
                position.isolated_wallet -= wallet if closing == held else money(wallet * closing / held)
            if lots > closing:
                position.isolated_wallet += money(symbol.notional(price_ticks, lots - closing) / account.leverage)
        return realized

    def _commission(self, account: Account, notional: Decimal, maker: bool) -> tuple[Decimal, str]:
        symbol = self._market.symbol
        fee = money(notional * (symbol.maker_rate if maker else symbol.taker_rate))
        if account.commission_asset:
            other = money(fee / account.commission_asset_price)
            if account.wallets.get(account.commission_asset, ZERO) >= other:
                return other, account.commission_asset
        return fee, symbol.margin_asset

    def _report(self, order: Order, execution: str, now_ms: int, trade: UserTrade | None = None) -> None:
        order.account.outbox.append(order_trade_update(order, self._market.symbol, execution, now_ms, trade))

    def _write(self, kind: str, order: Order, now_ms: int, **details: object) -> None:
        self.journal.write(
            now_ms, kind, account=order.account.api_key, order_id=order.order_id, client_order_id=order.client_order_id,
            side=order.side.value, **details,
        )
