"""Reading recordings: every way in which a file can be bad has its own clear error."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from recorded_lines import START_NS, diff, snapshot, text_of, wrapped, write

from mmd.core.errors import ConfigError
from mmd.paper.recording import LINE_BYTES_MAX, read_recording

GOOD = text_of([snapshot(), diff(101, 102, 100)])


def error_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        list(read_recording(path))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_frames_come_in_order_with_and_without_a_wrapper(tmp_path: Path) -> None:
    """Number, time, stream and the exchange's own object are those of the line."""
    path = write(tmp_path / "good.gz", [snapshot(), wrapped("ethusdt@depth@0ms", diff(101, 102, 100)), diff(103, 104, 102)])
    assert [tuple(frame) for frame in read_recording(path)] == [
        (1, START_NS, "", snapshot()),
        (2, START_NS + 10_000_000, "ethusdt@depth@0ms", diff(101, 102, 100)),
        (3, START_NS + 20_000_000, "", diff(103, 104, 102)),
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path and the way out."""
    assert "no such file; give the path" in error_of(tmp_path / "nothing.gz")


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    """Any other failure to open says why."""
    assert "cannot be read: Is a directory" in error_of(tmp_path)


def test_plain_text_is_not_gzip(tmp_path: Path) -> None:
    """A recording that was unpacked is not taken."""
    path = tmp_path / "plain.gz"
    path.write_text(GOOD)
    assert "not a gzip file" in error_of(path)


@pytest.mark.parametrize("kept", [5, 30, -9, -4])
def test_a_cut_off_file_says_after_which_line(tmp_path: Path, kept: int) -> None:
    """A gzip file without its end is refused, wherever it was cut."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:kept])
    assert "cut off after line" in error_of(path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Bytes changed in the middle are found by gzip's own checks."""
    path, data = tmp_path / "damaged.gz", bytearray(gzip.compress(GOOD.encode()))
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert "damaged after line" in error_of(path)


@pytest.mark.parametrize(("line", "expected"), [
    ('{"e": "trade"}', "not `<time in ns> <frame in JSON>`"),
    ("12345", "not `<time in ns> <frame in JSON>`"),
    ("", "not `<time in ns> <frame in JSON>`"),
    ("-5 {}", "not `<time in ns> <frame in JSON>`"),
    ("1.5 {}", "not `<time in ns> <frame in JSON>`"),
    ("99999999999999999999 {}", "not `<time in ns> <frame in JSON>`"),
    ('12345 {"e": "tra', "not JSON"),
    ("12345 \xff", "not JSON"),
    ("12345 " + "[" * 100_000, "not JSON"),
    ("12345 [1, 2]", "not a JSON object"),
    ("12345 null", "not a JSON object"),
    ("12345 " + "x" * LINE_BYTES_MAX, "not JSON"),
])  # fmt: skip
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, expected: str) -> None:
    """The third line is at fault, and the message says so, in bounded length."""
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress((GOOD + line + "\n").encode("latin-1")))
    message = error_of(path)
    assert "line 3" in message
    assert expected in message
    assert len(message) < 1000
