"""The venue's market-maker protection: limits on what may fill within a window (V3 "Update User MMP" and its neighbours)."""

from __future__ import annotations

from mmd.core.settings import FillLimits
from mmd.venue.endpoints import Call
from mmd.venue.json_fields import ParseError, as_list, as_object, text, whole
from mmd.venue.rest_codec import Caller

# What each limit is called on the venue.
_LIMITS = (("qtyLimit", "size"), ("valueLimit", "notional"), ("deltaLimit", "net_size"))


def set_mmp(rest: Caller, symbol: str, limits: FillLimits) -> None:
    """Set the protection, read it back and reset what an earlier run may have frozen.

    The venue takes whole numbers only, so a fractional limit is rounded down, and one below 1 is left to the local breaker.
    Raises CallFailed; ParseError where the venue then shows other limits.
    """
    given = {name: int(value) for name, field in _LIMITS if (value := getattr(limits, field)) is not None and value >= 1}
    params = [("symbol", symbol), ("windowTimeInMilliseconds", str(limits.window_ms)), ("frozenTimeInMilliseconds", str(limits.frozen_ms))]
    rest.call(Call.SET_MMP, [*params, *((name, str(value)) for name, value in given.items())])
    rows = [as_object(row, "mmp") for row in as_list(rest.call(Call.MMP, [("symbol", symbol)]), "mmp")]
    ours = [row for row in rows if text(row, "symbol") == symbol]
    wanted = {"windowTimeInMilliseconds": limits.window_ms, "frozenTimeInMilliseconds": limits.frozen_ms, **given}
    if len(ours) != 1 or any(whole(ours[0], name) != value for name, value in wanted.items()):
        raise ParseError(f"mmp: the venue does not show the limits that were set for {symbol}")
    rest.call(Call.RESET_MMP, [("symbol", symbol)])
