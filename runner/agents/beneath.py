"""Looking below a folder that somebody else can write to: no step ever follows a link.

Each part of a path is opened from the one before it, so a link that is swapped in anywhere leads
nowhere. What others closed to everybody is opened again, as its owner may.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PLACE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # of a pipe or a link, too, and opens neither


class Kind(StrEnum):
    """What stands at a path."""

    ABSENT = "absent"
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    OTHER = "other"


KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What stands at a path; content is that of a plain file only."""

    kind: Kind
    content: bytes = b""


def look(root: Path, path: str, *, most: int = 0) -> Found:
    """Return what stands at `path`, and at most `most` bytes of it if it is a plain file."""
    try:
        with _opened(root, path) as place:
            kind = KINDS.get(stat.S_IFMT(os.fstat(place).st_mode), Kind.OTHER)
            if kind is not Kind.FILE or not most:
                return Found(kind=kind)
            with Path(f"/proc/self/fd/{place}").open("rb") as file:
                return Found(kind=kind, content=file.read(most))
    except (FileNotFoundError, NotADirectoryError):  # no folder where there should be one, too
        return Found(kind=Kind.ABSENT)
    except PermissionError:
        return Found(kind=Kind.OTHER)


def names(root: Path, path: str = "") -> list[str]:
    """Return what a folder holds, by paths below the root; nothing if it is none."""
    try:
        with _opened(root, path) as place:
            is_folder = stat.S_ISDIR(os.fstat(place).st_mode)
            found = os.listdir(f"/proc/self/fd/{place}") if is_folder else []  # noqa: PTH208
            return [f"{path}/{name}".lstrip("/") for name in sorted(found)]
    except (FileNotFoundError, NotADirectoryError):
        return []


@contextmanager
def _opened(root: Path, path: str) -> Iterator[int]:
    """Yield a descriptor of what stands there now, link or not; no swap leads it elsewhere."""
    descriptor = os.open(root, PLACE)
    try:
        for part in (*filter(None, path.split("/")), None):
            mode = os.fstat(descriptor).st_mode
            needed = 0o500 if stat.S_ISDIR(mode) else 0o400
            if not stat.S_ISLNK(mode) and mode & needed != needed:
                os.chmod(f"/proc/self/fd/{descriptor}", 0o700)  # noqa: PTH101 - a descriptor
            if part is not None:
                inner = os.open(part, PLACE, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)
