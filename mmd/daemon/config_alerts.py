"""What the keys of the `alerts` section take. None of these is repeated in an error: a command and an address may hold a token."""

from __future__ import annotations

import json
import re
import shlex
import string
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from mmd.daemon.config_kinds import Number, Unfit
from mmd.daemon.config_text import Entry

# What there can be alerts on, as the configuration names it.
ALERT_KINDS = ("halt", "pause", "loss", "margin_call", "disconnect", "restart", "daily_summary", "error")

# What stands in a body for what; each becomes JSON of its own, a text with its quotes.
BODY_NAMES = ("text", "kind", "config", "symbol", "host", "time", "fields")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST_LIST = 20


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command and its arguments, as a list, or as one text that is taken apart as a shell would (but no shell runs it).

    A command with a slash is a path, relative to the configuration. Whether it can be run is found out by running it: a configuration must not become
    unusable, for cancelling orders say, because a script is gone.
    """

    def read(self, entry: Entry) -> tuple[str, ...]:
        allowed = "a command, as a list like [/etc/mmd/alerts/email, me@example.org] or as one text"
        try:
            words = entry.items if entry.items is not None else tuple(shlex.split(entry.text or ""))
        except ValueError:
            raise Unfit(f"must be {allowed}; a quotation mark is not closed") from None
        if not words or not words[0] or any("\0" in word for word in words):
            raise Unfit(f"must be {allowed}")
        first = str(entry.base.absolute() / words[0]) if "/" in words[0] else words[0]
        return (first, *words[1:])


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """The whole address that alerts are posted to, query included. Without TLS only on the loopback (FAULTS S3)."""

    def read(self, entry: Entry) -> str:
        return checked_webhook(entry.text or "")


@dataclass(frozen=True, slots=True)
class BodyTemplate:
    """JSON in which `$text` and the like stand for what an alert says."""

    def read(self, entry: Entry) -> str:
        names = ", ".join(f"${name}" for name in BODY_NAMES)
        text = entry.text or ""
        try:
            json.loads(string.Template(text).substitute(dict.fromkeys(BODY_NAMES, '"x"')))
        except KeyError as error:
            raise Unfit(f"has ${error.args[0]}, which stands for nothing; there are {names} ($$ is a $)") from None
        except (ValueError, RecursionError):
            raise Unfit(f"must be JSON once {names} are filled in, each as JSON of its own: write $text, not \"$text\"") from None
        return text


@dataclass(frozen=True, slots=True)
class AlertKinds:
    """A list of what to alert on."""

    def read(self, entry: Entry) -> tuple[str, ...]:
        words = entry.items if entry.items is not None else (entry.text or "",)
        strangers = [word for word in words if word not in ALERT_KINDS]
        if strangers or not words or len(set(words)) < len(words):
            raise Unfit(f"must be a list of some of {', '.join(ALERT_KINDS)}, each once")
        return words


@dataclass(frozen=True, slots=True)
class Amounts:
    """A list of amounts above zero, in any order, or one; read in ascending order."""

    def read(self, entry: Entry) -> tuple[Decimal, ...]:
        words = entry.items if entry.items is not None else (entry.text or "",)
        if entry.is_null or len(words) > _LONGEST_LIST:
            raise Unfit(f"must be a list of at most {_LONGEST_LIST} amounts, or []")
        one = Number("0", "1e12", above=True)
        amounts = {one.read(Entry(entry.key, word, None, False, entry.where, entry.base)) for word in words}
        return tuple(sorted(amounts))


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time of the day, read as minutes after midnight."""

    def read(self, entry: Entry) -> int:
        found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", entry.text or "")
        if found is None:
            raise Unfit("must be a time of the day in UTC, like 07:00")
        return int(found[1]) * 60 + int(found[2])


def checked_webhook(text: str) -> str:
    """The address itself. Raises Unfit, which does not repeat it."""
    allowed = "the whole address of a webhook, https://… (or http:// on the loopback)"
    try:
        parts = urlsplit(text)
        port_is_good = parts.port is None or 0 < parts.port
    except ValueError:
        raise Unfit(f"must be {allowed}") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or not port_is_good or re.search(r"[^!-~]|\\", text):
        raise Unfit(f"must be {allowed}")
    if parts.username is not None or parts.fragment:
        raise Unfit(f"must be {allowed}, without user and fragment")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise Unfit("must be https://: without TLS only a server on the loopback is told anything")
    return text
