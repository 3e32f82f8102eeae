"""Files below a folder that somebody else can write to: no step ever follows a link.

Each component of a path is opened from the one before it, so a link that is swapped in anywhere
leads nowhere.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runner.records import EXECUTABLE, File

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hold us up


class Kind(StrEnum):
    """What stands at a path."""

    ABSENT = "absent"
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What stands at a path; content is that of a plain file only."""

    kind: Kind
    content: bytes = b""


def look(root: Path, path: str, *, most: int) -> Found:
    """Return what stands at `path`, and at most `most` bytes of it if it is a plain file."""
    try:
        with _parent(root, path) as (folder, name):
            kind = _kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
            return _read(folder, name, most) if kind is Kind.FILE else Found(kind=kind)
    except FileNotFoundError:
        return Found(kind=Kind.ABSENT)
    except NotADirectoryError:  # a file or a link stands where a folder should
        return Found(kind=Kind.ABSENT)
    except OSError:
        return Found(kind=Kind.OTHER)


def _kind(mode: int) -> Kind:
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    return kinds.get(stat.S_IFMT(mode), Kind.OTHER)


def _read(folder: int, name: str, most: int) -> Found:
    descriptor = os.open(name, FILE, dir_fd=folder)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Found(kind=Kind.OTHER)
        return Found(kind=Kind.FILE, content=file.read(most))


def put(root: Path, path: str, file: File, *, writable: bool, spare: Path) -> None:
    """Leave exactly this file at `path`, in one step, whatever stands there.

    `spare` is a place of ours on the same filesystem.
    """
    spare.unlink(missing_ok=True)
    spare.write_bytes(file.content)
    spare.chmod((0o600 if writable else 0o400) | (0o100 if file.mode == EXECUTABLE else 0))
    make_folders(root, path)
    if look(root, path, most=0).kind is Kind.FOLDER:
        remove(root, path)
    with _parent(root, path) as (folder, name):
        os.rename(spare, name, dst_dir_fd=folder)


def make_folders(root: Path, path: str) -> None:
    """Make every folder above `path` a folder of its own; what stands in the way goes."""
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        above = "/".join(parts[:depth])
        if look(root, above, most=0).kind is Kind.FOLDER:
            continue
        remove(root, above)
        with _parent(root, above) as (folder, name):
            os.mkdir(name, 0o700, dir_fd=folder)


def remove(root: Path, path: str) -> None:
    """Remove what stands at `path`, a folder with all that is in it; nothing is fine."""
    with suppress(FileNotFoundError, NotADirectoryError), _parent(root, path) as (folder, name):
        try:
            os.unlink(name, dir_fd=folder)
        except (IsADirectoryError, PermissionError):
            shutil.rmtree(name, dir_fd=folder)


def everything(root: Path) -> Iterator[str]:
    """Yield every path below the root, folders before what is in them."""
    for folder, names, files in os.walk(root):  # it does not go into links to folders
        below = Path(folder).relative_to(root)
        yield from ((below / name).as_posix() for name in sorted((*names, *files)))


@contextmanager
def _parent(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the folder that holds `path`, and the name in it."""
    *parts, name = path.split("/")
    descriptor = os.open(root, FOLDER)
    try:
        for part in parts:
            inner = os.open(part, FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name
    finally:
        os.close(descriptor)
