"""What one value of the configuration may be: each kind reads an entry's text exactly, or says what is allowed."""

from __future__ import annotations

import difflib
import ipaddress
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from mmd.daemon.config_text import Entry

# Digits, a point, at most a two-digit exponent: what every reader of the file understands the same way. A leading zero is left out because
# YAML 1.1 reads it as octal.
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*|(?=\.))(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?")
_LONGEST_NUMBER = 40
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LOOKS_SECRET = re.compile(r"[0-9A-Za-z+/=_-]{32,}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Unfit(Exception):
    """The value is not what its key takes; the message says what is allowed."""


class Kind(Protocol):
    """One sort of value."""

    def read(self, entry: Entry) -> object:
        """The value as the program takes it. Raises Unfit."""


def shown(entry: Entry) -> str:
    """The value for a message; what is long enough to be a key or a token is not repeated."""
    if entry.is_null:
        return "nothing"
    if entry.items is not None:
        return f"a list of {len(entry.items)}"
    if entry.text is None:
        return "a mapping or nested list"
    if _LOOKS_SECRET.search(entry.text):
        return f"a value of {len(entry.text)} characters"
    return repr(entry.text if len(entry.text) <= 60 else entry.text[:57] + "...")


def _scalar(entry: Entry, allowed: str) -> str:
    if entry.text is None:
        raise Unfit(f"must be {allowed}")
    return entry.text


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words, each standing for a value."""

    values: Mapping[str, object]

    def read(self, entry: Entry) -> object:
        allowed = " or ".join(self.values)
        text = _scalar(entry, allowed)
        if text not in self.values:
            near = difflib.get_close_matches(text.lower(), self.values, n=1)
            raise Unfit(f"must be {allowed}" + (f"; did you mean {near[0]}?" if near else ""))
        return self.values[text]


@dataclass(frozen=True, slots=True)
class Number:
    """An exact decimal within bounds, both included unless `above` or `below` says otherwise."""

    low: str
    high: str
    above: bool = False
    below: bool = False

    def read(self, entry: Entry) -> Decimal:
        allowed = f"a number {'above' if self.above else 'from'} {self.low} {'and below' if self.below else 'to'} {self.high}"
        text = _scalar(entry, allowed).strip()
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            raise Unfit(f"must be {allowed}")
        value = Decimal(text)
        low, high = Decimal(self.low), Decimal(self.high)
        if value < low or value > high or (self.above and value == low) or (self.below and value == high):
            raise Unfit(f"must be {allowed}")
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, both included."""

    low: int
    high: int

    def read(self, entry: Entry) -> int:
        allowed = f"a whole number from {self.low} to {self.high}"
        text = _scalar(entry, allowed).strip()
        if not re.fullmatch(r"[+-]?(?:0|[1-9][0-9]{0,19})", text) or not self.low <= int(text) <= self.high:
            raise Unfit(f"must be {allowed}")
        return int(text)


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds, down to the millisecond, read as whole milliseconds; with `off`, 0 switches the thing off."""

    low: str
    high: str
    off: bool = False

    def read(self, entry: Entry) -> int:
        allowed = f"seconds from {self.low} to {self.high}" + (", or 0 for off" if self.off else "")
        try:
            value = Number("0", self.high).read(entry)
        except Unfit:
            raise Unfit(f"must be {allowed}") from None
        if self.off and value == 0:
            return 0
        if value < Decimal(self.low):
            raise Unfit(f"must be {allowed}")
        milliseconds = value * 1000
        if milliseconds != int(milliseconds):
            raise Unfit("must be a whole number of milliseconds (at most three decimals)")
        return int(milliseconds)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, entry: Entry) -> bool:
        text = _scalar(entry, "true or false")
        if text.lower() not in _FLAGS:
            raise Unfit("must be true or false")
        return _FLAGS[text.lower()]


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a pattern; `allowed` describes it."""

    pattern: str
    allowed: str

    def read(self, entry: Entry) -> str:
        text = _scalar(entry, self.allowed)
        if not re.fullmatch(self.pattern, text):
            raise Unfit(f"must be {self.allowed}")
        return text


@dataclass(frozen=True, slots=True)
class Names:
    """A list of different asset names, at least one."""

    def read(self, entry: Entry) -> tuple[str, ...]:
        allowed = "a list of asset names in capitals, like [USDT, USDF]"
        if not entry.items or not all(re.fullmatch(r"[A-Z0-9]{2,20}", item) for item in entry.items):
            raise Unfit(f"must be {allowed}")
        if len(set(entry.items)) < len(entry.items):
            raise Unfit("names an asset twice")
        return entry.items


@dataclass(frozen=True, slots=True)
class Url:
    """The base of a server's addresses: scheme, host, port. Without TLS only on the loopback (FAULTS S3)."""

    secure: str
    insecure: str

    def read(self, entry: Entry) -> str:
        allowed = f"a base address like {self.secure}://host or {self.insecure}://127.0.0.1:8080"
        text = _scalar(entry, allowed)
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018  (raises ValueError where it is no port)
        except ValueError:
            raise Unfit(f"must be {allowed}") from None
        if parts.scheme not in (self.secure, self.insecure) or not parts.hostname or re.search(r"[\s\\]", text):
            raise Unfit(f"must be {allowed}")
        if parts.username is not None or parts.query or parts.fragment or "?" in text or "#" in text:
            raise Unfit(f"must be {allowed}, without user, query or fragment")
        if re.search(r"/(?:fapi|ws|stream)(?:/|$)", parts.path):
            raise Unfit("must be the base only: /fapi, /ws and /stream are added to it")
        if parts.scheme == self.insecure and parts.hostname not in _LOOPBACK:
            raise Unfit(f"must be {self.secure}://: without TLS only a server on the loopback is spoken to")
        return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to serve: `host:port`, or a port alone for 127.0.0.1; read as (host, port). A host is an address literal or localhost."""

    def read(self, entry: Entry) -> tuple[str, int]:
        allowed = "an address to serve at, like 127.0.0.1:9680"
        text = _scalar(entry, allowed).strip()
        host, colon, port = text.rpartition(":")
        host = host if colon else "127.0.0.1"
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            is_literal = bare == "localhost" or bool(ipaddress.ip_address(bare))
        except ValueError:
            is_literal = False
        if not is_literal or (":" in bare) is not (bare != host) or not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
            raise Unfit(f"must be {allowed}")
        return bare, int(port)


@dataclass(frozen=True, slots=True)
class DataFile:
    """The path of a file that must exist, relative to the configuration (or to the working directory, on the command line)."""

    def read(self, entry: Entry) -> Path:
        path = _path(entry, _scalar(entry, "the path of a file")).resolve()
        try:
            is_directory = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            raise Unfit(f"cannot be found: {path}: {error.strerror}") from None
        if is_directory:
            raise Unfit(f"is a directory ({path}); name a file in it")
        return path


@dataclass(frozen=True, slots=True)
class OutputFile:
    """`auto`, `none`, or the path of a file to write."""

    def read(self, entry: Entry) -> str:
        text = _scalar(entry, "auto, none or the path of a file")
        return text if text in ("auto", "none") else str(_path(entry, text))


@dataclass(frozen=True, slots=True)
class Nullable:
    """Another kind, or null."""

    kind: Kind

    def read(self, entry: Entry) -> object:
        if entry.is_null:
            return None
        try:
            return self.kind.read(entry)
        except Unfit as error:
            raise Unfit(f"{error}, or null") from None


def _path(entry: Entry, text: str) -> Path:
    if not text or "\0" in text:
        raise Unfit("must be a path")
    return entry.base.absolute() / text
