"""A depth5 frame to `Depth` beside `json.loads` alone and beside plain `Decimal` conversion: `python tests/bench/bench_parse.py`."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmd.core.rules import SymbolRules
from mmd.core.units import Grid
from mmd.venue.depth_frame import DepthReader

RULES = SymbolRules(
    symbol="ETHUSDT", status="TRADING", base_asset="ETH", quote_asset="USDT", margin_asset="USDT", price=Grid("0.01"), size=Grid("0.001"),
    min_price_ticks=1, max_price_ticks=10**8, min_size_lots=1, max_size_lots=10**7, min_notional=Decimal(5), multiplier_up=Decimal("1.15"),
    multiplier_down=Decimal("0.85"), weight_per_minute=2400, orders_per_minute=1200,
)  # fmt: skip


def frames(count: int, changing: float) -> list[bytes]:
    """Frames of a wandering book in which this share of the sizes is new each time."""
    generator = random.Random(1)
    sizes: dict[int, int] = {}
    mid, result = 268_100, []
    for number in range(count):
        mid += generator.choice((-1, 0, 0, 0, 0, 1))
        levels = [mid - i for i in range(1, 6)] + [mid + i for i in range(5)]
        for level in levels:
            if level not in sizes or generator.random() < changing:
                sizes[level] = generator.randint(1, 200_000)
        shown = [[RULES.price.text(level), RULES.size.text(sizes[level])] for level in levels]
        fields = {"e": "depthUpdate", "E": 1_723_075_200_000 + number * 100, "T": 1_723_075_200_000 + number * 100, "s": "ETHUSDT",
                  "U": number * 10 + 1, "u": number * 10 + 10, "pu": number * 10, "b": shown[:5], "a": shown[5:]}  # fmt: skip
        result.append(json.dumps(fields, separators=(",", ":")).encode())
    return result


def plain(frame: bytes) -> Any:
    """What one would write first: every number through Decimal, in ticks and lots."""
    fields = json.loads(frame)
    return [tuple((RULES.price.units(price), RULES.size.units(size)) for price, size in fields[side]) for side in "ba"]


def best_us(work: Callable[[bytes], Any], data: list[bytes]) -> float:
    """Microseconds a frame, the median of some rounds."""
    rounds = []
    for _ in range(7):
        began = time.perf_counter()
        for frame in data:
            work(frame)
        rounds.append((time.perf_counter() - began) / len(data) * 1e6)
    return statistics.median(rounds)


def main() -> None:
    for changing in (0.2, 1.0):
        data = frames(3000, changing)
        reader = DepthReader(RULES)
        read, loads, naive = best_us(lambda frame: reader.read(frame, 1), data), best_us(json.loads, data), best_us(plain, data)  # noqa: B023
        print(f"{changing:4.0%} of sizes new: {read:5.1f} us a frame = {read / loads:.2f} x json.loads alone, {read / naive:.2f} x plain Decimal")


if __name__ == "__main__":
    main()
