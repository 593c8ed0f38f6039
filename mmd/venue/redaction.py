"""The one place that makes foreign text fit for a log: no signature, key, listen key or query survives it, and it is short."""

from __future__ import annotations

import re

# Client order ids have at most 36 characters (V1 "New Order"); keys, signatures and listen keys have 64 or more.
_LONG_WORD = re.compile(r"[0-9A-Za-z_\-+/=%]{40,}")
_NAMED_SECRET = re.compile(r"(?i)\b(signature|listenKey|apiKey|X-MBX-APIKEY|secret\w*|signer\w*)(['\"]?\s*[=:]\s*['\"]?)[^\s&,;'\"}]+")
_QUERY = re.compile(r"\?[^\s'\")]*=[^\s'\")]*")
_LAST_WORD = re.compile(r"\S{1,400}\Z")
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")


def redact(text: str, limit: int = 200) -> str:
    """`text` on one line of at most `limit` characters, with everything that looks like a secret replaced by `…`."""
    # Cut generously first, so that a page of megabytes costs nothing, and leave no half of a word: it could be half of a secret.
    if len(text) > limit * 8:
        text = _LAST_WORD.sub("", text[: limit * 8])
    text = _LINE_BREAKS.sub(" ", text)
    text = _NAMED_SECRET.sub(r"\1\2…", _QUERY.sub("?…", text))
    text = _LONG_WORD.sub("…", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def describe(error: BaseException) -> str:
    """What went wrong, from an exception of a library: the innermost cause's kind and the operating system's word for it.

    The libraries' own texts are not used: they hold whole URLs, signature included.
    """
    innermost = error
    for _ in range(10):
        deeper = innermost.__cause__ or innermost.__context__
        if deeper is None:
            break
        innermost = deeper
    name = type(innermost).__name__
    word = innermost.strerror if isinstance(innermost, OSError) else None
    return f"{name}: {redact(str(word))}" if word else name
