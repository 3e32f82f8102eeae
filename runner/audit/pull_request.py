"""The audit of an ordinary repository: does what changed since REV touch only what agents may edit?

Three steps are checked, each against the commit at which HEAD left REV: what is committed, what is
staged, and what lies in the working tree. The policies are those of REV, so a change of a policy
cannot allow itself. The repository is not trusted: its objects are read raw, files are hashed here,
and no hook, filter, attribute, text conversion or fetch of its own is run.

What this does not protect against: files that `.gitignore` hides; they are in no pull request. A
file that git converts at checkout (line endings, large file storage) reads as changed in the
working tree: nothing but the filter itself could tell.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runner.audit.findings import CannotCheckError, Finding, Report
from runner.audit.objects import (
    GITLINK,
    Leaf,
    Listing,
    Objects,
    ask_git,
    blob_id,
    decoded,
    encoded,
    git,
    open_objects,
)
from runner.audit.trees import changed, forbidden
from runner.errors import ConfigError, WorkspaceError
from runner.policy.load import parse_policy
from runner.records import EXECUTABLE, REGULAR, SYMLINK

POLICIES, TEMPLATES = "policies", "workspace-template"
UNTRUSTED = ("-c", "safe.directory=*", "-c", "core.untrackedCache=false")
"""Another user's repository is fine to read: nothing in it is run."""
SKIPPED = "S"
"""What `ls-files -t` calls a file that a sparse checkout leaves out."""
FOLDER = Leaf(GITLINK, "")
"""A folder where a file is expected; in the working tree a submodule is no more than that."""
STAGED, WORKING_TREE = "staged", "working-tree"


@dataclass(frozen=True, kw_only=True)
class Change:
    """The repository at four moments; without a working tree, the last two are absent."""

    base: Listing
    head: Listing
    index: Listing | None
    working_tree: Listing | None
    last_touched: Mapping[str, str]
    """Path → the newest commit since the base that changed it."""


def audit_changes(folder: Path, rev: str) -> Report:
    """Audit what the repository around `folder` changes since it left `rev`.

    Raises:
        CannotCheckError: it is no repository, or has no such revision, or that has no policies.
    """
    try:
        return _audit(("-C", str(folder), *UNTRUSTED), rev)
    except (WorkspaceError, ConfigError, OSError) as error:
        raise CannotCheckError(f"cannot check: {error}", hint=getattr(error, "hint", "")) from error


def _audit(at: tuple[str, ...], rev: str) -> Report:
    git(at, "rev-parse", "--git-dir")
    tip, head = _commit(at, rev), _commit(at, "HEAD")
    with open_objects(at) as objects:
        mutable = mutable_files(objects, _listing(objects, tip))
        change = _read(at, objects, _left_at(at, rev, tip, head), head)
    if not mutable:
        raise CannotCheckError(f"{rev} has no {POLICIES}/*.yaml", hint="which say what may change")
    is_bare = change.working_tree is None
    return Report(
        subject=f"changes since {rev}",
        findings=tuple(findings(change, mutable)),
        examined=_examined(change),
        unchecked=("working tree: the repository is bare",) if is_bare else (),
    )


def _examined(change: Change) -> dict[str, int]:
    found = {"committed files": len(changed(change.base, change.head))}
    if change.index is not None and change.working_tree is not None:
        found["staged files"] = len(changed(change.head, change.index))
        found["files of the working tree"] = len(changed(change.index, change.working_tree))
    return found


# -- what may change --------------------------------------------------------------------------


def mutable_files(objects: Objects, listing: Listing) -> frozenset[str]:
    """Return the mutable and note files of every task that has a policy in this tree."""
    found = set[str]()
    for path, leaf in listing.items():
        folder, _, name = path.rpartition("/")
        if folder == POLICIES and name.endswith(".yaml") and stat.S_ISREG(leaf.mode):
            text = objects.content(leaf.id).decode(errors="replace")
            policy = parse_policy(text, path).policy
            files = (*policy.files.mutable, *policy.files.notes)
            found |= {f"{TEMPLATES}/{policy.task}/{file}" for file in files}
    return frozenset(found)


