"""Whether the locked part confirms the gain that was claimed on the holdout; pure.

Both gains are noise to some degree. Two things vary: the rows, by the standard error that the
scorer gives beside its metric, and training, by the spread between the seeds of one split. Rows are
the same for all seeds of a split, so that more seeds make only the second smaller. The interval is
the normal one of 95 %, and takes baseline and best as independent: they are scored on the same
rows, so that the true interval is narrower.

What this does not protect against: a holdout and a locked part that were drawn differently.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.decision import Metric, mean
from runner.records import Experiment, Purpose

ERROR = "_se"
"""Behind a metric's name in a scorer's document: its standard error."""
WIDTH = 1.96
"""Standard errors on either side of a gain: 95 % of a normal distribution."""


class Agreement(StrEnum):
    AGREE = "the two agree"
    DISAGREE = "THEY DISAGREE: doubt this result"
    NOISY = "too noisy to tell: neither confirmed nor refuted"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A gain, and its standard error where one is known."""

    value: float
    error: float | None

    @property
    def margin(self) -> float | None:
        """Half of the interval."""
        return None if self.error is None else WIDTH * self.error


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What was claimed, what the locked part shows, and whether the two go together."""

    claimed: Gain
    audited: Gain

    @property
    def agreement(self) -> Agreement:
        """Compare with half of the claim, which a true gain should reach on other rows.

        A claim that is no gain, as that of a tie, must be reached in full.
        """
        claimed, audited = self.claimed, self.audited
        share = 0.5 if claimed.value > 0 else 1.0
        over = audited.value - share * claimed.value
        if claimed.error is None and audited.error is None:
            return Agreement.AGREE if over >= 0 else Agreement.DISAGREE
        margin = WIDTH * math.hypot(audited.error or 0.0, share * (claimed.error or 0.0))
        if over < -margin:
            return Agreement.DISAGREE
        sure = claimed.value <= 0 or audited.value > (audited.margin or 0.0)
        return Agreement.AGREE if over >= 0 and sure else Agreement.NOISY


def compared(metric: Metric, baseline: Experiment, best: Experiment) -> Compared | None:
    """Compare a best with its baseline; `None` where one of them has no score of both kinds."""
    claimed = gain(metric, baseline, best, Purpose.DECISION)
    audited = gain(metric, baseline, best, Purpose.AUDIT)
    if claimed is None or audited is None:
        return None
    return Compared(claimed=claimed, audited=audited)


def gain(metric: Metric, baseline: Experiment, best: Experiment, purpose: Purpose) -> Gain | None:
    """Return the gain by trials of one purpose; `None` where one of them has no such score.

    An audit that is still under way has none: its splits are not those of the baseline's.
    """
    sides = (baseline, best)
    splits = [{one.split for one in side.trials if one.purpose is purpose} for side in sides]
    if purpose is not Purpose.DECISION and splits[0] != splits[1]:
        return None
    deviation = spread(metric, sides)
    before, after = (_measured(metric, each, purpose, deviation) for each in sides)
    if before is None or after is None:
        return None
    known = [each.error for each in (before, after) if each.error is not None]
    error = math.hypot(*known) if known else None
    return Gain(value=metric.gain(before.value, after.value), error=error)


def _measured(
    metric: Metric, experiment: Experiment, purpose: Purpose, deviation: float | None
) -> Gain | None:
    """Return an experiment's level by its trials of one purpose, and its standard error."""
    trials = [trial for trial in experiment.trials if trial.purpose is purpose]
    documents = [trial.result.score.metrics for trial in trials if trial.result.score]
    if purpose is Purpose.DECISION:
        value = experiment.score
    else:
        whole = documents and len(documents) == len(trials)
        value = mean([found[metric.name] for found in documents]) if whole else None
    if value is None:
        return None
    by_split: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        found: Mapping[str, float] = trial.result.score.metrics if trial.result.score else {}
        if f"{metric.name}{ERROR}" in found:
            by_split[trial.split].append(found[f"{metric.name}{ERROR}"])
    parts = []
    if by_split:
        of_splits = [mean(found) for found in by_split.values()]
        parts.append(math.hypot(*of_splits) / len(of_splits))
    if deviation is not None and trials:
        draws = {trial.index for trial in trials}
        counted = purpose is Purpose.DECISION and experiment.weight is not None
        worth = (experiment.weight or 1.0) * len(trials) / len(draws) if counted else len(trials)
        parts.append(deviation / math.sqrt(worth))
    return Gain(value=value, error=math.hypot(*parts) if parts else None)


def spread(metric: Metric, experiments: Iterable[Experiment]) -> float | None:
    """Return the standard deviation between seeds, of all splits that were trained on several."""
    deviations = []
    for experiment in experiments:
        by_split: dict[str, list[float]] = defaultdict(list)
        for trial in experiment.trials:
            if trial.purpose is Purpose.DECISION and trial.result.score:
                by_split[trial.split].append(trial.result.score.metrics[metric.name])
        several = (values for values in by_split.values() if len(values) > 1)
        deviations += [(len(values) - 1, _deviation(values)) for values in several]
    freedom = sum(count for count, _ in deviations)
    if not freedom:
        return None
    return math.hypot(*(math.sqrt(count / freedom) * found for count, found in deviations))


def _deviation(values: Sequence[float]) -> float:
    """Return it by way of shares: a diverged score's square is no float any more."""
    if not all(map(math.isfinite, values)):
        return math.inf
    largest = max(map(abs, values)) or 1.0
    return largest * statistics.stdev(value / largest for value in values)
