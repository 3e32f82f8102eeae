"""Questions to a run's experiments; pure, and cheap to import."""

from __future__ import annotations

from collections.abc import Sequence

from runner.decision import Direction, Metric, mean
from runner.records import Experiment, ExperimentStatus, Purpose, Run


def metric_of(run: Run) -> Metric:
    return Metric(name=run.metric, direction=Direction(run.direction), round_to=run.round_to)


def best(history: tuple[Experiment, ...]) -> Experiment | None:
    """Return the last kept experiment: the best, or a shorter program that ties with it."""
    kept = [found for found in history if found.status is ExperimentStatus.KEPT]
    return kept[-1] if kept else None


def last_tried(history: Sequence[Experiment]) -> Experiment | None:
    """Return the newest experiment that there is something to learn from: no forfeit."""
    return next((one for one in reversed(history) if not (one.origin and one.origin.forfeit)), None)


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


def unguarded(history: Sequence[Experiment]) -> tuple[int, ...]:
    """Return the kept experiments whose proposer nothing kept from the host, a person's included.

    One that started from such a proposal counts, too: a strategy starts from reverted ones as well.
    What a run with these came to is advisory, however its own agent is kept.
    """
    found: dict[int, bool] = {}
    for one in sorted(history, key=lambda one: one.number):
        origin = one.origin
        found[one.number] = origin is not None and (
            origin.isolation == "none" or found.get(origin.parent, False)
        )
    kept = [one.number for one in history if one.status is ExperimentStatus.KEPT]
    return tuple(number for number in kept if found[number])


def advisory(run: Run, history: Sequence[Experiment]) -> bool:
    """Say whether whoever proposed could have read this host."""
    return run.agent_isolation == "none" or bool(unguarded(history))


def mean_audit(experiment: Experiment, metric: str) -> float | None:
    """Return the mean of the audit trials' metric; `None` if any failed or there are none."""
    audits = [trial for trial in experiment.trials if trial.purpose is Purpose.AUDIT]
    scores = [trial.result.score.metrics[metric] for trial in audits if trial.result.score]
    return mean(scores) if scores and len(scores) == len(audits) else None
