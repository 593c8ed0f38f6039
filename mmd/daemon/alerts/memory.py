"""What alerts must not forget over a restart: what was told when, what is still to be told, and whether the last process came to its end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmd.daemon.alerts.limits import Held
from mmd.daemon.alerts.rules import Alert

_MAX_BYTES = 1 << 20


@dataclass
class Pending:
    """An alert on its way through one channel: how often it was tried, and when to try next (seconds since the epoch)."""

    alert: Alert
    channel: str
    attempts: int = 0
    due_s: float = 0.0


@dataclass
class Memory:
    """All of it. `ended` is False for as long as a process runs, and after one that could not come to its end."""

    ended: bool = True
    summed_up_s: float | None = None
    passed: dict[str, list[float]] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)


def read_memory(path: Path) -> Memory:
    """What was kept; a fresh one where nothing was. Raises OSError, and ValueError for what is no memory."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return Memory()
    try:
        found: Any = json.loads(raw)
        return Memory(
            ended=bool(found["ended"]),
            summed_up_s=None if found["summed_up_s"] is None else float(found["summed_up_s"]),
            passed={str(kind): [float(each) for each in times] for kind, times in found["passed"].items()},
            held={str(kind): Held(_alert(each["alert"]), int(each["earlier"])) for kind, each in found["held"].items()},
            pending=[Pending(_alert(each["alert"]), str(each["channel"]), int(each["attempts"]), float(each["due_s"])) for each in found["pending"]],
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} holds something else") from error


def write_memory(path: Path, memory: Memory) -> None:
    """Keep it, whole or not at all. Raises OSError.

    The disk is not waited for: a power cut may cost the last change, and so an alert that comes twice.
    """
    data = json.dumps({
        "ended": memory.ended,
        "summed_up_s": memory.summed_up_s,
        "passed": memory.passed,
        "held": {kind: {"alert": _as_json(held.alert), "earlier": held.earlier} for kind, held in memory.held.items()},
        "pending": [{"alert": _as_json(each.alert), "channel": each.channel, "attempts": each.attempts, "due_s": each.due_s} for each in memory.pending],
    })
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(data)
    os.replace(fresh, path)


def _alert(found: Mapping[str, Any]) -> Alert:
    fields = {str(name): str(value) for name, value in found["fields"].items()}
    return Alert(str(found["kind"]), str(found["text"]), fields, float(found["time_s"]))


def _as_json(alert: Alert) -> dict[str, object]:
    return {"kind": alert.kind, "text": alert.text, "fields": dict(alert.fields), "time_s": alert.time_s}
