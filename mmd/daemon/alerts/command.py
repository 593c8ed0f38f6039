"""`mmd -c FILE alert`: sends an alert for a trial, and says what became of it."""

from __future__ import annotations

from collections.abc import Mapping

from mmd.daemon.alerts.watcher import try_alerts
from mmd.daemon.config import Config


def send_trial(config: Config, environ: Mapping[str, str]) -> bool:
    """Print a line for each channel; whether all have taken it. Raises ConfigError where none is configured."""
    results = try_alerts(config, environ)
    for where, failure in results:
        print(f"{where}: {'delivered' if failure is None else f'not delivered: {failure}'}")
    return all(failure is None for _, failure in results)
