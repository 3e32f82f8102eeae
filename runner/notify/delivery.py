"""Brings messages to one target, in a thread of its own, so that nobody waits for a slow one.

Each message is sent by a process: an address by `sending.py`, which knows apprise, a command by
itself. A process can be ended at any moment, and what it says in its trouble is heard by nobody.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.addresses import Target
from runner.notify.events import Event
from runner.notify.sending import UNKNOWN

SENDER = (sys.executable, "-P", str(Path(__file__).with_name("sending.py")))
MOST_WAITING = 200
"""Events of one target; of more the oldest are left out."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long is waited, in seconds."""

    spacing: float = 20.0
    """Between two messages to one target; what happens meanwhile is told together."""
    attempt: float = 30.0
    """For one attempt, before its process is ended."""
    again: tuple[float, ...] = (2.0, 10.0, 60.0)
    """Before each further attempt."""
    end: float = 10.0
    """At the end of a run, for whatever is still to be told."""


USUAL = Patience()
TEST: Mapping[str, Any] = {
    "run": None,
    "task": None,
    "title": "runner: a test",
    "text": "This is what runner notify --test sends.",
    "events": [],
}
"""A message of no run."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A message was not taken: why, in words that hold no secret."""

    why: str
    for_good: bool = False
    """Whether another attempt would be in vain."""


CUT_OFF = Failed(why="no answer before the end of the run", for_good=True)


class Courier:
    """Sends messages to one target, one process at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._over = False

    def send(self, message: Mapping[str, Any], seconds: float) -> Failed | None:
        """Send one message, and return why it was not taken, if so."""
        target, document = self._target, dict(message)
        if target.address is not None:
            document = {"address": target.address, **{k: message[k] for k in ("title", "text")}}
        argv = SENDER if target.address is not None else target.command
        try:
            process = self._start(argv)
        except OSError:
            return Failed(why="there is no such program", for_good=True)
        if process is None:
            return CUT_OFF
        try:
            said, _ = process.communicate(json.dumps(document).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            return Failed(why=f"no answer within {seconds:g} s")
        if process.returncode == 0:
            return None
        if self._over:
            return CUT_OFF
        if target.address is None:
            return Failed(why=f"it ended with exit code {process.returncode}")
        if process.returncode == UNKNOWN:
            return Failed(why="apprise does not know such an address", for_good=True)
        status = said[:3].decode("ascii", "replace")
        answer = f"status {status}" if status.isdigit() else "it cannot be reached, or refuses"
        return Failed(why=answer)

    def end(self) -> None:
        """End what is being sent, and send nothing more."""
        with self._lock:
            self._over = True
            if self._process is not None and self._process.poll() is None:
                _end(self._process)

    def _start(self, argv: tuple[str, ...]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._over:
                return None
            # A session of its own, so that Ctrl-C in the terminal is not for it.
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if argv == SENDER else subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Outbox:
    """The events that one target is still to be told."""

    def __init__(
        self,
        target: Target,
        compose: Callable[[list[Event], int], Mapping[str, Any]],
        warn: Callable[[str], None],
        patience: Patience,
    ) -> None:
        self.target, self._compose, self._warn = target, compose, warn
        self._patience = patience
        self._waiting: deque[Event] = deque()
        self._left_out = 0
        self._told: float | None = None
        self._until: float | None = None
        """When everything has to be over, once the run has ended."""
        self._failing = self._busy = False
        self._turn = threading.Condition()
        self._courier = Courier(target)
        self._thread = threading.Thread(
            target=self._work, name=f"notify {target.name}", daemon=True
        )
        self._thread.start()

    def put(self, event: Event) -> None:
        """Have the target told, if it wants to hear of such events; this never waits."""
        if event.kind not in self.target.events:
            return
        with self._turn:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._left_out += 1
            self._waiting.append(event)
            self._turn.notify()

    @property
    def is_idle(self) -> bool:
        """Whether everything was told, or given up."""
        with self._turn:
            return not self._waiting and not self._busy

    def close(self, until: float) -> None:
        """Have what waits told at once, and give up at a moment of the monotonic clock."""
        with self._turn:
            self._until = until
            self._turn.notify()

    def join(self) -> None:
        """Wait for the end that `close` said."""
        assert self._until is not None  # noqa: S101 - closed before
        self._thread.join(max(0.0, self._until - time.monotonic()))
        if self._thread.is_alive():
            self._courier.end()
            self._thread.join()

    def _work(self) -> None:
        while (found := self._next()) is not None:
            told, left_out = found
            failed = self._sent(self._compose(told, left_out))
            if failed and not self._failing:
                self._warn(f"{self.target.name} could not be notified: {failed.why}")
            self._failing = failed is not None

    def _next(self) -> tuple[list[Event], int] | None:
        """Wait for events and for the target's turn, and return all of them; `None` at the end."""
        with self._turn:
            self._busy = False
            while not self._waiting:
                if self._until is not None:
                    return None
                self._turn.wait()
            if self._told is not None:
                self._rest(self._told + self._patience.spacing)
            told, left_out = list(self._waiting), self._left_out
            self._waiting.clear()
            self._busy = True
            self._left_out = 0
            return told, left_out

    def _sent(self, message: Mapping[str, Any]) -> Failed | None:
        for wait in (*self._patience.again, None):
            failed = self._courier.send(message, self._patience.attempt)
            self._told = time.monotonic()
            if failed is None or failed.for_good or wait is None:
                return failed
            with self._turn:
                self._rest(self._told + wait)
        return None

    def _rest(self, until: float) -> None:
        """Wait for a moment; once the run has ended a second is enough."""
        while (left := until - time.monotonic()) > 0:
            if self._until is not None:
                time.sleep(min(left, 1.0, max(0.0, self._until - time.monotonic())))
                return
            self._turn.wait(left)
