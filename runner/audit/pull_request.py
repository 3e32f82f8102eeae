"""The audit of an ordinary repository: does what changed since REV touch only what agents may edit?

Three steps are checked, each against the commit at which HEAD left REV: what is committed, what is
staged, and what lies in the working tree. The policies are those of REV, so a change of a policy
cannot allow itself. The repository is not trusted: its objects are read raw, files are hashed here,
and no hook, filter, attribute, text conversion or fetch of its own is run. Where it lies, what it
ignores and which commit REV is are settled here: its own settings have no say in that.

What this does not protect against: files that the `.gitignore` files of REV hide; they are in no
pull request. A file whose line endings alone are others in the working tree, as `core.autocrlf`
makes them, counts as unchanged; one that a filter of git converts at checkout (large file storage)
reads as changed there: nothing but the filter itself could tell.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from runner.audit.evidence import scripts
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
from runner.audit.trees import Allowed, changed, forbidden
from runner.errors import ConfigError, WorkspaceError
from runner.policy.case import around
from runner.policy.load import parse_policy
from runner.records import EXECUTABLE, REGULAR, SYMLINK
from runner.sandbox.evidence import escaped

POLICIES, TEMPLATES = "policies", "workspace-template"
SETTINGS = (
    *("-c", "core.bare=false"),
    *("-c", "core.ignoreCase=false"),
    *("-c", "core.precomposeUnicode=false"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "core.sparseCheckout=false"),
    *("-c", "core.commitGraph=false"),  # it says which parents a commit has
    *("-c", "core.excludesFile=/dev/null"),
    *("-c", "core.attributesFile=/dev/null"),
)
"""In place of what the repository's own configuration says; what it includes comes before these."""
IGNORES = ".gitignore"
REVISION = re.compile(r"(?P<name>[^~^:@{}\s-][^~^:{}\s]*)(?P<steps>(?:[~^][0-9]*)*)")
"""A name or id, and steps to ancestors: nothing that a reflog or a configuration settles."""
PLACES = ("refs/heads/", "refs/remotes/", "refs/tags/", "refs/", "")
"""Where git would look for a name, the branches first."""
PSEUDO = re.compile(r"[A-Z_]+")
"""`HEAD` and its like, which lie beside the refs."""
SKIPPED = "S"
"""What `ls-files -t` calls a file that a sparse checkout leaves out."""
FOLDER = Leaf(GITLINK, "")
"""A folder where a file is expected; in the working tree a submodule is no more than that."""
MOST_BYTES = 2**29
"""Of a file that is compared: git itself takes any longer one apart."""
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
    left_out: int = 0
    """Files that are not there, and that the index says need not be."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a repository and its working tree lie, found as git does, but for its settings."""

    repository: Path
    top: Path | None
    """The working tree's; absent for a bare repository."""

    @property
    def at(self) -> tuple[str, ...]:
        """The options by which git finds both."""
        top = self.top or self.repository
        return ("-C", str(top), *SETTINGS, f"--git-dir={self.repository}", f"--work-tree={top}")


def audit_changes(folder: Path, rev: str) -> Report:
    """Audit what the repository around `folder` changes since it left `rev`.

    Raises:
        CannotCheckError: it is no repository, or has no such revision, or that has no policies.
    """
    try:
        place = _place(folder)
        git(place.at, "rev-parse", "--git-dir")
        tip, head = _revision(place.at, rev), _commit(place.at, "HEAD")
        with open_objects(place.at) as objects:
            mine = may_change(objects, _listing(objects, tip))
            change = _read(place, objects, _left_at(place.at, rev, tip, head), head)
    except (WorkspaceError, ConfigError, OSError) as error:
        raise CannotCheckError(f"cannot check: {error}", hint=getattr(error, "hint", "")) from error
    if not mine:
        raise CannotCheckError(
            f"{rev} has no {POLICIES}/TASK.yaml", hint="which say what may change"
        )
    examined = {"committed files": len(changed(change.base, change.head))}
    unchecked = []
    if change.index is None or change.working_tree is None:
        unchecked.append("working tree: the repository is bare")
    else:
        examined["staged files"] = len(changed(change.head, change.index))
        examined["files of the working tree"] = len(changed(change.index, change.working_tree))
    if change.left_out:
        unchecked.append(f"working tree: a sparse checkout leaves out {change.left_out} files")
    return Report(
        subject=f"changes since {escaped(rev)}",
        findings=tuple(findings(change, mine)),
        examined=examined,
        unchecked=tuple(unchecked),
    )


# -- what may change --------------------------------------------------------------------------


