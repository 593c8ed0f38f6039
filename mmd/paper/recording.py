"""Reads recorded market streams: gzip text, one `<receive time, ns since the epoch> <frame, JSON>` a line.

It is what hftbacktest's collector and `mmd record` write. A frame may stand in its combined-stream wrapper or alone.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmd.core.errors import ConfigError

LINE_BYTES_MAX = 4 * 1024 * 1024  # a whole book of 1000 levels takes 40 kB
AGAIN = "record it again, or copy it again from where it is whole"


class RecordedFrame(NamedTuple):
    """One line. `stream` is the combined stream's name, or "" where the frame stood alone; `data` is the exchange's own object."""

    line_number: int
    receive_ns: int
    stream: str
    data: dict[str, Any]


def read_recording(path: Path) -> Iterator[RecordedFrame]:
    """The frames of the file, in its order.

    Raises ConfigError, with the file, the line and the way out, for a file that is missing, unreadable, not gzip, cut off or damaged,
    and for a line that is no time and JSON object.
    """
    number = 0
    try:
        with gzip.open(path, "rb") as lines:
            while line := lines.readline(LINE_BYTES_MAX):
                number += 1
                yield _parse(path, number, line)
    except FileNotFoundError as error:
        raise ConfigError(f"recording {path}: there is no such file; give the path of a recording") from error
    except EOFError as error:
        raise ConfigError(f"recording {path}: the gzip file is cut off after line {number}; {AGAIN}") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ConfigError(f"recording {path}: not a gzip file, or damaged after line {number} ({error}); {AGAIN}") from error
    except OSError as error:
        raise ConfigError(f"recording {path}: cannot be read: {error.strerror or error}; give the path of a readable file") from error


def _parse(path: Path, number: int, line: bytes) -> RecordedFrame:
    time_text, _, frame_text = line.partition(b" ")
    if not (time_text.isdigit() and len(time_text) <= 19) or not frame_text:
        raise ConfigError(f"recording {path}, line {number}: not `<time in ns> <frame in JSON>`: {line[:60]!r}; remove the line or {AGAIN}")
    try:
        frame = json.loads(frame_text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"recording {path}, line {number}: the frame is not JSON ({error}); remove the line or {AGAIN}") from error
    if not isinstance(frame, dict):
        raise ConfigError(f"recording {path}, line {number}: the frame is not a JSON object: {line[:60]!r}; remove the line or {AGAIN}")
    stream, data = frame.get("stream"), frame.get("data")
    if isinstance(stream, str) and isinstance(data, dict):
        return RecordedFrame(number, int(time_text), stream, data)
    return RecordedFrame(number, int(time_text), "", frame)
