"""The account's keys: from the environment, from systemd credentials, or from a `.env` file beside the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmd.daemon.config import Config


@dataclass(frozen=True, slots=True)
class Credentials:
    """One V1 key. Neither part is ever shown: `repr` leaves them out. `source` says where they were found."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    source: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may ever show."""
        return (self.api_key, self.api_secret)


def load_credentials(config: Config, environ: Mapping[str, str]) -> Credentials:
    """Find `ASTER_API_KEY` and `ASTER_API_SECRET`; the environment wins over `$CREDENTIALS_DIRECTORY`, which wins over `.env`.

    Raises ConfigError where one is missing, empty or unusable, or where `.env` can be read by others than its owner.
    """
    raise NotImplementedError
