"""A partial-depth frame to `Depth`: the hottest path of the venue floor (V1 "Partial Book Depth Streams")."""

from __future__ import annotations

import json

from mmd.core.messages import Depth
from mmd.core.rules import SymbolRules
from mmd.core.units import Grid, OffGridError
from mmd.venue.json_fields import ParseError


class _UnitsOfText(dict[str, int]):
    """Decimal text to a positive whole number of steps, remembered: a book repeats its prices and many of its sizes frame after frame.

    Raises OffGridError for text that is off the grid, not positive, or no number.
    """

    _BOUND = 8192

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self._grid = grid
        self._decimals = grid.decimals
        # Text with the grid's own number of decimals is read without Decimal where every such number is on the grid.
        self._plain = grid.decimals > 0 and grid.step.as_tuple().digits == (1,)

    def __missing__(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("a price or size is no text")
        point = -1 - self._decimals
        digits = text[:point] + text[point + 1:]
        if self._plain and text[point:point + 1] == "." and digits.isdigit() and digits.isascii():
            units = int(digits)
        else:
            units = self._grid.units(text)
        if units <= 0:
            raise OffGridError(f"{text} is not positive")
        if len(self) >= self._BOUND:
            self.clear()
        self[text] = units
        return units


class DepthReader:
    """Frames of one symbol's partial-depth stream to `Depth`. For one thread at a time."""

    def __init__(self, rules: SymbolRules) -> None:
        self._symbol = rules.symbol
        self._ticks = _UnitsOfText(rules.price)
        self._lots = _UnitsOfText(rules.size)

    def read(self, frame: str | bytes, received_ms: int) -> Depth | None:
        """The book's top, or None for a frame that is no partial depth of the symbol (the answer to a subscription, another stream).

        Takes the raw payload and the combined wrapper. Raises ParseError for a frame that cannot be used. That the book makes sense
        (uncrossed, near the mark) is for the core to judge.
        """
        try:
            fields = json.loads(frame)
            if "data" in fields:
                fields = fields["data"]
            if fields.get("e") != "depthUpdate" or fields["s"] != self._symbol:
                return None
            ticks, lots = self._ticks, self._lots
            update_id, event_time_ms = fields["u"], fields["E"]
            if type(update_id) is not int or type(event_time_ms) is not int:
                raise ParseError("depth frame: u and E must be whole numbers")
            return Depth(
                tuple([(ticks[price], lots[size]) for price, size in fields["b"]]),
                tuple([(ticks[price], lots[size]) for price, size in fields["a"]]),
                update_id,
                event_time_ms,
                received_ms,
            )
        except OffGridError as error:
            raise ParseError(f"depth frame: {error}") from None
        except KeyError as error:
            raise ParseError(f"depth frame: {error.args[0]} is missing") from None
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ParseError(f"depth frame does not read ({type(error).__name__})") from None
