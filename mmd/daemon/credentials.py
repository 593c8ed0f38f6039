"""The account's keys: from the environment, from systemd credentials, or from a `.env` file beside the configuration."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config

_MAX_BYTES = 1 << 16
_LONGEST_ADDRESS = 44  # of Solana; Ethereum's have 42 characters, and a private key has at least 64


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

    @property
    def account(self) -> str:
        """What tells one account from another."""
        return self.api_key

    @property
    def public(self) -> dict[str, str]:
        """What a log may show."""
        return {"auth": "v1", "source": self.source}


@dataclass(frozen=True, slots=True)
class AgentCredentials:
    """A V3 agent: the account's address, the agent's, and the agent's private key, which is never shown. Not yet checked against each other."""

    user: str = field(repr=False)
    signer: str = field(repr=False)
    signer_key: str = field(repr=False)
    source: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may ever show: the key, however it is written."""
        digits = self.signer_key.removeprefix("0x")
        return (digits, digits.lower(), digits.upper())

    @property
    def account(self) -> str:
        """What tells one account from another; capitals in an Ethereum address are no difference."""
        return self.user.lower() if self.user.startswith("0x") else self.user

    @property
    def public(self) -> dict[str, str]:
        """What a log may show: the addresses, unless one is so long that it may be the key in the wrong place."""
        return {"auth": "v3", "user": _shown(self.user), "signer": _shown(self.signer), "source": self.source}


def _shown(address: str) -> str:
    return address if len(address) <= _LONGEST_ADDRESS else f"({len(address)} characters)"


_PAPER_SOURCE = "the paper exchange's own account"
PAPER_CREDENTIALS = Credentials("paper", "paper", _PAPER_SOURCE)
# The paper exchange's user, and the agent whose private key is the number one, which everybody knows.
PAPER_AGENT = AgentCredentials(
    "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", f"{1:064x}", _PAPER_SOURCE
)


def load_credentials(config: Config, environ: Mapping[str, str]) -> Credentials | AgentCredentials:
    """Find `ASTER_API_KEY` and `ASTER_API_SECRET` (auth v1), or `ASTER_USER`, `ASTER_SIGNER` and `ASTER_SIGNER_KEY` (auth v3).

    For each the environment wins over `$CREDENTIALS_DIRECTORY`, which wins over `.env`. Raises ConfigError where one is missing, empty or
    unusable, or where `.env` can be read by others than its owner. The embedded paper exchange needs none.
    """
    agent = config.exchange.auth == "v3"
    if config.exchange.is_paper:
        return PAPER_AGENT if agent else PAPER_CREDENTIALS
    search = _Search(environ, config.path.parent)
    if agent:
        user, user_source = search.find("ASTER_USER")
        signer, signer_source = search.find("ASTER_SIGNER")
        signer_key, key_source = search.find("ASTER_SIGNER_KEY")
        return AgentCredentials(user, signer, signer_key, _joined(user_source, signer_source, key_source))
    api_key, key_source = search.find("ASTER_API_KEY")
    api_secret, secret_source = search.find("ASTER_API_SECRET")
    return Credentials(api_key, api_secret, _joined(key_source, secret_source))


def find_credential(config: Config, environ: Mapping[str, str], name: str) -> tuple[str, str] | None:
    """What is kept under `name` in any of the same three places, and which; None where it is in none of them.

    Raises ConfigError where it is empty or unusable, or where `.env` can be read by others than its owner.
    """
    return _Search(environ, config.path.parent).look(name)


class _Search:
    """The three places, in their order."""

    def __init__(self, environ: Mapping[str, str], beside: Path) -> None:
        self._environ = environ
        directory = environ.get("CREDENTIALS_DIRECTORY", "")
        self._directory = Path(directory) if directory else None
        self._env_path = beside / ".env"
        self._env_values: Mapping[str, str | None] | None = None

    def find(self, name: str) -> tuple[str, str]:
        """The value and where it was found. Raises ConfigError."""
        found = self.look(name)
        if found is not None:
            return found
        looked = ["the environment", *([str(self._directory)] if self._directory else []), str(self._env_path)]
        raise ConfigError(f"{name} is not set: looked in {', '.join(looked)}; the simplest is a line `{name}=…` in "
                          f"{self._env_path} with mode 600")

    def look(self, name: str) -> tuple[str, str] | None:
        """The same, None where it is in none of the places. Raises ConfigError where it is unusable."""
        if name in self._environ:
            return _usable(name, self._environ[name], "the environment"), "the environment"
        if self._directory is not None and (value := _read_credential(self._directory / name)) is not None:
            return _usable(name, value, str(self._directory / name)), str(self._directory)
        if self._env_values is None:
            self._env_values = _read_env_file(self._env_path)
        if name in self._env_values:
            return _usable(name, self._env_values[name] or "", str(self._env_path)), str(self._env_path)
        return None


def _joined(*sources: str) -> str:
    """Each source once, in the order of the variables."""
    return " and ".join(dict.fromkeys(sources))


def _usable(name: str, value: str, source: str) -> str:
    """The value without the blanks around it; the message never shows it."""
    value = value.strip()
    if not value:
        raise ConfigError(f"{name} in {source} is empty")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(f"{name} in {source} holds a blank, a control character or a character outside ASCII; is it pasted whole?")
    return value


def _read_credential(path: Path) -> str | None:
    """One file of systemd's credentials directory, which systemd itself guards; None where it is not there."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return _text(path, raw)


def _read_env_file(path: Path) -> Mapping[str, str | None]:
    """The variables of a `.env` file, taken literally (no `$` substitution); none where there is no such file."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path}: is not a regular file")
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{path}: others can get at the keys (mode {stat.S_IMODE(status.st_mode):03o}); run: chmod 600 {path}")
            raw = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return dotenv_values(stream=io.StringIO(_text(path, raw)), interpolate=False)


def _text(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from None
