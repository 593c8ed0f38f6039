"""What to quote: the ping-pong cycle, behind one replaceable spread function.

In BUY mode (for `bias: long`) it bids for `balance_fraction` of the balance, in SELL mode it offers the whole position, reduce-only;
`bias: short` mirrors it. Everything here is a pure function of its arguments; the one place that rounds is `_passive_price`
(to the passive side) and the floor of the size.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from mmd.core.rules import SymbolRules
from mmd.core.settings import RiskSettings, StrategySettings
from mmd.core.units import Side


class MarketView(NamedTuple):
    """What a quote is computed from. Prices in ticks; `position_lots` is signed and holds what is executed but not yet booked;
    `entry_price` (quote units) is 0 where it is not known; `opening_lots` still rest in the opening slot; `elsewhere_lots` may still fill
    on the opening side outside the slots; `balance` is the wallet total."""

    mid: Decimal
    best_bid: int
    best_ask: int
    position_lots: int
    entry_price: Decimal
    opening_lots: int
    elsewhere_lots: int
    balance: Decimal


class Spreads(NamedTuple):
    """Distances from mid as fractions of it."""

    buy: Decimal
    sell: Decimal


SpreadModel = Callable[[MarketView], Spreads]


class Quote(NamedTuple):
    """One wanted order. (side, level) is its slot."""

    side: Side
    level: int
    price_ticks: int
    size_lots: int
    reduce_only: bool


class Wanted(NamedTuple):
    """The mode (the side that is quoted) and its quotes; `waiting` says why there is none."""

    mode: Side
    quotes: tuple[Quote, ...]
    waiting: str | None


QuoteModel = Callable[[MarketView], Wanted]


def fixed_spreads(settings: StrategySettings) -> SpreadModel:
    """The configured spreads, whatever the market does."""
    spreads = Spreads(settings.buy_spread, settings.sell_spread)
    return lambda view: spreads


class PingPong:
    """The quoting cycle of the design: open on one side, close on the other, over and over.

    The size is split among the levels, evenly as far as the filters allow; the first level, nearest to mid, takes what does not divide.
    """

    def __init__(
        self, rules: SymbolRules, strategy: StrategySettings, risk: RiskSettings, spread_model: SpreadModel | None = None
    ) -> None:
        self._rules = rules
        self._strategy = strategy
        self._risk = risk
        self._spreads = spread_model or fixed_spreads(strategy)

    def __call__(self, view: MarketView) -> Wanted:
        """The mode and the quotes that are wanted now."""
        spreads = self._spreads(view)
        side = self._strategy.opening_side
        price = _passive_price(side, view, spreads)
        size = self._missing_lots(side, price, view)
        refused = self._rules.refuses(price, min(size, self._largest), reduce_only=False)
        if self._is_open(view):
            return self._closing(view, spreads)
        if refused == "MIN_NOTIONAL" and 0 < size <= view.opening_lots:
            refused = None  # the rest of an order that is working already may be as small as it likes
        if refused and view.position_lots:
            # A position too small for the threshold that cannot be added to counts as opened, or it would wait for ever.
            return self._closing(view, spreads)
        if refused:
            return Wanted(side, (), self._reason(refused, side, price, size))
        return Wanted(side, self._split(side, size, False, view, spreads), None)

    def _is_open(self, view: MarketView) -> bool:
        """Whether the position's notional has reached the threshold. At the entry price, so that only fills change the mode."""
        price = view.entry_price or view.mid * self._rules.price.step
        notional = abs(view.position_lots) * self._rules.size.step * price
        return notional >= self._strategy.position_threshold

    def _missing_lots(self, side: Side, price_ticks: int, view: MarketView) -> int:
        """What is missing to the whole position that is wanted, with all that may still fill elsewhere taken off."""
        notional = view.balance * self._strategy.balance_fraction
        if self._risk.max_position_notional is not None:
            notional = min(notional, self._risk.max_position_notional)
        target_lots = self._rules.size.floor(notional / self._rules.price.decimal(price_ticks)) if price_ticks > 0 else 0
        return max(0, target_lots - side.sign * view.position_lots - view.elsewhere_lots)

    def _closing(self, view: MarketView, spreads: Spreads) -> Wanted:
        side = Side.SELL if view.position_lots > 0 else Side.BUY
        price, size = _passive_price(side, view, spreads), abs(view.position_lots)
        refused = self._rules.refuses(price, min(size, self._largest), reduce_only=True)
        if refused:
            return Wanted(side, (), self._reason(refused, side, price, size))
        return Wanted(side, self._split(side, size, True, view, spreads), None)

    def _split(self, side: Side, size_lots: int, reduce_only: bool, view: MarketView, spreads: Spreads) -> tuple[Quote, ...]:
        """The size over as many levels as each can be an order of its own; one level where none can (its filters were looked at before)."""
        levels = self._strategy.levels
        while True:
            share, rest = divmod(size_lots, levels)
            quotes = []
            for level in range(levels):
                step = level * self._strategy.level_step
                price = _passive_price(side, view, Spreads(spreads.buy + step, spreads.sell + step))
                quotes.append(Quote(side, level, price, min(share + (rest if level == 0 else 0), self._largest), reduce_only))
            if levels == 1 or not any(self._rules.refuses(each.price_ticks, each.size_lots, reduce_only) for each in quotes):
                return tuple(quotes)
            levels -= 1

    @property
    def _largest(self) -> int:
        """The largest size of one order."""
        return self._rules.max_size_lots or 2**62

    def _reason(self, refused: str, side: Side, price_ticks: int, size_lots: int) -> str:
        notional = self._rules.notional(price_ticks, size_lots)
        if refused == "MIN_NOTIONAL":
            return f"a {side.value} of {notional.normalize():f} is below the minimum notional {self._rules.min_notional}"
        size = self._rules.size
        if refused == "LOT_SIZE" and size_lots < self._rules.min_size_lots:
            return f"a {side.value} of {size.text(size_lots)} is below the minimum size {size.text(self._rules.min_size_lots)}"
        return f"a {side.value} of {size.text(size_lots)} at {self._rules.price.text(price_ticks)} breaks {refused}"


def _passive_price(side: Side, view: MarketView, spreads: Spreads) -> int:
    """Mid less (BUY) or plus (SELL) the spread, rounded away from mid, and never at or across the other side's best price."""
    if side is Side.BUY:
        return min(int((view.mid * (1 - spreads.buy)).to_integral_value("ROUND_FLOOR")), view.best_ask - 1)
    return max(int((view.mid * (1 + spreads.sell)).to_integral_value("ROUND_CEILING")), view.best_bid + 1)
