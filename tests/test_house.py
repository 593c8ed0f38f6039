"""The house rules that a machine can keep: floors, purity, names. Each rule is also shown a made-up file that breaks it."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mmd"

# DESIGN "The house": what a folder may import of ours, beside itself and the version in mmd/__init__.py.
FLOORS: dict[str, frozenset[str]] = {
    "core": frozenset(),
    "venue": frozenset({"core"}),
    "paper": frozenset({"core"}),
    "sim": frozenset({"core", "venue", "paper"}),
    "ledger": frozenset({"core"}),
    "report": frozenset({"core", "ledger"}),
    "daemon": frozenset({"core", "venue", "paper", "sim", "ledger", "report"}),
}

# The half of the paper floor that may touch the world: its two doors, what runs them, its command line, and the reader of recordings.
IMPURE_PAPER = frozenset({"rest_server", "ws_server", "runtime", "command", "recording"})

# What pure code may import beside its own floor. Everything else (sockets, threads, clocks, files, logging, randomness) is refused.
# coincurve and Crypto.Hash (extra agent) are arithmetic, as hashlib is.
PURE_IMPORTS = frozenset({
    "coincurve", "Crypto.Hash",
    "__future__", "abc", "base64", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "hmac", "itertools", "json", "math", "operator", "pathlib", "random", "re", "statistics",
    "string", "textwrap", "types", "typing", "urllib.parse", "zlib",
})
IMPURE_CALLS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})
# Methods that reach outside, looked for in files that import the module which has them.
IMPURE_METHODS = {
    "datetime": frozenset({"now", "utcnow", "today"}),
    "pathlib": frozenset({"read_text", "read_bytes", "write_text", "write_bytes", "open", "unlink", "mkdir", "exists", "is_file", "is_dir",
                          "stat", "resolve", "absolute", "cwd", "home"}),
}

TOP_LEVEL = frozenset({"setup.cfg", "pyproject.toml", "mmd", "etc", "tests", "systemd", "README.md", "LICENSE", ".ci", ".git", ".gitignore"})
VAGUE_WORDS = frozenset({"util", "utils", "helper", "helpers", "manager", "common", "misc"})

# The tops of threads, where `except Exception` may stand: file, and the functions in it.
THREAD_TOPS: dict[str, frozenset[str]] = {
    "daemon/workers.py": frozenset({"_body"}),
    "paper/rest_server.py": frozenset({"_serve"}),
    "paper/runtime.py": frozenset({"_tick_until_stopped"}),
}


def sources() -> Iterator[tuple[str, str]]:
    """Every module of the package: its path below the package, and its text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")


def imported_modules(name: str, source: str) -> Iterator[str]:
    """Every module that a file imports, wherever the statement stands (in functions and under TYPE_CHECKING too), as absolute names."""
    package = ("mmd." + name.removesuffix(".py").replace("/", ".")).split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # `from mmd import paper` names a floor in its second half.
            yield from (f"{module}.{alias.name}" for alias in node.names) if module == "mmd" else (module,)


def floor_faults(name: str, source: str) -> list[str]:
    """Imports that go upwards or sideways."""
    floor = name.partition("/")[0]
    if floor not in FLOORS:  # mmd/__init__.py and mmd/__main__.py stand before the house.
        return []
    allowed = FLOORS[floor] | {floor, "__version__"}
    ours = [module for module in imported_modules(name, source) if module == "mmd" or module.startswith("mmd.")]
    return [f"{name} imports {module}" for module in ours if module.partition(".")[2].partition(".")[0] not in allowed]


def is_pure(name: str) -> bool:
    """Whether a file belongs to the pure part of the house."""
    floor, _, rest = name.partition("/")
    return floor == "core" or (floor == "paper" and rest.removesuffix(".py") not in IMPURE_PAPER)


