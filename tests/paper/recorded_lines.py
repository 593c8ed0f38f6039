"""Recordings that a test writes itself."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

START_NS = 1_723_161_255_000_000_000


def snapshot(last_id: int = 100, bids: Any = None, asks: Any = None) -> dict[str, Any]:
    return {
        "lastUpdateId": last_id, "E": 1, "T": 1,
        "bids": [["99.00", "1.000"], ["98.00", "2.000"]] if bids is None else bids,
        "asks": [["101.00", "1.000"], ["102.00", "2.000"]] if asks is None else asks,
    }  # fmt: skip


def diff(first: int, final: int, previous: int, bids: Any = (), asks: Any = ()) -> dict[str, Any]:
    return {"e": "depthUpdate", "E": 1, "T": 1, "s": "ETHUSDT", "U": first, "u": final, "pu": previous, "b": list(bids), "a": list(asks)}


def top(update_id: int, bid: str, bid_size: str, ask: str, ask_size: str) -> dict[str, Any]:
    return {"e": "bookTicker", "u": update_id, "s": "ETHUSDT", "b": bid, "B": bid_size, "a": ask, "A": ask_size, "T": 1, "E": 1}


def trade(price: str = "99.00", size: str = "0.500", *, maker: bool = True, kind: str = "MARKET") -> dict[str, Any]:
    return {"e": "trade", "E": 1, "T": 1, "s": "ETHUSDT", "t": 1, "p": price, "q": size, "X": kind, "m": maker}


def agg_trade(price: str = "99.00", size: str = "0.500", *, maker: bool = True) -> dict[str, Any]:
    return {"e": "aggTrade", "E": 1, "s": "ETHUSDT", "a": 1, "p": price, "q": size, "f": 1, "l": 1, "T": 1, "m": maker}


def wrapped(stream: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"stream": stream, "data": data}


def text_of(frames: list[dict[str, Any]], step_ms: int = 10) -> str:
    """The lines of a recording, `step_ms` apart."""
    return "".join(f"{START_NS + number * step_ms * 1_000_000} {json.dumps(frame)}\n" for number, frame in enumerate(frames))


def write(path: Path, frames: list[dict[str, Any]], step_ms: int = 10) -> Path:
    path.write_bytes(gzip.compress(text_of(frames, step_ms).encode()))
    return path
