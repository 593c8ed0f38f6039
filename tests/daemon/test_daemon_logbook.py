"""The log: the form of its lines, what it keeps, what it strikes out, and that it stops nothing."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.core.units import Side
from mmd.daemon.config import LogConfig
from mmd.daemon.logs import floods, logbook
from mmd.daemon.logs.logbook import KEPT_EVENTS, close_log, conceal, listen, log_notice, open_log, redact, unlisten


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """Leaves logging as it was."""
    root = logging.getLogger()
    level, hook = root.level, sys.excepthook
    yield
    close_log()
    root.setLevel(level)
    sys.excepthook = hook


def file_log(path: Path, level: str = "info", release_mode: bool = False, utc: bool = True) -> LogConfig:
    return LogConfig(level=level, console=False, file=str(path), release_mode=release_mode, utc=utc)


def words(path: Path) -> list[str]:
    """Level and event of every line."""
    return [" ".join(line.split()[1:3]) for line in path.read_text().splitlines()]


def test_a_line_is_time_level_event_and_values(tmp_path: Path) -> None:
    """The form is stable: UTC milliseconds, the level, the event, `key=value` in the given order."""
    open_log(file_log(tmp_path / "a.log"), "eth")
    log_notice(Notice(Level.FILL, "fill", {"side": Side.BUY, "price": "2681.62", "maker": True, "order": None, "lots": 3}))
    line = (tmp_path / "a.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z FILL    fill side=BUY price=2681\.62 maker=true order=none lots=3\n", line)


@pytest.mark.parametrize(("value", "text"), [
    ("plain", "plain"), ("two words", '"two words"'), ("", '""'), ('say "hi"', '"say \\"hi\\""'), ("a\nb", '"a\\nb"'), ("a\r\x1b[2J", '"a\\r\\u001b[2J"'),
    ("\x7f", '"\\u007f"'), ("a=b", "a=b"), ("höhe", "höhe"), ("a\u2028b c", '"a\u2028b c"'),
])
def test_a_value_stays_on_its_line(tmp_path: Path, value: str, text: str) -> None:
    """Values with blanks, quotes or control characters are quoted, so that no value can break or forge a line."""
    open_log(file_log(tmp_path / "a.log"), "eth")
    log_notice(Notice(Level.INFO, "event", {"value": value}))
    assert (tmp_path / "a.log").read_text(encoding="utf-8").endswith(f"event value={text}\n")


def test_the_level_hides_what_is_below_it_but_never_a_fill(tmp_path: Path) -> None:
    """At each level exactly the records at or above it are written, and fills always."""
    for level, kept in (("debug", "DEBUG INFO FILL WARNING ERROR"), ("info", "INFO FILL WARNING ERROR"), ("warning", "FILL WARNING ERROR"),
                        ("error", "FILL ERROR")):
        path = tmp_path / f"{level}.log"
        open_log(file_log(path, level), "eth")
        for each in Level:
            log_notice(Notice(each, "event", {}))
        assert [word.split()[0] for word in words(path)] == kept.split(), level


def test_a_release_log_keeps_errors_fills_and_the_life_of_the_process(tmp_path: Path) -> None:
    """Of everything written, `release_mode` keeps errors, fills, and the events of start and stop."""
    path = tmp_path / "a.log"
    open_log(file_log(path, "debug", release_mode=True), "eth")
    for level in Level:
        log_notice(Notice(level, "event", {}))
    for event in sorted(KEPT_EVENTS):
        log_notice(Notice(Level.INFO, event, {}))
    logging.getLogger("urllib3").warning("retrying")
    assert words(path) == ["FILL event", "ERROR event", *(f"INFO {event}" for event in sorted(KEPT_EVENTS))]


def test_secrets_are_struck_out_of_every_line(tmp_path: Path) -> None:
    """Known secrets, also url-quoted, and whatever stands in a secret's place, reach no byte of the file, by whatever road."""
    path = tmp_path / "a.log"
    open_log(file_log(path, "debug"), "eth")
    secret, listen_key = "s3cr3t/with+odd=signs", "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv"
    conceal([secret, listen_key])
    log_notice(Notice(Level.INFO, "event", {"why": f"a {secret} b", secret: 1}))
    log_notice(Notice(Level.INFO, secret, {"url": "/ws/" + listen_key, "body": "x=1&k=s3cr3t%2Fwith%2Bodd%3Dsigns"}))
    logging.getLogger("urllib3.connectionpool").warning("POST /order?x=1&signature=%s&y=2", "c8db56825ae71d6d79447849e617115f")
    logging.getLogger("requests").error("headers {'X-MBX-APIKEY': 'dbefbc809e3e83c283a984c3a1459732'}")
    try:
        raise RuntimeError(f"failed with {secret}")
    except RuntimeError:
        logging.getLogger("mmd").exception("broken")
    text = path.read_text()
    assert len(text.splitlines()) == 5
    assert "***" in text
    for hidden in (secret, listen_key, "s3cr3t", "c8db56825ae7", "dbefbc80"):
        assert hidden not in text


