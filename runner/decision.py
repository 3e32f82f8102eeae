"""Keep or revert, in a sentence that holds its numbers; pure.

Numbers are compared as they are written in decimals, so that 0.7 is 0.2 better than 0.5, and the
word for the outcome comes from that comparison, never from rounded numbers.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from runner.records import ExperimentStatus


def mean(values: Sequence[float]) -> float:
    """Return the mean: exact, and of no size too large, where every value is finite."""
    exact = all(map(math.isfinite, values))
    return statistics.mean(values) if exact else statistics.fmean(values)


class Direction(StrEnum):
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What is compared, and which way is better."""

    name: str
    direction: Direction
    round_to: float
    self_reported: bool = False
    """Whether the code under test prints it itself."""

    @property
    def label(self) -> str:
        """Its name where a person reads it."""
        return f"{self.name} (SELF-REPORTED)" if self.self_reported else self.name

    def gain(self, best: float, score: float) -> float:
        """Return the improvement of `score` over `best`; positive is better."""
        return _finite(self.difference(exact(best), exact(score)))

    def difference(self, best: Decimal, score: Decimal) -> Decimal:
        """Return the same of decimals, without any rounding."""
        return best - score if self.direction is Direction.MINIMIZE else score - best

    def before(self, score: float, gain: float) -> float:
        """Return the best that a score was this much better than."""
        moved = exact(gain) if self.direction is Direction.MINIMIZE else -exact(gain)
        return _finite(exact(score) + moved)

    def better(self, scores: Sequence[float]) -> float | None:
        """Return the best of them; absent where there are none."""
        best = min if self.direction is Direction.MINIMIZE else max
        return best(scores, default=None)

    def rounded(self, score: float) -> float:
        """Return the score as an agent may see it."""
        step = exact(self.round_to)
        return _finite((exact(score) / step).to_integral_value() * step) + 0.0  # no -0.0


def exact(value: float) -> Decimal:
    """Return a number as it is written, not as it is stored."""
    return Decimal(repr(float(value)))


def _finite(value: Decimal) -> float:
    """Return the nearest float: what a diverged training scores may leave their range."""
    return max(-sys.float_info.max, min(sys.float_info.max, float(value)))


@dataclass(frozen=True, kw_only=True)
class Price:
    """The gain that a keep needs, in the metric's unit."""

    min_gain: float
    per_line: float = 0.0
    """For each line that a program becomes longer."""

    def needed(self, added_lines: int) -> float:
        return _finite(exact(self.min_gain) + exact(self.per_line) * max(added_lines, 0))

    def said(self, added_lines: int) -> str:
        """Say what of it the lines make up, to put behind a reason; nothing where they do not."""
        if not self.per_line or added_lines <= 0:
            return ""
        many = "1 line more" if added_lines == 1 else f"{added_lines} lines more"
        return f"; {many}, at {written(exact(self.per_line))} each"


@dataclass(frozen=True, kw_only=True)
class Tie:
    """When a score that is no gain, or too small a one, is kept: if the program became shorter."""

    within: float
    """How far below the best still counts as a tie, in the metric's unit."""
    lines_before: int
    lines: int
    """Of the mutable files' syntax trees, written out in one way."""

    @property
    def shorter(self) -> bool:
        return self.lines < self.lines_before

    @property
    def allowance(self) -> float:
        """How much worse than the best may be kept."""
        return self.within if self.shorter else 0.0