def purity_faults(name: str, source: str) -> list[str]:
    """What pure code may not touch: modules outside the list, clocks, files, randomness that is not a passed-in generator."""
    faults = [f"{name} imports {module}" for module in imported_modules(name, source)
              if not module.startswith("mmd") and module not in PURE_IMPORTS and module.partition(".")[0] not in PURE_IMPORTS]
    impure_methods = {method for module in set(imported_modules(name, source)) for method in IMPURE_METHODS.get(module, ())}
    tree = ast.parse(source)
    random_is_module = any(isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names) for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            faults.append(f"{name}:{node.lineno} calls {node.func.id}()")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func
            if called.attr in impure_methods:
                faults.append(f"{name}:{node.lineno} calls .{called.attr}()")
            of_random = random_is_module and isinstance(called.value, ast.Name) and called.value.id == "random"
            if of_random and (called.attr != "Random" or not node.args):
                faults.append(f"{name}:{node.lineno} calls random.{called.attr}() without a seed")
        elif isinstance(node, ast.ImportFrom) and node.module == "random" and {alias.name for alias in node.names} != {"Random"}:
            faults.append(f"{name}:{node.lineno} takes more than the type Random from random")
    return faults


def naming_faults(name: str) -> list[str]:
    """Modules and folders called like the standard library's, or called nothing in particular."""
    parts = [part for part in name.removesuffix(".py").split("/") if not part.startswith("__")]
    faults = [f"{name}: {part} is a module of the standard library" for part in parts if part in sys.stdlib_module_names]
    return faults + [f"{name}: {part} says nothing" for part in parts if VAGUE_WORDS & set(part.split("_"))]


def catch_all_sites(source: str) -> Iterator[tuple[str, int]]:
    """Where a file catches everything: the enclosing function's name and the line."""
    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(each is None or (isinstance(each, ast.Name) and each.id in ("Exception", "BaseException")) for each in caught):
                yield function, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    return visit(ast.parse(source), "")


def catch_all_faults(name: str, source: str) -> list[str]:
    """Catch-alls outside the tops of threads."""
    tops = THREAD_TOPS.get(name, frozenset())
    return [f"{name}:{line} catches everything in {function or 'the module'}" for function, line in catch_all_sites(source) if function not in tops]


def test_the_package_is_there() -> None:
    """The rules below look at something: every floor that has code, and the core among them."""
    floors = {name.partition("/")[0] for name, _ in sources() if "/" in name}
    assert {"core", "venue", "paper", "daemon"} <= floors <= set(FLOORS)


def test_code_imports_downwards_only() -> None:
    """No file imports from a floor that DESIGN's table does not allow it."""
    assert [fault for name, source in sources() for fault in floor_faults(name, source)] == []


@pytest.mark.parametrize(("name", "source"), [
    ("core/engine.py", "import mmd.venue.rest"),
    ("core/engine.py", "from mmd.paper import exchange"),
    ("core/engine.py", "from mmd import daemon"),
    ("core/engine.py", "from ..venue import rest"),
    ("venue/rest.py", "def f():\n    from mmd.paper.exchange import PaperExchange"),
    ("paper/exchange.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import mmd.daemon.config"),
    ("paper/command.py", "from mmd.sim import replay"),
    ("sim/run.py", "import mmd.daemon.service"),
])
def test_an_import_upwards_is_caught(name: str, source: str) -> None:
    """Each way to write a forbidden import is seen."""
    assert floor_faults(name, source)


@pytest.mark.parametrize(("name", "source"), [
    ("core/engine.py", "from mmd.core.units import Grid\nfrom . import book\nfrom .orders import Order"),
    ("daemon/cli.py", "from mmd import __version__\nimport mmd.venue.rest, mmd.paper.runtime, mmd.sim"),
    ("sim/run.py", "from mmd.paper.exchange import PaperExchange\nfrom mmd.core import engine\nimport mmd.venue.gateway"),
])
def test_an_import_downwards_is_allowed(name: str, source: str) -> None:
    """What the table allows is let through."""
    assert floor_faults(name, source) == []