def test_a_secret_inside_another_leaves_no_rest() -> None:
    """The longer of two secrets is struck out first."""
    conceal(["abcdefgh"])
    conceal(["abcdefgh-ijkl"])
    assert redact("x abcdefgh-ijkl abcdefgh y") == "x *** *** y"


def test_a_word_that_begins_like_a_secret_leaves_no_rest_where_a_secret_stands() -> None:
    """What stands as a signature, key or listen key goes as a whole, also after a known beginning was struck out of it."""
    conceal(["abcdefgh"])
    assert redact("signature=abcdefgh12&listenKey=abcdefgh1234&x=1") == "signature=***&listenKey=***&x=1"


def test_the_paper_key_does_not_garble_the_log() -> None:
    """A word as short as the paper exchange's key is no secret."""
    conceal(["paper"])
    assert redact("venue=paper") == "venue=paper"


def test_libraries_are_heard_from_warning_up_only(tmp_path: Path) -> None:
    """Debug and info records of the HTTP and WebSocket libraries hold signed addresses and are dropped, even at level debug."""
    path = tmp_path / "a.log"
    open_log(file_log(path, "debug"), "eth")
    for name in ("urllib3.connectionpool", "requests", "websocket", "websockets.server"):
        logging.getLogger(name).debug("noise")
        logging.getLogger(name).info("noise")
        logging.getLogger(name).warning("heard")
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    assert all(line.endswith("message=heard") for line in lines)


def test_a_traceback_is_one_line(tmp_path: Path) -> None:
    """An exception's traceback becomes one quoted value."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("mmd").exception("broken")
    (line,) = path.read_text().splitlines()
    assert "ERROR" in line
    assert "ValueError" in line


def test_rotation_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """After a rename or a removal the next line is in a new file of the old name, and nothing goes to the old one."""
    path, old = tmp_path / "a.log", tmp_path / "a.log.1"
    open_log(file_log(path), "eth")
    log_notice(Notice(Level.INFO, "one"))
    path.rename(old)
    log_notice(Notice(Level.INFO, "two"))
    assert (words(old), words(path)) == (["INFO one"], ["INFO two"])
    path.unlink()
    log_notice(Notice(Level.INFO, "three"))
    assert words(path) == ["INFO three"]


def test_rotation_without_a_place_to_go_keeps_the_old_file(tmp_path: Path) -> None:
    """Where the new file cannot be made, lines still go to the old one, and the new one is taken once it can be."""
    directory, moved = tmp_path / "log", tmp_path / "moved"
    directory.mkdir()
    path = directory / "a.log"
    open_log(file_log(path), "eth")
    log_notice(Notice(Level.INFO, "one"))
    directory.rename(moved)
    log_notice(Notice(Level.INFO, "two"))
    assert words(moved / "a.log") == ["INFO one", "INFO two"]
    directory.mkdir()
    log_notice(Notice(Level.INFO, "three"))
    assert words(path) == ["INFO three"]


def test_a_full_disk_stops_nothing_and_is_told_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that cannot be written are counted; after the first that can, a line says how many are missing."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        log_notice(Notice(Level.INFO, "one"))
        log_notice(Notice(Level.INFO, "two"))
    log_notice(Notice(Level.INFO, "three"))
    log_notice(Notice(Level.INFO, "four"))
    assert words(path) == ["INFO three", "WARNING log_gap", "INFO four"]
    assert "lost_lines=2" in path.read_text()


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the disk took in part does not swallow the next one."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:30]))
        log_notice(Notice(Level.INFO, "one", {"long": "x" * 50}))
    log_notice(Notice(Level.INFO, "two"))
    assert [line[-5:] for line in path.read_text().splitlines()[1:2]] == ["  two"]
    assert words(path)[-1] == "WARNING log_gap"


def test_a_lost_console_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed standard error raises nothing."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    open_log(LogConfig(file="none"), "eth")
    log_notice(Notice(Level.INFO, "one"))
    assert " INFO    one\n" in stream.getvalue()
    stream.close()
    log_notice(Notice(Level.INFO, "two"))


def test_auto_uses_the_installed_directory_where_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`file: auto` writes `<name>.log` into the directory that an installation makes, and to the console alone where there is none."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    open_log(LogConfig(), "eth", installed_directory=tmp_path)
    log_notice(Notice(Level.INFO, "one"))
    assert words(tmp_path / "eth.log") == ["INFO one"]
    open_log(LogConfig(), "eth", installed_directory=tmp_path / "absent")
    log_notice(Notice(Level.INFO, "two"))
    assert not (tmp_path / "absent").exists()
    assert sys.stderr.getvalue().count("\n") == 2  # type: ignore[attr-defined]


def test_a_log_that_was_asked_for_must_be_writable(tmp_path: Path) -> None:
    """A missing directory, or a directory in place of the file, is a configuration error that names it."""
    with pytest.raises(ConfigError, match=r"logging\.file: .*absent/a\.log cannot be written: No such file"):
        open_log(file_log(tmp_path / "absent" / "a.log"), "eth")
    with pytest.raises(ConfigError, match="cannot be written"):
        open_log(file_log(tmp_path), "eth")


def test_opening_again_replaces_the_log(tmp_path: Path) -> None:
    """A second opening leaves no handler of the first behind."""
    open_log(file_log(tmp_path / "a.log"), "eth")
    open_log(file_log(tmp_path / "b.log"), "eth")
    log_notice(Notice(Level.INFO, "one"))
    assert words(tmp_path / "a.log") == []
    assert words(tmp_path / "b.log") == ["INFO one"]
    close_log()
    log_notice(Notice(Level.ERROR, "two"))
    assert words(tmp_path / "b.log") == ["INFO one"]


def test_local_time_carries_its_offset(tmp_path: Path) -> None:
    """With `utc: false` a line's time says how far from UTC it is."""
    path = tmp_path / "a.log"
    open_log(file_log(path, utc=False), "eth")
    log_notice(Notice(Level.INFO, "one"))
    assert re.match(r"\S+\.\d{3}[+-]\d\d:\d\d INFO", path.read_text())


