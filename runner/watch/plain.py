"""A run as lines, where there is no terminal: each experiment as it ends, and how the run does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from runner.records import Experiment
from runner.views import lines, status
from runner.views.overview import Life, Overview
from runner.watch.following import Following

LOOK_SECONDS = 0.5
AT_WORK = (Life.RUNNING, Life.WAITING, Life.STOPPING)


def told(following: Following, *, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Yield lines until the run is not at work any more."""
    found = following.look()
    yield from _begins(found)
    while found.life in AT_WORK:
        wait(LOOK_SECONDS)
        before, found = found, following.look()
        for each in _ended(before, found):
            yield lines.experiment_line(found.metric, each)
        if found.outlook not in (None, before.outlook):
            yield f"evidence | {status.evidence(found.outlook)}"
        if found.life is not before.life:
            yield f"run {found.run.tag} | {found.life}{_why(found)}"


def _begins(found: Overview) -> Iterator[str]:
    run = found.run
    yield f"run {run.tag} of {run.task} | {found.life}{_why(found)}"
    for each in found.recent:
        if each.ended_at:
            yield lines.experiment_line(found.metric, each)


def _ended(before: Overview, found: Overview) -> list[Experiment]:
    """Return the experiments that have ended since, as far as they are among the newest."""
    known = {each.number for each in before.recent if each.ended_at}
    known |= set(range(before.recent[0].number)) if before.recent else set()
    return [each for each in found.recent if each.ended_at and each.number not in known]


def _why(found: Overview) -> str:
    if found.life not in (Life.ENDED, Life.PAUSED) or found.last_end is None:
        return ""
    detail = found.last_end["detail"]
    return f": {detail.get('reason') or detail.get('message', '')}"
