"""A proposal's draft on disk, for agents that work on files.

Only the bytes of mutable files and notes are ever taken from it, at the hand-over, and new files
where the policy lets some be added. Whatever else is changed there does not count. It is noted when
it is seen, and told to the agent; the next draft is laid out anew.

What this does not protect against: a program that runs as our user can reach the rest of the disk.
That is what its isolation `none` says. And what it changes and puts back at once may go unnoticed.
"""

from __future__ import annotations

import errno
import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from watchdog.events import (
    EVENT_TYPE_CREATED,
    EVENT_TYPE_DELETED,
    EVENT_TYPE_MODIFIED,
    EVENT_TYPE_MOVED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from runner.agents import beneath
from runner.agents.beneath import Kind
from runner.agents.draft import changed
from runner.errors import ConfigError, RunnerError, WorkspaceError
from runner.records import EXECUTABLE, REGULAR, Change
from runner.seams import Context

ABOUT = ".autoresearch"
"""Folder of the draft with what the agent may read about the run."""
MOST_BYTES = 4 * 1024 * 1024
"""Of each file that are taken: more than any policy allows, so the review says it is too large."""
MOST_REPORTS = 50
MOST_LOOKED_AT = 10_000
"""Files and folders in which new files are looked for."""
CLEARING_SECONDS = 10.0
"""How long each step of removing the folder may take; what is left stays with temporary files."""
OURS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS),
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE),
)
"""Errors by which this machine fails, whoever is at work in the draft."""
CHANGES = (EVENT_TYPE_CREATED, EVENT_TYPE_DELETED, EVENT_TYPE_MODIFIED, EVENT_TYPE_MOVED)

Report = Callable[[str, str], None]
"""Told the path, and what happened to it."""


class UnsettledError(RunnerError):
    """A draft cannot be read, because of what somebody did in it: its proposal has failed."""


