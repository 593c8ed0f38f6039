"""How a line of the log is written: as `key=value` text for eyes and grep, or as JSON for programs. Secrets are struck out here."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import Protocol

from mmd.daemon.logs.redaction import redact

_SAFE_VALUE = re.compile(r"[!#-~\u00a1-\U0010ffff]+")  # without the quote, which is `"`


class LineStyle(Protocol):
    """One way to write lines. A body is what a line says of its fields, secrets struck out."""

    def body(self, fields: Mapping[str, object]) -> str:
        """The fields as text."""

    def repeated(self, body: str, times: int, within_s: int) -> str:
        """The body of a line that stands for `times` others, the last of which had `body`."""

    def line(self, moment: str, level: str, event: str, body: str, stamped: bool) -> str:
        """The whole line without its end; what reads it keeps the time itself unless `stamped`."""


class TextStyle:
    """`time LEVEL event key=value …`."""

    def body(self, fields: Mapping[str, object]) -> str:
        return redact(format_fields(fields)) if fields else ""

    def repeated(self, body: str, times: int, within_s: int) -> str:
        return f"repeated={times} within_s={within_s} {body}".rstrip(" ")

    def line(self, moment: str, level: str, event: str, body: str, stamped: bool) -> str:
        start = f"{moment} {level:<7} {redact(event)}" if stamped else f"{level:<7} {redact(event)}"
        return f"{start} {body}" if body else start


class JsonStyle:
    """`{"time": …, "level": …, "event": …, "fields": {…}}`; a decimal stays the text that it is, so that no reader rounds it. The time is there always."""

    def body(self, fields: Mapping[str, object]) -> str:
        return json.dumps(dict(_json_pair(key, value) for key, value in fields.items()), ensure_ascii=False)

    def repeated(self, body: str, times: int, within_s: int) -> str:
        counts = f'{{"repeated": {times}, "within_s": {within_s}'
        return counts + ("}" if body == "{}" else f", {body[1:]}")

    def line(self, moment: str, level: str, event: str, body: str, stamped: bool) -> str:
        name = json.dumps(redact(event), ensure_ascii=False)
        return f'{{"time": "{moment}", "level": "{level}", "event": {name}, "fields": {body}}}'


STYLES: Mapping[str, type[TextStyle | JsonStyle]] = {"text": TextStyle, "json": JsonStyle}


def format_fields(fields: Mapping[str, object]) -> str:
    """`key=value` pairs; a value is quoted (as JSON text) where it is empty, holds a blank, a quote or a control character."""
    return " ".join([f"{key}={_format_value(value)}" for key, value in fields.items()])


def _format_value(value: object) -> str:
    text = value if type(value) is str else _plain_text(value)
    if _SAFE_VALUE.fullmatch(text):
        return text
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "none" if value is None else str(value.value if isinstance(value, Enum) else value)


def _json_pair(key: str, value: object) -> tuple[str, object]:
    if value is None or isinstance(value, bool) or (type(value) is int) or (type(value) is float and math.isfinite(value)):
        return redact(key), value
    # Struck out before it is quoted, so that nothing that quoting adds is torn; and together, since a key may say that its value is a secret.
    struck_key, _, struck = redact(f"{key}={_plain_text(value)}").partition("=")
    return struck_key, struck


class Stamp:
    """Times of lines, in UTC or local time with its offset, to the millisecond. The second's part is made once a second."""

    def __init__(self, utc: bool) -> None:
        self._utc = utc
        self._second: int | None = None
        self._before = self._after = ""

    def text(self, time_s: float) -> str:
        """`2026-11-23T00:55:54.048Z`, or `…+01:00`."""
        whole = math.floor(time_s)
        if whole != self._second:
            moment = datetime.fromtimestamp(whole, timezone.utc)
            text = (moment if self._utc else moment.astimezone()).isoformat()
            self._before, self._after = text[:19], "Z" if self._utc else text[19:]
            self._second = whole
        return f"{self._before}.{int((time_s - whole) * 1000):03d}{self._after}"

    def now(self) -> str:
        return self.text(time.time())
