"""From a YAML file to its entries: dotted keys with the text as it was written and the line it stands on.

Nothing is interpreted here: a number stays text until its key says what it must be, so it never passes through a float, and YAML's readings
of `010`, `1:30` or `NO` change nothing.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from mmd.core.errors import ConfigError

_MAX_BYTES = 1 << 20
_YAML = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset(_YAML + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value", "seq", "map"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One key and its value as written.

    `text` is None for null, a list or a mapping; `items` is there for a list of plain values; an empty mapping counts as null. `where` is `file:line` or says that it came from
    the command line; a relative path starts at `base`.
    """

    key: str
    text: str | None
    items: tuple[str, ...] | None
    is_null: bool
    where: str
    base: Path


class Fault(NamedTuple):
    """Something wrong with the file, ready to be shown: where, the dotted key, and what is wrong with it."""

    where: str
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.problem}"


def read_text(path: Path) -> str:
    """The file as text.

    Raises ConfigError where it is missing, not a regular file, not readable, too long or not UTF-8.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{path}: is a directory, not a configuration file; name the file in it")
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"{path}: there is no such file{_neighbours(path)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; check its owner and mode (ls -l {path})") from error
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"{path}: is longer than {_MAX_BYTES} bytes; this is no configuration file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8") from error


def read_entries(path: Path) -> tuple[list[Entry], list[Fault]]:
    """Every entry of the file in its order, and the faults of its form (keys given twice, tags, what is no key).

    Raises ConfigError where there is nothing to go on: an unreadable file, broken YAML, or no mapping at the top.
    """
    root = _compose(path, read_text(path))
    reader = _Reader(path)
    entries = list(reader.entries(root))
    return entries, reader.faults


def command_line_entry(key: str, text: str) -> Entry:
    """An entry that did not come from the file."""
    return Entry(key, text, None, False, "command line", Path.cwd())


def _neighbours(path: Path) -> str:
    """The configuration files beside a missing one, to choose from."""
    try:
        found = sorted(entry.name for entry in path.parent.glob("*.yaml"))
    except OSError:
        return ""
    return f"; {path.parent} has {', '.join(found[:8])}" if found else ""


def _compose(path: Path, text: str) -> yaml.MappingNode:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{place}: not valid YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.reason}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from error
    if root is None:
        raise ConfigError(f"{path}: is empty; at least `symbol` must be given")
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1
        raise ConfigError(f"{path}:{line}: must be a mapping of sections (`key: value` lines), found {_kind(root)}")
    return root


def _kind(node: yaml.Node) -> str:
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


class _Reader:
    """Walks the two levels that a configuration has: the top, and the sections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[Fault] = []

    def entries(self, root: yaml.MappingNode) -> Iterator[Entry]:
        for name, node in self._pairs(root, ""):
            if isinstance(node, yaml.MappingNode) and node.value:
                for key, value in self._pairs(node, f"{name}."):
                    yield self._entry(key, value)
            else:
                yield self._entry(name, node)

    def _pairs(self, mapping: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, yaml.Node]]:
        """The keys of one mapping, each once; YAML itself would silently take the last of two."""
        seen: dict[str, int] = {}
        for key_node, node in mapping.value:
            where = self._where(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(Fault(where, prefix.rstrip(".") or "top level", f"a key must be a word, found {_kind(key_node)}"))
                continue
            key = prefix + key_node.value
            line = key_node.start_mark.line + 1
            if key in seen:
                self.faults.append(Fault(where, key, f"is given twice, first in line {seen[key]}; keep one"))
                continue
            seen[key] = line
            yield key, node

    def _entry(self, key: str, node: yaml.Node) -> Entry:
        items: tuple[str, ...] | None = None
        if node.tag not in _PLAIN_TAGS:
            self.faults.append(Fault(self._where(node), key, f"the YAML tag {node.tag} is not used here; write the plain value"))
        if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
            items = tuple(item.value for item in node.value)
        text = node.value if isinstance(node, yaml.ScalarNode) and node.tag != _YAML + "null" else None
        is_null = node.tag == _YAML + "null" or (isinstance(node, yaml.MappingNode) and not node.value)
        return Entry(key, text, items, is_null, self._where(node), self.path.parent)

    def _where(self, node: yaml.Node) -> str:
        return f"{self.path}:{node.start_mark.line + 1}"