class DraftFolder(FileSystemEventHandler):
    """The files of one proposal at `path`, in a folder that only we can enter."""

    def __init__(self, root: Path, context: Context, answer: str | None, report: Report) -> None:
        self.path = root / "draft"
        self.home = root / "home"
        """An empty home for the program; nobody looks at it, and nothing is taken from it."""
        self.private = root
        """For what the program's own client needs: settings, a socket."""
        self._before, self._patterns = context.files, context.patterns
        listed = (*context.editable, *context.patterns.plain, *context.notes)
        self._taken_from = dict.fromkeys(listed)
        self._writable = (*self._taken_from, *([answer] if answer else []))
        self._laid = {path: file.content for path, file in context.files.items()}
        """What was laid out, by path."""
        self._folders: set[str] = set()
        self._report, self._lock = report, threading.RLock()
        self._known: dict[str, str] = {}
        """Path → what was noted of it, and is still so."""
        self._reports, self._untold = 0, list[str]()

    def lay_out(self, about: Mapping[str, bytes]) -> None:
        """Lay the draft out, with what the agent may read about the run.

        Where there is one already, what may be written stays as it is now. The folder that it was
        in is moved away, with whoever is still at work there.
        """
        with self._lock, _settled():
            now = {path: self._taken(path) for path in (*self._writable, *self._added())}
            self._laid |= {f"{ABOUT}/{name}": content for name, content in about.items()}
            self._known = {}
            ours = (PurePosixPath(path).parents for path in (*self._laid, *self._writable))
            self._folders = {str(above) for parents in ours for above in parents} - {"."}
            fresh = self.private / secrets.token_hex(8)
            for path, content in {**self._laid, **now}.items():
                place, executable = fresh / path, self.mode(path) == EXECUTABLE
                place.parent.mkdir(parents=True, exist_ok=True)
                if content is not None:
                    place.write_bytes(content)
                    mode = 0o600 if path in now else 0o400
                    place.chmod(mode | (0o100 if executable else 0))
            with suppress(FileNotFoundError):
                self.path.rename(self.private / secrets.token_hex(8))
            fresh.rename(self.path)

    def changes(self) -> tuple[Change, ...]:
        """Return what the mutable files and the notes became, and which are new."""
        with self._lock, _settled():
            paths = (*self._taken_from, *self._added())
        return changed(self._before, {path: self.content(path) for path in paths})

    def content(self, path: str) -> bytes | None:
        """Return what a writable file holds now; `None` where there is none."""
        with self._lock, _settled():
            mine = path in self._writable or self._may_add(path)
            return self._taken(path) if mine else None

    def mode(self, path: str) -> int:
        """Return the mode of a file as the context has it; a new one is a plain file."""
        return self._before[path].mode if path in self._before else REGULAR

    def compare(self, *, end: bool = False) -> None:
        """Note every change that does not count, each once for as long as it stays.

        At the end, when the program is gone, a file that an editor left behind is one, too.
        """
        with self._lock, _settled():
            if beneath.look(self.path, "").kind is not Kind.FOLDER:
                raise UnsettledError("the draft folder was taken away")
            ours = {*self._folders, *self._laid, *self._writable}
            places = ("", *self._folders)
            found = {name for each in places for name in beneath.names(self.path, each)}
            found |= {*self._below()} if self._patterns.may_add else set()
            for path in sorted({*ours, *found, *self._known}):
                self._check(path, end=end)

    def told(self) -> tuple[str, ...]:
        """Return what was noted and has not been told yet."""
        with self._lock:
            untold, self._untold = self._untold, []
        return tuple(untold)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note changes when they happen; to compare finds what this misses.

        Each of the draft's own folders is watched by itself: a recursive watch would walk whatever
        is made in there, links to other places included.
        """
        observer = Observer()
        observer.start()
        try:
            for folder in ("", *self._folders):
                with suppress(OSError):
                    observer.schedule(self, str(self.path / folder), recursive=False)
            yield
        finally:
            observer.stop()
            observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            below = os.path.relpath(os.fsdecode(path), self.path) if path else "."
            if event.event_type in CHANGES and below != ".":
                with self._lock, suppress(OSError, RunnerError):  # whoever compares meets it, too
                    self._check(below, end=False)

    def _check(self, path: str, *, end: bool) -> None:
        what = self._wrong(path, end=end)
        if what is None:
            self._known.pop(path, None)
        elif self._known.get(path) != what:
            if self._reports < MOST_REPORTS:
                self._report(path, what)
                self._untold.append(f"{path} {what}; it does not count")
            self._reports += 1
            self._known[path] = what

    def _wrong(self, path: str, *, end: bool) -> str | None:
        """Say what was done to a path that may not be done."""
        frozen = path in self._laid and path not in self._writable
        found = beneath.look(self.path, path, most=len(self._laid[path]) + 1 if frozen else 0)
        if path in self._folders:
            below = (each for each in self._laid if each.startswith(f"{path}/"))
            may_go = found.kind is Kind.ABSENT and all(map(self._patterns.may_remove, below))
            gone = "is a folder of the workspace and was removed or replaced"
            return None if found.kind is Kind.FOLDER or may_go else gone
        if found.kind is Kind.ABSENT:
            removed = frozen and self._has_folder(path)
            return "was removed, and may only be read" if removed else None
        if frozen or path in self._writable:
            if found.kind is not Kind.FILE:
                return f"was replaced by something else ({found.kind})"
            same = not frozen or found.content == self._laid[path]
            return None if same else "was changed, and may only be read"
        if found.kind is Kind.FILE and not end and self._is_editors(path):
            return None
        if not self._patterns.may_add:
            return "was created; only files that are there may be changed"
        if found.kind is Kind.FOLDER or (found.kind is Kind.FILE and self._may_add(path)):
            return None
        return f"was created; you may change: {self._patterns.said()}"

    def _may_add(self, path: str) -> bool:
        """Say whether a new file may be here: nothing of the workspace is in its way."""
        parents = {str(above) for above in PurePosixPath(path).parents}
        taken = path in self._laid or path in self._writable or path in self._folders
        return not taken and parents.isdisjoint(self._laid) and self._patterns.may_add_file(path)

    def _added(self) -> list[str]:
        """Return the new files that count."""
        if not self._patterns.may_add:
            return []
        return [
            path
            for path in self._below()
            if self._may_add(path) and beneath.look(self.path, path).kind is Kind.FILE
        ]

    def _below(self) -> list[str]:
        """Return everything in the draft that a pattern could match; no link is followed."""
        found, left = list[str](), [""]
        while left:
            below = beneath.names(self.path, left.pop())
            below = [path for path in below if not os.path.basename(path).startswith(".")]  # noqa: PTH119
            found += below
            left += below
            if len(found) > MOST_LOOKED_AT:
                raise UnsettledError(f"the draft holds more than {MOST_LOOKED_AT} files")
        return found

    def _is_editors(self, path: str) -> bool:
        """Say whether it stands beside a writable file and carries its name.

        Editors write such a file and rename it; nothing is taken from it.
        """
        folder, name = os.path.split(path)
        beside = (os.path.split(each) for each in self._writable)
        return any(folder == other and own in name for other, own in beside)

    def _taken(self, path: str) -> bytes | None:
        """Return a writable file's bytes; where something else stands, those that it had."""
        found = beneath.look(self.path, path, most=MOST_BYTES)
        if found.kind is Kind.FILE:
            return found.content
        may_go = self._has_folder(path) or (self._patterns.may_remove(path) and self._is_gone(path))
        return None if found.kind is Kind.ABSENT and may_go else self._laid.get(path)

    def _is_gone(self, path: str) -> bool:
        """Say whether nothing stands in its place, nor in that of a folder above it."""
        above = (beneath.look(self.path, str(each)).kind for each in PurePosixPath(path).parents)
        return next((kind for kind in above if kind is not Kind.ABSENT), None) is Kind.FOLDER

    def _has_folder(self, path: str) -> bool:
        return beneath.look(self.path, os.path.dirname(path)).kind is Kind.FOLDER  # noqa: PTH120


