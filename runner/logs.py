"""Events of a run as JSON lines, for machines; people get click and rich."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

Log = Any
"""structlog's loggers are dynamic: each method takes an event name and fields."""


@contextmanager
def event_log(path: Path, **bound: Any) -> Iterator[Log]:
    """Yield a logger that appends one JSON object per event to `path`, in ASCII.

    A line is on the disk before what comes after it: the audit goes by that order.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    more = os.O_DSYNC | os.O_NONBLOCK  # in a pipe's place it is an error, not a wait
    with open(path, "a", encoding="utf-8", opener=lambda at, how: os.open(at, how | more)) as file:
        yield structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        ).bind(**bound)
