"""A proposal's draft on disk, for agents that work on files, and a watch over it.

Only the bytes of mutable files and notes are ever taken from it. Whatever else changes there is
undone at once, reported, and told to the agent. What cannot be undone because somebody is at work
there is tried again for a while, and is then the proposal's failure, never the run's.

What this does not protect against: a program that runs as our user can reach the rest of the disk.
That is what its isolation `none` says.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

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
from runner.agents.beneath import Found, Kind
from runner.agents.draft import changed
from runner.errors import ConfigError, RunnerError, WorkspaceError
from runner.records import REGULAR, Change, File, Files
from runner.seams import Context

ABOUT = ".autoresearch"
"""Folder of the draft with what the agent may read about the run."""
MOST_BYTES = 4 * 1024 * 1024
"""Of each file that are taken: more than any policy allows, so the review says it is too large."""
MOST_REPORTS = 50
PATIENCE_SECONDS = 3.0
"""How long what an agent's own processes hinder is tried again."""
CLEARING_SECONDS = 1.0
"""How long what was taken out of the draft may take to be removed, as it goes."""
LAST_CLEARING_SECONDS = 10.0
"""The same at the end; what is left then stays in the temporary folder."""
TICK_SECONDS = 0.01
OURS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
)
"""Errors by which this machine fails, whoever is at work in the draft."""
CHANGES = (EVENT_TYPE_CREATED, EVENT_TYPE_DELETED, EVENT_TYPE_MODIFIED, EVENT_TYPE_MOVED)

T = TypeVar("T")
Report = Callable[[str, str], None]
"""Told the path, and what happened to it, the moment it is seen."""


class UnsettledError(RunnerError):
    """A draft cannot be put right while somebody is at work in it: its proposal has failed."""


