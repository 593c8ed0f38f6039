"""What one depth frame costs the engine while it quotes and has nothing to do: `python tests/bench/bench_engine.py [--profile]`."""

from __future__ import annotations

import cProfile
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "core"), str(Path(__file__).parents[2])]

from core_rig import MID, Rig, depth_at

from mmd.core.messages import ArmCountdown, Depth, Notice

FRAMES, ROUNDS = 20_000, 5


def frames(rig: Rig, count: int) -> list[Depth]:
    """Five levels a side, a millisecond apart, whose mid moves a little, but never enough to move the quote."""
    made = []
    for number in range(count):
        depth = depth_at(MID + number % 3, now_ms=rig.now_ms + number, update_id=10 + number)
        bid, ask = depth.bids[0][0], depth.asks[0][0]
        made.append(depth._replace(bids=tuple((bid - i, 10) for i in range(5)), asks=tuple((ask + i, 10) for i in range(5))))
    return made


def run(rig: Rig, depths: list[Depth]) -> float:
    """Microseconds a step. Whatever is sent but the countdown's renewal would be a fault of the measurement."""
    step = rig.engine.step
    begin_ms = rig.now_ms
    began = time.perf_counter()
    for number, depth in enumerate(depths):
        for action in step(depth, begin_ms + number):
            if not isinstance(action, (ArmCountdown, Notice)):
                raise SystemExit(f"there was something to do: {action}")
    return (time.perf_counter() - began) / len(depths) * 1e6


def main() -> None:
    """The best and the median of some rounds, each with an engine of its own."""
    found = []
    for _ in range(ROUNDS):
        rig = Rig(max_order_age_ms=10**9, countdown_ms=0)
        rig.quoting()
        found.append(run(rig, frames(rig, FRAMES)))
    found.sort()
    print(f"us per depth step, nothing to do: best {found[0]:.1f}, median {found[len(found) // 2]:.1f}, of {ROUNDS} rounds of {FRAMES} frames")
    if "--profile" in sys.argv:
        rig = Rig(max_order_age_ms=10**9, countdown_ms=0)
        rig.quoting()
        depths = frames(rig, FRAMES)
        profile = cProfile.Profile()
        profile.runcall(run, rig, depths)
        profile.print_stats("tottime")


if __name__ == "__main__":
    main()
