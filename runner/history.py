"""Questions to a run's experiments; pure, and cheap to import."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from runner.decision import Direction, Metric, mean
from runner.records import PLANTED, Descent, Experiment, ExperimentStatus, Purpose, Run, TrialRecord


def metric_of(run: Run) -> Metric:
    return Metric(
        name=run.metric,
        direction=Direction(run.direction),
        round_to=run.round_to,
        self_reported=run.self_reported,
    )


def last_tried(history: Sequence[Experiment]) -> Experiment | None:
    """Return the newest that there is something to learn from: no forfeit, and not planted."""

    def teaches(one: Experiment) -> bool:
        origin = one.origin
        return origin is None or (origin.forfeit is None and origin.mode != PLANTED)

    return next((one for one in reversed(history) if teaches(one)), None)


def record(history: Sequence[Experiment], metric: Metric) -> float | None:
    """Return the best score ever kept, which a kept tie may be a little below.

    Everything is compared with it, so that ties cannot lead downhill step by step.
    """
    kept = [
        found.score
        for found in history
        if found.status is ExperimentStatus.KEPT and found.score is not None
    ]
    return metric.better(kept)


def unguarded(line: Iterable[Descent]) -> tuple[int, ...]:
    """Return the kept experiments whose proposer nothing kept from the host, a person's included.

    One that started from such a proposal counts, too: a strategy starts from reverted ones as well.
    What a run with these came to is advisory, however its own agent is kept.

    Args:
        line: what was kept, with all that it came from.
    """
    found: dict[int | None, bool] = {}
    kept = []
    for one in sorted(line, key=lambda one: one.number):
        found[one.number] = one.isolation == "none" or found.get(one.parent, False)
        kept += [one.number] if one.kept and found[one.number] else []
    return tuple(kept)


def mean_audit(experiment: Experiment, metric: str) -> float | None:
    """Return the mean of the audit trials' metric; `None` if any failed or there are none."""
    return audited([each for each in experiment.trials if each.purpose is Purpose.AUDIT], metric)


def audited(audits: Sequence[TrialRecord], metric: str) -> float | None:
    """Return the same of the audit's trials themselves."""
    scores = [trial.result.score.metrics[metric] for trial in audits if trial.result.score]
    return mean(scores) if scores and len(scores) == len(audits) else None


def scores_by_draw(
    trials: Iterable[TrialRecord], metric: str, splits: int | None = None
) -> dict[int, float]:
    """Return each draw's mean over its splits, in the order of draws.

    Draws of which a split failed, or was not measured, are left out.

    Args:
        trials: of one program, with one purpose.
        metric: whose scores.
        splits: how many there are; `None` for as many as the fullest draw has.
    """
    by_draw: dict[int, list[float | None]] = defaultdict(list)
    for trial in trials:
        score = trial.result.score
        by_draw[trial.index].append(score.metrics.get(metric) if score else None)
    full = splits or max(map(len, by_draw.values()), default=0)
    whole = {index: found for index, found in sorted(by_draw.items()) if len(found) == full}
    return {
        index: mean(scores)
        for index, found in whole.items()
        if len(scores := [score for score in found if score is not None]) == full
    }
