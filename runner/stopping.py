"""A person's wish to stop: Ctrl-C, SIGTERM, or a terminal that was closed (SIGHUP).

While containers are at work the wish is only noted, and whoever waits for them ends them; at any
other moment the command ends there, as at an error. Either way nothing is left running.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol

from runner.errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
NOW = "stopping now"
AGAIN = "the experiment in progress runs again on resume"


class Stoppable(Protocol):
    """What waits for containers, and ends them once `abort` is set."""

    @property
    def abort(self) -> threading.Event:
        """What is set where it should end."""
        ...


class Stop:
    """Passes the wish on; a patient one lets Ctrl-C, the first time, only end a run soon."""

    def __init__(self, say: Callable[[str], None], *, patient: bool = False) -> None:
        self.asked = False
        self._say, self._patient = say, patient
        self._working: Stoppable | None = None

    @property
    def at_work(self) -> bool:
        """Whether there is something to stop."""
        return self._working is not None

    @contextmanager
    def stopping(self, working: Stoppable) -> Iterator[None]:
        """Stop this while it is at work, at once if that was asked before."""
        self._working = working
        if self.asked:
            working.abort.set()
        try:
            yield
        finally:
            self._working = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the signals; around everything that must be cleaned up after one."""
        before = {number: signal.signal(number, self._on_signal) for number in heard()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def now(self) -> None:
        """End what is at work."""
        self.asked = True
        if self._working:
            self._working.abort.set()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        asked, self.asked = self.asked, True
        if not self.at_work:
            if asked:
                return  # it ends already, and cleaning up is not to be cut short
            raise StoppedError("stopped by the person")
        if self._patient and number == signal.SIGINT and not asked:
            self._tell("finishing this experiment; Ctrl-C again to stop now")
        else:
            self.now()
            self._tell(f"{NOW}; {AGAIN}" if self._patient else NOW)

    def _tell(self, line: str) -> None:
        # A signal may come in the middle of another line, and there this one cannot be said.
        with suppress(RuntimeError):
            self._say(line)


def heard() -> tuple[signal.Signals, ...]:
    """Return the signals that mean a wish to stop; `nohup` means that a closed terminal is none."""
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return tuple(number for number in SIGNALS if not (nohup and number == signal.SIGHUP))
