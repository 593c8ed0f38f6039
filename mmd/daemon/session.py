"""The name of one run, as it stands in its client order ids."""

from __future__ import annotations

import time

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def new_session() -> str:
    """A name that no other run of this market has: the wall clock in milliseconds, base 36 (8 or 9 characters)."""
    number, text = time.time_ns() // 1_000_000, ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
