"""Git objects and refs as they are stored, so that nothing in a repository changes what is seen.

Objects come raw from one `git cat-file`: grafts, replacements, attributes, submodule settings and
the configuration of diffs have no say, and modes are those in the tree, not what git makes of them.

What this does not protect against: a git binary that lies, or objects made to collide in SHA-1,
the one object format that is read.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, NamedTuple

from runner.errors import WorkspaceError
from runner.workspace import SAFE_CONFIG, Commit, environment, git_ended

TREE = 0o040000
GITLINK = 0o160000
OBJECT = re.compile(r"[0-9a-f]{40}")
MODE = re.compile(rb"0?[0-7]{5,6}")
NO_NAMES = (b"", b".", b"..", b".git")
"""What git makes no file of, and who writes below a folder by its paths must not either."""
ID_BYTES = 20
MOST_LEAVES = 500_000
"""A tree that shares its folders can name more files than any disk holds."""
SCRUBBED = {
    "GIT_ALLOW_PROTOCOL": "none",  # a partial clone would fetch what it lacks, by its own command
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_SHALLOW_FILE": "",  # a clone that ends early says so by what is missing
    "GIT_OPTIONAL_LOCKS": "0",
}


class Leaf(NamedTuple):
    """What a tree holds at one path: the raw mode and the object's id."""

    mode: int
    id: str


Listing = Mapping[str, Leaf]
"""Path → leaf, for every file of a tree."""


class Answer(NamedTuple):
    """How a git command ended, and what it said."""

    ok: bool
    stdout: bytes
    stderr: str


def ask_git(at: Sequence[str], *args: str, given: bytes = b"") -> Answer:
    """Run one git command on the repository that the options `at` name."""
    done = git_ended(_command(at, *args), given=given, env=SCRUBBED)
    return Answer(done.returncode == 0, done.stdout, done.stderr.decode(errors="replace").strip())


def git(at: Sequence[str], *args: str, given: bytes = b"") -> bytes:
    """Return what git printed; raise `WorkspaceError` with its complaint if it failed."""
    answer = ask_git(at, *args, given=given)
    if not answer.ok:
        raise WorkspaceError(f"git {args[0]}: {answer.stderr}")
    return answer.stdout


def _command(at: Sequence[str], *args: str) -> list[str]:
    return ["git", *SAFE_CONFIG, "-c", "core.quotePath=false", *at, *args]


def refs(at: Sequence[str]) -> dict[str, str]:
    """Return every ref → the object that it names."""
    lines = git(at, "for-each-ref", "--format=%(refname) %(objectname)").split(b"\n")
    pairs = (decoded(line).rpartition(" ") for line in lines if line)
    return {ref: name for ref, _, name in pairs}


def damage(at: Sequence[str]) -> tuple[str, ...]:
    """Return what git's own check of every object complains of."""
    answer = ask_git(at, "fsck", "--strict", "--no-dangling", "--no-progress")
    said = f"{answer.stderr}\n{answer.stdout.decode(errors='replace')}"
    lines = (line for line in said.splitlines() if line and not line.startswith("hint:"))
    return () if answer.ok else tuple(lines)


class Objects:
    """Reads objects one after another. Made by `open_objects`."""

    def __init__(self, asked: IO[bytes], answers: IO[bytes]) -> None:
        self._asked, self._answers = asked, answers
        self._listings: dict[str, Listing] = {}

    def commit(self, name: str) -> Commit | None:
        """Return a commit, with the parents that it was stored with; `None` if there is none."""
        kind, body = self._read(name)
        if kind != "commit":
            return None
        head, _, message = body.decode(errors="backslashreplace").partition("\n\n")
        fields = [line.partition(" ") for line in head.splitlines()]
        parents = tuple(value for key, _, value in fields if key == "parent")
        tree = next((value for key, _, value in fields if key == "tree"), "none")
        return Commit(id=name, parents=parents, tree=tree, message=message)

    def ancestry(self, tip: str) -> tuple[Commit, ...]:
        """Return the commits from the root to `tip`, by way of first parents."""
        found, name = [], tip
        while (commit := self.commit(name)) is not None:
            found.append(commit)
            if not commit.parents:
                return tuple(reversed(found))
            name = commit.parents[0]
        raise WorkspaceError(f"the commit {name} is missing")

    def listing(self, tree: str) -> Listing:
        """Return every leaf below a tree; an entry is mode, space, name, NUL, id.

        Raises:
            WorkspaceError: it is not there, or holds what git would never write.
        """
        if tree in self._listings:
            return self._listings[tree]
        found, left, count = dict[str, Leaf](), [("", tree)], 0
        while left:
            folder, name = left.pop()
            body, parts = self._must(name, "tree"), set[bytes]()
            while body:
                head, _, rest = body.partition(b"\0")
                mode, _, part = head.partition(b" ")
                is_name = part.lower() not in NO_NAMES and b"/" not in part and part not in parts
                if not is_name or not MODE.fullmatch(mode):
                    raise WorkspaceError(f"the tree {name} is damaged: it holds {head!r}")
                parts.add(part)
                leaf, body = Leaf(int(mode, 8), rest[:ID_BYTES].hex()), rest[ID_BYTES:]
                count += 1
                if count > MOST_LEAVES:
                    raise WorkspaceError(f"the tree {tree} names more than {MOST_LEAVES} files")
                if leaf.mode == TREE:
                    left.append((f"{folder}{decoded(part)}/", leaf.id))
                else:
                    found[f"{folder}{decoded(part)}"] = leaf
        self._listings[tree] = found
        return found

    def content(self, blob: str) -> bytes:
        return self._must(blob, "blob")

    def _must(self, name: str, kind: str) -> bytes:
        found, body = self._read(name)
        if found != kind:
            raise WorkspaceError(f"the {kind} {name} is missing")
        return body

    def _read(self, name: str) -> tuple[str, bytes]:
        if not OBJECT.fullmatch(name):  # it comes from rows that anybody may have written
            return "missing", b""
        with suppress(BrokenPipeError):  # what follows finds no answer
            self._asked.write(f"{name}\n".encode())
            self._asked.flush()
        _, _, head = self._answers.readline().decode().rstrip("\n").partition(" ")
        kind, _, size = head.partition(" ")
        if not kind:
            raise WorkspaceError(f"the object {name} is damaged")
        if not size.isdecimal():
            return "missing", b""
        body = self._answers.read(int(size) + 1)[:-1]
        if _id(kind, body) != name:  # git itself believes the file's name
            raise WorkspaceError(f"the object {name} is damaged")
        return kind, body


def blob_id(content: bytes) -> str:
    """Return the id that git gives to these bytes."""
    return _id("blob", content)


def _id(kind: str, content: bytes) -> str:
    header = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def decoded(path: bytes) -> str:
    return path.decode("utf-8", errors="surrogateescape")


def encoded(path: str) -> bytes:
    return path.encode("utf-8", errors="surrogateescape")


@contextmanager
def open_objects(at: Sequence[str]) -> Iterator[Objects]:
    """Yield a reader of one repository's objects."""
    with subprocess.Popen(
        _command(at, "cat-file", "--batch"),
        env=environment(SCRUBBED),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("asked for pipes")
        try:
            yield Objects(process.stdin, process.stdout)
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
