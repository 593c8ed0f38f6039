"""What a ledger costs: `python tests/bench/bench_ledger.py [--fills N]`.

On the main thread, a fill (an order update with its order's record and the fill's) against writing the same as a line of JSON; on the ledger's own
thread, fills a second; on the disk, what N fills weigh with their orders, wallets and marks.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from queue import Empty, SimpleQueue

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ledger"), str(ROOT / "tests" / "daemon")]

from ledger_rig import RULES, T0, a_fill, a_life, noted, opened
from ledger_thread_rig import Hands, Stepped, a_clock
from made_ledger import make_ledger

from mmd.core.messages import AccountUpdate, Depth, OrderReport, OrderStatus, OrderUpdate
from mmd.core.records import FillRecord, OrderRecord
from mmd.core.units import Side
from mmd.daemon.record.journal import Journal
from mmd.daemon.record.ledger_thread import LedgerKeeper
from mmd.ledger.entries import Entry, Noted, RunStarted
from mmd.ledger.opening import Identity
from mmd.ledger.writer import open_ledger

ROUNDS, REPEATS = 7, 5_000


def a_step(number: int) -> tuple[OrderUpdate, Stepped]:
    """An order that fills."""
    fill = a_fill(number, client_order_id=f"mmd-s1-{number}")
    report = OrderReport(fill.client_order_id, 70, Side.BUY, OrderStatus.FILLED, 250_000, 10, 10, False, T0)
    order = OrderRecord(fill.client_order_id, 70, Side.BUY, False, "seen terminal", "done", OrderStatus.FILLED, 250_000, 10, 10)
    records = [order, order._replace(happening="booked"), FillRecord(fill, fill.client_order_id, True, 10, 500_001)]
    return OrderUpdate(report, fill, False, T0), Stepped(records)


def best_us(run: Callable[[], None]) -> float:
    """Microseconds for one of REPEATS, in the best round."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        found.append((time.perf_counter() - began) / REPEATS * 1e6)
    return min(found)


def main_thread() -> None:
    """The queue is emptied by nobody, so that no other thread takes the interpreter's lock."""
    steps = [a_step(number) for number in range(REPEATS)]
    wallet = AccountUpdate("ORDER", {"USDT": Decimal("1000.5")}, None, T0, T0)
    depth = Depth((), (), 1, 0, 0, age_ms=3)
    queue: SimpleQueue[Entry] = SimpleQueue()
    journal = Journal(queue.put, a_clock(), now_ms=lambda: 1_000)
    journal.started(RULES, "s1", False)
    nothing = Stepped()

    def fills() -> None:
        for event, step in steps:
            journal.stepped(event, step, 1_000, 25.0)
        empty(queue)

    def fills_and_wallets() -> None:
        for event, step in steps:
            journal.stepped(event, step, 1_000, 25.0)
            journal.stepped(wallet, nothing, 1_000, 25.0)
        empty(queue)

    def frames() -> None:
        for _ in steps:
            journal.stepped(depth, nothing, 1_000, 25.0)

    with tempfile.TemporaryFile("w") as file:
        def lines() -> None:
            for event, step in steps:
                file.write(json.dumps([event, [record._asdict() for record in step.records]], default=str) + "\n")
                file.flush()

        print(f"main thread, us: a fill {best_us(fills):.2f}; with its wallet update {best_us(fills_and_wallets):.2f}; "
              f"a depth frame {best_us(frames):.2f}; the same fill as a line of JSON, flushed {best_us(lines):.2f}")


def empty(queue: SimpleQueue[Entry]) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        return


def writing(directory: Path) -> None:
    """Each fill with the three steps of its order, in transactions of a size; and through the thread, as fast as it takes them."""
    for size in (1, 10, 100, 1_000):
        ledger, number = opened(directory / f"{size}.ledger"), 0
        began = time.perf_counter()
        while time.perf_counter() - began < 2:
            some = range(number, number + size)
            ledger.write([Noted(T0 + n, "stream", a_life(f"mmd-{n}", 10)) for n in some] + [noted(a_fill(n)) for n in some])
            number += size
        print(f"written in transactions of {size}: {number / (time.perf_counter() - began):,.0f} fills a second")
        ledger.close()
    keeper = LedgerKeeper(open_ledger(directory / "keeper.ledger", Identity("paper", "x", ("USDT",)), RULES), Hands().published, a_clock(), 10_000, print)
    thread = threading.Thread(target=keeper.run)
    keeper.put(RunStarted(T0, "s1", "1", False, RULES))
    thread.start()
    began = time.perf_counter()
    for number in range(20_000):
        keeper.put(Noted(T0 + number, "stream", a_life(f"mmd-{number}", 10)))
        keeper.put(noted(a_fill(number)))
    keeper.stop()
    thread.join()
    print(f"through the thread: {20_000 / (time.perf_counter() - began):,.0f} fills a second")


def weight(directory: Path, fills: int) -> None:
    began = time.perf_counter()
    path = make_ledger(directory / "made.ledger", fills)
    print(f"on the disk: {fills:,} fills, with orders, wallets and marks, are {path.stat().st_size / 1e6:.0f} MB ({path.stat().st_size / fills:.0f} bytes "
          f"each), made in {time.perf_counter() - began:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fills", type=int, default=100_000)
    fills = parser.parse_args().fills
    main_thread()
    with tempfile.TemporaryDirectory() as directory:
        writing(Path(directory))
        weight(Path(directory), fills)


if __name__ == "__main__":
    main()
