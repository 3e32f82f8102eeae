"""Git's objects, in git's own format: what a commit needs is stored without a process.

A loose object is a file named by its digest (gitrepository-layout, `objects/`), so nothing is
lost where two write the same one, and one that nothing refers to does no harm.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from runner.records import File, Files

FOLDER = 0o040000
WHO = "runner <runner@localhost>"
READ_ONLY = 0o444


class Kind(StrEnum):
    """What an object is."""

    COMMIT = "commit"
    TREE = "tree"
    BLOB = "blob"


@dataclass(frozen=True)
class Object:
    """An object of a repository, by git's own name."""

    kind: Kind
    content: bytes

    @property
    def whole(self) -> bytes:
        return b"%s %d\0" % (self.kind.encode(), len(self.content)) + self.content

    @cached_property
    def id(self) -> str:
        return hashlib.sha1(self.whole).hexdigest()  # noqa: S324 - git's name


def tree(files: Files) -> list[Object]:
    """Return the objects of a tree, the tree itself last."""
    objects: list[Object] = []
    rows: dict[bytes, tuple[int, str]] = {}
    folders: dict[str, dict[str, File]] = {}
    for path, file in files.items():
        name, _, below = path.partition("/")
        if below:
            folders.setdefault(name, {})[below] = file
        else:
            objects.append(Object(Kind.BLOB, file.content))
            rows[name.encode()] = (file.mode, objects[-1].id)
    for name, inside in folders.items():
        objects += tree(inside)
        rows[f"{name}/".encode()] = (FOLDER, objects[-1].id)  # git orders a folder by this name
    lines = (_row(name, *rows[name]) for name in sorted(rows))
    return [*objects, Object(Kind.TREE, b"".join(lines))]


def _row(name: bytes, mode: int, object_id: str) -> bytes:
    return b"%o %s\0" % (mode, name.rstrip(b"/")) + bytes.fromhex(object_id)


def commit(tree_id: str, parents: Sequence[str], message: str, when: str) -> Object:
    """Return a commit of ours; `when` is a time in ISO 8601 with its offset."""
    at = datetime.fromisoformat(when)
    stamp = f"{WHO} {int(at.timestamp())} {at:%z}"
    behind = "".join(f"parent {parent}\n" for parent in parents)
    text = f"tree {tree_id}\n{behind}author {stamp}\ncommitter {stamp}\n\n{message}"
    return Object(Kind.COMMIT, text.encode("utf-8", errors="backslashreplace"))


def store(objects: Sequence[Object], repository: Path) -> None:
    """Write the objects that are not there; each is on the disk whole before it has its name.

    Raises:
        OSError: the disk takes no more.
    """
    for each in objects:
        path = repository / "objects" / each.id[:2] / each.id[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            _write(path, zlib.compress(each.whole, zlib.Z_BEST_SPEED))


def _write(path: Path, content: bytes) -> None:
    # By its prefix git knows what a killed writer left, and prunes it.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix="tmp_obj_", delete=False) as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), READ_ONLY)
        os.fsync(file.fileno())
    Path(file.name).replace(path)
