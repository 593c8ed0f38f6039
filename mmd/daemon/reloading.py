"""A reload: which settings of a configuration that was read anew can be taken over by a running daemon, and which need a restart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config
from mmd.daemon.config_schema import KEYS

# What the process was built around, by section or key: its market, its venue and how requests to it are made, its files, its servers.
_FIXED = frozenset({
    "symbol", "exchange", "paper", "logging", "ledger", "alerts", "strategy.mode", "reports.http", "timing.acceptance_window", "timing.connect_timeout",
    "timing.reply_timeout",
})  # fmt: skip


class Reread(NamedTuple):
    """A configuration that may be taken over, and the keys in which it differs from the one before."""

    config: Config
    changed: tuple[str, ...]


def reread(running: Config, load: Callable[[], Config]) -> Reread | str:
    """What `load` reads, or why it cannot be taken over, in words for the log: what was running then goes on."""
    try:
        config = load()
    except ConfigError as error:
        return str(error)
    before, after = _parts(running), _parts(config)
    changed = tuple(key.name for key in KEYS if getattr(before[key.part], key.field) != getattr(after[key.part], key.field))
    fixed = [name for name in changed if name in _FIXED or name.partition(".")[0] in _FIXED]
    if fixed:
        return f"{config.path}: {', '.join(fixed)}: cannot be changed while running; restart the daemon, or put it back"
    return Reread(config, changed)


def _parts(config: Config) -> Mapping[str, Any]:
    """The parts that keys fill, by the names that the keys know them by."""
    engine = config.engine
    return {
        "config": config, "exchange": config.exchange, "paper": config.paper, "account": config.account, "strategy": engine.strategy,
        "orders": engine.orders, "risk": engine.risk, "fills": engine.risk.fills, "timing": engine.timing, "connection": config.connection,
        "logging": config.logging, "reports": config.reports, "ledger": config.ledger, "alerts": config.alerts,
    }  # fmt: skip
