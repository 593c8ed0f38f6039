"""Price-time priority: the accounts' resting orders among the outside lots, and what takes from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmd.core.units import Side
from mmd.paper.account import Account
from mmd.paper.market_data import MarketData
from mmd.paper.market_source import DepthFrame, Levels, MarketTrade
from mmd.paper.order_request import PositionSide, StpMode, TimeInForce
from mmd.paper.orders import Order, OrderStatus
from mmd.paper.queue_position import Queue
from mmd.paper.settlement import Settlement


def reaches(side: Side, limit_ticks: int, price_ticks: int) -> bool:
    """Whether an order of that side with that limit trades at that price."""
    return price_ticks <= limit_ticks if side is Side.BUY else price_ticks >= limit_ticks


class Matching:
    """The accounts' side of the book.

    Outside lots that an account took stay taken: frames are absolute and know nothing of our taking, so what was taken is subtracted from
    the sizes that they report until the level itself has shrunk below it.
    """

    def __init__(self, market: MarketData, settlement: Settlement) -> None:
        self._market = market
        self._settlement = settlement
        self._queues: dict[Side, dict[int, Queue]] = {Side.BUY: {}, Side.SELL: {}}
        self._shown: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._taken: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._resting: set[int] = set()
        market.overlay = self.displayed

    def displayed(self, side: Side) -> Mapping[int, int]:
        """The accounts' displayed lots by price; hidden orders are left out."""
        return self._shown[side]

    def ahead_lots(self, order: Order) -> int | None:
        """The outside lots that stand ahead of a resting order; None where it does not rest."""
        queue = self._queues[order.side].get(order.price_ticks)
        places = queue.places if queue else []
        return next((place.ahead_lots for place in places if place.order is order), None)

    # What an account does

    def rest(self, order: Order, now_ms: int) -> None:
        """The order joins the book at its price, last in time."""
        queue = self._queues[order.side].get(order.price_ticks)
        if queue is None:
            queue = self._queues[order.side][order.price_ticks] = Queue(self._market.outside.size(order.side, order.price_ticks))
        queue.join(order, now_ms)
        self._resting.add(order.order_id)
        self._show(order.side, order.price_ticks)

    def withdraw(self, order: Order) -> None:
        """Takes the order out of the book, if it rests there, without ending it."""
        if order.order_id not in self._resting:
            return
        self._resting.remove(order.order_id)
        queue = self._queues[order.side][order.price_ticks]
        queue.leave(order)
        if not queue.places:
            del self._queues[order.side][order.price_ticks]
        self._show(order.side, order.price_ticks)

    def end(self, order: Order, status: OrderStatus, now_ms: int, why: str) -> None:
        self.withdraw(order)
        self._settlement.end(order, status, now_ms, why)

    def shrink(self, order: Order, lots: int) -> None:
        """A smaller original quantity; the place in the queue stays."""
        order.original_lots = lots
        self._show(order.side, order.price_ticks)

    def crosses(self, side: Side, price_ticks: int) -> bool:
        """Whether an order of that side at that price would trade at once."""
        best = self._best(side.opposite)
        return best is not None and reaches(side, price_ticks, best)

    def takeable_lots(self, order: Order, limit_ticks: int) -> int:
        """How many lots the order could take at once, up to what it wants, self-trade prevention heeded (for FOK)."""
        wanted = self.fillable_lots(order)
        found = 0
        for price in self._prices(order.side.opposite):
            if found >= wanted or not reaches(order.side, limit_ticks, price):
                break
            outside = self._market.outside.size(order.side.opposite, price)
            queue = self._queues[order.side.opposite].get(price)
            for place in queue.places if queue else ():
                if place.order.account is not order.account:
                    found += self.fillable_lots(place.order)
                elif order.stp_mode is not StpMode.EXPIRE_MAKER:
                    return min(wanted, found + min(place.ahead_lots, outside))
            found += outside
        return min(wanted, found)

    def sweep(self, order: Order, limit_ticks: int, now_ms: int) -> None:
        """Takes from the book, best price first, one trade for each piece, until the order or the book up to the limit is used up."""
        side = order.side.opposite
        while order.open and (wanted := self.fillable_lots(order)):
            price = self._best(side)
            if price is None or not reaches(order.side, limit_ticks, price):
                return
            outside = self._market.outside.size(side, price)
            queue = self._queues[side].get(price)
            place = queue.places[0] if queue else None
            if place is None or (place.ahead_lots and outside):
                lots = min(wanted, outside, place.ahead_lots if place else outside)
                self._take_outside(side, price, lots)
                trade_id = self._market.record_trade(now_ms, price, lots, order.side is Side.SELL)
                self._fill(order, price, lots, trade_id, False, now_ms)
            elif place.order.account is order.account:
                self._prevent_self_trade(order, place.order, now_ms)
            else:
                self._match(place.order, order, price, min(wanted, self.fillable_lots(place.order)), now_ms)

    def fillable_lots(self, order: Order) -> int:
        """What the order may still trade: an order that only closes never goes beyond the position."""
        if not order.closes:
            return order.remaining_lots
        return min(order.remaining_lots, order.account.positions[order.position_side].closable_lots(order.side))

    # What the outside market does

    def on_frame(self, frame: DepthFrame, now_ms: int) -> None:
        """The outside book changes: queues move up, and orders that the new book crosses are filled at their own price."""
        frame = DepthFrame(frame.at_ms, self._less_taken(Side.BUY, frame.bids), self._less_taken(Side.SELL, frame.asks))
        self._market.apply(frame, now_ms)
        for side, levels in ((Side.BUY, frame.bids), (Side.SELL, frame.asks)):
            queues = self._queues[side]
            if queues:
                for price, size in levels:
                    if price in queues:
                        queues[price].resize(size, now_ms)
        for side in Side:
            if self._queues[side]:
                self._fill_crossed(side, now_ms)

    def on_trade(self, trade: MarketTrade, now_ms: int) -> None:
        """Others trade: through our price it fills us first, at our price it eats the queue. Never more than the size traded."""
        side = Side.BUY if trade.buyer_is_maker else Side.SELL
        left = trade.size_lots
        for price in self._our_prices(side):
            if left and price != trade.price_ticks and reaches(side, price, trade.price_ticks):
                left = self._flow(side, price, left, now_ms, passed=True)
        queue = self._queues[side].get(trade.price_ticks)
        if queue is not None:
            queue.announce_trade(trade.size_lots, now_ms)
            left = self._flow(side, trade.price_ticks, left, now_ms, passed=False)
        if left:
            self._market.record_trade(now_ms, trade.price_ticks, left, trade.buyer_is_maker)

    def _flow(self, side: Side, price_ticks: int, lots: int, now_ms: int, passed: bool) -> int:
        """`lots` arrive at our price; where the trade `passed` it, nothing can still stand ahead of us. Returns the lots that were not ours."""
        outside_eaten = 0
        while lots > outside_eaten and (queue := self._queues[side].get(price_ticks)) is not None:
            place = queue.places[0]
            if passed:
                queue.eat(place.ahead_lots)
            elif place.ahead_lots:
                eaten = min(lots - outside_eaten, place.ahead_lots)
                queue.eat(eaten)
                outside_eaten += eaten
                continue
            lots -= self._fill_resting(place.order, lots - outside_eaten, now_ms)
        return lots

    def _fill_crossed(self, side: Side, now_ms: int) -> None:
        """Outside liquidity at or through our price takes us, limited by its size and only where nothing stands ahead of us."""
        opposite = side.opposite
        ours = self._our_prices(side)
        crossing = []
        for price, size in self._market.outside.levels(opposite):
            if not reaches(side, ours[0], price):
                break
            crossing.append((price, size))
        for outside_price, size in crossing:
            for price in self._our_prices(side):
                if not reaches(side, price, outside_price):
                    break
                while size and (queue := self._queues[side].get(price)) is not None and not queue.places[0].ahead_lots:
                    filled = self._fill_resting(queue.places[0].order, size, now_ms)
                    if filled:
                        self._take_outside(opposite, outside_price, filled)
                    size -= filled

    def _fill_resting(self, order: Order, lots: int, now_ms: int) -> int:
        """An outside order takes up to `lots` from ours at our price; returns the lots filled (0: the order had nothing left to close and expired)."""
        lots = min(lots, self.fillable_lots(order))
        if not lots:
            self.end(order, OrderStatus.EXPIRED, now_ms, "nothing to reduce")
            return 0
        trade_id = self._market.record_trade(now_ms, order.price_ticks, lots, order.side is Side.BUY)
        self._fill(order, order.price_ticks, lots, trade_id, True, now_ms)
        return lots

    def _match(self, maker: Order, taker: Order, price_ticks: int, lots: int, now_ms: int) -> None:
        """A trade between two accounts."""
        if not lots:
            self.end(maker, OrderStatus.EXPIRED, now_ms, "nothing to reduce")
            return
        trade_id = self._market.record_trade(now_ms, price_ticks, lots, taker.side is Side.SELL)
        self._fill(maker, price_ticks, lots, trade_id, True, now_ms)
        self._fill(taker, price_ticks, lots, trade_id, False, now_ms)

    def _fill(self, order: Order, price_ticks: int, lots: int, trade_id: int, maker: bool, now_ms: int) -> None:
        self._settlement.trade(order, price_ticks, lots, trade_id, maker, now_ms)
        if order.order_id in self._resting:
            if order.open:
                self._show(order.side, order.price_ticks)
            else:
                self.withdraw(order)
        self.knock_out(order.account, order.position_side, now_ms)

    def knock_out(self, account: Account, position_side: PositionSide, now_ms: int) -> None:
        """Expires the closing orders that the position no longer reaches, the worst priced and latest first.

        An order stays while the better ones leave anything of the position to it; when it is filled beyond that, its rest expires.
        """
        position = account.positions[position_side]
        for side in Side:
            orders = [
                order for order in account.open_orders.values()
                if order.order_id in self._resting and order.closes and order.side is side and order.position_side is position_side
            ]
            left = position.closable_lots(side)
            for order in sorted(orders, key=lambda o: (-o.side.sign * o.price_ticks, o.order_id)):
                if left <= 0:
                    self.end(order, OrderStatus.EXPIRED, now_ms, "nothing to reduce")
                left -= order.remaining_lots

    def _prevent_self_trade(self, taker: Order, maker: Order, now_ms: int) -> None:
        if taker.stp_mode is not StpMode.EXPIRE_TAKER:
            self.end(maker, OrderStatus.EXPIRED, now_ms, "self-trade prevention")
        if taker.stp_mode is not StpMode.EXPIRE_MAKER:
            self.end(taker, OrderStatus.EXPIRED, now_ms, "self-trade prevention")

    def _take_outside(self, side: Side, price_ticks: int, lots: int) -> None:
        self._market.take(side, price_ticks, lots)
        self._taken[side][price_ticks] = self._taken[side].get(price_ticks, 0) + lots
        queue = self._queues[side].get(price_ticks)
        if queue is not None:
            queue.take(lots)

    def _less_taken(self, side: Side, levels: Levels) -> Levels:
        """The reported sizes less what accounts took there."""
        taken = self._taken[side]
        if not taken:
            return levels
        result = []
        for price, size in levels:
            gone = taken.get(price)
            if gone is not None:
                gone = min(gone, size)
                if gone:
                    taken[price] = gone
                    size -= gone
                else:
                    del taken[price]
            result.append((price, size))
        return tuple(result)

    def _show(self, side: Side, price_ticks: int) -> None:
        """Brings the displayed size at that price up to date."""
        queue = self._queues[side].get(price_ticks)
        places = queue.places if queue else []
        lots = sum(place.order.remaining_lots for place in places if place.order.time_in_force is not TimeInForce.HIDDEN)
        shown = self._shown[side]
        if lots == shown.get(price_ticks, 0):
            return
        if lots:
            shown[price_ticks] = lots
        else:
            del shown[price_ticks]
        self._market.touch(side, price_ticks)

    def _our_prices(self, side: Side) -> list[int]:
        """The prices at which accounts rest, best first."""
        return sorted(self._queues[side], reverse=side is Side.BUY)

    def _best(self, side: Side) -> int | None:
        """The best price of that side, of accounts (hidden orders included) or of others."""
        prices = list(self._queues[side])
        outside = self._market.outside.best(side)
        if outside is not None:
            prices.append(outside[0])
        if not prices:
            return None
        return max(prices) if side is Side.BUY else min(prices)

    def _prices(self, side: Side) -> Iterator[int]:
        """All prices of that side, of accounts and of others, best first."""
        outside = (price for price, _ in self._market.outside.levels(side))
        yield from sorted({*outside, *self._queues[side]}, reverse=side is Side.BUY)