class Verdict(StrEnum):
    """How a score compares with the best, in the words that a reason begins with."""

    BASELINE = "the baseline"
    KEPT = "kept"
    TIE = "a tie, kept for fewer lines"
    UNDECIDED = "undecided"
    JUST_SHORT = "just short"
    NO_BETTER = "no better"
    WORSE = "worse"
    CLEARLY_WORSE = "clearly worse"

    def claim(self, needed: str, within: str) -> str:
        """Say what is true of the gain, where its number cannot be said."""
        return {
            Verdict.BASELINE: "nothing was before it",
            Verdict.KEPT: f"a gain of at least the {needed} that is needed",
            Verdict.TIE: f"no more than {within} worse than the best",
            Verdict.UNDECIDED: "neither a gain nor a loss is certain enough",
            Verdict.JUST_SHORT: f"a gain of less than the {needed} that is needed",
            Verdict.NO_BETTER: "no gain at all",
            Verdict.WORSE: f"a loss of at most {needed}",
            Verdict.CLEARLY_WORSE: f"a loss of more than {needed}",
        }[self]


def judged(gain: Decimal, needed: Decimal, tie_within: Decimal | None = None) -> Verdict:
    """Return how a score compares, by its gain; a tie counts only where `tie_within` is given."""
    if gain > 0 and gain >= needed:
        return Verdict.KEPT
    if tie_within is not None and gain >= -tie_within:
        return Verdict.TIE
    if gain >= 0:
        return Verdict.JUST_SHORT if gain else Verdict.NO_BETTER
    return Verdict.WORSE if -gain <= needed else Verdict.CLEARLY_WORSE


def verdict_in(reason: str) -> Verdict | None:
    """Return the verdict that a reason begins with; older journals have reasons without one."""
    said = reason.rpartition(OTHERWISE)[2] if reason.startswith("guard ") else reason
    return next((one for one in Verdict if said.startswith(f"{one}: ")), None)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer. `score` is the level that the trials show; absent if one failed."""

    status: ExperimentStatus
    reason: str
    rule: str | None = None
    """For a refusal: the first broken rule; for a guard that failed: `guard:NAME`; for a revert
    that its scores did not decide: `unstable`, `ignores-seed`."""
    score: float | None = None
    gain: float | None = None
    sure: float | None = None
    """How probable it is that the gain is what a keep needs, where the rule says so."""
    weight: float | None = None
    """The number of trials that `score` is worth."""


OVER_ROWS = " over rows"
"""Behind a gain whose uncertainty is that of the rows: more trials say nothing of it."""
OTHERWISE = "; else "
"""Between a failed guard and what would have been decided without it."""
GUARD = "guard:"
"""What the rule of a reverted experiment begins with, if a guard was the reason."""
IGNORES_SEED, UNSTABLE = "ignores-seed", "unstable"
"""The rules by which a candidate is reverted for something else than how good its scores are."""


def after_guards(decision: Decision, failed: str, why: str) -> Decision:
    """Return the decision on what would have been kept, had the guard `failed` not failed."""
    return replace(
        decision,
        status=ExperimentStatus.REVERTED,
        rule=f"{GUARD}{failed}",
        reason=f"guard {failed} failed ({why}){OTHERWISE}{decision.reason}",
    )


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """On how many seeds a score rests."""

    ran: int
    planned: int
    splits: int = 1

    def __str__(self) -> str:
        """Say it to a person; to an agent it would be one more hint about the holdout."""
        skipped = self.planned - self.ran
        told = f"{self.ran} of {self.planned} seeds" if self.planned > 1 else "1 seed"
        told += f", {self.splits} splits each" if self.splits > 1 else ""
        which = f"the other {skipped}" if skipped > 1 else "the last"
        which = "the second" if (self.ran, self.planned) == (1, 2) else which
        return f"{told}, {which} skipped" if skipped else told


def compare(
    metric: Metric,
    best: float | None,
    score: float,
    seeds: Seeds,
    min_gain: float,
    tie: Tie | None,
) -> Decision:
    """Decide by the mean alone, whatever it rests on; `best` is `None` for the baseline."""
    if best is None:
        reason = f"{Verdict.BASELINE}: {metric.name} {written(rounded(score, 6))} on {seeds}"
        return Decision(status=ExperimentStatus.KEPT, reason=reason, score=score)
    needed = exact(min_gain)
    within = exact(tie.within) if tie else None

    def compared(gain: Decimal) -> tuple[Verdict, bool]:
        """Return the verdict, and whether the program's length matters."""
        verdict = judged(gain, needed, within if tie and tie.shorter else None)
        return verdict, within is not None and verdict is not Verdict.KEPT and gain >= -within

    verdict, ties = compared(metric.difference(exact(best), exact(score)))
    before, after = apart(metric, best, score, lambda gain: compared(gain) == (verdict, ties))
    reason = (
        f"{verdict}: {metric.name} {written(after)} on {seeds}:"
        f" gain {written(metric.difference(before, after), '+')} over the best {written(before)},"
        f" needed {written(needed)}"
    )
    if tie is not None and ties:
        lengths = f"{tie.lines} lines, before {tie.lines_before}"
        reason += f"; no more than {written(exact(tie.within))} worse: {lengths}"
    kept = verdict in (Verdict.KEPT, Verdict.TIE)
    return Decision(
        status=ExperimentStatus.KEPT if kept else ExperimentStatus.REVERTED,
        reason=reason,
        score=score,
        gain=metric.gain(best, score),
    )


