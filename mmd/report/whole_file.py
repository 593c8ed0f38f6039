"""Files that are written whole or not at all: into a temporary one beside each, and renamed when everything has succeeded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mmd.core.errors import MmdError


class OutputError(MmdError):
    """A file that was asked for cannot be written."""


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[list[TextIO]]:
    """Text files (UTF-8, no newline translation) to write to; they take their names when the block ends well, all of them, and vanish
    otherwise.

    Raises OutputError, at once where a directory cannot be written, or where something else than a file has the name.
    """
    targets: list[Path] = []
    temporary: list[Path] = []
    current = paths[0] if paths else Path()
    try:
        with ExitStack() as stack:
            files: list[TextIO] = []
            for path in paths:
                current = path
                targets.append(_target_of(path))
                descriptor, name = tempfile.mkstemp(dir=targets[-1].parent, prefix=f".{path.name}.")
                temporary.append(Path(name))
                files.append(stack.enter_context(open(descriptor, "w", encoding="utf-8", newline="")))
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path, target, written in zip(paths, targets, temporary):
            current = path
            os.chmod(written, 0o666 & ~_umask())
            os.replace(written, target)
    except OSError as error:
        raise OutputError(f"{current}: cannot be written: {error.strerror or error}") from error
    finally:
        for leftover in temporary:
            with suppress(FileNotFoundError):
                leftover.unlink()


def _target_of(path: Path) -> Path:
    """The file itself where the path is a link. Raises OutputError where a device, a pipe or a directory would be replaced by a file."""
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: cannot be written: {'it is a directory' if path.is_dir() else 'it is no regular file'}")
    return path.resolve()


def make_directory(path: Path) -> None:
    """Make it, and those above it. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: the directory cannot be made: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
