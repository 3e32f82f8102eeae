"""How a gain moves with the rows that it was scored on, where draws change nothing; pure.

The scorer gives its metric over samples of the rows, which are the same for every trial of a split.
So both sides are compared sample by sample, and what is hard about a row is hard for both.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from runner.decision import Metric, mean
from runner.records import Score, TrialRecord

FEWEST = 20
"""Samples that a spread is made of at least."""


class Difference(NamedTuple):
    """Of one program's score to another's, on the same rows; positive is better."""

    gain: float
    deviation: float
    """From sample to sample."""
    freedom: int


def difference(
    metric: Metric,
    mine: Sequence[TrialRecord],
    theirs: Sequence[TrialRecord],
    splits: Sequence[str],
) -> Difference | None:
    """Return the gain of a candidate over the best; nothing where rows have no meaning.

    Args:
        metric: the run's.
        mine: the candidate's trials; one of each split counts, as all score the same.
        theirs: the best's.
        splits: what a score is the mean over.
    """
    sides = [[_of_split(trials, split) for split in splits] for trials in (theirs, mine)]
    scores = [[score for score in side if score is not None] for side in sides]
    if any(len(side) < len(splits) for side in scores):
        return None
    before, after = (mean([one.metrics[metric.name] for one in side]) for side in scores)
    pairs = zip(*map(_samples, scores), strict=False)
    gains = [metric.gain(*pair) for pair in pairs if pair[0] is not None and pair[1] is not None]
    if len(gains) < FEWEST:
        return None
    deviation = statistics.stdev(gains)
    return Difference(metric.gain(before, after), deviation, len(gains) - 1)


def _of_split(trials: Sequence[TrialRecord], split: str) -> Score | None:
    found = (one.result.score for one in trials if one.split == split and one.result.score)
    return next(found, None)


def _samples(scores: Sequence[Score]) -> list[float | None]:
    """Return the mean over splits of each sample; absent where a split has none."""
    columns = zip(*(score.samples for score in scores), strict=False)
    known = ([value for value in column if value is not None] for column in columns)
    return [mean(values) if len(values) == len(scores) else None for values in known]
