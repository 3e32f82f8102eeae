"""The rule `ladder`: one trial must beat the best by the score's own standard error.

The scorer gives that error beside its metric, as NAME_se. A score that wins by less is not told
apart from the best, so that many proposals together learn little about the rows (Blum and Hardt,
2015). The noise of seeds it does not know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from runner import draws
from runner.agreement import ERROR
from runner.decision import Decision, Metric, Price, Seeds, compare, mean
from runner.policy.schema import Policy
from runner.records import Place
from runner.rules.scores import failed, failure, metric_of, score_of
from runner.rules.seam import Ask, Evidence


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """See `runner.rules.ladder`."""

    metric: Metric
    price: Price
    most_trials: int
    plans: bool = True

    @classmethod
    def of(cls, policy: Policy) -> Ladder:
        splits = len(policy.evaluation.splits)
        return cls(metric=metric_of(policy), price=policy.decision.price, most_trials=splits)

    def judge(self, seen: Evidence) -> Ask | Decision:
        """See `Rule.judge`.

        Raises:
            ConfigError: the scorer gives no metric of this name, or no standard error of it.
        """
        for trial in filter(failed, seen.candidate):
            return failure(trial)
        index, ran = draws.index(seen.number, 0), len(seen.candidate)
        places = tuple(Place(experiment=seen.number, split=s, index=index) for s in seen.splits)
        if ran < len(places):
            return Ask(places=places[: 1 if ran == 0 else None])
        scores = [score_of(trial, self.metric.name) for trial in seen.candidate]
        errors = [score_of(trial, self.metric.name + ERROR) for trial in seen.candidate]
        step = math.hypot(*errors) / len(errors)
        seeds = Seeds(ran=1, planned=1, splits=len(places))
        needed = max(self.price.needed(seen.added_lines), step)
        answer = compare(self.metric, seen.best, mean(scores), seeds, needed, seen.tie)
        return replace(answer, reason=answer.reason + self.price.said(seen.added_lines))
