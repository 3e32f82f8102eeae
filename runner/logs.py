"""Events of a run as JSON lines, talks with models, and for how long logs of experiments stay."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from runner.paths import State
from runner.records import Experiment, ExperimentStatus

Log = Any
"""structlog's loggers are dynamic: each method takes an event name and fields."""


LOGS_KEPT = 1000
"""Experiments, the newest, whose logs stay; those of kept ones stay for good."""
MOST_TALK = 4 * 1024**2
"""Bytes of one experiment's talk."""


class Talk:
    """What a model was told and answered for one proposal, kept for the person alone."""

    def __init__(self, path: Path) -> None:
        self._path, self._kept, self._turn = path, set[bytes](), threading.Lock()

    def keep(self, role: str, content: Any) -> None:
        """Write a message down, unless it was: each request repeats what was said before it."""
        try:
            text = f"== {role}\n{words(content)}\n"
        except RecursionError:
            text = f"== {role}\n(nested too deeply)\n"
        said = text.encode(errors="backslashreplace")
        mark = hashlib.sha256(said).digest()
        with self._turn:
            if mark in self._kept:
                return
            self._kept.add(mark)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(said[: max(0, MOST_TALK - file.tell())])


def words(content: Any) -> str:
    """Return a message's content as a person reads it: its texts as they are, the rest as JSON."""
    match content:
        case str():
            return content
        case list() | tuple():
            return "\n".join(map(words, content))
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return text
        case Mapping():
            said = {name: value for name, value in content.items() if name != "cache_control"}
            return json.dumps(said, ensure_ascii=False)
    return str(content)


def keep_talk(state: State, tag: str, *, proposal: int, experiment: int) -> None:
    """Put what was said for a proposal beside the logs of the experiment that it became."""
    said, kept = state.thinking(tag, proposal), state.talk(tag, experiment)
    if said.exists():  # most agents ask no model
        kept.parent.mkdir(parents=True, exist_ok=True)
        said.replace(kept)


def drop_logs(state: State, experiment: Experiment | None) -> None:
    """Remove the logs of an old experiment, unless it was kept."""
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
