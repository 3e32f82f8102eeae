"""Files that a person names or may have changed: plain ones only, and no more than is of use.

A pipe would be waited for, and a device can be read without end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from runner.errors import ConfigError

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def place(said: str) -> Path:
    """Return a path as a person writes it, with `~` for a home folder.

    Raises:
        ConfigError: nobody knows that folder.
    """
    try:
        return Path(said).expanduser()
    except RuntimeError as error:
        hint = "write the path out, from / on"
        raise ConfigError(f"{said}: no home folder of that name is known", hint=hint) from error


def require_plain(path: Path) -> Path:
    """Return the path; raise `ConfigError` where it leads to no plain file."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {_why(error)}") from error
    if kind in KINDS:
        raise ConfigError(f"{path} is {KINDS[kind]}, not a plain file")
    return path


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Yield a plain file, open for reading.

    Raises:
        ConfigError: it is none, or it cannot be read.
    """
    require_plain(path)  # first, for to open a device can do something
    try:
        # Whatever it has become by now does not hold us up.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            yield file
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_why(error)}") from error


def read(path: Path, *, most: int) -> bytes:
    """Return what a plain file holds.

    Raises:
        ConfigError: it is none, it cannot be read, or it holds more than so many bytes.
    """
    with opened(path) as file:
        return bounded(file, str(path), most=most)


def bounded(file: BinaryIO, name: str, *, most: int) -> bytes:
    """Return the rest of an open file; raise `ConfigError` where it is more than so many bytes."""
    content = file.read(most + 1) or b""
    if len(content) > most:
        raise ConfigError(f"{name} holds more than {most} bytes")
    return content


def read_text(path: Path, *, most: int) -> str:
    """Return the text of a plain file.

    Raises:
        ConfigError: it is none, it cannot be read, is too large, or is not UTF-8.
    """
    content = read(path, most=most)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}: line {line} is not UTF-8") from error


def wrong(error: Exception) -> str:
    """Return in one line what a parser found wrong with a document."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    errors = getattr(error, "errors", None)
    if callable(errors):  # pydantic's, which whoever only reads a file need not load
        found = errors(include_url=False, include_input=False)
        said = (f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found[:3])
        return "; ".join(said) + (f" (and {len(found) - 3} more)" if len(found) > 3 else "")
    return " ".join(str(error).split())


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
