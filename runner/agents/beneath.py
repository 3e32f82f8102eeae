"""Files below a folder that somebody else can write to: no step ever follows a link.

Each component of a path is opened from the one before it, so a link that is swapped in anywhere
leads nowhere. A folder that has to go is renamed into the trash, a folder of ours beside it, in
one step: so it is gone however full it is, and however fast somebody fills it. What others closed
to everybody is opened again, as the owner may.

Every function may raise `OSError` where somebody is faster; done again, it goes on from there.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runner.records import EXECUTABLE, File

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hold us up
PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


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
    descriptor = _opened(folder, name, FILE, 0o600)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Found(kind=Kind.OTHER)
        return Found(kind=Kind.FILE, content=file.read(most))


def put(root: Path, path: str, file: File, *, writable: bool, trash: Path) -> None:
    """Leave exactly this file at `path`, in one step, whatever stands there."""
    fresh = trash / secrets.token_hex(8)
    mode = (0o600 if writable else 0o400) | (0o100 if file.mode == EXECUTABLE else 0)
    with open(os.open(fresh, NEW, 0o600), "wb") as stream:  # noqa: PTH123 - a descriptor
        os.fchmod(stream.fileno(), mode)
        stream.write(file.content)
    make_folders(root, path, trash=trash)
    if look(root, path, most=0).kind is Kind.FOLDER:
        remove(root, path, trash=trash)
    with _parent(root, path) as (folder, name):
        os.rename(fresh, name, dst_dir_fd=folder)


def make_folders(root: Path, path: str, *, trash: Path) -> None:
    """Make every folder above `path` a folder of its own; what stands in the way goes."""
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        above = "/".join(parts[:depth])
        if look(root, above, most=0).kind is Kind.FOLDER:
            continue
        remove(root, above, trash=trash)
        with _parent(root, above) as (folder, name):
            os.mkdir(name, 0o700, dir_fd=folder)


def remove(root: Path, path: str, *, trash: Path) -> None:
    """Take away what stands at `path`, a folder with all that is in it; nothing is fine."""
    with suppress(FileNotFoundError, NotADirectoryError), _parent(root, path) as (folder, name):
        _take_away(folder, name, trash)


def names(root: Path, path: str = "") -> list[str]:
    """Return what a folder below the root holds, by paths below the root; nothing if it is none."""
    inside = f"{path}/" if path else ""
    try:
        with _parent(root, f"{inside}.") as (folder, _):
            found = os.listdir(folder)  # noqa: PTH208 - a descriptor
            return [f"{inside}{name}" for name in sorted(found)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def empty(trash: Path, *, seconds: float) -> None:
    """Remove what is in the trash, as far as that goes: somebody may still write there.

    Folders move up before they are removed, so that none is deeper than another.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            left = [path.name for path in trash.iterdir()]
        except OSError:
            return
        if not left:
            return
        for name in left:
            with suppress(OSError), _parent(trash, f"{name}/.") as (folder, _):
                for inner in os.listdir(folder):  # noqa: PTH208 - a descriptor
                    _take_away(folder, inner, trash)
            with suppress(OSError), _parent(trash, name) as (folder, _):
                _unlink_or_remove(folder, name)


def _unlink_or_remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        os.rmdir(name, dir_fd=folder)


def _take_away(folder: int, name: str, trash: Path) -> None:
    """Remove what is no folder, and rename a folder into the trash."""
    try:
        os.unlink(name, dir_fd=folder)
        return
    except (IsADirectoryError, PermissionError):
        pass
    with _place(folder, name) as place:  # a folder that is moved is written to: it has a parent
        _let_us(place, 0o700)
    os.rename(name, trash / secrets.token_hex(8), src_dir_fd=folder)


@contextmanager
def _parent(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor of the folder that holds `path`, and the name in it."""
    *parts, name = path.split("/")
    descriptor = _opened(None, str(root), FOLDER, 0o700)
    try:
        for part in parts:
            inner = _opened(descriptor, part, FOLDER, 0o700)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name
    finally:
        os.close(descriptor)


def _opened(folder: int | None, name: str, flags: int, mode: int) -> int:
    """Open a name in a folder; what somebody closed to us gets the mode that opens it."""
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
        if flags != FOLDER or os.fstat(descriptor).st_mode & 0o300 == 0o300:
            return descriptor
        os.close(descriptor)  # it can be read, and nothing in it changed
    except PermissionError:
        pass
    with _place(folder, name) as place:
        _let_us(place, mode)
    return os.open(name, flags, dir_fd=folder)


def _let_us(place: str, mode: int) -> None:
    os.chmod(place, stat.S_IMODE(os.stat(place).st_mode) | mode)  # noqa: PTH101, PTH116


@contextmanager
def _place(folder: int | None, name: str) -> Iterator[str]:
    """Yield a path to what a name stands for now, link or not, that no swap leads elsewhere."""
    descriptor = os.open(name, PLACE, dir_fd=folder)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
