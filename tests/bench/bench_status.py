"""What watching costs: a view drawn on the main thread (at most ten a second), and a status drawn up where somebody asks: `python tests/bench/bench_status.py`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "core"), str(Path(__file__).parents[1] / "daemon"), str(Path(__file__).parents[2])]

from core_rig import Rig
from status_rig import eth_source

from mmd.daemon.published import Viewer
from mmd.venue.clock import monotonic_ms

CALLS, ROUNDS = 2_000, 7


def best(call: Callable[[], object]) -> float:
    """Microseconds a call, in the best of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        found.append((time.perf_counter() - began) / CALLS * 1e6)
    return min(found)


def main() -> None:
    for levels in (1, 5):
        rig = Rig(levels=levels)
        rig.boot()
        rig.settle_down()
        viewer = Viewer(rig.engine, "s1", rig.now_ms)
        print(f"us per view, {levels} orders, on the main thread: {best(lambda: viewer.draw(rig.now_ms)):.1f}")  # noqa: B023 (called at once)
    with tempfile.TemporaryDirectory() as directory:
        source, _, _ = eth_source(Path(directory), viewer.draw(rig.now_ms))
        print(f"us per status as JSON, on the asking thread: {best(lambda: json.dumps(source.status(monotonic_ms()))):.1f}")


if __name__ == "__main__":
    main()
