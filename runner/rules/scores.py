"""What every rule asks of trials: their scores, or what their failure comes to."""

from __future__ import annotations

from runner.decision import Decision, Direction, Metric
from runner.errors import ConfigError
from runner.policy.schema import Policy
from runner.records import ExperimentStatus, TrialRecord, TrialStatus

FAILED = {
    TrialStatus.CRASHED: ExperimentStatus.CRASHED,
    TrialStatus.TIMEOUT: ExperimentStatus.TIMEOUT,
    TrialStatus.INVALID_OUTPUTS: ExperimentStatus.INVALID_OUTPUTS,
}


def metric_of(policy: Policy) -> Metric:
    said = policy.metric
    return Metric(name=said.name, direction=Direction(said.direction), round_to=said.round_to)


def failed(trial: TrialRecord) -> bool:
    return trial.result.status is not TrialStatus.SCORED


def failure(trial: TrialRecord) -> Decision:
    """Return the decision on an experiment whose trial failed."""
    return Decision(status=FAILED[trial.result.status], reason=trial.result.reason)


def score_of(trial: TrialRecord, metric: str) -> float:
    """Return a scored trial's metric; raise `ConfigError` where the scorer gives none."""
    if trial.result.score is None:
        raise ValueError("a scored trial without a score")
    metrics = trial.result.score.metrics
    if metric not in metrics:
        known = ", ".join(sorted(metrics))
        raise ConfigError(
            f"the scorer gives no metric {metric}", hint=f"metric.name may be: {known}"
        )
    return metrics[metric]
