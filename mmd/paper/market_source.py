"""Where the outside market comes from: the values that a market source yields, and the source itself."""

from __future__ import annotations

from typing import NamedTuple, Protocol

Levels = tuple[tuple[int, int], ...]  # (price_ticks, size_lots) each


class DepthFrame(NamedTuple):
    """Levels of the outside book that changed: each size is absolute, 0 removes the level.

    `at_ms` counts from the market's start, not from the epoch.
    """

    at_ms: int
    bids: Levels
    asks: Levels


class MarketTrade(NamedTuple):
    """A trade between others, `at_ms` after the market's start."""

    at_ms: int
    price_ticks: int
    size_lots: int
    buyer_is_maker: bool


MarketEvent = DepthFrame | MarketTrade


class MarketSource(Protocol):
    """A market that happens whether or not anybody watches: its events do not depend on how often it is polled."""

    def snapshot(self) -> DepthFrame:
        """The whole book at the start, best price first, with `at_ms` 0; to be asked for before the first event."""

    def peek_ms(self) -> int | None:
        """When the next event is due (never earlier than the one before), or None when the recording is over."""

    def pop(self) -> MarketEvent:
        """The next event. Raises IndexError when the recording is over."""
