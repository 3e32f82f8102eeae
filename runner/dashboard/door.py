"""The journal for many readings: opened once, and again only where what is open shows no news."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar, cast

from runner.journal.reader import Reader, open_reader

T = TypeVar("T")
MOST_MADE = 64
"""Values that are kept because many pages show them."""
Stamp = tuple[tuple[int, ...], ...]


class Door:
    """Lets one thread at a time read. Opening an older journal makes its tables, which takes long.

    A journal that a supervisor is at work on is read live. One that nobody is at work on, or one
    of an older form, is read as it was when it was opened; so it is opened again once its file,
    or the log beside it, is another one.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._turn = path, threading.RLock()
        self._open = ExitStack()
        self._reader: Reader | None = None
        self._stamp: Stamp = ()
        self._made: OrderedDict[Hashable, object] = OrderedDict()

    @property
    def is_there(self) -> bool:
        return self._path.is_file()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Yield the journal as it is now.

        Raises:
            JournalError: it is not there, damaged, or of another version.
        """
        with self._turn:
            yield self._current()

    def stamp(self) -> Stamp:
        """Return what changes when anybody writes."""
        return stamp(self._path), stamp(self._path.with_name(f"{self._path.name}-wal"))

    def _current(self) -> Reader:
        found = self.stamp()
        if self._reader is not None:
            same_file = found[0][:1] == self._stamp[0][:1]
            if found == self._stamp or (self._reader.is_live and same_file):
                return self._reader
            self.close()
        self._reader = self._open.enter_context(open_reader(self._path))
        self._stamp = found
        return self._reader

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under this key before, or make it now; the newest few are kept."""
        with self._turn:
            found = self._made.pop(key) if key in self._made else make()
            self._made[key] = found
            if len(self._made) > MOST_MADE:
                self._made.popitem(last=False)
        return cast("T", found)

    def close(self) -> None:
        with self._turn:
            self._reader = None
            self._open.close()


def stamp(path: Path) -> tuple[int, ...]:
    """Return a file's identity, size and time; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