# --- floods -------------------------------------------------------------------------------------------------------------------------------


def test_a_flood_of_errors_from_many_threads_stays_readable(tmp_path: Path) -> None:
    """Of 40,000 errors of one kind, their numbers all different, five lines and one count are left, and every fill between them is there."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")

    def flood(thread: int) -> None:
        for n in range(10_000):
            log_notice(Notice(Level.ERROR, "order_refused", {"order": f"mmd-x-{thread}{n:05}", "code": -2019, "why": "400 -2019 no margin", "does": "waits"}))
            if n % 1000 == 0:
                log_notice(Notice(Level.FILL, "fill", {"trade": 7}))

    threads = [threading.Thread(target=flood, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_log()
    lines = path.read_text().splitlines()
    assert sum(" FILL " in line for line in lines) == 40
    errors = [line for line in lines if " ERROR " in line]
    assert len(errors) == 6
    assert re.search(r" ERROR   order_refused repeated=39995 within_s=\d+ order=mmd-x-\d+ code=-2019 why=", errors[-1])


def test_lines_of_trading_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    """Information that differs in a number only is never counted together, however fast it comes."""
    path = tmp_path / "a.log"
    open_log(file_log(path, "debug"), "eth")
    for n in range(300):
        log_notice(Notice(Level.INFO, "placed", {"order": f"mmd-x-{n}", "price": n}))
    assert words(path) == ["INFO placed"] * 300


def test_errors_of_different_content_are_all_written(tmp_path: Path) -> None:
    """A hundred codes and a hundred causes are two hundred lines."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    for n in range(100):
        log_notice(Notice(Level.ERROR, "refused", {"code": -1000 - n}))
        log_notice(Notice(Level.ERROR, "refused", {"why": "cause " + "x" * n}))
    assert len(words(path)) == 200


def test_counts_come_before_the_end_of_trading(tmp_path: Path) -> None:
    """The last line is the one that says how it ended, not a count of what came before."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    for _ in range(8):
        log_notice(Notice(Level.WARNING, "again", {"x": 1}))
    log_notice(Notice(Level.INFO, "stopped", {"open_orders": 0}))
    close_log()
    assert words(path)[-2:] == ["WARNING again", "INFO stopped"]


def test_a_count_is_told_while_nothing_else_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count comes by itself once the flood is over, without a further line to bring it."""
    monkeypatch.setattr(floods, "QUIET_S", 0.05)
    monkeypatch.setattr(logbook, "_FLOODS_EVERY_S", 0.02)
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    for _ in range(8):
        log_notice(Notice(Level.WARNING, "again", {"x": 1}))
    deadline = time.monotonic() + 10
    while len(words(path)) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.read_text().splitlines()[-1].endswith("WARNING again repeated=3 within_s=0 x=1")


# --- other forms --------------------------------------------------------------------------------------------------------------------------


