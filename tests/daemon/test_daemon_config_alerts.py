"""The `alerts` section: what it takes, what it refuses, and that no refusal repeats a token."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mmd.core.errors import ConfigError
from mmd.daemon.config import AlertConfig, load_config


def alerts(directory: Path, text: str) -> AlertConfig:
    path = directory / "eth.yaml"
    path.write_text(f"symbol: ETHUSDT\nalerts:\n  {text}\n", encoding="utf-8")
    return load_config(path).alerts


@pytest.mark.parametrize(("text", "words"), [
    ("[curl, -s, x y]", ("curl", "-s", "x y")), ("'mail -s \"two words\" me'", ("mail", "-s", "two words", "me")),
    ("[/opt/tell, a]", ("/opt/tell", "a")), ("[./tell]", ("{}/tell",)), ("alerts/tell me", ("{}/alerts/tell", "me")),
])
def test_a_command_is_a_list_or_a_text(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """Both are taken apart without a shell; a path is relative to the configuration, and need not exist."""
    assert alerts(tmp_path, f"command: {text}").command == tuple(word.format(tmp_path) for word in words)


@pytest.mark.parametrize("url", [
    "https://hooks.slack.com/services/T0/B0/x", "https://host:8443/a?b=c&d=e", "http://127.0.0.1:9000/x", "http://localhost/x", "http://[::1]:1/",
])
def test_a_webhook_is_taken_as_it_stands(tmp_path: Path, url: str) -> None:
    """Path and query belong to it; without TLS it is on the loopback."""
    assert alerts(tmp_path, f"webhook: '{url}'").webhook == url


SECRET = "9-TOKEN-9"


@pytest.mark.parametrize(("text", "allowed"), [
    (f"webhook: http://example.org/{SECRET}", "must be https://"),
    (f"webhook: ftp://example.org/{SECRET}", "the whole address"),
    (f"webhook: https://me:{SECRET}@example.org/", "without user"),
    (f"webhook: https://example.org/#{SECRET}", "without user and fragment"),
    (f"webhook: https://example.org:99999/{SECRET}", "the whole address"),
    (f"webhook: 'https://example.org/ {SECRET}'", "the whole address"),
    (f"webhook: [{SECRET}]", "the whole address"),
    (f"command: 'curl \"{SECRET}'", "is not closed"),
    (f"command: ['', {SECRET}]", "must be a command"),
    (f"body: '{{\"key\": \"{SECRET}\", \"text\": \"$text\"}}'", 'not "$text"'),
    (f"body: '{{\"key\": \"{SECRET}\", \"text\": $message}}'", "has $message, which stands for nothing"),
    (f"body: '{{\"key\": \"{SECRET}\", $'", "must be JSON"),
    ("on: [halt, weather]", "must be a list of some of halt, pause"),
    ("on: []", "must be a list of some of halt, pause"),
    ("on: [halt, halt]", "each once"),
    ("loss: [10, -5]", "above 0"),
    ("loss: [many]", "above 0"),
    ("daily_summary: 24:00", "like 07:00"),
    ("daily_summary: noon", "like 07:00"),
    ("min_interval: 0", "seconds from 1"),
])
def test_what_does_not_fit_is_refused_and_not_repeated(tmp_path: Path, text: str, allowed: str) -> None:
    """The message names the key and what is allowed, and no part of a command, address or body."""
    with pytest.raises(ConfigError) as caught:
        alerts(tmp_path, text)
    assert f"alerts.{text.partition(':')[0]}: " in str(caught.value)
    assert allowed in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_other_values(tmp_path: Path) -> None:
    """Amounts are sorted and counted once, a time of the day needs no quotes, and durations are seconds."""
    text = "loss: [20, 5.5, 20]\n  daily_summary: 07:05\n  pause_longer_than: 1.5\n  on: [loss, daily_summary]\n  body: '{\"content\": $text, \"cost\": \"$$5\"}'"
    read = alerts(tmp_path, text)
    assert read == AlertConfig(losses=(Decimal("5.5"), Decimal(20)), summary_minute=425, pause_ms=1500, kinds=("loss", "daily_summary"),
                               body='{"content": $text, "cost": "$$5"}')


@pytest.mark.parametrize(("text", "key"), [("loss: [5]\n  on: [halt]", "alerts.loss"), ("daily_summary: 7:00\n  on: [halt]", "alerts.daily_summary")])
def test_what_is_set_must_be_switched_on(tmp_path: Path, text: str, key: str) -> None:
    """An amount or a time that could never lead to an alert is a mistake."""
    with pytest.raises(ConfigError, match=f"{key}: is set, but alerts.on leaves"):
        alerts(tmp_path, text)


def test_no_token_is_in_a_printed_configuration(tmp_path: Path) -> None:
    """`repr` leaves out command, webhook and body."""
    config = alerts(tmp_path, f"command: [tell, {SECRET}]\n  webhook: https://x/{SECRET}\n  body: '{{\"a\": \"{SECRET}\"}}'")
    assert SECRET not in repr(config)
