"""A crash at any point leaves a ledger readable, and complete up to the last fill whose writing was acknowledged (FAULTS P2, P5; invariant 20)."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledger_rig import RULES, T0, a_fill, a_life, noted, opened, rows

from mmd.ledger.entries import Noted, RunStarted
from mmd.ledger.opening import open_for_reading

# Writes batches as fast as it can, and says of each fill that it is written only when it is.
WRITER = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from ledger_rig import T0, a_fill, a_life, noted, opened
from mmd.ledger.entries import Noted
ledger = opened(Path(sys.argv[1]), session=sys.argv[2])
print("open", flush=True)
number = int(sys.argv[2]) * 1_000_000
while True:
    size = number % 7 + 1
    fills = range(number, number + size)
    ledger.write([Noted(T0 + n, "stream", a_life(f"mmd-{n}", 10)) for n in fills] + [noted(a_fill(n)) for n in fills])
    print(*fills, flush=True)
    number += size
"""


def write_until_killed(path: Path, session: int, after_s: float) -> list[int]:
    """The fills that a process told to be written before it was killed."""
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(session), here, here.parents[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "open\n", process.communicate()[1]
    time.sleep(after_s)
    process.send_signal(signal.SIGKILL)
    out, errors = process.communicate(timeout=30)
    assert not errors, errors
    # The last line may have been cut off within a number.
    whole = out[: out.rfind("\n") + 1]
    return [int(word) for word in whole.split()]


def test_a_kill_at_any_instant_loses_no_acknowledged_fill(tmp_path: Path) -> None:
    """The same file is written by one killed process after another; what each had acknowledged is there, whole, and the next one goes on."""
    path = tmp_path / "eth.ledger"
    random_ = random.Random(5)
    acknowledged: list[int] = []
    for session in range(8):
        acknowledged += write_until_killed(path, session, random_.uniform(0.0, 0.25))
        reader = open_for_reading(path)
        found = {row[0] for row in reader.execute("SELECT trade_id FROM fills")}
        orders = reader.execute("SELECT count(*) FROM orders WHERE executed > 0").fetchone()[0]
        reader.close()
        assert set(acknowledged) <= found, f"lost in session {session}: {sorted(set(acknowledged) - found)[:5]}"
        assert orders == len(found), "a batch is there in part"
    assert len(acknowledged) > 100, "too little was written to tell"
    opened(path, session="last").close()
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT DISTINCT cause FROM runs WHERE session != 'last'") == [("killed",)]


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger as a crash of the machine may leave it: some of it in the file, thirty batches of one fill each in the log beside it."""
    path = tmp_path_factory.mktemp("torn") / "eth.ledger"
    ledger = opened(path)
    ledger.write([noted(*(a_fill(number) for number in range(5)))])
    ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.write([RunStarted(T0 + 1, "s2", "1.0", False, RULES)])
    for number in range(5, 35):
        ledger.write([Noted(T0 + number, "stream", a_life(f"mmd-{number}", 10)), noted(a_fill(number))])
    for end in ("", "-wal"):
        shutil.copyfile(f"{path}{end}", f"{path}.left{end}")
    ledger.close()
    return Path(f"{path}.left")


def damaged_copy(torn: Path, target: Path, log: bytes) -> Path:
    shutil.copyfile(torn, target)
    Path(f"{target}-wal").write_bytes(log)
    return target


def check_is_a_beginning(path: Path, what: str) -> int:
    """The fills are the first ones, each with its whole order; how many."""
    reader = open_for_reading(path)
    fills = [row[0] for row in reader.execute("SELECT trade_id FROM fills ORDER BY trade_id")]
    steps = reader.execute("SELECT count(*) FROM transitions").fetchone()[0]
    assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)], what
    reader.close()
    assert fills == list(range(len(fills))) and len(fills) >= 5, f"{what}: {fills}"
    assert steps == 3 * (len(fills) - 5), what
    return len(fills)


def test_a_log_that_breaks_off_anywhere_leaves_a_beginning(torn: Path, tmp_path: Path) -> None:
    """Cut off at any byte, what is before the cut is there and nothing else, no batch in part; and writing goes on."""
    log = Path(f"{torn}-wal").read_bytes()
    random_ = random.Random(7)
    cuts = sorted({0, 1, 31, 32, 33, len(log) - 1, len(log), *(random_.randrange(len(log)) for _ in range(120))})
    counts = []
    for cut in cuts:
        counts.append(check_is_a_beginning(damaged_copy(torn, tmp_path / f"{cut}.ledger", log[:cut]), f"cut at {cut}"))
    assert counts == sorted(counts) and counts[0] == 5 and counts[-1] == 35
    middle = tmp_path / f"{cuts[len(cuts) // 2]}.ledger"
    ledger = opened(middle, session="s3")
    ledger.write([noted(a_fill(number)) for number in range(35)])
    ledger.close()
    assert rows(middle, "SELECT count(*) FROM fills") == [(35,)]


def test_a_log_with_a_rotten_byte_leaves_a_beginning(torn: Path, tmp_path: Path) -> None:
    """A sector that was never written, or written wrong, ends the log there: it is never taken for data."""
    log = Path(f"{torn}-wal").read_bytes()
    random_ = random.Random(11)
    for number in range(60):
        spot, rot = random_.randrange(len(log)), random_.randbytes(random_.choice((1, 512)))
        rotten = (log[:spot] + rot + log[spot + len(rot) :])[: len(log)]
        check_is_a_beginning(damaged_copy(torn, tmp_path / f"{number}.ledger", rotten), f"{len(rot)} bytes at {spot}")
