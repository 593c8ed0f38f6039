"""The man page and the completions know every command and every option that the program has, and no others."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmd.daemon import cli
from mmd.paper import command

ETC = Path(__file__).resolve().parent.parent.parent / "etc"
PARSERS = {"mmd": cli._parser(), "paper": command._parser()}
COMPLETIONS = ("mmd.bash", "_mmd", "mmd.fish")


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


def commands() -> set[str]:
    (action,) = (action for action in PARSERS["mmd"]._actions if action.dest == "command")
    assert action.choices is not None
    return set(action.choices)


def manual() -> str:
    """The text of the page, its markup for hyphens and fonts removed."""
    text = (ETC / "man" / "mmd.1").read_text(encoding="utf-8").replace("\\-", "-")
    return re.sub(r"\\f.", "", text)


def test_the_manual_has_every_option_and_no_other() -> None:
    """Each option stands in the part that its parser belongs to."""
    before, _, of_paper = manual().partition(".SS Options of mmd paper")
    _, _, of_mmd = before.partition(".SH OPTIONS")
    of_paper = of_paper.partition(".SH ")[0]
    assert set(re.findall(r"--[a-z-]+", of_mmd)) == options(PARSERS["mmd"])
    assert set(re.findall(r"--[a-z-]+", of_paper)) == options(PARSERS["paper"]) - {"--help"}


def test_the_manual_has_every_command_and_every_exit_code() -> None:
    """Each is the head of a paragraph in its section."""
    sections = dict(re.findall(r"^\.SH (.+)\n((?:(?!\.SH ).*\n)*)", manual(), re.MULTILINE))
    assert set(re.findall(r"^\.TP\n\.B (\w+)$", sections["COMMANDS"], re.MULTILINE)) == commands()
    codes = {cli.EXIT_CLEAN, cli.EXIT_CONFIG, cli.EXIT_FAILED, cli.EXIT_UNREACHABLE}
    assert {int(code) for code in re.findall(r"^\.TP\n\.B (\d+)$", sections["EXIT STATUS"], re.MULTILINE)} == codes


@pytest.mark.parametrize("name", COMPLETIONS)
def test_a_completion_knows_every_word(name: str) -> None:
    """All commands and all options of both parsers, and none that has gone."""
    text = (ETC / "completion" / name).read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z][a-z-]*", text))
    assert commands() | {"paper", "synthetic", "replay"} <= words
    expected = options(PARSERS["mmd"]) | options(PARSERS["paper"])
    assert {option[2:] for option in expected} <= words
    if name != "mmd.fish":  # There an option is a word behind -l.
        assert set(re.findall(r"--[a-z-]+", text)) == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("typed", "offered"), [
    ("mmd -c x.yaml ch", ["check"]), ("mmd -c x.yaml check --o", ["--offline"]), ("mmd -c x.yaml run --o", []), ("mmd pa", ["paper"]),
    ("mmd paper --market s", ["synthetic"]), ("mmd paper --rest", ["--rest-port"]), ("mmd -c x.yaml check re", []),
])
def test_bash_offers_what_fits(typed: str, offered: list[str]) -> None:
    """A real bash, asked for what it would complete."""
    script = f"""source {ETC}/completion/mmd.bash; COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _mmd; printf '%s\\n' "${{COMPREPLY[@]}}" """
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (result.stdout.split(), result.stderr) == (offered, "")


@pytest.mark.skipif(shutil.which("man") is None, reason="no man")
@pytest.mark.parametrize("page", ["mmd.1", "mmdctl.8"])
def test_the_pages_format_without_a_warning(page: str) -> None:
    """man has nothing to say about the markup."""
    result = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(ETC / "man" / page)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
    assert (result.returncode, result.stderr) == (0, "")
