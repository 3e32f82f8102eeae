"""When to stop training.

What this does not protect against: a script that ignores it. The supervisor kills the container.
"""

from __future__ import annotations

import time

from . import environment

GRACE_SECONDS = 1.5
"""Left between the end of training and the kill, to save weights in."""


class Deadline:
    """The training budget, counted from here, and cut where the container would be killed."""

    def __init__(self) -> None:
        budget = float(environment.read("RUNNER_TRAIN_SECONDS"))
        until_killed = float(environment.read("RUNNER_DEADLINE")) - time.time()
        self._start = time.monotonic()
        self._seconds = max(0.0, min(budget, until_killed - GRACE_SECONDS))

    def expired(self) -> bool:
        return self.remaining() <= 0

    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._seconds - (time.monotonic() - self._start))

    def fraction(self) -> float:
        """Return the share of the budget that is spent, from 0 to 1: what schedules follow."""
        return 1.0 - self.remaining() / self._seconds if self._seconds else 1.0
