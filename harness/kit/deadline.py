"""When to stop training.

The policy says by which clock the budget is counted: seconds as they pass, or seconds of the
container's processors, so that a machine with other work makes a training longer, and not shorter.

What this does not protect against: a script that ignores it. The supervisor kills the container.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from . import environment, processors

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
        left = float(environment.read("RUNNER_KILL_SECONDS")) - age()
        cpus = float(os.environ.get("RUNNER_CPUS", 0))
        if cpus:  # as many processors, all at work, count as one clock
            clock = processors.clock(cpus)
            most = float(environment.read("RUNNER_CPU_SECONDS")) / cpus
            self._limits = [
                _Limit(clock, budget, most - clock()),
                _Limit(time.monotonic, left, left),
            ]
        else:
            self._limits = [_Limit(time.monotonic, budget, left)]

    def expired(self) -> bool:
        """Return whether the budget is spent, or a step like the longest so far would be killed.

        A step is what lies between two calls. On a busy machine the last one may be long, and then
        everything would be lost for want of a second.
        """
        ended = [limit.expired() for limit in self._limits]  # all of them: each times its steps
        return any(ended)

    def remaining(self) -> float:
        """Return the seconds left, never below zero; of processors, with all of them at work."""
        return min(limit.remaining() for limit in self._limits)

    def fraction(self) -> float:
        """Return the share of the budget that is spent, from 0 to 1: what schedules follow."""
        return max(limit.fraction() for limit in self._limits)


class _Limit:
    """A budget on one clock, which is cut where the container would be killed by that clock."""

    def __init__(self, clock: Callable[[], float], budget: float, until_killed: float) -> None:
        self._clock, self._start = clock, clock()
        self._must_end = self._start + until_killed - GRACE_SECONDS
        self._seconds = max(0.0, min(budget, until_killed - GRACE_SECONDS))
        self._asked: float | None = None
        self._longest_step = 0.0

    def expired(self) -> bool:
        now = self._clock()
        if self._asked is not None:
            self._longest_step = max(self._longest_step, now - self._asked)
        self._asked = now
        return self.remaining() <= 0 or now + self._longest_step > self._must_end

    def remaining(self) -> float:
        return max(0.0, self._seconds - (self._clock() - self._start))

    def fraction(self) -> float:
        return 1.0 - self.remaining() / self._seconds if self._seconds else 1.0