@contextmanager
def draft_folder(
    context: Context, *, about: Mapping[str, bytes], report: Report, answer: str | None = None
) -> Iterator[DraftFolder]:
    """Yield a draft; at the end it is compared once more, and gone.

    Mutable files, notes and the answer can be written; the rest is there to be read.
    The report may come from the watch's thread.

    Raises:
        ConfigError: the workspace has a file of that name.
        UnsettledError: what somebody did there keeps it from being read.
    """
    if answer in context.files:
        raise ConfigError(f"the workspace has a file {answer}, where the agent is to answer")
    root = Path(tempfile.mkdtemp(prefix="autoresearch-")).resolve()
    try:
        draft = DraftFolder(root, context, answer, report)
        draft.home.mkdir(mode=0o700)
        draft.lay_out(about)
        yield draft
        draft.compare(end=True)
    finally:
        _remove(root)


def _remove(root: Path) -> None:
    """Remove a folder, however deep it is, and what was closed in it; no link is followed."""
    opened = ["-type", "d", "!", "-perm", "-700", "-execdir", "chmod", "u+rwx", "{}", ";"]
    for command in (["find", str(root), *opened], ["rm", "-rf", "--", str(root)]):
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command,
                env={"PATH": os.defpath},
                capture_output=True,
                timeout=CLEARING_SECONDS,
                check=False,
            )


@contextmanager
def _settled() -> Iterator[None]:
    """Blame this machine for an error of its own, and whoever works in the draft for others."""
    try:
        yield
    except OSError as error:
        blamed = WorkspaceError if error.errno in OURS else UnsettledError
        raise blamed(f"the draft folder cannot be read or written: {error}") from error
