"""When to stop training.

What this does not protect against: a script that ignores it. The supervisor kills the container.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from . import environment

GRACE_SECONDS = 1.5
"""Left between the end of training and the kill, to save weights in."""


def age() -> float:
    """Return the seconds since this process began, on a clock that nobody sets.

    `run.sh` becomes this process, so that it began with its container.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


class Deadline:
    """The training budget, counted from here, and cut where the container would be killed."""

    def __init__(self) -> None:
        budget = float(environment.read("RUNNER_TRAIN_SECONDS"))
        until_killed = float(environment.read("RUNNER_KILL_SECONDS")) - age()
        self._start = time.monotonic()
        self._must_end = self._start + until_killed - GRACE_SECONDS
        self._seconds = max(0.0, min(budget, until_killed - GRACE_SECONDS))
        self._asked: float | None = None
        self._longest_step = 0.0

    def expired(self) -> bool:
        """Return whether the budget is spent, or a step like the longest so far would be killed.

        A step is what lies between two calls. On a busy machine the last one may be long, and then
        everything would be lost for want of a second.
        """
        now = time.monotonic()
        if self._asked is not None:
            self._longest_step = max(self._longest_step, now - self._asked)
        self._asked = now
        return self.remaining() <= 0 or now + self._longest_step > self._must_end

    def remaining(self) -> float:
        """Return the seconds left, never below zero."""
        return max(0.0, self._seconds - (time.monotonic() - self._start))

    def fraction(self) -> float:
        """Return the share of the budget that is spent, from 0 to 1: what schedules follow."""
        return 1.0 - self.remaining() / self._seconds if self._seconds else 1.0
