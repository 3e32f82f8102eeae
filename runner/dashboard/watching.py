"""What is new in a run, as server-sent events.

What looks the same on every page of a run is sent along, and made once for all of them; of the
rest the name is sent, and a page asks for it as it is filtered and sorted there.

Files are looked at, and the journal is opened only when one of them has changed. Events that come
in quick succession are told together, so that a busy run keeps neither browser nor machine busy;
the last one is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from itertools import starmap

from starlette.concurrency import run_in_threadpool

from runner import progress
from runner.dashboard.door import Door, Stamp, stamp
from runner.errors import JournalError
from runner.paths import State

LOOK_SECONDS = 0.2
"""Between two looks at the files."""
QUIET_SECONDS = 0.4
"""Between two events of a page, at least."""
ALIVE_SECONDS = 3.0
"""After which it is asked again whether the run's process is there."""
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
    alive: bool = False
    """Whether its process is there: one that is killed leaves its file as it is."""


class Watch:
    """Looks at a run for one page."""

    def __init__(self, door: Door, state: State, tag: str) -> None:
        self._door, self._path, self._tag = door, state.progress(tag), tag
        self._stamp: Stamp = ()
        self._seen = Seen()

    @property
    def seq(self) -> int:
        return self._seen.seq

    @property
    def is_due(self) -> bool:
        """Whether a file has changed since the last look; that takes no time to say."""
        return (self._door.stamp(), stamp(self._path)) != (self._stamp, self._seen.progress)

    def look(self) -> set[str]:
        """Return the names of what is new since the last look."""
        found, marked = self._door.stamp(), stamp(self._path)
        seq, results = self._seen.seq, self._seen.results
        if found != self._stamp:
            try:
                with self._door.reader() as reader:
                    seq, results = reader.head(self._tag).seq, reader.result_chain(self._tag)
            except JournalError:
                return set()
            self._stamp = found
        before = self._seen
        said = progress.read(self._path)
        alive = said is not None and said.alive
        self._seen = Seen(seq=seq, results=results, progress=marked, alive=alive)
        changed = {
            PROGRESS: (marked, alive) != (before.progress, before.alive),
            ENTRY: seq != before.seq,
            RESULT: results != before.results,
        }
        return {name for name, is_new in changed.items() if is_new}


Parts = Callable[[], Mapping[str, str]]


async def events(
    watch: Watch, parts: Parts, seq: int, ending: Callable[[], bool] = lambda: False
) -> AsyncIterator[bytes]:
    """Yield a page's events, for as long as it listens.

    Args:
        watch: looks at the page's run.
        parts: makes what looks the same on every page of the run: name → HTML. It is sent along
            where it differs from what was sent before; a page asks for the rest itself.
        seq: the last entry that the page shows; what came since is news at once.
        ending: whether the server is about to end, which waits for nobody.
    """
    clock = asyncio.get_running_loop().time
    await run_in_threadpool(watch.look)
    yield b"retry: 1000\n\n"
    told, looked = clock(), clock()
    news = set[str]() if watch.seq == seq else {PROGRESS, ENTRY, RESULT}
    shown: Mapping[str, str] = {}
    while not ending():
        await asyncio.sleep(LOOK_SECONDS)
        if watch.is_due or clock() - looked >= ALIVE_SECONDS:
            news |= await run_in_threadpool(watch.look)
            looked = clock()
        since = clock() - told
        if news and since >= QUIET_SECONDS:
            made = await run_in_threadpool(parts)
            fresh = {name: text for name, text in made.items() if shown.get(name) != text}
            names = {name: name for name in (ENTRY, RESULT) if name in news}
            yield b"".join(starmap(_event, (fresh | names).items()))
            told, news, shown = clock(), set(), made
        elif since >= PING_SECONDS:
            yield b": here\n\n"
            told = clock()


def _event(name: str, text: str) -> bytes:
    """Return an event; each line of its text is one of its own."""
    data = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{data}\n".encode()
