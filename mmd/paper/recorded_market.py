"""Makes market events of recorded frames: joins snapshot and diff frames to one book, and corrects its top by the book ticker."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmd.core.errors import MmdError
from mmd.core.units import Grid, OffGridError, Side
from mmd.paper.market_source import DepthFrame, Levels, MarketEvent, MarketTrade
from mmd.paper.outside_book import Ladder, OutsideBook
from mmd.paper.recording import RecordedFrame
from mmd.paper.symbols import Symbol

WAITING_FRAMES_MAX = 2_000  # diff frames that wait for a snapshot: 100 s of the fastest stream
TEXTS_MAX = 200_000
TEXT_LENGTH_MAX = 32
NS_A_MS = 1_000_000


class BadFrameError(MmdError):
    """A recorded frame that cannot be part of this symbol's market; `line_number` is the one to be shown."""

    def __init__(self, message: str, line_number: int) -> None:
        super().__init__(message)
        self.line_number = line_number


class _Diff(NamedTuple):
    line_number: int
    final_id: int
    previous_id: int
    bids: Levels
    asks: Levels


class _Top(NamedTuple):
    update_id: int
    bid: tuple[int, int]
    ask: tuple[int, int]


class _Units(dict[str, int]):
    """Decimal text to grid units, each text converted once. Raises OffGridError for what is off the grid or below `least`."""

    def __init__(self, grid: Grid, least: int) -> None:
        super().__init__()
        self._grid, self._least = grid, least

    def __missing__(self, text: str) -> int:
        if not isinstance(text, str) or len(text) > TEXT_LENGTH_MAX or "e" in text.lower():
            raise OffGridError(f"{str(text)[:TEXT_LENGTH_MAX]!r} is not plain decimal text")
        units = self._grid.units(text)
        if units < self._least:
            raise OffGridError(f"{text} is below {self._grid.text(self._least)}")
        if len(self) >= TEXTS_MAX:
            self.clear()
        self[text] = units
        return units