class DraftFolder:
    """The files of one proposal at `path`, in a folder that only we can enter."""

    def __init__(
        self, root: Path, context: Context, read_only: Files, answer: str | None, report: Report
    ) -> None:
        self.path = root / "draft"
        self.home = root / "home"
        """An empty home for the program; nobody watches it, and nothing is taken from it."""
        self.private = root
        """For what the program's own client needs: settings, a socket."""
        self._trash = root / "trash"
        """For folders that had no place in the draft; it is emptied as it goes."""
        self._taken_from = dict.fromkeys((*context.mutable, *context.notes))
        self._writable = {**self._taken_from, **({answer: None} if answer else {})}
        self._files: dict[str, File] = {**context.files, **read_only}
        self._folders = {
            str(folder)
            for path in (*self._files, *self._writable)
            for folder in PurePosixPath(path).parents
        } - {"."}
        self._report, self._lock = report, threading.RLock()
        self._reports, self._untold = 0, list[str]()
        self._failure: RunnerError | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The draft's own folders, itself among them."""
        return (self.path, *(self.path / name for name in sorted(self._folders)))

    def write(self) -> None:
        """Lay the draft out."""
        for folder in (self.path, self.home, self._trash):
            folder.mkdir(mode=0o700)
        for path in (*self._files, *self._writable):
            self._restore(path)

    def changes(self) -> tuple[Change, ...]:
        """Return what the mutable files and the notes became."""
        return changed(self._files, {path: self._taken(path) for path in self._taken_from})

    def content(self, path: str) -> bytes | None:
        """Return what a writable file holds now; `None` where there is none."""
        return self._taken(path) if path in self._writable else None

    def renew(self, about: Mapping[str, bytes]) -> None:
        """Replace what the agent may read about the run."""
        with self._lock:
            for path, file in _about(about).items():
                self._files[path] = file
            for name in about:
                self._patiently(partial(self._restore, f"{ABOUT}/{name}"))

    def compare(self, *, end: bool = False) -> None:
        """Undo and report what the watch has missed.

        Args:
            end: the program is gone, so a file that an editor left behind is reported, too.
        """
        with self._lock:
            self._patiently(lambda: self._mend_all(end=end))
            beneath.empty(self._trash, seconds=CLEARING_SECONDS)
        if self._failure:
            raise self._failure

    def told(self) -> tuple[str, ...]:
        """Return what was undone and has not been told yet."""
        with self._lock:
            untold, self._untold = self._untold, []
        return tuple(untold)

    def seen(self, path: str) -> None:
        """Look at what has just changed; the watch calls this from a thread of its own."""
        with self._lock:
            try:
                with suppress(OSError):  # whoever compares finds it, and has patience
                    self._mend(path, end=False)
            except RunnerError as error:  # nobody hears a thread; whoever compares raises it
                self._failure = error

    def _patiently(self, do: Callable[[], T]) -> T:
        """Do it again until nobody at work in the draft hinders it.

        Raises:
            UnsettledError: it stays hindered.
            WorkspaceError: this machine failed.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return do()
            except OSError as error:
                if error.errno in OURS:
                    raise WorkspaceError(f"the draft cannot be put right: {error}") from error
                if time.monotonic() > until:
                    raise UnsettledError(f"the draft cannot be put right: {error}") from error
            time.sleep(TICK_SECONDS)

    def _mend_all(self, *, end: bool) -> None:
        known = sorted(self._folders)
        found = [name for folder in ("", *known) for name in beneath.names(self.path, folder)]
        for path in (*known, *self._files, *found):
            self._mend(path, end=end)

    def _mend(self, path: str, *, end: bool) -> None:
        if path in self._writable:
            self._mend_writable(path)
        elif path in self._files:
            self._mend_frozen(path)
        elif path in self._folders:
            self._mend_folder(path)
        else:
            self._remove_stranger(path, end=end)

    def _mend_writable(self, path: str) -> None:
        found = self._look(path, most=0)
        if found.kind not in (Kind.FILE, Kind.ABSENT):
            self._undo(path, f"was replaced by something else ({found.kind})")

    def _mend_frozen(self, path: str) -> None:
        known = self._files[path].content
        found = self._look(path, most=len(known) + 1)
        if found.kind is Kind.FILE and found.content != known:
            self._undo(path, "was changed, and may only be read")
        elif found.kind is Kind.ABSENT:
            self._undo(path, "was removed, and may only be read")
        elif found.kind is not Kind.FILE:
            self._undo(path, f"was replaced by something else ({found.kind})")

    def _mend_folder(self, path: str) -> None:
        if self._look(path, most=0).kind is Kind.FOLDER:
            return
        below = [each for each in (*self._files, *self._writable) if each.startswith(f"{path}/")]
        self._told_of(path, "is a folder of the workspace and was removed or replaced")
        for each in below:
            self._restore(each)

    def _remove_stranger(self, path: str, *, end: bool) -> None:
        found = self._look(path, most=0)
        if found.kind is Kind.ABSENT or (not end and self._is_editors(path, found)):
            return
        beneath.remove(self.path, path, trash=self._trash)
        self._told_of(path, "was created; only files that are there may be changed")

    def _is_editors(self, path: str, found: Found) -> bool:
        """Say whether it is a plain file beside a writable one that carries its name.

        Editors write such a file and rename it; nothing is taken from it.
        """
        folder, name = os.path.split(path)
        beside = (os.path.split(each) for each in self._writable)
        return found.kind is Kind.FILE and any(
            folder == other and own in name for other, own in beside
        )

    def _undo(self, path: str, what: str) -> None:
        self._restore(path)
        self._told_of(path, what)

    def _restore(self, path: str) -> None:
        if path in self._files:
            file, writable = self._files[path], path in self._writable
            beneath.put(self.path, path, file, writable=writable, trash=self._trash)
        else:  # a note that is not there yet
            beneath.make_folders(self.path, path, trash=self._trash)
            beneath.remove(self.path, path, trash=self._trash)

    def _told_of(self, path: str, what: str) -> None:
        self._reports += 1
        if self._reports > MOST_REPORTS:
            return
        self._untold.append(f"{path} {what}; it was undone")
        self._report(path, what)

    def _taken(self, path: str) -> bytes | None:
        with self._lock:
            self._patiently(lambda: self._mend_writable(path))
            found = self._look(path, most=MOST_BYTES)
        return found.content if found.kind is Kind.FILE else None

    def mode(self, path: str) -> int:
        """Return the mode of a file as the context has it; a new one is a plain file."""
        return self._files[path].mode if path in self._files else REGULAR

    def _look(self, path: str, *, most: int) -> Found:
        return beneath.look(self.path, path, most=most)


@contextmanager
def draft_folder(
    context: Context, *, about: Mapping[str, bytes], report: Report, answer: str | None = None
) -> Iterator[DraftFolder]:
    """Yield a draft that is watched; at the end it is compared once more, and gone.

    Args:
        context: its mutable files and notes are writable, its other files are there to be read.
        about: more to be read, by name, in the folder `.autoresearch`.
        report: told of everything else that changes, from the watch's thread too.
        answer: one more file that may be written, and is no part of the workspace.

    Raises:
        ConfigError: the workspace has a file of that name.
        UnsettledError: somebody is at work there, and it cannot be put right.
    """
    if answer in context.files:
        raise ConfigError(f"the workspace has a file {answer}, where the agent is to answer")
    with _gone_afterwards() as root:
        draft = DraftFolder(root, context, _about(about), answer, report)
        draft.write()
        with _watched(draft):
            yield draft
        draft.compare(end=True)


@contextmanager
def _gone_afterwards() -> Iterator[Path]:
    """Yield a new folder that only we can enter; what stragglers keep from going stays."""
    root = Path(tempfile.mkdtemp(prefix="autoresearch-")).resolve()
    try:
        yield root
    finally:
        beneath.empty(root, seconds=LAST_CLEARING_SECONDS)
        with suppress(OSError):
            root.rmdir()


def _about(about: Mapping[str, bytes]) -> Files:
    return {f"{ABOUT}/{name}": File(content=content) for name, content in about.items()}


@contextmanager
def _watched(draft: DraftFolder) -> Iterator[None]:
    """Watch the draft's own folders, each by itself: what else an agent makes counts for nothing.

    A recursive watch would walk whatever is made in there, links to other places included.
    """
    observer, watch = Observer(), _Watch(draft)
    for folder in draft.folders:
        observer.schedule(watch, str(folder), recursive=False)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()


class _Watch(FileSystemEventHandler):
    def __init__(self, draft: DraftFolder) -> None:
        self._draft = draft

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in CHANGES:
            for path in (event.src_path, event.dest_path):
                if path and (below := os.path.relpath(os.fsdecode(path), self._draft.path)) != ".":
                    self._draft.seen(below)
