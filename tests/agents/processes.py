"""Whether a process is gone."""

from __future__ import annotations

import os
import select


def ended(pid: int) -> bool:
    """Say whether a process has ended, or does so soon: a signal takes its time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    return select.select([process], [], [], 20)[0] != []