def findings(change: Change, mutable: Collection[str]) -> Iterator[Finding]:
    """Find forbidden changes; pure. What is committed is not told again of the working tree."""
    for found in forbidden(change.base, change.head, mutable):
        yield replace(found, commit=change.last_touched.get(found.file, "HEAD"))
    before = change.head
    for place, after in ((STAGED, change.index), (WORKING_TREE, change.working_tree)):
        if after is None:
            return
        fresh = set(changed(before, after))
        for found in forbidden(change.base, after, mutable, commit=place):
            if found.file in fresh:
                yield found
        before = after


# -- reading ----------------------------------------------------------------------------------


def _commit(at: tuple[str, ...], rev: str) -> str:
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    answer = ask_git(at, *asked)
    if not answer.ok:
        raise CannotCheckError(
            f"{rev!r} is no commit of this repository", hint="a branch, tag or commit id; fetch it"
        )
    return answer.stdout.decode().strip()


def _left_at(at: tuple[str, ...], rev: str, tip: str, head: str) -> str:
    answer = ask_git(at, "merge-base", tip, head)
    if not answer.ok:
        raise CannotCheckError(
            f"HEAD and {rev} share no commit", hint="a shallow clone needs: git fetch --unshallow"
        )
    return answer.stdout.decode().split()[0]


def _listing(objects: Objects, commit: str) -> Listing:
    found = objects.commit(commit)
    if found is None:
        raise WorkspaceError(f"the commit {commit} is missing")
    return objects.listing(found.tree)


def _read(at: tuple[str, ...], objects: Objects, base: str, head: str) -> Change:
    index, working_tree = None, None
    if git(at, "rev-parse", "--is-inside-work-tree").strip() == b"true":
        top = Path(os.fsdecode(git(at, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
        at = ("-C", str(top), *UNTRUSTED)
        index = _index(at)
        working_tree = _working_tree(at, top, index)
    return Change(
        base=_listing(objects, base),
        head=_listing(objects, head),
        index=index,
        working_tree=working_tree,
        last_touched=_last_touched(at, base, head),
    )


def _index(at: tuple[str, ...]) -> Listing:
    """Return what is staged."""
    staged = {}
    for line in _records(git(at, "ls-files", "-s", "-z")):
        head, _, path = line.partition("\t")
        mode, name, _ = head.split()
        staged[path] = Leaf(int(mode, 8), name)
    return staged


def _working_tree(at: tuple[str, ...], top: Path, index: Listing) -> Listing:
    """Return what lies there; what a sparse checkout leaves out, or a submodule, is as staged."""
    untracked = _records(git(at, "ls-files", "--others", "--exclude-standard", "-z"))
    skipped = {line[2:] for line in _records(git(at, "ls-files", "-t", "-z")) if line[0] == SKIPPED}
    found = {path: _leaf(top, path) for path in (*index, *untracked)}
    for path, staged in index.items():
        leaf, is_folder = found[path], found[path] == FOLDER
        if (leaf is None and path in skipped) or (is_folder and staged.mode == GITLINK):
            found[path] = staged
        elif is_folder:
            found[path] = None  # deleted, and what is in its place is untracked
    return {path: leaf for path, leaf in found.items() if leaf is not None}


def _leaf(top: Path, path: str) -> Leaf | None:
    """Return what git would store for a path of the working tree, without its filters."""
    place = top / os.fsdecode(encoded(path))
    try:
        mode = place.lstat().st_mode
        if stat.S_ISLNK(mode):
            return Leaf(SYMLINK, blob_id(os.fsencode(place.readlink())))
        if not stat.S_ISREG(mode):
            return FOLDER if stat.S_ISDIR(mode) else Leaf(stat.S_IFMT(mode), "")
        # Nobody's swap of the file for a link or a pipe makes this read elsewhere, or wait.
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return Leaf(EXECUTABLE if mode & stat.S_IXUSR else REGULAR, blob_id(file.read()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _last_touched(at: tuple[str, ...], base: str, head: str) -> dict[str, str]:
    commits = git(at, "rev-list", f"{base}..{head}")
    steps = ("--stdin", "-m", "-r", "--root", "--name-only", "-z", "--ignore-submodules=none")
    touched: dict[str, str] = {}
    commit = head
    for line in _records(git(at, "diff-tree", *steps, given=commits)):
        if f"{line}\n".encode() in commits:
            commit = line
        else:
            touched.setdefault(line, commit)
    return touched


def _records(answer: bytes) -> list[str]:
    return [decoded(record) for record in answer.split(b"\0") if record]