def test_what_decides_is_pure() -> None:
    """The core and the pure half of the paper exchange touch no socket, thread, clock, file, log or unseeded randomness."""
    assert [fault for name, source in sources() if is_pure(name) for fault in purity_faults(name, source)] == []


@pytest.mark.parametrize("source", [
    "import socket", "import threading", "import logging", "import os", "import requests", "import websocket", "def f():\n    import time",
    "from time import monotonic", "import urllib.request", "import secrets", "import random\nx = random.random()",
    "import random\nx = random.Random()", "from random import choice", "from datetime import datetime\nx = datetime.now()",
    "import datetime\nx = datetime.date.today()", "open('x')", "print(1)", "from pathlib import Path\nPath('x').read_text()",
])
def test_impure_code_is_caught(source: str) -> None:
    """Each way out of the pure world is seen."""
    assert purity_faults("core/engine.py", source)


def test_a_passed_in_generator_is_pure() -> None:
    """A seeded generator may be named as a type and made from a seed; nothing else of the module is used."""
    assert purity_faults("paper/synthetic.py", "import random\ndef f(rng: random.Random, seed: int):\n    return random.Random(seed)") == []


def test_every_excuse_from_purity_is_needed() -> None:
    """A file on the list of the impure does something that pure code may not."""
    for name, source in sources():
        floor, _, rest = name.partition("/")
        if floor == "paper" and rest.removesuffix(".py") in IMPURE_PAPER:
            assert purity_faults(name, source), f"{name} is pure and needs no excuse"


def test_names_say_something_of_their_own() -> None:
    """No module is named like one of the standard library's, and none is a drawer for odds and ends."""
    assert [fault for name, _ in sources() for fault in naming_faults(name)] == []


@pytest.mark.parametrize("name", ["daemon/logging.py", "core/queue.py", "venue/json/parse.py", "core/utils.py", "venue/order_helpers.py",
                                  "daemon/thread_manager.py", "paper/common.py", "misc/x.py"])
def test_a_bad_name_is_caught(name: str) -> None:
    """Names of the standard library and vague words are seen in files and folders."""
    assert naming_faults(name)


def test_catch_alls_stand_at_the_top_of_threads_only() -> None:
    """`except Exception` stands nowhere but in the listed thread tops."""
    assert [fault for name, source in sources() for fault in catch_all_faults(name, source)] == []


def test_every_listed_thread_top_is_needed() -> None:
    """The list holds no function that has no catch-all any more."""
    found = {name: {function for function, _ in catch_all_sites(source)} for name, source in sources()}
    assert {name: set(tops) - found.get(name, set()) for name, tops in THREAD_TOPS.items() if set(tops) - found.get(name, set())} == {}


@pytest.mark.parametrize("clause", ["except Exception:", "except BaseException as e:", "except (ValueError, Exception):", "except:"])
def test_a_catch_all_is_caught(clause: str) -> None:
    """Each way to catch everything is seen."""
    assert catch_all_faults("venue/rest.py", f"def f():\n    try:\n        pass\n    {clause}\n        pass")


def test_the_top_level_holds_only_what_belongs_there() -> None:
    """Beside what git ignores, the top of the checkout has only the names that DESIGN lists."""
    ignored = [line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line.strip()]
    names = {path.name for path in ROOT.iterdir() if not any(fnmatch.fnmatch(path.name, pattern) for pattern in ignored)}
    assert names - TOP_LEVEL == set()


def test_no_extra_is_called_like_a_version() -> None:
    """pip takes the name in `extra == "v3"` for a version number and fails to install anything (22.0 to 25.1, but for 23.2 on Python 3.11)."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = list(setup["options.extras_require"])
    assert "paper" in extras
    assert [name for name in extras if re.match(r"v?\d", name)] == []
