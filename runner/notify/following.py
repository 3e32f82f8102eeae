"""Follows the journal of a run at work, and has targets told; the loop knows nothing of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from runner.addresses import Target
from runner.errors import JournalError
from runner.journal.reader import last_written, open_reader
from runner.notify.delivery import USUAL, Outbox, Patience
from runner.notify.events import events, message
from runner.session import Session

LOOK_SECONDS = 1.0


@contextmanager
def telling(
    targets: Sequence[Target],
    session: Session,
    warn: Callable[[str], None],
    patience: Patience = USUAL,
) -> Iterator[None]:
    """Have targets told of what a run does from now on, until the end of the `with`.

    Args:
        targets: whom.
        session: the run.
        warn: told, from another thread, in one line of whom nobody could reach.
        patience: how long is waited.
    """
    if not targets:
        yield
        return
    boxes = [Outbox(each, partial(message, session.run), warn, patience) for each in targets]
    follower = Follower(boxes, session, warn)
    try:
        yield
    finally:
        follower.close()
        until = time.monotonic() + patience.end
        for box in boxes:
            box.close(until)
        for box in boxes:
            box.join()


class Follower:
    """Looks at the journal in a thread of its own, and puts what is new into the boxes."""

    def __init__(
        self, boxes: Sequence[Outbox], session: Session, warn: Callable[[str], None]
    ) -> None:
        self._boxes, self._path, self._run = boxes, session.state.journal, session.run
        self._strategy, self._warn = session.policy.strategy.name, warn
        self._seq = session.journal.head(session.run.tag).seq
        self._written = last_written(self._path)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="notify", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look for a last time, and end."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._over.wait(LOOK_SECONDS)
            try:
                self._look()
            except JournalError:
                self._written = ()  # it is tried again
                if is_over:
                    self._warn("nobody is notified of the end: the journal cannot be read")

    def _look(self) -> None:
        written = last_written(self._path)
        if written == self._written:
            return
        with open_reader(self._path) as journal:
            for seq, event in events(journal, self._run, self._strategy, self._seq):
                self._seq = seq
                if event is not None:
                    for box in self._boxes:
                        box.put(event)
        self._written = written
