"""Which answers prove that nothing was done: the venue's error codes, read for order entry (V1 "Error Codes", "HTTP Return Codes").

The question matters only for calls that may change an order, and there the default is "unknown" (FAULTS O1, O9): a refusal is believed only
where a code is listed here. A call that changes no order is refused by every 4xx, because a wrong guess there costs nothing.
"""

from __future__ import annotations

from mmd.core.messages import Lost, Refusal
from mmd.venue.endpoints import CHANGES_ORDERS, Call

# The request was turned away at the door, before any order book saw it: key, signature, clock, rate, form.
# Left out on purpose: -1000 (unknown error), -1001 (disconnected), -1006 and -1007 (execution status unknown), -1010 (a relayed error), and -4225 (a
# nonce that is used: where something on the way has sent the request twice, the first of the two may have been accepted).
_AT_THE_DOOR = frozenset({
    -1002, -1003, -1004, -1005, -1011, -1013, -1014, -1015, -1016, -1020, -1021, -1022, -1023,
    -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1109, -1110, -1111, -1112, -1113, -1114, -1115, -1116, -1117, -1118, -1119,
    -1120, -1121, -1125, -1127, -1128, -1130, -1136,
    -2014, -2015, -2016, -4056, -4057,
})  # fmt: skip

# The order was looked at and refused: margin, position, limits, state of the symbol. The original of an amended order stays as it was
# (V3 "Modify Order"). -2011 and -2013 say that the order named is not open; what that proves is for the engine to judge (FAULTS O3, O4).
# -5022 stands in Binance's list, not in Aster's: "could not be executed as maker, the Post Only order will be rejected" (FAULTS O7).
_BY_THE_BOOK = frozenset({
    -2010, -2011, -2013, -2018, -2019, -2020, -2021, -2022, -2023, -2024, -2025, -2026, -2027, -2028,
    -4028, -4045, -4060, -4061, -4062, -4084, -4087, -4088, -4104, -4118, -4131, -4137, -4138, -4139, -4140, -4141, -4142, -4144, -5022,
})  # fmt: skip

# A filter of the symbol or a parameter out of its range.
_BY_A_FILTER = frozenset({
    *range(-4020, -3999), -4022, -4023, -4024, -4025, -4029, -4030, -4031, -4055, -4135, -4164, -4165, -4183, -4184,
})  # fmt: skip

DEFINITE = _AT_THE_DOOR | _BY_THE_BOOK | _BY_A_FILTER

# Refused in front of the API, whatever the body says: by the firewall (403), by the rate limiter (429, 418), or because the family has no such
# path or method (404, 405), as V1 may have none to amend.
_REFUSED_IN_FRONT = frozenset({403, 404, 405, 418, 429})


def classify(call: Call, status: int, code: int | None, message: str, retry_after_ms: int | None) -> Refusal | Lost:
    """What an answer other than success proves. `code` is None where the body held none; `message` is already fit for a log."""
    refusal = Refusal(status, code or 0, message, retry_after_ms)
    if status in _REFUSED_IN_FRONT:
        return refusal
    if 400 <= status < 500 and call not in CHANGES_ORDERS:
        return refusal
    # Some gateways send an error's body with HTTP 200.
    if (400 <= status < 500 or status == 200) and code in DEFINITE:
        return refusal
    if status == 200 and code is not None and call not in CHANGES_ORDERS and code not in (-1000, -1001, -1006, -1007):
        return refusal
    return Lost(f"HTTP {status}" + ("" if code is None else f", code {code}") + (f": {message}" if message else ""))
