"""Keep, revert, or ask for one more trial: a pure function, with a sentence that holds its numbers.

The rule `strict`: the mean over all seeds must beat the best by `min_gain`. Where the policy says
so, a tie with the best is kept too if it makes the program shorter.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from runner.errors import ConfigError
from runner.records import ExperimentStatus, TrialResult, TrialStatus


class Direction(StrEnum):
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What is compared, and which way is better."""

    name: str
    direction: Direction
    round_to: float

    def gain(self, best: float, score: float) -> float:
        """Return the improvement of `score` over `best`; positive is better."""
        return best - score if self.direction is Direction.MINIMIZE else score - best

    def rounded(self, score: float) -> float:
        """Return the score as an agent may see it."""
        return round(round(score / self.round_to) * self.round_to, 10)


@dataclass(frozen=True, kw_only=True)
class Tie:
    """When a score that is about as good as the best is kept: if the program became shorter."""

    within: float
    """How far below the best still counts as a tie, in the metric's unit."""
    lines_before: int
    lines: int
    """Of the mutable files' syntax trees, written out in one way."""

    @property
    def allowance(self) -> float:
        """How much worse than the best may be kept."""
        return self.within if self.lines < self.lines_before else 0.0


@dataclass(frozen=True, kw_only=True)
class MoreTrials:
    """There is no answer yet: the trial at this index of the plan must run first."""

    index: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer. `score` is the mean over the trials that ran; absent if one failed."""

    status: ExperimentStatus
    reason: str
    rule: str | None = None
    """For a refusal: the first broken rule; for a guard that failed: `guard:NAME`."""
    score: float | None = None
    gain: float | None = None


GUARD = "guard:"
"""What the rule of a reverted experiment begins with, if a guard was the reason."""
FAILED = {
    TrialStatus.CRASHED: ExperimentStatus.CRASHED,
    TrialStatus.TIMEOUT: ExperimentStatus.TIMEOUT,
    TrialStatus.INVALID_OUTPUTS: ExperimentStatus.INVALID_OUTPUTS,
}


def decide(
    metric: Metric,
    best: float | None,
    results: Sequence[TrialResult],
    *,
    planned: int,
    min_gain: float,
    splits: int = 1,
    tie: Tie | None = None,
) -> Decision | MoreTrials:
    """Decide on the trials so far, in the order of the plan.

    Args:
        metric: name, direction and rounding.
        best: the score to beat; `None` before the baseline.
        results: the trials that have ended.
        planned: how many trials there are, splits times seeds.
        min_gain: the improvement that a keep needs, in the metric's unit.
        splits: how many trials make one seed; one split alone is no measure of the mean.
        tie: whether a shorter program may be kept without it.

    Returns:
        A decision, or the index of the trial that must run before there is one.
    """
    for result in results:
        if result.status is not TrialStatus.SCORED:
            return Decision(status=FAILED[result.status], reason=result.reason)
    scores = [_value(metric, result) for result in results]
    if not scores:
        return MoreTrials(index=0)
    hopeless = -tie.allowance if tie else 0.0
    first = statistics.fmean(scores[:splits])
    if len(scores) == splits < planned and best is not None and metric.gain(best, first) < hopeless:
        return _worse_at_once(metric, best, first, splits, planned)
    if len(scores) < planned:
        return MoreTrials(index=len(scores))
    return _compare(metric, best, scores, min_gain, tie)


def _value(metric: Metric, result: TrialResult) -> float:
    if result.score is None:
        raise ValueError("a scored trial without a score")
    if metric.name not in result.score.metrics:
        known = ", ".join(sorted(result.score.metrics))
        raise ConfigError(
            f"the scorer gives no metric {metric.name}", hint=f"metric.name may be: {known}"
        )
    return result.score.metrics[metric.name]


def after_guards(decision: Decision, failed: str, why: str) -> Decision:
    """Return the decision on what would have been kept, had the guard `failed` not failed."""
    return replace(
        decision,
        status=ExperimentStatus.REVERTED,
        rule=f"{GUARD}{failed}",
        reason=f"guard {failed} failed ({why}); else {decision.reason}",
    )


def _worse_at_once(
    metric: Metric, best: float, score: float, splits: int, planned: int
) -> Decision:
    first = "the first" if splits == 1 else f"the first {splits}"
    return Decision(
        status=ExperimentStatus.REVERTED,
        reason=f"{metric.name} {score:.6g} is worse than the best {best:.6g} "
        f"in {first} of {planned} trials",
        score=score,
        gain=metric.gain(best, score),
    )


def _compare(
    metric: Metric,
    best: float | None,
    scores: Sequence[float],
    min_gain: float,
    tie: Tie | None,
) -> Decision:
    score = statistics.fmean(scores)
    over = f"{metric.name} {score:.6g}, the mean of {len(scores)}"
    if best is None:
        return Decision(status=ExperimentStatus.KEPT, reason=f"{over}: the baseline", score=score)
    gain = metric.gain(best, score)
    kept = gain > 0 and gain >= min_gain
    reason = f"{over}: gain {gain:+.6g} over the best {best:.6g}, needed {min_gain:.6g}"
    if not kept and tie is not None and abs(gain) <= tie.within:
        kept = tie.lines < tie.lines_before
        reason += f"; a tie within {tie.within:.6g}: {tie.lines} lines, before {tie.lines_before}"
    return Decision(
        status=ExperimentStatus.KEPT if kept else ExperimentStatus.REVERTED,
        reason=reason,
        score=score,
        gain=gain,
    )
