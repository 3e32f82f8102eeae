"""Whether code had the processors that it was allowed, or the machine gave them to others.

What this does not protect against: a supervisor that is on another machine than its containers. It
is a number for the person.
"""

from __future__ import annotations

import os
from pathlib import Path


def idle_seconds() -> float | None:
    """Return how long this machine's processors did nothing since it started, all together."""
    try:
        return float(Path("/proc/uptime").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None


def share(*, used: float | None, wall: float, cpus: float, idle: float | None) -> float | None:
    """Return how much a container had of the processor time that it was allowed, from 0 to 1.

    What nobody used is left out: code that waits, or keeps one processor of two at work, could
    have had it. Absent is what is not known.

    Args:
        used: its processor seconds.
        wall: how long it ran.
        cpus: how many processors it may keep at work.
        idle: seconds of processors of the machine that nobody used meanwhile.
    """
    if not used or idle is None:
        return None
    allowed = wall * min(cpus, os.cpu_count() or 1)
    return used / max(used, allowed - idle)