def may_change(objects: Objects, listing: Listing) -> tuple[Allowed, ...]:
    """Return the templates of every task that has a policy in this tree; notes may change, too.

    A task's policy is the one of its name: others of the same task are for runs that ask for them.
    """
    found = []
    for path, leaf in listing.items():
        folder, _, name = path.rpartition("/")
        if folder == POLICIES and name.endswith(".yaml") and stat.S_ISREG(leaf.mode):
            text = objects.content(leaf.id).decode(errors="replace")
            policy = parse_policy(text, path).policy
            if name != f"{policy.task}.yaml":
                continue
            patterns, place = policy.patterns, f"{TEMPLATES}/{policy.task}/"
            mutable = (*patterns.mutable, *patterns.notes)
            mine = Allowed(
                patterns=replace(patterns, mutable=mutable, notes=()),
                folder=place,
                around=around(policy, scripts(objects, listing, place)),
            )
            found.append(mine)
    return tuple(found)


def findings(change: Change, allowed: Sequence[Allowed]) -> Iterator[Finding]:
    """Find forbidden changes; pure. What is committed is not told again of the working tree."""
    for found in forbidden(change.base, change.head, *allowed):
        yield replace(found, commit=change.last_touched.get(found.file, "HEAD"))
    before = change.head
    for place, after in ((STAGED, change.index), (WORKING_TREE, change.working_tree)):
        if after is None:
            return
        fresh = set(changed(before, after))
        for found in forbidden(change.base, after, *allowed, commit=place):
            if found.file in fresh:
                yield found
        before = after


# -- reading ----------------------------------------------------------------------------------


def _place(folder: Path) -> Place:
    """Find the repository around a folder: the nearest `.git`, or a bare one.

    A `.git` that is a file is that of a working tree of its own (`git worktree`) or a submodule.
    """
    for top in (folder, *folder.parents):
        found = top / ".git"
        if found.is_file():
            named = found.read_bytes().removeprefix(b"gitdir:").strip()
            return Place(repository=top / os.fsdecode(named), top=top)
        if found.exists():
            return Place(repository=found, top=top)
        if (top / "HEAD").is_file() and (top / "objects").is_dir() and (top / "refs").is_dir():
            return Place(repository=top, top=None)
    raise CannotCheckError(f"{folder} is not a git repository, nor in one")


