"""A run's own bare git repository, written with plumbing only.

There is no work tree, no hook and no configuration that a file could bring along, so nothing
an agent writes can make git on the host run code.

| ref | holds |
|---|---|
| `refs/heads/autoresearch/<tag>` | kept experiments only; a revert is this not moving |
| `refs/attempts/<n>` | every attempt's tree, whatever became of it |
| `refs/notes-files` | the agent's notes, which no revert takes back, and the supervisor's log |
| `refs/frozen/harness` | the harness as it was when the run was created |
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from runner.errors import WorkspaceError
from runner.patterns import MAX_PATH_BYTES
from runner.records import EXECUTABLE, LOG, REGULAR, SYMLINK, Change, ChangedFile, File, Files

GIT_MODES = (REGULAR, EXECUTABLE, SYMLINK)
HARNESS_REF = "refs/frozen/harness"
ATTEMPTS = "refs/attempts/"
NOTES_REF = "refs/notes-files"
ZERO = "0" * 40
NEXT_NOTES_REF = "refs/notes-files-next"
"""Where notes are committed first, so that the event log knows them before their ref moves."""
GIT_SECONDS = 60
COMMIT_ID = re.compile(r"[0-9a-f]{40}")
MOST_KNOWN = 8
"""Commits whose files are kept in memory: a parent, an attempt and notes are asked for often."""
MAX_NAME = 180
"""Of a path that is percent-encoded: it is one name, and file systems hold 255 bytes of one."""
UNSAFE = "unsafe-path"
SAFE_CONFIG = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "gc.auto=0"),
    *("-c", "core.fsync=all"),
    *("-c", "core.logAllRefUpdates=always"),
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """One commit as git holds it."""

    id: str
    parents: tuple[str, ...]
    tree: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One path of a tree, with its raw mode and type."""

    path: str
    mode: int
    kind: str
    blob: str


