"""What is shipped beside the code agrees with it: the configurations, the systemd unit, the README, the continuous check."""

from __future__ import annotations

import configparser
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from mmd.core.errors import ConfigError
from mmd.core.settings import EngineSettings, RiskSettings, StrategySettings
from mmd.daemon.config import Config, load_config
from mmd.daemon.config_schema import KEYS
from mmd.daemon.config_text import read_entries
from mmd.daemon.paper_options import paper_options
from mmd.daemon.service import EXIT_CONFIG
from mmd.paper.options import PaperOptions

ROOT = Path(__file__).resolve().parent.parent.parent
ETC = ROOT / "etc" / "mmd"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_holds_every_key() -> None:
    """`eth.yaml` has each key of the table once, and no other."""
    entries, faults = read_entries(ETC / "eth.yaml")
    assert faults == []
    assert sorted(entry.key for entry in entries) == sorted(key.name for key in KEYS)


def test_the_example_holds_the_defaults_but_for_its_caution() -> None:
    """Beside wider spreads, a smaller fraction and bounds on the position and the loss, `eth.yaml` says what a file with nothing but the symbol says."""
    config = load_config(ETC / "eth.yaml")
    cautious = EngineSettings(
        StrategySettings(buy_spread=Decimal("0.002"), sell_spread=Decimal("0.002"), balance_fraction=Decimal("0.02")),
        risk=RiskSettings(max_position_notional=Decimal(500), max_loss=Decimal(25)))
    assert config == Config(path=ETC / "eth.yaml", name="eth", symbol="ETHUSDT", exchange=config.exchange, engine=cautious)
    assert config.exchange.venue == "aster"
    assert config.engine.orders.post_only


def test_every_default_that_the_example_names_is_the_default() -> None:
    """Where a comment of `eth.yaml` says "Default x" for a key set to something else or the same, x is what the code does without the key."""
    text = (ETC / "eth.yaml").read_text(encoding="utf-8")
    named = re.findall(r"Default ([0-9.]+)[ .(].*\n  (\w+): (\S+)\n", text)
    assert len(named) > 20
    for default, key, value in named:
        if key not in ("buy_spread", "sell_spread", "balance_fraction"):
            assert Decimal(default.rstrip(".")) == Decimal(value), key


def test_the_paper_configuration_needs_no_keys_and_no_file() -> None:
    """`paper.yaml` embeds the synthetic market."""
    config = load_config(ETC / "paper.yaml")
    assert config.exchange.is_paper
    assert (config.paper.market, config.paper.data) == ("synthetic", None)


def test_the_replay_configuration_plays_what_the_command_line_names(tmp_path: Path) -> None:
    """`replay.yaml` takes its recording from `--data`, whether or not its own path leads anywhere."""
    recording = tmp_path / "day.gz"
    recording.touch()
    config = load_config(ETC / "replay.yaml", overrides={"paper.data": str(recording)})
    assert (config.exchange.is_paper, config.paper.market, config.paper.data) == (True, "replay", recording)


def test_every_paper_option_can_be_configured(tmp_path: Path) -> None:
    """What the `paper` section says arrives in the options of the paper exchange; left out, the options' own defaults stand."""
    path = tmp_path / "p.yaml"
    path.write_text("symbol: BTCUSDT\nexchange: {venue: paper}\npaper: {market: replay, data: p.yaml, speed: 2.5, loop: false, seed: 9, "
                    "volatility: 0.0005, balance: 12.5, balance_usdf: 7}\n")
    assert paper_options(load_config(path)) == PaperOptions(
        symbol="BTCUSDT", market="replay", data=path, speed=2.5, loop=False, seed=9, volatility=0.0005, balance=Decimal("12.5"),
        balance_usdf=Decimal(7))
    path.write_text("symbol: ETHUSDT\nexchange: {venue: paper}\n")
    assert paper_options(load_config(path)) == PaperOptions()


def test_the_unit_agrees_with_the_daemon() -> None:
    """systemd runs the configuration of the instance's name, checks before and cancels after, leaves wrong configurations alone, and waits longer than a
    stop may take."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "systemd" / "mmd@.service")
    service = unit["Service"]
    run = "mmd -c /etc/mmd/%i.yaml"
    assert (service["ExecStart"], service["ExecStartPre"]) == (run, f"-{run} check --offline")
    assert re.fullmatch(rf"-\+nsenter .* setpriv --reuid={service['User']} .* {re.escape(run)} cancel", service["ExecStopPost"])
    assert (service["Type"], service["ExecReload"]) == ("notify", "sh -c 'kill -HUP $MAINPID'")
    assert (service["KillSignal"], service["Restart"], service["RestartPreventExitStatus"]) == ("SIGTERM", "on-failure", str(EXIT_CONFIG))
    longest = next(key.kind for key in KEYS if key.name == "timing.stop_deadline")
    assert int(service["TimeoutStopSec"]) > Decimal(longest.high)  # type: ignore[attr-defined]
    assert service["LogsDirectory"] == "mmd"


def test_the_readme_has_two_commands_and_the_check_runs_the_second() -> None:
    """One line runs the paper market, one the tests; `.ci/run` finds exactly the second."""
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv ")]
    assert [command.rpartition("&& ")[2] for command in commands] == [".venv/bin/mmd -c etc/mmd/paper.yaml", ".venv/bin/python -m pytest -q"]
    pattern = re.search(r"grep -m1 -E '([^']+)' README\.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert pattern is not None
    assert [command for command in commands if re.search(pattern[1], command)] == commands[1:]


def test_the_readme_points_at_what_is_there() -> None:
    """Every relative link leads to a file, and every link within the page to a heading."""
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in README.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", README):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (ROOT / target).is_file(), target


def test_the_readme_shows_the_error_that_a_typo_makes(tmp_path: Path) -> None:
    """The error in the README is what comes of that typo in the shipped file."""
    path = tmp_path / "eth.yaml"
    path.write_text((ETC / "eth.yaml").read_text(encoding="utf-8").replace("  buy_spread:", "  buy_spred:"))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"mmd: {str(caught.value).replace(str(tmp_path), '/etc/mmd')}\n" in README


def test_the_configuration_in_the_readme_is_one(tmp_path: Path) -> None:
    """The YAML block of the README loads."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "readme.yaml"
    path.write_text(block)
    assert load_config(path).exchange.rest_url == yaml.safe_load(block)["exchange"]["rest_url"]
