"""Credentials: where they are looked for, who wins, and what is refused; never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmd.core.errors import ConfigError
from mmd.daemon.config import Config, ExchangeConfig
from mmd.daemon.credentials import PAPER_CREDENTIALS, Credentials, load_credentials


def config_in(directory: Path, venue: str = "aster") -> Config:
    return Config(path=directory / "eth.yaml", name="eth", symbol="ETHUSDT", exchange=ExchangeConfig(venue=venue))


def write_env(directory: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = directory / ".env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def refusal(config: Config, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_credentials(config, environ)
    return str(caught.value)


def test_the_environment_wins_over_systemd_over_the_file(tmp_path: Path) -> None:
    """With all three places filled the environment is used; without it systemd's directory; without that `.env`."""
    write_env(tmp_path, "ASTER_API_KEY=file-key\nASTER_API_SECRET=file-secret\n")
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "ASTER_API_KEY").write_text("systemd-key\n")
    (directory / "ASTER_API_SECRET").write_text("systemd-secret\n")
    environ = {"ASTER_API_KEY": "env-key", "ASTER_API_SECRET": "env-secret", "CREDENTIALS_DIRECTORY": str(directory)}
    config = config_in(tmp_path)
    assert load_credentials(config, environ) == Credentials("env-key", "env-secret", "the environment")
    assert load_credentials(config, {"CREDENTIALS_DIRECTORY": str(directory)}) == Credentials("systemd-key", "systemd-secret", str(directory))
    assert load_credentials(config, {}) == Credentials("file-key", "file-secret", str(tmp_path / ".env"))


def test_each_variable_is_looked_for_on_its_own(tmp_path: Path) -> None:
    """A key in the environment and its secret in `.env` go together, and the source names both."""
    path = write_env(tmp_path, "ASTER_API_SECRET=file-secret\n")
    found = load_credentials(config_in(tmp_path), {"ASTER_API_KEY": "env-key"})
    assert found == Credentials("env-key", "file-secret", f"the environment and {path}")


def test_blanks_around_a_value_are_cut_off(tmp_path: Path) -> None:
    """A pasted line end or blank does not become part of the key; quotes and `export` in `.env` are understood, `$` is literal."""
    write_env(tmp_path, "export ASTER_API_KEY=' key '\nASTER_API_SECRET=\"a${HOME}b\"\n")
    found = load_credentials(config_in(tmp_path), {})
    assert (found.api_key, found.api_secret) == ("key", "a${HOME}b")
    assert load_credentials(config_in(tmp_path), {"ASTER_API_KEY": " k \n", "ASTER_API_SECRET": "\ts"}).secrets == ("k", "s")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610, 0o601])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """Any permission for group or others is refused with the command that mends it."""
    path = write_env(tmp_path, "ASTER_API_KEY=key\nASTER_API_SECRET=secret\n", mode)
    assert f"run: chmod 600 {path}" in refusal(config_in(tmp_path), {})


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_used(tmp_path: Path, mode: int) -> None:
    """Readable by its owner alone is what is asked for."""
    write_env(tmp_path, "ASTER_API_KEY=key\nASTER_API_SECRET=secret\n", mode)
    assert load_credentials(config_in(tmp_path), {}).api_key == "key"


def test_a_missing_variable_is_named_with_the_places(tmp_path: Path) -> None:
    """The message says which variable is missing and everywhere that was looked."""
    message = refusal(config_in(tmp_path), {"ASTER_API_KEY": "key", "CREDENTIALS_DIRECTORY": str(tmp_path / "gone")})
    assert message.startswith("ASTER_API_SECRET is not set: looked in the environment, ")
    assert str(tmp_path / "gone") in message
    assert str(tmp_path / ".env") in message


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nbreak", "nül", "bell\a"])
def test_an_unusable_value_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    """Empty, blank in the middle, control characters or not ASCII: refused, without repeating it."""
    message = refusal(config_in(tmp_path), {"ASTER_API_KEY": value, "ASTER_API_SECRET": "s"})
    assert message.startswith("ASTER_API_KEY in the environment ")
    assert not value.strip() or value not in message


def test_an_empty_value_is_not_passed_over(tmp_path: Path) -> None:
    """An empty variable in the environment or a bare name in `.env` is an error, not a reason to look elsewhere."""
    write_env(tmp_path, "ASTER_API_KEY\nASTER_API_SECRET=secret\n")
    assert "is empty" in refusal(config_in(tmp_path), {})
    assert "in the environment is empty" in refusal(config_in(tmp_path), {"ASTER_API_KEY": ""})


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """A directory named `.env`, text that is not UTF-8, a credential that is a directory: one clear error each."""
    config = config_in(tmp_path)
    path = write_env(tmp_path, b"ASTER_API_KEY=\xff\n")
    assert "is not UTF-8" in refusal(config, {})
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(config, {})
    (tmp_path / "ASTER_API_KEY").mkdir()
    assert str(tmp_path / "ASTER_API_KEY") in refusal(config, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_the_embedded_paper_exchange_needs_no_credentials(tmp_path: Path) -> None:
    """It has one account with a known key, whatever the environment holds and however `.env` is guarded."""
    write_env(tmp_path, "ASTER_API_KEY=key\n", 0o644)
    assert load_credentials(config_in(tmp_path, "paper"), {"ASTER_API_KEY": "real"}) is PAPER_CREDENTIALS
    assert (PAPER_CREDENTIALS.api_key, PAPER_CREDENTIALS.api_secret) == ("paper", "paper")


def test_credentials_show_neither_part() -> None:
    """`repr` and `str` hold the source and no secret."""
    text = f"{Credentials('the-key', 'the-secret', 'the environment')!r} {Credentials('the-key', 'the-secret', 'x')}"
    assert "the-key" not in text
    assert "the-secret" not in text
    assert "the environment" in text