class Workspace:
    """The repository of one run."""

    def __init__(
        self, path: Path, tag: str, witness: Callable[..., object] = lambda _event, **_fields: None
    ) -> None:
        """Open it; `witness` tells the event log where the notes go, and that they got there.

        Nothing else remembers where a ref stood that no experiment has closed over yet.
        """
        self.path, self.tag, self._witness = path, tag, witness
        self.branch = f"refs/heads/autoresearch/{tag}"
        self._known: OrderedDict[str, Files] = OrderedDict()
        """Commit → its files, the latest that was asked for last."""
        self.notes_turn = threading.RLock()
        """Held by whoever changes notes, from reading them on: several threads do."""

    # -- creating -------------------------------------------------------------------------

    @classmethod
    def create(
        cls, path: Path, tag: str, *, template: Files, harness: Files, when: str
    ) -> Workspace:
        """Make the repository with the template as its first commit; fine if it was made before.

        What a start that failed made of other files is made anew.

        Raises:
            WorkspaceError: a run that nobody recorded was at work in it.
        """
        workspace = cls(path, tag)
        path.parent.mkdir(parents=True, exist_ok=True)
        run_git(["git", "init", "--quiet", "--bare", "--template=", str(path)])
        head = workspace.resolve(workspace.branch)
        if head and (
            len(workspace.commits(head)) > 1
            or workspace.refs(ATTEMPTS)
            or workspace.resolve(NOTES_REF)
        ):
            raise WorkspaceError(
                f"{path} holds a run that the journal does not know",
                hint="choose another TAG, or move it away",
            )
        if head and (workspace.files(head), workspace.harness()) != (template, harness):
            workspace._git("update-ref", "-d", workspace.branch, head)
            head = None
        if head is None:
            workspace._commit(HARNESS_REF, harness, (), "Freeze the harness", when)
            first = f"Start from the template\n\nRun: {tag}"
            workspace._commit(workspace.branch, template, (), first, when)
        return workspace

    # -- reading --------------------------------------------------------------------------

    def resolve(self, ref: str) -> str | None:
        """Return a ref's commit. Where git keeps it in a file of its own, no process is needed."""
        with suppress(OSError):
            commit = (self.path / ref).read_text(encoding="ascii").strip()
            if COMMIT_ID.fullmatch(commit):
                return commit
        found = self._git("for-each-ref", "--format=%(objectname)", ref).decode().split()
        return found[0] if found else None

    def head(self) -> str:
        """Return the best commit so far."""
        return self._must(self.branch)

    def harness(self) -> Files:
        return self.files(self._must(HARNESS_REF))

    def notes(self) -> Files:
        """Return the agent's notes; the log beside them is never read back."""
        found = self.resolve(NOTES_REF)
        files = self.files(found) if found else {}
        return {path: file for path, file in files.items() if path != LOG}

    def with_notes(self, commit: str) -> dict[str, File]:
        """Return a commit's files with the notes as they are now, which no revert takes back."""
        return {**self.files(commit), **self.notes()}

    def files(self, commit: str) -> Files:
        """Read a whole tree: path → mode and bytes."""
        if not COMMIT_ID.fullmatch(commit):
            return self._read(commit)
        known = self._known.pop(commit, None)
        return self._remember(commit, self._read(commit) if known is None else known)

    def _remember(self, commit: str, files: Files) -> Files:
        self._known[commit] = files
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return files

    def _read(self, commit: str) -> Files:
        entries = self.entries(commit)
        blobs = [entry.blob for entry in entries if entry.kind == "blob"]
        contents = dict(zip(blobs, self._blobs(blobs), strict=True))
        # A submodule is a commit that is not here: its name stands for it.
        return {
            entry.path: File(content=contents.get(entry.blob, entry.blob.encode()), mode=entry.mode)
            for entry in entries
        }

    def entries(self, commit: str) -> tuple[Entry, ...]:
        listing = self._git("ls-tree", "-r", "-z", commit).split(b"\0")
        return tuple(_entry(line) for line in listing if line)

    def commits(self, ref: str) -> tuple[Commit, ...]:
        """Return the commits behind a ref, oldest first."""
        form = "%H%x00%P%x00%T%x00%B%x01"
        text = self._git("log", "--reverse", f"--format={form}", ref).decode()
        return tuple(_commit(part.lstrip("\n")) for part in text.split("\x01")[:-1])

    def refs(self, prefix: str) -> dict[str, str]:
        """Return ref → commit for every ref below a prefix."""
        form = "--format=%(refname) %(objectname)"
        lines = self._git("for-each-ref", form, prefix).decode().splitlines()
        return {ref: commit for ref, _, commit in (line.partition(" ") for line in lines)}

    def diff(self, old: str, new: str, context: int = 3) -> str:
        """Return the unified diff between two commits; nothing in them can run.

        Args:
            old: a commit.
            new: another one.
            context: how many unchanged lines stand around each change.
        """
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", f"--unified={context}")
        found = self._git("diff-tree", "-p", *plain, old, new)
        return found.decode("utf-8", errors="backslashreplace")

    def patches(self, base: str, tip: str) -> list[bytes]:
        """Return the commits after `base` up to `tip`, oldest first, as mails for `git am -k`."""
        listed = self._git("rev-list", "--reverse", "--first-parent", f"{base}..{tip}")
        plain = ("--binary", "--full-index", "--no-signature", "--keep-subject")
        asked = ("format-patch", "--stdout", *plain, "-1")
        return [self._git(*asked, commit) for commit in listed.decode().split()]

    def problems(self) -> list[str]:
        """Return what git's own check of the objects finds wrong."""
        try:
            self._git("fsck", "--strict", "--no-dangling", "--no-progress")
        except WorkspaceError as error:
            return str(error).splitlines()
        return []

    def loaded(self, changes: Sequence[ChangedFile]) -> tuple[Change, ...]:
        """Return what a proposal changed with its bytes.

        Raises:
            WorkspaceError: git does not have them.
        """
        blobs = [change.blob for change in changes if change.blob is not None]
        contents = dict(zip(blobs, self.contents(blobs), strict=True))
        return tuple(
            Change(path=each.path, mode=each.mode, content=contents.get(each.blob or ""))
            for each in changes
        )

    def contents(self, blobs: Sequence[str]) -> list[bytes]:
        """Return what these ids stand for."""
        return self._blobs(blobs) if blobs else []

    # -- writing --------------------------------------------------------------------------

    def stored(self, changes: Sequence[Change]) -> tuple[ChangedFile, ...]:
        """Keep the bytes of a proposal, before anything speaks of them."""
        return tuple(
            ChangedFile(
                path=each.path,
                mode=each.mode,
                blob=None if each.content is None else self._store(each.content),
            )
            for each in changes
        )

    def attempt(
        self, number: int, parent: str, changes: Sequence[Change], message: str, when: str
    ) -> str:
        """Keep an attempt's diff at `refs/attempts/<number>`; return its commit.

        A path or mode that git cannot hold is kept under a percent-encoded name.
        """
        files = with_changes(self.files(parent), changes)
        return self._commit(f"{ATTEMPTS}{number}", files, (parent,), message, when)

    def keep(self, attempt: str, parent: str, message: str, when: str) -> str:
        """Move the branch from `parent` to the attempt's tree; return the new commit.

        Done twice it does nothing: the same values make the same commit.

        Raises:
            WorkspaceError: the branch is neither at `parent` nor at that commit.
        """
        head = self.head()
        if head != parent and self._git("rev-parse", f"{head}^@").decode().split() != [parent]:
            raise WorkspaceError(f"{self.branch} is at {head}", hint="run: runner audit")
        return self._commit(self.branch, self.files(attempt), (parent,), message, when)

    def newest_notes(self, words: str) -> str:
        """Return the newest message of the notes that holds these words; empty if there is none."""
        if self.resolve(NOTES_REF) is None:
            return ""
        found = ("--fixed-strings", f"--grep={words}", "-1", "--format=%B", NOTES_REF)
        return self._git("log", *found).decode("utf-8", errors="backslashreplace")

    def write_notes(
        self, changes: Sequence[Change], message: str, when: str, *, anew: bool = False
    ) -> bool:
        """Commit changed note files, or the log, to a ref of their own; say whether it was done.

        It is not where nothing changed, unless it is wanted `anew` for the message alone.
        """
        with self.notes_turn:
            parent = self.resolve(NOTES_REF)
            before = self.files(parent) if parent else {}
            files = with_changes(before, changes)
            if done := files != before or anew:
                parents = (parent,) if parent else ()
                commit = self._commit(NEXT_NOTES_REF, files, parents, message, when)
                self._witness("notes.moving", commit=commit)
                self._move(NOTES_REF, commit, expected=parent or ZERO)
                self._witness("notes.moved", commit=commit)
            return done

    def pack(self) -> None:
        """Put single objects and refs into few files; nothing is lost, also what no ref names."""
        self._git("repack", "-a", "-d", "--keep-unreachable", "--quiet")
        self._git("pack-refs", "--all")

    def patched(self, commit: str, patch: bytes) -> Files:
        """Return a commit's files with a unified patch applied; no ref moves.

        Raises:
            WorkspaceError: it does not apply, or leads outside of the tree.
        """
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git("read-tree", commit, env=index)
            self._git("apply", "--cached", "--whitespace=nowarn", "-", given=patch, env=index)
            return self._read(self._git("write-tree", env=index).decode().strip())

    # -- plumbing -------------------------------------------------------------------------

    def _move(self, ref: str, commit: str, *, expected: str) -> None:
        self._git("update-ref", ref, commit, expected)

    def _commit(
        self, ref: str, files: Files, parents: Sequence[str], message: str, when: str
    ) -> str:
        """Store these files as a commit and move a ref to it, in this order; return it.

        An attempt and the harness may be written again. Elsewhere git moves a ref forward only.
        """
        at, text = datetime.fromisoformat(when), message.encode("utf-8", errors="backslashreplace")
        stream = [
            b"commit %b\nmark :1\n" % ref.encode(),
            b"committer runner <runner@localhost> %d %b\n" % (at.timestamp(), f"{at:%z}".encode()),
            b"data %d\n%b\n" % (len(text), text),
            *(b"from %b\n" % parent.encode() for parent in parents),
            b"deleteall\n",
        ]
        for path, file in files.items():
            name = path.replace("\\", "\\\\").replace('"', '\\"').encode()
            stream.append(b'M %o inline "%b"\n' % (file.mode, name))
            stream.append(b"data %d\n%b\n" % (len(file.content), file.content))
        stream.append(b"get-mark :1\ndone\n")
        again = ref not in (self.branch, NOTES_REF)
        options = ("--quiet", "--done", "--date-format=raw", *(("--force",) if again else ()))
        try:
            commit = self._git("fast-import", *options, given=b"".join(stream)).decode().strip()
        except WorkspaceError as error:
            hint = f"is the disk full? free some of it, then: runner run --resume {self.tag}"
            raise WorkspaceError(str(error), hint=hint) from error
        self._remember(commit, files)
        return commit

    def _store(self, content: bytes) -> str:
        command = ("hash-object", "-w", "--no-filters", "--stdin")
        return self._git(*command, given=content).decode().strip()

    def _blobs(self, ids: Sequence[str]) -> list[bytes]:
        asked = "".join(f"{blob}\n" for blob in ids).encode()
        answer, contents = self._git("cat-file", "--batch", given=asked), []
        for _ in ids:
            head, _, answer = answer.partition(b"\n")
            if not head.split()[-1].isdigit():
                raise WorkspaceError(f"{self.path}: {head.decode()}", hint="run: runner audit")
            size = int(head.split()[2])
            contents.append(answer[:size])
            answer = answer[size + 1 :]
        return contents

    def _must(self, ref: str) -> str:
        if (found := self.resolve(ref)) is None:
            raise WorkspaceError(f"{self.path} has no {ref}", hint="run: runner audit")
        return found

    def _git(self, *args: str, given: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        command = ["git", *SAFE_CONFIG, f"--git-dir={self.path}", *args]
        return run_git(command, given=given, env=env)


def tree_digest(files: Files) -> str:
    """Return sha256, hex, over paths, modes and bytes: a tree's name that needs no git."""
    digest = hashlib.sha256()
    for path in sorted(files):
        content = hashlib.sha256(files[path].content).hexdigest()
        digest.update(f"{path}\0{files[path].mode:o}\0{content}\n".encode())
    return digest.hexdigest()


def with_changes(files: Files, changes: Sequence[Change]) -> Files:
    """Return a tree with these changes made."""
    after = dict(files)
    for change in changes:
        _apply(after, change)
    return after


def _apply(files: dict[str, File], change: Change) -> None:
    path = storable(change.path)
    if change.content is None:
        files.pop(path, None)
        return
    mode = change.mode if change.mode in GIT_MODES else REGULAR
    for known in [known for known in files if _clash(known, path)]:
        del files[known]  # a file in place of a folder, or the other way round
    files[path] = File(content=change.content, mode=mode)


def storable(path: str) -> str:
    """Return the path as git can hold it; what it cannot is percent-encoded."""
    if _is_plain(path):
        return path
    encoded = quote(path.encode("utf-8", errors="surrogatepass"), safe="")
    name = encoded.replace(".", "%2E").replace("~", "%7E") or "%00"
    if len(name) > MAX_NAME:
        name = f"{name[:MAX_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return f"{UNSAFE}/{name}"


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    if parts[0] == UNSAFE or any(part in ("", ".", "..") or _git_s_own(part) for part in parts):
        return False
    # In ASCII a character is a byte.
    fits = len(path) <= MAX_PATH_BYTES
    return fits and path.isascii() and path.isprintable() and "\\" not in path


def _git_s_own(part: str) -> bool:
    return part.lower().startswith((".git", "git~"))


def _clash(one: str, other: str) -> bool:
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _entry(line: bytes) -> Entry:
    head, _, path = line.partition(b"\t")
    mode, kind, blob = head.decode().split()
    name = path.decode("utf-8", errors="backslashreplace")
    return Entry(path=name, mode=int(mode, 8), kind=kind, blob=blob)


def _commit(text: str) -> Commit:
    identity, parents, tree, message = text.split("\0", 3)
    return Commit(id=identity, parents=tuple(parents.split()), tree=tree, message=message)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return git's whole environment: no `GIT_*` of the caller's, no configuration but ours."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "runner",
        "GIT_AUTHOR_EMAIL": "runner@localhost",
        "GIT_COMMITTER_NAME": "runner",
        "GIT_COMMITTER_EMAIL": "runner@localhost",
        **(extra or {}),
    }


def merged(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Return `ours` with what `theirs` changed in `base`; `None` where the two are in conflict."""
    if ours in (base, theirs):
        return theirs
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, (ours, base, theirs), strict=True):
            path.write_bytes(content)
        done = git_ended(["git", *SAFE_CONFIG, "merge-file", "--quiet", "-p", *map(str, paths)])
    return done.stdout if done.returncode == 0 else None


def run_git(
    command: list[str], *, given: bytes = b"", env: Mapping[str, str] | None = None
) -> bytes:
    done = git_ended(command, given=given, env=env)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace")
        raise WorkspaceError(f"git: {said}", hint="run: runner audit")
    return done.stdout


def git_ended(
    command: list[str], *, given: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Return how a git command ended, well or not; raise `WorkspaceError` where it did not run."""
    try:
        return subprocess.run(
            command, input=given, env=environment(env), capture_output=True, timeout=GIT_SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise WorkspaceError(
            f"git failed: {error}", hint="is git installed? run: runner doctor"
        ) from error
