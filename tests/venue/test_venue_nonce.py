"""Nonces: they only grow, across threads, restarts, processes and clocks that step back, and stay close to the venue's clock."""

from __future__ import annotations

import multiprocessing
import os
import threading
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from mmd.core.errors import ConfigError
from mmd.core.messages import Level, Notice
from mmd.venue.nonce import MAX_LEAD_US, Nonces
from mmd.venue.signing import CannotSign

NOW_MS = 1_748_310_859_508


def still(path: Path | None = None) -> Nonces:
    """Nonces whose clock stands at the beginning of each millisecond."""
    return Nonces(path, microsecond=lambda: 0)


def draw(nonces: Nonces, threads: int, each: int, now_ms: int) -> list[list[int]]:
    """What each of many threads gets, in its own order."""
    drawn: list[list[int]] = [[] for _ in range(threads)]
    together = threading.Barrier(threads)

    def work(mine: list[int]) -> None:
        together.wait()
        for i in range(each):
            mine.append(nonces.next(now_ms + i // 100))

    workers = [threading.Thread(target=work, args=(mine,)) for mine in drawn]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return drawn


def test_a_hundred_threads_and_a_restart_never_see_a_nonce_twice(tmp_path: Path) -> None:
    """100 threads × 1,000 nonces, then a restart with a clock that lags behind: all distinct, growing in each thread, and above the first run's."""
    first = draw(Nonces(tmp_path / "nonce"), 100, 1000, NOW_MS)
    second = draw(Nonces(tmp_path / "nonce"), 100, 1000, NOW_MS - 500)
    for run in (first, second):
        assert all(mine == sorted(set(mine)) for mine in run)
    every = [nonce for run in (first, second) for mine in run for nonce in mine]
    assert len(set(every)) == 200_000
    assert max(nonce for mine in first for nonce in mine) < min(nonce for mine in second for nonce in mine)


def test_threads_share_nonces_without_a_file() -> None:
    """Without a file to keep them in, threads are told apart all the same."""
    drawn = draw(Nonces(), 20, 1000, NOW_MS)
    assert len({nonce for mine in drawn for nonce in mine}) == 20_000


def test_a_nonce_is_the_clock_in_microseconds() -> None:
    """With time between them, nonces are the venue's clock, with the place within the millisecond where that is known."""
    assert still().next(NOW_MS) == NOW_MS * 1000
    assert Nonces(microsecond=lambda: 867).next(NOW_MS) == NOW_MS * 1000 + 867
    nonces = Nonces()
    assert 0 <= nonces.next(NOW_MS) - NOW_MS * 1000 < 1000


def test_within_one_microsecond_they_count_up() -> None:
    """A clock that stands still is left behind by one microsecond a nonce."""
    nonces = still()
    assert [nonces.next(NOW_MS) - NOW_MS * 1000 for _ in range(4)] == [0, 1, 2, 3]


def test_a_clock_that_steps_back_is_waited_for() -> None:
    """After a step back they go on from the last one until the clock has caught up."""
    nonces = still()
    first = nonces.next(NOW_MS)
    assert [nonces.next(NOW_MS - 1500), nonces.next(NOW_MS - 1)] == [first + 1, first + 2]
    assert nonces.next(NOW_MS + 1) == (NOW_MS + 1) * 1000


def test_a_step_back_beyond_the_window_stops_signing_until_it_is_over(tmp_path: Path) -> None:
    """What the venue would refuse is not signed; time heals it, and the refusals move nothing."""
    nonces = still(tmp_path / "nonce")
    nonces.next(NOW_MS)
    for _ in range(3):
        with pytest.raises(CannotSign, match=r"is 2 s ahead of the venue.s clock \(kept in .*delete that file"):
            nonces.next(NOW_MS - MAX_LEAD_US // 1000)
    assert nonces.next(NOW_MS - MAX_LEAD_US // 1000 + 1) == NOW_MS * 1000 + 1


def test_a_restart_goes_on_above_the_last_nonce(tmp_path: Path) -> None:
    """The file holds the very last one, and leaves nothing behind but itself."""
    path = tmp_path / "nonce"
    last = max(still(path).next(NOW_MS) for _ in range(3))
    assert int(path.read_text()) == last
    assert still(path).next(NOW_MS - 1500) == last + 1
    assert os.listdir(tmp_path) == ["nonce"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_holders_of_one_file_never_draw_the_same(tmp_path: Path) -> None:
    """What two processes of one agent do, seen from inside: turn by turn, each is above the other's last."""
    one, other = still(tmp_path / "nonce"), still(tmp_path / "nonce")
    drawn = [holder.next(NOW_MS) for _ in range(50) for holder in (one, other)]
    assert drawn == sorted(set(drawn))


def _draw_into(path: Path, results: multiprocessing.SimpleQueue[list[int]]) -> None:
    nonces = still(path)
    results.put([nonces.next(NOW_MS) for _ in range(2000)])


def test_processes_of_one_agent_never_draw_the_same(tmp_path: Path) -> None:
    """Three processes at the same standing clock: 6,000 distinct nonces."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.SimpleQueue[list[int]] = context.SimpleQueue()
    processes = [context.Process(target=_draw_into, args=(tmp_path / "nonce", results)) for _ in range(3)]
    for process in processes:
        process.start()
    drawn = [nonce for _ in processes for nonce in results.get()]
    for process in processes:
        process.join(30)
    results.close()
    assert len(set(drawn)) == 6000


@pytest.mark.parametrize("left", [b"", bytes(21), b"x" * 21, b"17483"])
def test_a_file_without_a_whole_number_counts_as_new(tmp_path: Path, left: bytes) -> None:
    """What a failing machine may leave of the file keeps nobody from signing, and is whole again after the first nonce."""
    path = tmp_path / "nonce"
    path.write_bytes(left)
    assert still(path).next(NOW_MS) == NOW_MS * 1000
    assert int(path.read_text()) == NOW_MS * 1000


def test_a_file_that_cannot_be_opened_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    """A missing directory is said at the start, with the path."""
    with pytest.raises(ConfigError, match="gone/nonce: the last nonce cannot be kept"):
        Nonces(tmp_path / "gone" / "nonce")


def test_a_file_that_fails_later_is_told_once_and_orders_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk nonces still grow within the process, and one warning is enough."""
    notices: list[Notice] = []
    nonces = Nonces(tmp_path / "nonce", notices.append, microsecond=lambda: 0)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    drawn = [nonces.next(NOW_MS) for _ in range(3)]
    assert drawn == [NOW_MS * 1000 + i for i in range(3)]
    assert [(notice.level, notice.event, notice.fields["why"]) for notice in notices] == [
        (Level.WARNING, "nonce_not_kept", "No space left on device")
    ]


def test_a_process_that_hangs_with_the_lock_hangs_nobody_else(tmp_path: Path) -> None:
    """After a few dozen milliseconds the nonce comes from the clock alone, above the own last one."""
    notices: list[Notice] = []
    nonces = Nonces(tmp_path / "nonce", notices.append, microsecond=lambda: 0)
    first = nonces.next(NOW_MS)
    with (tmp_path / "nonce").open() as hanging:
        flock(hanging, LOCK_EX)
        assert nonces.next(NOW_MS) == first + 1
    assert nonces.next(NOW_MS) == first + 2
    assert [notice.fields["why"] for notice in notices] == ["another process holds its lock"]