# -- numbers that say what is true ------------------------------------------------------------

FEWEST_DIGITS, ALL_DIGITS = 6, 17
"""Significant ones; a float has at most 17."""


def apart(
    metric: Metric, best: float, score: float, agrees: Callable[[Decimal], bool]
) -> tuple[Decimal, Decimal]:
    """Return both in the fewest digits whose difference, a gain, `agrees` with the exact one."""
    for digits in range(FEWEST_DIGITS, ALL_DIGITS):
        before, after = rounded(best, digits), rounded(score, digits)
        if agrees(metric.difference(before, after)):
            return before, after
    return exact(best), exact(score)


def told(
    metric: Metric,
    verdict: Verdict | None,
    best: float,
    score: float,
    *,
    min_gain: float,
    tie_within: float | None = None,
) -> tuple[float, str]:
    """Return gain and reason as an agent may know them: two rounded levels, and their difference.

    Where rounding makes the difference say something else than the verdict, words stand for it.
    """
    before, after = exact(metric.rounded(best)), exact(metric.rounded(score))
    gain, needed = metric.difference(before, after), exact(min_gain)
    within = None if tie_within is None else exact(tie_within)
    levels = f"{metric.name} {written(after)}, best before {written(before)}"
    if verdict is None:
        said = f"{levels}, in steps of {written(exact(metric.round_to))}"
    elif judged(gain, needed, within if verdict is Verdict.TIE else None) is verdict:
        said = f"{verdict}: {levels}: gain {written(gain, '+')}, needed {written(needed)}"
    else:
        claim = verdict.claim(written(needed), written(within or Decimal()))
        step = written(exact(metric.round_to))
        said = f"{verdict}: {levels}, both in steps of {step}; before rounding {claim}"
    return _finite(gain), said


def percent(probability: float) -> str:
    """Write a probability as a person reads it, never as 0 or 100."""
    if 0.01 <= probability <= 0.99:
        return f"{100 * probability:.0f} %"
    if probability > 0.99:
        return "more than 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"
    return "less than 0.1 %" if probability < 0.001 else f"{100 * probability:.1f} %"


def same_sign(one: float, other: float) -> bool:
    """Say whether both are a gain, both a loss, or both nothing."""
    return (one > 0, one < 0) == (other > 0, other < 0)


def rounded(value: float, digits: int) -> Decimal:
    """Return a number in so many significant digits."""
    return Decimal(f"{exact(value):.{digits}g}")


def written(value: Decimal, sign: str = "") -> str:
    """Write a number in full where it has a usual size; `sign` is `+` to show a plus too."""
    plain = value.normalize() + 0  # no -0
    form = "f" if plain == 0 or -8 < plain.adjusted() < ALL_DIGITS else "e"
    return f"{plain:{sign}{form}}"
