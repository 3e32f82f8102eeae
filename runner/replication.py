"""A run's baseline and best once more, on fresh draws: for a person, and never told to an agent.

Both sides get the same draws, which no trial of the run had before. Each trial is an entry of the
journal as it ends, with a purpose of its own, so that what was cut off is not measured twice and
nothing that decides rests on it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from runner import draws, trials
from runner.ends import Wish
from runner.errors import ConfigError
from runner.experiment.fold import RunState
from runner.policy.schema import Policy
from runner.records import Experiment, Place, Purpose, TrialResult, TrialSpec
from runner.session import Session

LOOK_SECONDS = 0.2
Wanted = tuple[Purpose, Place]


def replicate(session: Session, count: int) -> None:
    """Measure what is missing of so many draws; a person may pause it, and end it early.

    Raises:
        ConfigError: nothing was kept but the baseline.
        RunnerError: a failure of ours; what ended is in the journal.
    """
    baseline, best = sides(session.now)
    session.begin()
    left = deque(missing(session.policy, baseline, best, count))
    flying: dict[Future[TrialResult], TrialSpec] = {}
    try:
        while flying or left:
            wish = session.wish
            session.progress.wish(None if wish is Wish.RESUME else wish)
            if session.stop_asked():
                left.clear()
            while left and wish is not Wish.PAUSE and len(flying) < session.executor.capacity:
                purpose, place = left.popleft()
                spec = trials.specified(session, purpose, place)
                about = {"what": f"a {purpose} of", "experiment": place.experiment}
                flying[session.executor.submit(spec, about)] = spec
            if not flying:
                time.sleep(LOOK_SECONDS)
            for future in wait(flying, LOOK_SECONDS, FIRST_COMPLETED).done:
                trials.ended(session, best.number, flying.pop(future), future.result())
    finally:
        if flying:
            session.executor.abort.set()
            wait(flying)


def sides(state: RunState) -> tuple[Experiment, Experiment]:
    """Return the baseline and the best; raise `ConfigError` where they are the same."""
    if state.best is None or state.best.number == 0:
        raise ConfigError("nothing was kept but the baseline, so there is no gain to measure again")
    return state.settled[0], state.best


def missing(policy: Policy, baseline: Experiment, best: Experiment, count: int) -> Iterator[Wanted]:
    """Yield what was not measured yet, draw by draw, one side right after the other."""
    parts = (
        (Purpose.REPLICATION, policy.evaluation.splits),
        (Purpose.LOCKED_REPLICATION, policy.evaluation.audited),
    )
    known = {
        (trial.purpose, Place(experiment=side.number, split=trial.split, index=trial.index))
        for side in (baseline, best)
        for trial in side.trials
    }
    for number in range(count):
        index = draws.index(best.number, number)
        for purpose, splits in parts:
            for split in splits:
                for side in (baseline, best):
                    place = Place(experiment=side.number, split=split, index=index)
                    if (purpose, place) not in known:
                        yield purpose, place
