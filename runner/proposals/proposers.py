"""Several agents at work on one run: places for their proposals, and threads that end together.

Proposals are made side by side; experiments are conducted one after another, by whoever has the
turn. What is under way when a run ends is lost, and the ledger never knew of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runner.proposals.context import open_hypotheses
from runner.records import Hypothesis
from runner.session import Session

LOOK_SECONDS = 0.2
"""How often the main thread looks up from its waiting, so that signals are handled."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What one proposal under way has for itself."""

    number: int
    """A number that no other proposal under way has; the experiment's comes when it is opened."""
    hypotheses: tuple[Hypothesis, ...]
    """A person's hypotheses, without those that others were asked to test."""


class Places:
    """Which proposals are under way, and whether the run has ended; threads share it."""

    def __init__(self, session: Session, experiments: int | None) -> None:
        self._session, self._most = session, experiments
        self._lock = threading.Lock()
        self._under_way: dict[int, int | None] = {}
        """Number → the hypothesis that is to be tested, if there is one."""
        self._last = 0
        self._ended = threading.Event()
        self.reason: str | None = None
        """Why the run ended, where it did for all."""

    @contextmanager
    def taken(self) -> Iterator[Place | None]:
        """Yield a place for one proposal, or `None` where those under way are the last ones."""
        place = self._take()
        try:
            yield place
        finally:
            if place is not None:
                with self._lock:
                    del self._under_way[place.number]

    def _take(self) -> Place | None:
        with self._lock:
            ended = len(self._session.ended)
            if self._most is not None and ended + len(self._under_way) > self._most:
                return None
            self._last = max(len(self._session.history), self._last + 1)
            reserved = set(self._under_way.values())
            waiting = [one for one in open_hypotheses(self._session) if one.id not in reserved]
            self._under_way[self._last] = waiting[0].id if waiting else None
            return Place(number=self._last, hypotheses=tuple(waiting))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the device; what fails meanwhile ends the run before anybody else has it."""
        with self._session.turn:
            try:
                yield
            except BaseException:
                self.end()
                raise

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def end(self, reason: str | None = None) -> None:
        """End the run for all; the first reason stands."""
        self.reason = self.reason or reason
        self._ended.set()


def side_by_side(
    works: Sequence[Callable[[], str | None]], end: Callable[[], None]
) -> list[str | None]:
    """Do all of these at once, and return what each returned; a single one needs no thread.

    The first failure ends them all, and is raised when they have ended.
    """
    if len(works) == 1:
        return [works[0]()]
    returned: list[str | None] = []
    errors: list[BaseException] = []

    def guarded(work: Callable[[], str | None]) -> None:
        try:
            returned.append(work())
        except BaseException as error:
            errors.append(error)
            end()

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    _join(threads, end)
    if errors:
        raise errors[0]
    return returned


def _join(threads: Sequence[threading.Thread], end: Callable[[], None]) -> None:
    """Wait for all, also where this thread is interrupted: they use what it will close."""
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(LOOK_SECONDS)
    except BaseException:
        end()
        for thread in threads:
            thread.join()
        raise
