"""Where the ledger of a configuration lies."""

from __future__ import annotations

from pathlib import Path

from mmd.daemon.config import Config


def ledger_place(config: Config, directory: Path) -> Path | None:
    """The file, `directory` being that of the state; None where the configuration keeps no ledger."""
    if config.ledger.file == "none":
        return None
    return directory / f"{config.name}.ledger" if config.ledger.file == "auto" else Path(config.ledger.file)
