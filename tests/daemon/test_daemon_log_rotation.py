"""The log while it is rotated under load: every line is in one of the files, once and whole."""

from __future__ import annotations

import getpass
import grp
import gzip
import logging
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmd.core.messages import Level, Notice
from mmd.daemon.config import LogConfig
from mmd.daemon.logs.logbook import close_log, log_notice, open_log

SHIPPED = Path(__file__).parents[2] / "etc" / "logrotate" / "mmd"
LOGROTATE = shutil.which("logrotate", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
ROTATIONS = 20
THREADS = 4


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """Leaves logging as it was."""
    level = logging.getLogger().level
    yield
    close_log()
    logging.getLogger().setLevel(level)


def written_while(directory: Path, rotate: Callable[[int], None]) -> int:
    """Writes numbered lines from several threads for as long as it takes to rotate twenty times; how many each thread wrote at most."""
    open_log(LogConfig(console=False, file=str(directory / "eth.log")), "eth")
    done = threading.Event()
    counts = [0] * THREADS

    def write(thread: int) -> None:
        while not done.is_set():
            log_notice(Notice(Level.FILL, "fill", {"line": f"{thread}-{counts[thread]}", "filler": "x" * 60}))
            counts[thread] += 1

    threads = [threading.Thread(target=write, args=(each,)) for each in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROTATIONS):
            rotate(number)
    finally:
        done.set()
        for thread in threads:
            thread.join()
        close_log()
    found: Counter[str] = Counter()
    for path in directory.iterdir():
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = data.decode().splitlines()
        assert all(re.fullmatch(r"\S+Z FILL    fill line=\d+-\d+ filler=x{60}", line) for line in lines)
        found.update(re.findall(r"line=(\S+)", data.decode()))
    assert found == Counter(f"{thread}-{n}" for thread, count in enumerate(counts) for n in range(count))
    return min(counts)


def await_lines(path: Path) -> None:
    """Waits until there is something to rotate; a rotation before the first line of a new file would be none."""
    deadline = time.monotonic() + 30
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.001)


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_logrotate_loses_no_line(tmp_path: Path) -> None:
    """Twenty runs of the real logrotate with the shipped file, compression and all, while four threads write without a pause."""
    directory, state = tmp_path / "log", tmp_path / "state"
    directory.mkdir(mode=0o750)
    text = SHIPPED.read_text()
    for shipped, here in (("/var/log/mmd/", f"{directory}/"), ("su mmd mmd", f"su {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}")):
        assert text.count(f"\t{shipped}") + text.count(f"\n{shipped}") == 1
        text = text.replace(f"\t{shipped}", f"\t{here}").replace(f"\n{shipped}", f"\n{here}")
    rules = tmp_path / "rules"
    rules.write_text(text)
    rules.chmod(0o644)

    def rotate(number: int) -> None:
        await_lines(directory / "eth.log")
        ran = subprocess.run([str(LOGROTATE), "--force", "--state", state, rules], capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode, ran.stderr) == (0, ""), ran

    assert written_while(directory, rotate) > ROTATIONS
    names = {path.name for path in directory.iterdir()}
    assert names >= {"eth.log", "eth.log.1", "eth.log.2.gz", f"eth.log.{ROTATIONS}.gz"}, names
    assert all(path.stat().st_mode & 0o777 == 0o640 for path in directory.iterdir())


def test_renaming_loses_no_line(tmp_path: Path) -> None:
    """The same where files are only renamed, as fast as can be, and the new file is sometimes made by whoever renames."""

    def rotate(number: int) -> None:
        path = tmp_path / "eth.log"
        await_lines(path)
        path.rename(tmp_path / f"eth.log.{number}")
        if number % 2:
            path.touch(0o640)

    written_while(tmp_path, rotate)
