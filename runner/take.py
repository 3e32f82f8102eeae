"""Bring what a run kept home, into the repository of the person whose project it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.errors import ConfigError, WorkspaceError
from runner.records import Change, Files
from runner.workspace import SAFE_CONFIG, Workspace, run_git

PREFIX = "autoresearch"
ADDED = ("predict.py", "sealed_predict.py")
"""Files that sealing adds to a project."""
OURS = ("run.sh", "run.project.sh", "program.md", "LEARNING.md", "scratchpad.md")
"""Files of a template that are no project's."""
SEALING = "Answer for new rows, and save what that takes: what sealing added"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What was written, and how many keeps it holds."""

    where: str
    count: int


def sealing(adopted: Files, sealed: Files, when: str) -> list[bytes]:
    """Return as a mail what sealing did to a project's own files; without it no keep would fit.

    Args:
        adopted: the files as they were taken in.
        sealed: those that a run of the sealed task began with.
        when: that run's own date.
    """
    changes = [
        Change(path=path, mode=file.mode, content=file.content) for path, file in sealed.items()
        if path not in OURS and adopted.get(path) != file
        and (path in adopted or PurePosixPath(path).name in ADDED)
    ]  # fmt: skip
    if not changes:
        return []
    with tempfile.TemporaryDirectory() as folder:
        before = Workspace.create(
            Path(folder) / "repository.git", "sealing", template=adopted, harness={}, when=when
        )
        commit = before.attempt(1, before.head(), changes, SEALING, when)
        return before.patches(before.head(), commit)


def as_patches(workspace: Workspace, base: str, folder: Path, first: Sequence[bytes] = ()) -> Taken:
    """Write one file for each keep, in the form that `git am -k` and `patch -p1` take.

    Args:
        workspace: the run's.
        base: the commit that it began with.
        folder: a new one.
        first: what comes before the keeps, as `sealing` has it.

    Raises:
        ConfigError: the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty", hint="name a new folder: --patches DIR")
    folder.mkdir(parents=True, exist_ok=True)
    found = workspace.patches(base, workspace.head())
    for number, patch in enumerate([*first, *found], start=1):
        (folder / f"{number:04d}.patch").write_bytes(patch)
    return Taken(where=str(folder), count=len(found))


def as_branch(
    workspace: Workspace, base: str, home: Path, branch: str, first: Sequence[bytes] = ()
) -> Taken:
    """Make a branch in the repository that the project's folder is in, a commit for each keep.

    It starts where that repository stands, and no work tree of the person's is touched. No hook of
    the repository runs. What is `first` comes before the keeps, as `sealing` has it.

    Raises:
        ConfigError: the folder is in no repository, can have no such branch, or has moved on so far
            that the changes do not fit.
    """
    git = ["git", *SAFE_CONFIG, "-C", str(home)]
    as_files = "take the changes as files: runner take TAG --patches DIR"
    with _unless(f"{home} is in no git repository that git reads", hint=as_files):
        top = Path(run_git([*git, "rev-parse", "--show-toplevel"]).decode().strip())
    with _unless(f"the git repository of {home} has no commit", hint=as_files):
        run_git([*git, "rev-parse", "--verify", "HEAD^{commit}"])
    with _unless(f"{branch} is no name of a branch", hint="--branch NAME"):
        run_git([*git, "check-ref-format", "--branch", branch])
    if run_git([*git, "for-each-ref", f"refs/heads/{branch}"]):
        raise ConfigError(f"{home} has a branch {branch} already", hint="--branch NAME")
    found = workspace.patches(base, workspace.head())
    inside = home.resolve().relative_to(top.resolve()).as_posix()
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/tree"
        run_git([*git, "worktree", "add", "-q", "--detach", place, "HEAD"])
        try:
            here = ["git", *SAFE_CONFIG, "-C", place]
            applied = [*here, "am", "-q", "--3way", "--keep", "--keep-cr"]
            applied += ["--whitespace=nowarn"]  # whatever `apply.whitespace` says: byte for byte
            where = [] if inside == "." else [f"--directory={inside}"]
            by_hand = "take them as files, and merge by hand: runner take TAG --patches DIR"
            with _unless(f"the changes do not fit {home} as it is now", hint=by_hand):
                run_git([*applied, *where], given=b"".join([*first, *found]))
            with _unless(f"{home} can have no branch {branch}", hint="--branch NAME"):
                run_git([*here, "branch", branch, "HEAD"])
        finally:
            run_git([*git, "worktree", "remove", "--force", place])
    return Taken(where=f"branch {branch} of {top}", count=len(found))


@contextmanager
def _unless(refusal: str, hint: str) -> Iterator[None]:
    """Do something with git; where it fails, say what that means, and what git said."""
    try:
        yield
    except WorkspaceError as error:
        raise ConfigError(f"{refusal}: {error}", hint=hint) from error
