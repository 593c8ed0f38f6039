"""The README names every key, event, command, option, exit code and extra that there is, with its default or level, and none that there is not."""

from __future__ import annotations

import argparse
import ast
import configparser
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from mmd.core.lifecycle import TRANSITIONS, Signal
from mmd.core.messages import Level
from mmd.daemon import cli, reloading, service
from mmd.daemon.config import Config, load_config
from mmd.daemon.config_alerts import ALERT_KINDS
from mmd.daemon.config_schema import KEYS, SECTIONS
from mmd.paper import command as paper_command

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mmd"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PARSERS = {"mmd": cli._parser(), "paper": paper_command._parser()}


def section(heading: str) -> str:
    """What stands below a heading, up to the next one of its rank or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[2]


def rows(text: str) -> list[list[str]]:
    """The cells of every row of the tables in it, heads included."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| ")]


def named(cell: str) -> list[str]:
    """What a cell has in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def first_column(text: str) -> list[str]:
    return [name for row in rows(text) for name in named(row[0])]


# --- keys -----------------------------------------------------------------------------------------------------------------------------

DEFAULTS = {named(row[0])[0]: named(row[1])[0] for row in rows(section("Every key of the configuration")) if named(row[0]) and named(row[1])}


def test_every_key_stands_in_its_table_once() -> None:
    """The tables hold the keys of the schema in their order, and no others."""
    assert first_column(section("Every key of the configuration")) == [key.name for key in KEYS]


@pytest.mark.parametrize("key", [key.name for key in KEYS if key.name != "symbol"])
def test_a_default_in_the_table_is_the_default(tmp_path: Path, key: str) -> None:
    """A file that says what the table says means the same as one that leaves it out."""

    def loaded(text: str) -> Config:
        path = tmp_path / "x.yaml"
        path.write_text(f"symbol: ETHUSDT\n{text}", encoding="utf-8")
        return load_config(path)

    part, _, name = key.partition(".")
    assert loaded(f"{part}:\n  {name}: {DEFAULTS[key]}\n") == loaded("")


def test_no_text_names_a_key_that_does_not_exist() -> None:
    """Wherever the README has a dotted name of one of the sections, it is a key's."""
    names = re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_]+)[`:]", README)
    assert len(names) > len(KEYS)
    assert {name for name in names if not name.endswith(".yaml")} <= {key.name for key in KEYS}


def test_the_keys_that_a_reload_cannot_change_are_named() -> None:
    """All of them, in the sentence on what is refused."""
    (sentence,) = re.findall(r"what the process is built around \(([^)]*)\)", section("Configuration"))
    assert set(named(sentence)) == set(reloading._FIXED)


def test_the_small_configuration_is_one(tmp_path: Path) -> None:
    """What the first hour with real money is to be run with loads, and bounds what it says."""
    (block,) = re.findall(r"### 2\. A small configuration\n.*?```\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "eth.yaml"
    path.write_text(f"symbol: ETHUSDT\nexchange:\n  auth: v3\n{block}", encoding="utf-8")
    risk = load_config(path).engine.risk
    assert (risk.max_position_notional, risk.max_loss, risk.flatten_on_halt) == (Decimal(20), Decimal(2), True)


def test_the_kinds_of_alerts_are_all_there() -> None:
    """The table of what there are alerts on."""
    kinds = [row for row in rows(section("Alerts")) if named(row[0])]
    assert tuple(named(row[0])[0] for row in kinds) == ALERT_KINDS


# --- events ---------------------------------------------------------------------------------------------------------------------------

# Said by the log of itself, so without a notice: log_gap of lines that were lost, library of what others log.
_OF_THE_LOG = {"log_gap": {"WARNING"}, "library": {"any"}}
# What a change of the engine's state is told as. The end has events of its own.
_STATES = {after.value for (before, signal), after in TRANSITIONS.items()
           if after is not before and signal in (Signal.TROUBLE, Signal.READY, Signal.SYNCED)}  # fmt: skip


class Said(NamedTuple):
    """A call that makes a notice: its level and event as written, and the functions around it, innermost last."""

    where: str
    level: ast.expr
    event: ast.expr
    module: ast.Module
    functions: tuple[ast.FunctionDef, ...]


def notices() -> Iterator[Said]:
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        yield from _notices_in(module, module, (), path.relative_to(ROOT).as_posix())


def _notices_in(node: ast.AST, module: ast.Module, functions: tuple[ast.FunctionDef, ...], name: str) -> Iterator[Said]:
    if isinstance(node, ast.FunctionDef):
        functions = (*functions, node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Notice":
        yield Said(f"{name}:{node.lineno}", node.args[0], node.args[1], module, functions)
    for child in ast.iter_child_nodes(node):
        yield from _notices_in(child, module, functions, name)


def values(expression: ast.expr, said: Said) -> set[str]:
    """All that an expression can be: a text, a level, either of two, or whatever the function around it is called with."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        return {expression.value}
    if isinstance(expression, ast.IfExp):
        return values(expression.body, said) | values(expression.orelse, said)
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name) and expression.value.id == "Level":
        return {expression.attr}
    if ast.unparse(expression) == "self.state.value":
        return _STATES
    if isinstance(expression, ast.Name) and said.functions:
        return _assigned(expression.id, said) or _passed(expression.id, said)
    raise AssertionError(f"{said.where}: {ast.unparse(expression)}: this test cannot tell what that may be")


def _assigned(name: str, said: Said) -> set[str]:
    """What the innermost function assigns to the name."""
    assigned = [node.value for node in ast.walk(said.functions[-1]) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name]
    return {value for expression in assigned for value in values(expression, said)}


def _passed(name: str, said: Said) -> set[str]:
    """What the module passes to the innermost function for this parameter; the texts only, for one that is passed on comes from elsewhere."""
    function = said.functions[-1]
    place = [argument.arg for argument in function.args.args if argument.arg != "self"].index(name)
    calls = [node for node in ast.walk(said.module) if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == function.name]
    assert calls, f"{said.where}: nobody calls {function.name}"
    return {value for call in calls for value in values(call.args[place], said._replace(functions=()))}


def events() -> dict[str, set[str]]:
    """Every event that the package can log, and at which levels."""
    found: dict[str, set[str]] = {name: set(levels) for name, levels in _OF_THE_LOG.items()}
    for said in notices():
        for event in values(said.event, said):
            # Of the states only a pause is a warning, where it follows quotes.
            levels = {"INFO"} if event in _STATES - {"pause"} else values(said.level, said)
            found.setdefault(event, set()).update(levels)
    return found


def test_the_events_are_found() -> None:
    """Those that are named by an expression too: a state, a parameter, one of two; and the log has the two of its own."""
    found = set(events())
    assert {"fill", "foreign_fill", "placed", "amended", "order_unknown", "cancel_unknown", "quote", "pause", "sync", "stopped", "prices"} <= found
    assert not {"boot", "stop", "event", "name"} & found
    source = (PACKAGE / "daemon" / "logs" / "logbook.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in _OF_THE_LOG)


def test_every_event_stands_in_the_table_once() -> None:
    """The table of events holds all that can be logged, and no other."""
    assert sorted(first_column(section("Every event of the log"))) == sorted(events())


def test_every_event_has_the_levels_that_it_is_logged_at() -> None:
    """Those of the table are those of the code."""
    expected = events()
    table = {named(row[0])[0]: set(row[1].split(", ")) for row in rows(section("Every event of the log")) if named(row[0])}
    assert {event: levels for event, levels in table.items() if levels != expected[event]} == {}
    assert set().union(*expected.values()) <= {level.name for level in Level} | {"any"}


# --- commands, options, exit codes, extras ----------------------------------------------------------------------------------------------


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def commands() -> set[str]:
    (action,) = (action for action in PARSERS["mmd"]._actions if action.dest == "command")
    assert action.choices is not None
    return set(action.choices)


def test_every_command_and_option_stands_in_its_table() -> None:
    """The tables of the daemon's commands and options and of the paper exchange's options hold all of them, and no others."""
    of_mmd = first_column(section("Commands"))
    assert sorted(name for name in of_mmd if name.startswith("-")) == sorted(options(PARSERS["mmd"]))
    assert {name for name in of_mmd if not name.startswith("-")} == commands()
    assert sorted(first_column(section("The paper exchange"))) == sorted(options(PARSERS["paper"]))


def test_every_exit_code_stands_in_its_table() -> None:
    """Those that the daemon ends with."""
    found = {int(row[0]) for row in rows(section("Commands")) if row[0].isdigit()}
    assert found == {getattr(service, name) for name in vars(service) if name.startswith("EXIT_")}


def written_commands() -> list[list[str]]:
    """The words behind mmd, or behind mmdctl and a name, wherever the README has such a line in a block or between backquotes."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line.split(" # ")[0].strip() for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", README)
    found = []
    for line in lines:
        match = re.match(r"(?:python3 -m venv .*&& )?(?:sudo )?(?:[A-Z_]+=\S+ )*(?:\S*/)?(?:mmd|mmdctl \S+) (?!market)(.*)", line)
        if match is not None:
            found.append(match[1].split())
    return found


def test_what_the_readme_tells_to_type_can_be_typed() -> None:
    """Each command line of ours has options that there are, and a command that there is."""
    lines = written_commands()
    assert len(lines) > 15
    for words in lines:
        parser = PARSERS["paper" if words[0] == "paper" else "mmd"]
        assert {word for word in words if word.startswith("-")} <= options(parser), words
        plain = [word for before, word in zip(["", *words], words, strict=False) if not word.startswith("-") and not before.startswith("-")]
        assert set(plain) <= commands() | {"paper", "…", "[options]", "[command]", "COMMAND", "[OPTION…]", "FILE"}, words


def test_every_extra_stands_in_its_table() -> None:
    """The extras of setup.cfg, and no other, in the table and wherever one is installed."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(setup["options.extras_require"])
    assert set(first_column(section("Install it").partition("| path |")[0])) == extras
    installed = {name for names in re.findall(r"'(?:\.|mmd)\[([a-z,]+)\]'", README) for name in names.split(",")}
    assert installed <= extras


def test_no_path_is_of_one_machine() -> None:
    """The samples were taken somewhere, which is nobody's business: no home, no temporary place but where a package is built."""
    assert re.findall(r"/(?:root|home|work)/\S*", README) == []
    assert set(re.findall(r"(?<!\S)/tmp\S*", README)) <= {"/tmp", "/tmp/mmd_*.deb"}