def _revision(at: tuple[str, ...], rev: str) -> str:
    """Return the commit that a person means by REV: a branch of this name, a tag, or an id.

    A name that could mean several commits is refused: a tag may be anybody's.
    """
    parts = REVISION.fullmatch(rev)
    if parts is None:
        raise _no_commit(rev)
    name, found = parts["name"], list[str]()
    for ref in (f"{place}{name}" for place in PLACES):
        if ref.startswith("refs/") or PSEUDO.fullmatch(ref):
            exactly = ("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
            found += [ref] if ask_git(at, *exactly).ok else []
    if re.fullmatch(r"[0-9a-f]{4,40}", name):  # an id; a ref of this name would hide it from git
        for each in git(at, "rev-parse", f"--disambiguate={name}").decode().split():
            if git(at, "cat-file", "-t", each).strip() == b"commit":
                found.append(each)
    commits = {ref: _commit(at, f"{ref}{parts['steps']}", shown=rev) for ref in found}
    if not commits:
        raise _no_commit(rev)
    if len(set(commits.values())) > 1:
        raise CannotCheckError(
            f"{rev!r} is ambiguous: {', '.join(commits)}", hint="give one of these in full"
        )
    return next(iter(commits.values()))


def _no_commit(rev: str) -> CannotCheckError:
    return CannotCheckError(
        f"{rev!r} is no commit of this repository", hint="a branch, tag or commit id; fetch it"
    )


def _commit(at: tuple[str, ...], name: str, *, shown: str = "") -> str:
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    answer = ask_git(at, *asked)
    if not answer.ok:
        raise _no_commit(shown or name)
    return answer.stdout.decode().strip()


def _left_at(at: tuple[str, ...], rev: str, tip: str, head: str) -> str:
    answer = ask_git(at, "merge-base", "--all", tip, head)
    if not answer.ok:
        raise CannotCheckError(
            f"HEAD and {rev!r} share no commit", hint="a shallow clone needs: git fetch --unshallow"
        )
    first, *others = answer.stdout.decode().split()
    if others:
        raise CannotCheckError(
            f"HEAD left {rev!r} at {1 + len(others)} commits, so nothing says what it changed",
            hint=f"merge {rev} first",
        )
    return first


def _listing(objects: Objects, commit: str) -> Listing:
    found = objects.commit(commit)
    if found is None:
        raise WorkspaceError(f"the commit {commit} is missing")
    return objects.listing(found.tree)


def _read(place: Place, objects: Objects, base: str, head: str) -> Change:
    at, index, working_tree, left_out = place.at, None, None, set[str]()
    if place.top is not None:
        index = {}
        for line in _records(git(at, "ls-files", "-s", "-z")):
            details, _, path = line.partition("\t")
            mode, name, _ = details.split()
            index[path] = Leaf(int(mode, 8), name)
        tagged = _records(git(at, "ls-files", "-t", "-z"))
        skipped = {line[2:] for line in tagged if line[0] == SKIPPED}
        left_out = {path for path in skipped if _leaf(place.top, path) is None}
        with _ignoring(objects, base) as ignoring:
            untracked = _untracked(at, ignoring)
        known = index.keys() | _listing(objects, base).keys() | _listing(objects, head).keys()
        working_tree = _working_tree(place.top, index, untracked, left_out, known)
    return Change(
        base=_listing(objects, base),
        head=_listing(objects, head),
        index=index,
        working_tree=working_tree,
        last_touched=_last_touched(at, base, head),
        left_out=len(left_out),
    )


@contextmanager
def _ignoring(objects: Objects, commit: str) -> Iterator[tuple[str, ...]]:
    """Yield where git finds the ignored files of a commit, and no others, to be ignored.

    A file that ignores itself, or a list beside the index, would hide whatever it likes.
    """
    with tempfile.TemporaryDirectory() as folder:
        git(("-C", folder), "init", "--quiet", "--template=")
        for path, leaf in _listing(objects, commit).items():
            if path.rpartition("/")[2] == IGNORES and stat.S_ISREG(leaf.mode):
                target = Path(folder) / os.fsdecode(encoded(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(objects.content(leaf.id))
        yield ("-C", folder, *SETTINGS)


def _untracked(at: tuple[str, ...], ignoring: tuple[str, ...]) -> list[str]:
    """Return what is neither in the index nor ignored; a repository inside ends with a slash."""
    found = _kept(ignoring, _records(git(at, "ls-files", "--others", "--directory", "-z")))
    files, inside, literal = [], list[str](), (*at, "--literal-pathspecs")
    for path in found:
        if path.endswith("/"):
            # `ls-files` takes paths from its arguments only: few folders, each with what is in it.
            inside += _records(git(literal, "ls-files", "--others", "-z", "--", path))
        else:
            files.append(path)
    return files + _kept(ignoring, inside)


def _kept(ignoring: tuple[str, ...], paths: list[str]) -> list[str]:
    """Return those of the paths that are not ignored."""
    if not paths:
        return []
    given = b"".join(encoded(path) + b"\0" for path in paths)
    answer = ask_git(ignoring, "check-ignore", "--no-index", "--stdin", "-z", given=given)
    if not answer.ok and answer.stderr:
        raise WorkspaceError(f"git check-ignore: {answer.stderr}")
    ignored = set(_records(answer.stdout))
    return [path for path in paths if path not in ignored]


def _working_tree(
    top: Path,
    index: Listing,
    untracked: Collection[str],
    left_out: Collection[str],
    known: Collection[str],
) -> Listing:
    """Return what lies there; what a sparse checkout leaves out, or a submodule, is as staged."""
    found = {
        path: _leaf(top, path, index.get(path), read=path in known) for path in (*index, *untracked)
    }
    for path, staged in index.items():
        is_folder = found[path] == FOLDER
        if path in left_out or (is_folder and staged.mode == GITLINK):
            found[path] = staged
        elif is_folder:
            found[path] = None  # deleted, and what is in its place is untracked
    return {path: leaf for path, leaf in found.items() if leaf is not None}


def _leaf(top: Path, path: str, staged: Leaf | None = None, *, read: bool = True) -> Leaf | None:
    """Return what git would store for a path of the working tree, without its filters.

    What is not to be read gets no id: a file that was never there is new, however long it is.
    """
    place = top / os.fsdecode(encoded(path))
    try:
        mode = place.lstat().st_mode
        if stat.S_ISLNK(mode):
            return Leaf(SYMLINK, blob_id(os.fsencode(place.readlink())))
        if not stat.S_ISREG(mode):
            return FOLDER if stat.S_ISDIR(mode) else Leaf(stat.S_IFMT(mode), "")
        # Nobody's swap of the file for a link or a pipe makes this read elsewhere, or wait.
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            content = file.read(MOST_BYTES + 1) if read else b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(content) > MOST_BYTES:
        raise WorkspaceError(
            f"{path} is longer than {MOST_BYTES >> 20} MiB", hint="move it out of the way meanwhile"
        )
    name, plain = blob_id(content), blob_id(content.replace(b"\r\n", b"\n"))
    name = plain if staged and plain == staged.id else name
    return Leaf(EXECUTABLE if mode & stat.S_IXUSR else REGULAR, name if read else "")


def _last_touched(at: tuple[str, ...], base: str, head: str) -> dict[str, str]:
    commits = git(at, "rev-list", f"{base}..{head}")
    ids = set(commits.decode().split())
    steps = ("--stdin", "-m", "-r", "--root", "--name-only", "-z", "--ignore-submodules=none")
    touched: dict[str, str] = {}
    commit = head
    for line in _records(git(at, "diff-tree", *steps, given=commits)):
        if line in ids:
            commit = line
        else:
            touched.setdefault(line, commit)
    return touched


def _records(answer: bytes) -> list[str]:
    return [decoded(record) for record in answer.split(b"\0") if record]
