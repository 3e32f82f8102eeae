"""What is new in a run, as server-sent events: names only, after which a page asks for its parts.

Files are looked at, and the journal is opened only when one of them has changed. Events that come
in quick succession are told together, so that a busy run keeps neither browser nor machine busy;
the last one is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from runner.errors import LedgerError
from runner.journal.reader import open_reader
from runner.paths import State

LOOK_SECONDS = 0.2
"""Between two looks at the files."""
QUIET_SECONDS = 0.4
"""Between two events of a page, at least."""
PING_SECONDS = 15.0
"""After which a line is sent that says nothing, so that a dead connection shows."""
PROGRESS, ENTRY, RESULT = "progress", "entry", "result"
"""What a run does has changed; it has a new entry; an experiment has a new result."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How far a run had come."""

    seq: int = 0
    results: str = ""
    """The chain at the newest result."""
    progress: tuple[int, ...] = ()


class Watch:
    """Looks at a run for one page."""

    def __init__(self, state: State, tag: str) -> None:
        self._state, self._tag = state, tag
        self._stamp: tuple[tuple[int, ...], ...] = ()
        self._seen = Seen()

    def look(self) -> set[str]:
        """Return the names of what is new since the last look."""
        journal = self._state.ledger
        files = (journal, journal.with_name(f"{journal.name}-wal"))
        stamp, progress = tuple(map(_stamp, files)), _stamp(self._state.progress(self._tag))
        seq, results = self._seen.seq, self._seen.results
        if stamp != self._stamp:
            try:
                with open_reader(journal) as reader:
                    seq, results = reader.head(self._tag).seq, reader.result_chain(self._tag)
            except LedgerError:
                return set()
            self._stamp = stamp
        before = self._seen
        self._seen = Seen(seq=seq, results=results, progress=progress)
        changed = {
            PROGRESS: progress != before.progress,
            ENTRY: seq != before.seq,
            RESULT: results != before.results,
        }
        return {name for name, is_new in changed.items() if is_new}


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


async def events(
    state: State, tag: str, ending: Callable[[], bool] = lambda: False
) -> AsyncIterator[bytes]:
    """Yield a page's events, for as long as it listens.

    Args:
        state: where runs are.
        tag: which.
        ending: whether the server is about to end, which waits for nobody.
    """
    watch, clock = Watch(state, tag), asyncio.get_running_loop().time
    await run_in_threadpool(watch.look)  # what the page shows already
    yield b"retry: 1000\n\n"
    told, news = clock(), set[str]()
    while not ending():
        await asyncio.sleep(LOOK_SECONDS)
        news |= await run_in_threadpool(watch.look)
        since = clock() - told
        if news and since >= QUIET_SECONDS:
            yield b"".join(_event(name) for name in (PROGRESS, ENTRY, RESULT) if name in news)
            told, news = clock(), set()
        elif since >= PING_SECONDS:
            yield b": here\n\n"
            told = clock()


def _event(name: str) -> bytes:
    return f"event: {name}\ndata: {name}\n\n".encode()