class RecordedMarket:
    """One pass over a recording; `take` is to be called with its frames in order, `finish` at the end.

    Times count from the first snapshot, divided by `speed`, after `offset_ms`; a receive time that goes back counts as the one before.
    `trade_event` is the frame type that trades are made of, because a recording may hold both `trade` and `aggTrade`.
    Local-order-book rule: V1 "How to manage a local order book correctly". Frames of other streams are passed over.
    """

    def __init__(self, symbol: Symbol, speed: float = 1.0, offset_ms: int = 0, trade_event: str = "trade") -> None:
        self.book = OutsideBook()
        self.at_ms = offset_ms
        self.event_types: set[str] = set()
        self._symbol, self._speed, self._offset_ms, self._trade_event = symbol, speed, offset_ms, trade_event
        self._ticks = _Units(symbol.price_grid, 1)
        self._lots = _Units(symbol.lot_grid, 0)
        self._start_ns: int | None = None
        self._last_id: int | None = None  # the book is as of this update; None while a snapshot is awaited
        self._joined = False  # whether a diff frame has followed the snapshot
        self._waiting: list[_Diff] = []
        self._gap: BadFrameError | None = None
        self._top: _Top | None = None

    def take(self, frame: RecordedFrame) -> MarketEvent | None:
        """The event that the frame makes, if any; the first one is the whole book. Raises BadFrameError."""
        try:
            return self._take(frame)
        except OffGridError as error:
            raise BadFrameError(f"{error}; is the recording of {self._symbol.name}, with this price tick and lot step?", frame.line_number) from error
        except (KeyError, TypeError, ValueError) as error:
            raise BadFrameError(f"not a frame of the documented shape ({error!r}); record it again", frame.line_number) from error

    def finish(self) -> None:
        """Raises BadFrameError where the recording ended before its book was whole."""
        if self._gap is not None:
            raise self._gap
        if self._last_id is None:
            raise BadFrameError("no REST depth snapshot in the recording (a line with lastUpdateId, bids, asks); record it again with one", 0)

    def _take(self, frame: RecordedFrame) -> MarketEvent | None:
        data = frame.data
        event_type = data.get("e")
        if event_type is None:
            if "lastUpdateId" in data:
                return self._snapshot(frame)
            if "result" in data:  # the reply to a SUBSCRIBE
                return None
            raise BadFrameError("neither a frame with its type `e` nor a depth snapshot; remove the line or record it again", frame.line_number)
        if event_type not in ("depthUpdate", "bookTicker", "trade", "aggTrade"):
            return None
        if data["s"] != self._symbol.name:
            raise BadFrameError(f"the frame is of {data['s']}, not of {self._symbol.name}; give --symbol {data['s']} or another recording", frame.line_number)
        self.event_types.add(event_type)
        if event_type == "bookTicker":
            return self._book_ticker(frame)
        if event_type == "depthUpdate":
            return None if _is_partial(frame.stream) else self._depth_update(frame)
        return self._trade(frame) if event_type == self._trade_event else None

    def _snapshot(self, frame: RecordedFrame) -> DepthFrame:
        """A book to begin with, or (a recorder that lost its stream takes another snapshot) to go on with."""
        if self._start_ns is None:
            self._start_ns = frame.receive_ns
        data, before = frame.data, self.book
        self._last_id, self._joined, self._gap = _whole(data["lastUpdateId"]), False, None
        self.book = OutsideBook()
        self.book.apply(DepthFrame(0, self._levels(data["bids"]), self._levels(data["asks"])))
        waiting, self._waiting = self._waiting, []
        for diff in waiting:
            self._apply(diff)
        if self._gap is None:
            self._correct_top({}, {})
        return transition(before, self.book, self._now_ms(frame))

    def _depth_update(self, frame: RecordedFrame) -> DepthFrame | None:
        data = frame.data
        diff = _Diff(frame.line_number, _whole(data["u"]), _whole(data["pu"]), self._levels(data["b"]), self._levels(data["a"]))
        if not self._apply(diff):
            return None
        bids, asks = dict(diff.bids), dict(diff.asks)
        self._correct_top(bids, asks)
        return DepthFrame(self._now_ms(frame), tuple(bids.items()), tuple(asks.items()))

    def _apply(self, diff: _Diff) -> bool:
        """Puts the diff into the book, or keeps it for the next snapshot where it does not follow; False where the book stays."""
        if self._last_id is not None and not self._joined and diff.final_id < self._last_id:
            return False
        if self._last_id is None or not self._follows(diff):
            if self._last_id is not None:
                self._gap = BadFrameError(
                    f"updates are missing before this frame (pu {diff.previous_id}, the book is at {self._last_id}) and no snapshot follows; "
                    "cut the recording before it, or record it again", diff.line_number)
                self._last_id = None
            self._waiting.append(diff)
            if len(self._waiting) > WAITING_FRAMES_MAX:
                self.finish()
            return False
        self._last_id, self._joined = diff.final_id, True
        self.book.bids.apply(diff.bids)
        self.book.asks.apply(diff.asks)
        return True

    def _follows(self, diff: _Diff) -> bool:
        assert self._last_id is not None
        return diff.previous_id == self._last_id if self._joined else diff.previous_id <= self._last_id <= diff.final_id

    def _book_ticker(self, frame: RecordedFrame) -> DepthFrame | None:
        data, ticks, lots = frame.data, self._ticks, self._lots
        top = _Top(_whole(data["u"]), (ticks[data["b"]], lots[data["B"]]), (ticks[data["a"]], lots[data["A"]]))
        if self._top is None or top.update_id > self._top.update_id:
            self._top = top
        if self._last_id is None:
            return None
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        self._correct_top(bids, asks)
        return DepthFrame(self._now_ms(frame), tuple(bids.items()), tuple(asks.items())) if bids or asks else None

    def _correct_top(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Puts the book ticker's best prices on top where they are newer than the book, and adds what changes to `bids` and `asks`."""
        top = self._top
        if top is None or self._last_id is None or top.update_id <= self._last_id:
            return
        for ladder, (price_ticks, size_lots), changes in ((self.book.bids, top.bid, bids), (self.book.asks, top.ask, asks)):
            fixes = [(price, 0) for price in ladder.better_than(price_ticks)]
            if ladder.sizes.get(price_ticks, 0) != size_lots:
                fixes.append((price_ticks, size_lots))
            if fixes:
                ladder.apply(tuple(fixes))
                changes.update(fixes)

    def _trade(self, frame: RecordedFrame) -> MarketTrade | None:
        """Rows whose `X` is another word than MARKET (insurance fund, deleveraging; some at price 0) are no trades of the book."""
        data = frame.data
        if self._last_id is None or data.get("X", "MARKET") != "MARKET":
            return None
        size_lots, buyer_is_maker = self._lots[data["q"]], data["m"]
        if not isinstance(buyer_is_maker, bool):
            raise TypeError(f"m is {buyer_is_maker!r}")
        return MarketTrade(self._now_ms(frame), self._ticks[data["p"]], size_lots, buyer_is_maker) if size_lots else None

    def _levels(self, rows: Any) -> Levels:
        if not isinstance(rows, list):
            raise TypeError(f"{rows!r} is no list of levels")
        ticks, lots = self._ticks, self._lots
        return tuple([(ticks[price], lots[size]) for price, size in rows])

    def _now_ms(self, frame: RecordedFrame) -> int:
        assert self._start_ns is not None
        self.at_ms = max(self.at_ms, self._offset_ms + int((frame.receive_ns - self._start_ns) / (NS_A_MS * self._speed)))
        return self.at_ms


def transition(before: OutsideBook, after: OutsideBook, at_ms: int) -> DepthFrame:
    """The frame that turns one book into the other, best prices first."""
    return DepthFrame(at_ms, _changes(before.ladder(Side.BUY), after.ladder(Side.BUY)), _changes(before.ladder(Side.SELL), after.ladder(Side.SELL)))


def _changes(before: Ladder, after: Ladder) -> Levels:
    removed = [(price, 0) for price, _ in before if price not in after.sizes]
    return tuple(removed + [(price, lots) for price, lots in after if before.sizes.get(price) != lots])


def _is_partial(stream: str) -> bool:
    """Whether it is a depth5, depth10 or depth20 stream, whose frames look like diffs and are none."""
    return stream.partition("@depth")[2][:1].isdigit()


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not an update id")
    return value