def test_json_lines_hold_the_same_and_round_nothing(tmp_path: Path) -> None:
    """Each line is an object with time, level, event and fields; whole numbers are numbers, decimals text, and secrets are gone wherever they stood."""
    path = tmp_path / "a.log"
    open_log(LogConfig(console=False, file=str(path), format="json"), "eth")
    secret = 'nine"lives\\of/a+cat'
    conceal([secret])
    said = {"price": Decimal("2681.620"), "side": Side.BUY, "lots": 3, "maker": True, "order": None, "wait_s": 0.5, "why": f"line\n{secret} \x1b", secret: 1, "signature": "ab12cd34"}
    log_notice(Notice(Level.FILL, "fill", said))
    log_notice(Notice(Level.INFO, "start"))
    for _ in range(7):
        log_notice(Notice(Level.ERROR, "bad", {"n": 1}))
    close_log()
    first, second, *_, last = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert list(first) == ["time", "level", "event", "fields"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert (first["level"], first["event"]) == ("FILL", "fill")
    assert first["fields"] == {"price": "2681.620", "side": "BUY", "lots": 3, "maker": True, "order": None, "wait_s": 0.5, "why": "line\n*** \x1b", "***": 1,
                               "signature": "***"}
    assert (second["event"], second["fields"]) == ("start", {})
    assert (last["event"], last["fields"]) == ("bad", {"repeated": 2, "within_s": 0, "n": 1})
    assert "lives" not in path.read_text()


def test_the_journal_gets_priorities_and_no_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where standard error is the stream that JOURNAL_STREAM names, a line begins with its priority; where it is another, with its time."""
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setattr(sys, "stderr", journal)
        for named, prefix in ((f"{status.st_dev}:{status.st_ino}", "<{}>"), (f"{status.st_dev}:{status.st_ino + 1}", r"\S+Z "), ("", r"\S+Z ")):
            monkeypatch.setenv("JOURNAL_STREAM", named)
            journal.seek(0)
            journal.truncate()
            open_log(LogConfig(level="debug", file="none"), "eth")
            for level in Level:
                log_notice(Notice(level, "event", {"x": 1}))
            logging.getLogger("somebody").critical("over")
            close_log()
            lines = (tmp_path / "journal").read_text().splitlines()
            for line, priority, level in zip(lines, (7, 6, 5, 4, 3), Level, strict=False):
                assert re.fullmatch(prefix.format(priority) + f"{level.name:<7} event x=1", line)
            assert re.match(prefix.format(2) + "CRITICAL", lines[-1])


def test_what_nobody_catches_is_a_line_without_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exception that ends a thread, or the process, is one line of the log with its traceback; Python prints nothing past the log."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    conceal(["s3cr3t-0123456789"])

    def fall() -> None:
        raise RuntimeError("fell over s3cr3t-0123456789")

    thread = threading.Thread(target=fall, name="faller")
    thread.start()
    thread.join()
    try:
        fall()
    except RuntimeError as error:
        close_log()
        sys.excepthook(RuntimeError, error, error.__traceback__)
    lines = path.read_text().splitlines()
    assert [" ".join(line.split()[1:4]) for line in lines] == ["ERROR uncaught thread=faller", "ERROR uncaught thread=MainThread"]
    assert all("in fall" in line and "***" in line for line in lines)
    printed = capsys.readouterr().err
    assert "in fall" in printed and "***" in printed
    assert "s3cr3t" not in printed + path.read_text()


def test_an_error_for_the_operator_is_not_told_as_a_fall(tmp_path: Path) -> None:
    """Closing the log while one of our own errors is on its way adds no line: whoever catches it says what it is."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    try:
        raise ConfigError("symbol: is missing")
    except ConfigError:
        close_log()
    assert path.read_text() == ""


def test_a_library_s_broken_record_is_a_line(tmp_path: Path) -> None:
    """A message whose arguments do not fit it is written as it stands, and nothing is raised into the library."""
    path = tmp_path / "a.log"
    open_log(file_log(path), "eth")
    record = logging.makeLogRecord({"name": "somebody", "levelno": logging.ERROR, "msg": "%d pieces of %s", "args": ("x",)})
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logbook._Log):  # pytest's own would raise
            handler.handle(record)
    assert path.read_text().endswith('ERROR   library logger=somebody message="%d pieces of %s"\n')


def test_a_listener_hears_what_the_level_hides(tmp_path: Path) -> None:
    """Every notice reaches a listener, in order, until it listens no more; the log's level and floods are no matter."""
    open_log(file_log(tmp_path / "a.log", "error"), "eth")
    heard: list[Notice] = []
    said = [Notice(Level.DEBUG, "one"), *[Notice(Level.ERROR, "two")] * 9]
    listen(heard.append)
    for notice in said:
        log_notice(notice)
    unlisten(heard.append)
    log_notice(Notice(Level.ERROR, "three"))
    unlisten(heard.append)
    assert heard == said
