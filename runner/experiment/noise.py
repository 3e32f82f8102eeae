"""What a run's trials say of noise, as its experiments settle one by one; pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from runner.decision import mean
from runner.history import scores_by_draw
from runner.records import Experiment, ExperimentStatus, TrialRecord
from runner.rules.belief import CUT, Noise


def after(noise: Noise, ended: Experiment, best: Experiment | None, metric: str) -> Noise:
    """Return what is known once an experiment is settled.

    The trials of the best are left out as long as it is the best: more of them may come.

    Args:
        noise: what was known before.
        ended: the experiment.
        best: the best before it.
        metric: whose scores.
    """
    own = scores_by_draw(_of(ended, ended.number), metric)
    if best is not None:
        theirs = scores_by_draw(_of(best, ended.number), metric)
        noise = _with_pairs(noise, own, theirs)
    closed = ended
    if ended.status is ExperimentStatus.KEPT:
        if best is None:
            return noise
        closed = best
    decisive = [trial for trial in closed.trials if trial.purpose.decides]
    values = {*scores_by_draw(decisive, metric).values()}  # equal scores count once
    if len(values) < 2:
        return noise
    moved = _moved(values)
    return Noise(*map(float, noise.with_group(_products(moved, moved), len(moved) - 1)))


def _of(experiment: Experiment, asked_by: int) -> list[TrialRecord]:
    trials = (trial for trial in experiment.trials if trial.purpose.decides)
    return [trial for trial in trials if trial.asked_by == asked_by]


def _with_pairs(noise: Noise, own: dict[int, float], theirs: dict[int, float]) -> Noise:
    both = [index for index in own if index in theirs]
    if len(both) < 2:
        return noise
    mine, other = _moved([own[index] for index in both]), _moved([theirs[index] for index in both])
    sums = (_products(mine, other), _products(mine, mine), _products(other, other))
    return Noise(*map(float, noise.with_pairs(*sums, len(both) - 1)))


def _moved(values: Collection[float]) -> list[float]:
    """Return the differences from the mean."""
    middle = mean(list(values))
    return [max(-CUT, min(CUT, value - middle)) for value in values]


def _products(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(left, right, strict=True))
