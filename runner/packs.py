"""Git's objects as a pack: a single git process checks and stores all that a commit needs.

They are written in git's own format (gitformat-pack), and git refuses a pack that is not sound.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from runner.records import File, Files

FOLDER = 0o040000
WHO = "runner <runner@localhost>"
FAST = 1
"""Of zlib's levels; git compresses once more as it stores."""


class Kind(IntEnum):
    """What an object is, by its number in a pack."""

    COMMIT = 1
    TREE = 2
    BLOB = 3


@dataclass(frozen=True)
class Object:
    """An object of a repository, by git's own name."""

    kind: Kind
    content: bytes

    @property
    def id(self) -> str:
        head = b"%s %d\0" % (self.kind.name.lower().encode(), len(self.content))
        return hashlib.sha1(head + self.content).hexdigest()  # noqa: S324 - git's name


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


def pack(objects: Sequence[Object]) -> bytes:
    body = b"".join(_packed(each) for each in objects)
    whole = b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big") + body
    return whole + hashlib.sha1(whole).digest()  # noqa: S324 - the format's checksum


def _packed(one: Object) -> bytes:
    """Return an object behind its kind and size: four bits of the size first, then seven each."""
    size = len(one.content)
    head, size = bytearray([one.kind << 4 | size & 15]), size >> 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + zlib.compress(one.content, FAST)
