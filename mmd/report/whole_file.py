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

    Raises OutputError, at once where a directory cannot be written.
    """
    temporary: list[Path] = []
    current = paths[0] if paths else Path()
    try:
        with ExitStack() as stack:
            files: list[TextIO] = []
            for path in paths:
                current = path
                if path.is_dir():
                    raise OutputError(f"{path}: cannot be written: it is a directory")
                descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                temporary.append(Path(name))
                files.append(stack.enter_context(open(descriptor, "w", encoding="utf-8", newline="")))
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path, written in zip(paths, temporary):
            current = path
            os.chmod(written, 0o666 & ~_umask())
            os.replace(written, path)
    except OSError as error:
        raise OutputError(f"{current}: cannot be written: {error.strerror or error}") from error
    finally:
        for leftover in temporary:
            with suppress(FileNotFoundError):
                leftover.unlink()


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
