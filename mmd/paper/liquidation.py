"""Margin calls and liquidations: what happens when the margin behind a position no longer carries it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from mmd.core.units import Side
from mmd.paper.account import ZERO, Account, Position, money
from mmd.paper.amount_text import average_price_text, price_text, quantity_text
from mmd.paper.margin import bankruptcy_price_ticks, cross_wallet_of, maintenance, margin_of
from mmd.paper.market_data import MarketData
from mmd.paper.matching import Matching
from mmd.paper.order_entry import OrderEntry
from mmd.paper.order_request import MarginType
from mmd.paper.orders import Order, OrderStatus
from mmd.paper.settlement import Settlement
from mmd.paper.user_events import account_update, margin_call

# A margin call is pushed when the maintenance margin passes this part of the margin balance; the document says only "too high".
MARGIN_CALL_RATIO = Decimal("0.8")


class Liquidator:
    """Watches the accounts' margin. The insurance fund takes what the book does not, and pays what a wallet cannot."""

    def __init__(self, market: MarketData, matching: Matching, entry: OrderEntry, settlement: Settlement) -> None:
        self._market = market
        self._matching = matching
        self._entry = entry
        self._settlement = settlement

    def check(self, account: Account, now_ms: int) -> bool:
        """Calls for margin, or liquidates; whether it liquidated."""
        positions = account.open_positions()
        if not positions:
            account.margin_called = False
            # The account itself may have closed at a loss that its wallet does not cover.
            self._clear(account, max(ZERO, -cross_wallet_of(account, self._market.symbol)), now_ms)
            return False
        if account.margin_type is MarginType.CROSSED:
            groups: list[Sequence[Position]] = [positions]
        else:
            groups = [[position] for position in positions]
        strained = [group for group in groups if self._strain(account, group) > MARGIN_CALL_RATIO]
        if strained and not account.margin_called:
            called = [position for group in strained for position in group]
            account.outbox.append(margin_call(account, self._market.symbol, self._market.mark_price, called, now_ms))
        account.margin_called = bool(strained)
        doomed = [group for group in strained if self._strain(account, group) >= 1]
        for group in doomed:
            self._liquidate(account, group, now_ms)
        return bool(doomed)

    def _strain(self, account: Account, positions: Sequence[Position]) -> Decimal:
        """Maintenance margin over margin balance; 1 or more is liquidation."""
        symbol, mark = self._market.symbol, self._market.mark_price
        if account.margin_type is MarginType.CROSSED:
            margin = margin_of(account, symbol, mark)
            balance, needed = margin.cross_wallet + margin.cross_unrealized, margin.cross_maintenance
        else:
            balance = positions[0].isolated_wallet + positions[0].unrealized(symbol, mark)
            needed = maintenance(positions[0], symbol, mark)
        return needed / balance if balance > 0 else Decimal(1)

    def _liquidate(self, account: Account, positions: Sequence[Position], now_ms: int) -> None:
        """Open orders expire, each position is closed at its bankruptcy price or better, the liquidation fee goes to the insurance fund."""
        for order in list(account.open_orders.values()):
            self._matching.end(order, OrderStatus.EXPIRED, now_ms, "liquidation")
        for position in positions:
            self._close(account, position, now_ms)
        account.margin_called = False

    def _close(self, account: Account, position: Position, now_ms: int) -> None:
        symbol, market = self._market.symbol, self._market
        isolated = account.margin_type is MarginType.ISOLATED
        limit = bankruptcy_price_ticks(account, position, symbol, market.mark_price)
        side, lots = (Side.SELL if position.lots > 0 else Side.BUY), abs(position.lots)
        before, behind = account.wallets[symbol.margin_asset], position.isolated_wallet
        self._settlement.journal.write(
            now_ms, "liquidation", account=account.api_key, side=side.value, lots=lots, price_ticks=limit, mark_price=market.mark_price
        )
        order = self._entry.liquidate(account, position.side, side, lots, limit, now_ms)
        if order.open:
            # The insurance fund takes over at the bankruptcy price.
            rest = order.remaining_lots
            trade_id = market.record_trade(now_ms, limit, rest, side is Side.SELL)
            self._settlement.trade(order, limit, rest, trade_id, False, now_ms)
        account.force_orders.append(order)
        left = behind + account.wallets[symbol.margin_asset] - before if isolated else cross_wallet_of(account, symbol)
        fee = money(symbol.value(order.executed_tick_lots) * symbol.liquidation_fee)
        self._clear(account, -min(fee, left) if left > 0 else -left, now_ms)
        market.record_force_order(self._announcement(order, now_ms))

    def _clear(self, account: Account, amount: Decimal, now_ms: int) -> None:
        """The fee, or where the loss was larger than the margin, what the insurance fund pays."""
        if not amount:
            return
        symbol = self._market.symbol
        account.book("INSURANCE_CLEAR", symbol.margin_asset, amount, now_ms, symbol.name)
        account.outbox.append(
            account_update(
                account, symbol, self._market.mark_price, "INSURANCE_CLEAR", now_ms, assets=[symbol.margin_asset], balance_change=amount
            )
        )

    def _announcement(self, order: Order, now_ms: int) -> dict[str, object]:
        """The `o` object of V1 "Liquidation Order Streams"."""
        symbol = self._market.symbol
        return {
            "s": order.symbol,
            "S": order.side.value,
            "o": order.type.value,
            "f": order.time_in_force.value,
            "q": quantity_text(order.original_lots, symbol),
            "p": price_text(order.price_ticks, symbol),
            "ap": average_price_text(order, symbol),
            "X": order.status.value,
            "l": quantity_text(order.executed_lots, symbol),
            "z": quantity_text(order.executed_lots, symbol),
            "T": now_ms,
        }


def settle_funding(account: Account, market: MarketData, rate: Decimal, mark_price: Decimal, now_ms: int, settlement: Settlement) -> None:
    """Longs pay `rate` of their notional at the mark price, shorts receive it (negative rates turn it round). V1 "Balance and Position Update"."""
    symbol = market.symbol
    isolated = account.margin_type is MarginType.ISOLATED
    for position in account.open_positions():
        fee = money(-position.notional(symbol, mark_price) * rate)
        account.book("FUNDING_FEE", symbol.margin_asset, fee, now_ms, symbol.name)
        if isolated:
            position.isolated_wallet += fee
        account.outbox.append(
            account_update(
                account, symbol, mark_price, "FUNDING_FEE", now_ms, assets=[symbol.margin_asset],
                positions=[position] if isolated else (), balance_change=fee,
            )
        )
        settlement.journal.write(
            now_ms, "funding", account=account.api_key, position_side=position.side.value, lots=position.lots, rate=rate,
            mark_price=mark_price, amount=fee,
        )
