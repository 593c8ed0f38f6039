"""What no line may show: the secrets that are known, and whatever stands where a secret stands."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from urllib.parse import quote

_STRUCK = "***"
# With the stars of what was struck out before, so that no end of a word is left that begins like a known one.
_STRUCTURAL = re.compile(r"(signature=|listenKey=|X-MBX-APIKEY\W{1,4})[0-9A-Za-z%+/_*-]{4,}", re.IGNORECASE)
_SHORTEST = 6

_secrets_lock = threading.Lock()
_secrets: tuple[str, ...] = ()  # Replaced whole under the lock, read without it.


def conceal(secrets: Iterable[str]) -> None:
    """Strike these out of every line from now on (keys, listen keys). Any thread may call it.

    Words of fewer than six characters are left alone: they are the paper exchange's, and striking them out would garble the log.
    """
    global _secrets
    with _secrets_lock:
        known = {form for secret in secrets if len(secret) >= _SHORTEST for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])}
        # The longest first, so that one secret inside another leaves no rest.
        _secrets = tuple(sorted(known.union(_secrets), key=len, reverse=True))


def redact(text: str) -> str:
    """The text with every concealed secret, and whatever stands where a signature, key or listen key stands, struck out."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, _STRUCK)
    return _STRUCTURAL.sub(rf"\g<1>{_STRUCK}", text)
