"""The rule `strict`: the mean over all seeds must beat the best by `min_gain`.

Where the policy says so, a tie with the best is kept too if it makes the program shorter. What is
worse than the best after its first seed needs no others.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner import draws
from runner.decision import Decision, Direction, Metric, Seeds, compare, exact, mean
from runner.errors import ConfigError
from runner.policy.schema import Policy
from runner.records import ExperimentStatus, Place, TrialRecord, TrialStatus
from runner.rules.seam import Ask, Evidence

FAILED = {
    TrialStatus.CRASHED: ExperimentStatus.CRASHED,
    TrialStatus.TIMEOUT: ExperimentStatus.TIMEOUT,
    TrialStatus.INVALID_OUTPUTS: ExperimentStatus.INVALID_OUTPUTS,
}


@dataclass(frozen=True, kw_only=True)
class Strict:
    """See `runner.rules.strict`."""

    metric: Metric
    min_gain: float
    seeds: int
    most_trials: int

    @classmethod
    def of(cls, policy: Policy) -> Strict:
        said = policy.metric
        metric = Metric(name=said.name, direction=Direction(said.direction), round_to=said.round_to)
        seeds, splits = policy.evaluation.seeds, len(policy.evaluation.splits)
        return cls(
            metric=metric,
            min_gain=policy.decision.min_gain,
            seeds=seeds,
            most_trials=seeds * splits,
        )

    def judge(self, seen: Evidence) -> Ask | Decision:
        """See `Rule.judge`.

        Raises:
            ConfigError: the scorer gives no metric of this name.
        """
        for trial in seen.candidate:
            if trial.result.status is not TrialStatus.SCORED:
                return Decision(status=FAILED[trial.result.status], reason=trial.result.reason)
        scores = [self._value(trial) for trial in seen.candidate]
        one_seed, ran = len(seen.splits), len(scores)
        # A single trial shows what does not run at all; the splits of one seed tell the mean.
        for batch in (1, one_seed, one_seed * self.seeds):
            if ran == one_seed < one_seed * self.seeds and self._hopeless(seen, scores):
                break
            if ran < batch:
                return Ask(places=self._plan(seen)[:batch])
        seeds = Seeds(ran=ran // one_seed, planned=self.seeds, splits=one_seed)
        return compare(self.metric, seen.best, mean(scores), seeds, self.min_gain, seen.tie)

    def _plan(self, seen: Evidence) -> tuple[Place, ...]:
        indexes = [draws.index(seen.number, count) for count in range(self.seeds)]
        return tuple(
            Place(experiment=seen.number, split=split, index=index)
            for index in indexes
            for split in seen.splits
        )

    def _hopeless(self, seen: Evidence, first: list[float]) -> bool:
        if seen.best is None:
            return False
        worst = -exact(seen.tie.allowance if seen.tie else 0.0)
        return self.metric.difference(exact(seen.best), exact(mean(first))) < worst

    def _value(self, trial: TrialRecord) -> float:
        if trial.result.score is None:
            raise ValueError("a scored trial without a score")
        metrics = trial.result.score.metrics
        if self.metric.name not in metrics:
            known = ", ".join(sorted(metrics))
            raise ConfigError(
                f"the scorer gives no metric {self.metric.name}",
                hint=f"metric.name may be: {known}",
            )
        return metrics[self.metric.name]
