"""The rule `strict`: the mean over all seeds must beat the best by `min_gain`.

Where the policy says so, a tie with the best is kept too if it makes the program shorter. What is
worse than the best after its first seed needs no others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from runner import draws
from runner.decision import Decision, Metric, Price, Seeds, compare, exact, mean
from runner.policy.schema import Policy
from runner.records import Outlook, Place, TrialRecord
from runner.rules.scores import failed, failure, metric_of, score_of
from runner.rules.seam import Ask, Evidence


@dataclass(frozen=True, kw_only=True)
class Strict:
    """See `runner.rules.strict`."""

    metric: Metric
    price: Price
    seeds: int
    most_trials: int
    plans: bool = True

    @classmethod
    def of(cls, policy: Policy) -> Strict:
        seeds, splits = policy.decision.trials, len(policy.evaluation.splits)
        return cls(
            metric=metric_of(policy),
            price=policy.decision.price,
            seeds=seeds,
            most_trials=seeds * splits,
        )

    def judge(self, seen: Evidence) -> Ask | Decision:
        """See `Rule.judge`.

        Raises:
            ConfigError: the scorer gives no metric of this name.
        """
        for trial in filter(failed, seen.candidate):
            return failure(trial)
        scores = [self._value(trial) for trial in seen.candidate]
        one_seed, ran = len(seen.splits), len(scores)
        # A single trial shows what does not run at all; the splits of one seed tell the mean.
        for batch in (1, one_seed, one_seed * self.seeds):
            if ran == one_seed < one_seed * self.seeds and self._hopeless(seen, scores):
                break
            if ran < batch:
                return Ask(places=self._plan(seen)[:batch], outlook=self._outlook(seen, scores))
        seeds = Seeds(ran=ran // one_seed, planned=self.seeds, splits=one_seed)
        needed = self.price.needed(seen.added_lines)
        answer = compare(self.metric, seen.best, mean(scores), seeds, needed, seen.tie)
        return replace(answer, reason=answer.reason + self.price.said(seen.added_lines))

    def _plan(self, seen: Evidence) -> tuple[Place, ...]:
        indexes = [draws.index(seen.number, count) for count in range(self.seeds)]
        return tuple(
            Place(experiment=seen.number, split=split, index=index)
            for index in indexes
            for split in seen.splits
        )

    def _outlook(self, seen: Evidence, scores: list[float]) -> Outlook | None:
        if seen.best is None or not scores:
            return None
        return Outlook(
            experiment=seen.number,
            trials=ceil(len(scores) / len(seen.splits)),
            most_trials=self.seeds,
            against=self.seeds,
            gain=self.metric.gain(seen.best, mean(scores)),
        )

    def _hopeless(self, seen: Evidence, first: list[float]) -> bool:
        if seen.best is None:
            return False
        worst = -exact(seen.tie.allowance if seen.tie else 0.0)
        return self.metric.difference(exact(seen.best), exact(mean(first))) < worst

    def _value(self, trial: TrialRecord) -> float:
        return score_of(trial, self.metric.name)
