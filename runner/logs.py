"""Events of a run as JSON lines, and for how long the output of its containers stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from runner.paths import State
from runner.records import Experiment, ExperimentStatus

Log = Any
"""structlog's loggers are dynamic: each method takes an event name and fields."""


LOGS_KEPT = 1000
"""Experiments, the newest, whose containers' output stays; that of kept ones stays for good."""


def drop_logs(state: State, experiment: Experiment | None) -> None:
    """Remove what the containers of an old experiment printed, unless it was kept."""
    if experiment and experiment.status is not ExperimentStatus.KEPT:
        shutil.rmtree(state.logs(experiment.run, experiment.number), ignore_errors=True)


@contextmanager
def event_log(path: Path, **bound: Any) -> Iterator[Log]:
    """Yield a logger that appends one JSON object per event to `path`, in ASCII.

    A line is on the disk before what comes after it: the audit goes by that order.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    more = os.O_DSYNC | os.O_NONBLOCK  # in a pipe's place it is an error, not a wait
    with open(
        path, "a", encoding="utf-8", opener=lambda at, how: os.open(at, how | more, 0o666)
    ) as file:
        yield structlog.wrap_logger(
            structlog.WriteLogger(file),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        ).bind(**bound)
