"""The rule `posterior`: what is probably better is kept, and both sides are measured for that.

A trial's score is the mean over the splits with the same draw. After each, the rule says how
probable it is that the candidate is better, and stops when that is enough, when hope is small, or
when it is out of trials. Otherwise it measures the side whose level is less certain. A candidate's
level once it is kept is what is believed of it, not what it scored.

Every draw is fresh: the candidate's are its own, and the best gets those when it is measured again,
so that the two are compared on the same draws and neither has seen one of them before. How much
that helps is measured over the run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from runner import draws
from runner.decision import (
    IGNORES_SEED,
    OVER_ROWS,
    UNSTABLE,
    Decision,
    Metric,
    Price,
    Seeds,
    Verdict,
    compare,
    exact,
    mean,
    percent,
    rounded,
    written,
)
from runner.history import scores_by_draw
from runner.policy.schema import FALSE_KEEPS, Policy
from runner.records import ExperimentStatus, Outlook, Place, TrialRecord
from runner.rules import belief, constants
from runner.rules.belief import Belief, Bounds, Estimate, Move, Prior, Sums
from runner.rules.rows import Difference, difference
from runner.rules.scores import failed, failure, metric_of, score_of
from runner.rules.seam import Ask, Evidence

EXACT = 10_000
"""Trials that an exact score is worth: where the template scores the same on every draw."""
TINY = 1e-150
PATIENCE = 2
"""Draws that may teach nothing of the best before it is measured no more for this candidate."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the trials come to."""

    estimate: Estimate
    deviation: float
    freedom: float
    trials: int
    distinct: int

    def believe(self, prior: Prior, needed: float) -> Belief:
        """Return what is believed of the gain, where more than `needed` counts as better."""
        gain, needed = self.estimate.gain / self.deviation, needed / self.deviation
        return belief.believe(gain, self.estimate.variance, self.freedom, prior, needed)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """See `runner.rules.posterior`."""

    metric: Metric
    price: Price
    bounds: Bounds
    prior: Prior
    baseline: int
    """Trials of the template."""
    most_trials: int
    at_once: float
    """The probability to keep at where only rows bring noise, of which there are no more."""
    plans: bool = False

    @classmethod
    def of(cls, policy: Policy) -> Posterior:
        rule = policy.decision
        return cls(
            metric=metric_of(policy),
            price=rule.price,
            bounds=constants.bounds(rule.false_keeps or FALSE_KEEPS, rule.trials),
            prior=constants.PRIOR,
            baseline=constants.BASELINE,
            most_trials=rule.trials * len(policy.evaluation.splits),
            at_once=constants.at_once(rule.false_keeps or FALSE_KEEPS),
        )

    def judge(self, seen: Evidence) -> Ask | Decision:
        """See `Rule.judge`.

        Raises:
            ConfigError: the scorer gives no metric of this name.
        """
        known = self._scores(seen.candidate, len(seen.splits))
        for trial in filter(failed, seen.candidate):
            return self._unstable(trial) if known and seen.number else failure(trial)
        if not known:  # one trial shows what does not run at all
            first = self._places(seen, seen.number, 0)
            return Ask(places=first if seen.candidate else first[:1])
        values = list(known.values())
        if seen.number == 0:
            return self._of_the_template(seen, values)
        if seen.level is None or seen.incumbent is None:
            raise ValueError(f"experiment {seen.number} has nothing to be compared with")
        if self._is_exact(seen, values):
            return self._exactly(seen, values)
        return self._weighed(seen, known)

    # -- the template ---------------------------------------------------------------------

    def _of_the_template(self, seen: Evidence, values: list[float]) -> Ask | Decision:
        same = len(set(values)) == 1
        if len(values) < (belief.REPEATS if same else self.baseline):
            counts = range(belief.REPEATS if len(values) < belief.REPEATS else self.baseline)
            return Ask(places=tuple(p for n in counts for p in self._places(seen, 0, n)))
        score, count = mean(values), len(set(values))
        seeds = Seeds(ran=len(values), planned=len(values), splits=len(seen.splits))
        said = f"{Verdict.BASELINE}: {self.metric.name} {written(rounded(score, 6))} on {seeds}"
        exactly = ", all equal: a draw changes nothing of a score" if same else ""
        return Decision(
            status=ExperimentStatus.KEPT, reason=said + exactly, score=score, weight=float(count)
        )

    # -- scores without noise -------------------------------------------------------------

    def _is_exact(self, seen: Evidence, values: Iterable[float]) -> bool:
        """Say whether neither side's scores, nor the template's, hang on the draw."""
        theirs = self._scores(seen.incumbent_trials, len(seen.splits)).values()
        return not seen.varies and len({*values}) == 1 and len({*theirs}) == 1

    def _exactly(self, seen: Evidence, values: list[float]) -> Ask | Decision:
        """Decide by one trial; a gain needs a second draw, which shows that there is no noise."""
        rows = difference(self.metric, seen.candidate, seen.incumbent_trials, seen.splits)
        if rows is not None and rows.deviation > 0:
            answer = self._over_rows(seen, rows, len(values))
        else:
            seeds = Seeds(ran=len(values), planned=len(values), splits=len(seen.splits))
            score = values[0] if rows is None else self._beside_the_best(seen, rows.gain)
            needed = self.price.needed(seen.added_lines)
            answer = compare(self.metric, seen.best, score, seeds, needed, seen.tie)
        if answer.status is ExperimentStatus.KEPT and len(values) == 1:
            return Ask(places=self._places(seen, seen.number, 1))
        return replace(answer, reason=answer.reason + self.price.said(seen.added_lines))

    def _over_rows(self, seen: Evidence, rows: Difference, trials: int) -> Decision:
        """Decide by how probable a gain is on other rows like these."""
        assert seen.level is not None  # noqa: S101 - looked at before
        needed = self.price.needed(seen.added_lines)
        shorter = self._needed_if_shorter(seen, seen.level.score)

        def believed_of(needed: float) -> Belief:
            known, spread = rows.gain / rows.deviation, float(rows.freedom)
            return belief.believe(known, 1.0, spread, self.prior, needed / rows.deviation)

        believed = believed_of(needed)
        if shorter is not None and shorter < needed and believed.better < self.at_once:
            believed = believed_of(needed := shorter)
        better = float(believed.better)
        gain = (
            rows.gain + float(belief.pulled(rows.gain / rows.deviation, believed)) * rows.deviation
        )
        margin = 1.96 * math.sqrt(float(believed.variance)) * rows.deviation
        kept = better >= self.at_once
        verdict = Verdict.WORSE if better <= 1 - self.at_once else Verdict.UNDECIDED
        if kept:
            verdict = Verdict.TIE if needed < self.price.min_gain else Verdict.KEPT
        return Decision(
            status=ExperimentStatus.KEPT if kept else ExperimentStatus.REVERTED,
            reason=f"{verdict}: {_than(needed)} with {percent(better)} (gain"
            f" {_short(gain, margin)} ± {_short(margin, margin)}{OVER_ROWS}, {_trials(trials)})",
            score=self._beside_the_best(seen, gain),
            gain=gain,
            sure=better,
            weight=1.0,
        )

    def _beside_the_best(self, seen: Evidence, gain: float) -> float:
        """Return the level of what is so much better than the best's own."""
        assert seen.level is not None  # noqa: S101 - looked at before
        return self.metric.before(seen.level.score, -gain)

    # -- scores with noise ----------------------------------------------------------------

    def _weighed(self, seen: Evidence, known: dict[int, float]) -> Ask | Decision:
        assert seen.level is not None  # noqa: S101 - looked at before
        origin, own = self._level(seen), _own(seen, known)
        if not own:  # a retry, which has trials and none of its own yet
            return Ask(places=self._places(seen, seen.number, 0))
        found, bounds = self._found(seen, known, *origin), self.bounds
        if seen.retries:  # a person wants to know: trials anew, and no end for small hope alone
            bounds = bounds._replace(most=bounds.most + len(known) - len(own), drop=0.0)
        needed = self.price.needed(seen.added_lines)
        # An exact score is compared as it is; the level that it has may be less, by what rows say.
        level = seen.level.score if origin[1] == EXACT else origin[0]
        shorter = self._needed_if_shorter(seen, level)
        believed = found.believe(self.prior, needed)
        if shorter is not None and shorter < needed and believed.better < bounds.keep:
            believed = found.believe(self.prior, needed := shorter)
        move = Move(
            int(
                belief.move(
                    found.estimate,
                    believed,
                    bounds,
                    trials=found.trials,
                    distinct=found.distinct,
                    varies=seen.varies and not seen.repeats,
                )
            )
        )
        if seen.retries and self._not_kept(float(believed.better)) is Verdict.WORSE:
            move = Move.DROP
        asked = self._asked_of_the_best(seen)
        outlook = self._outlook(seen, found, believed, bounds, needed)
        if move is Move.INCUMBENT and asked.wasted < PATIENCE:
            return Ask(places=self._places(seen, seen.incumbent, asked.count), outlook=outlook)
        if move in (Move.INCUMBENT, Move.CANDIDATE):
            return Ask(places=self._places(seen, seen.number, len(own)), outlook=outlook)
        return self._decision(seen, found, believed, move, level, needed)

    def _outlook(
        self, seen: Evidence, found: Found, believed: Belief, bounds: Bounds, needed: float
    ) -> Outlook:
        return Outlook(
            experiment=seen.number,
            trials=found.trials,
            most_trials=bounds.most,
            against=len(self._scores(seen.incumbent_trials, len(seen.splits))),
            gain=float(belief.level(found.estimate, believed, found.deviation).gain),
            margin=_margin(found, believed),
            better=float(believed.better),
            than=_than(needed),
            keep_from=bounds.keep,
            hope=float(believed.hope) if bounds.drop else None,
            drop_below=bounds.drop or None,
        )

    def _level(self, seen: Evidence) -> tuple[float, float]:
        """Return the best's level before this candidate, and how many trials it is worth."""
        assert seen.level is not None  # noqa: S101 - looked at before
        splits, own = len(seen.splits), seen.incumbent or 0
        scores = {*self._scores(seen.incumbent_trials, splits).values()}
        if not seen.varies and len(scores) == 1:
            return scores.pop(), EXACT
        before = [t for t in seen.incumbent_trials if own < t.asked_by < seen.number]
        since = [trial for trial in before if trial.asked_by not in seen.retries]
        later = _once(self._scores(since, splits).values())
        weight = seen.level.weight + len(later)
        gains = [self._gain(seen.level.score, value) for value in later]
        moved = math.fsum(gains) / weight
        return self.metric.before(seen.level.score, -moved), weight

    def _found(
        self, seen: Evidence, known: dict[int, float], origin: float, weight: float
    ) -> Found:
        splits = len(seen.splits)
        theirs = self._scores(seen.incumbent_trials, splits)
        asking = {seen.number, *seen.retries}
        now = self._scores([t for t in seen.incumbent_trials if t.asked_by in asking], splits)
        mine = {i: self._gain(origin, v) for i, v in _once_by_draw(known).items()}
        other = {i: self._gain(origin, v) for i, v in _once_by_draw(now).items()}
        # What the trials of a retried experiment say of noise is in the run's noise already.
        fresh = [mine[index] for index in _own(seen, mine)]
        groups = [fresh, [self._gain(origin, v) for v in _once(theirs.values())]]
        squares = math.fsum([float(seen.noise.squares), *map(_squares, groups)])
        freedom = float(seen.noise.freedom) + sum(max(len(group) - 1, 0) for group in groups)
        exact_side = not seen.varies and len(mine) == 1 and len(known) > 1
        pairs = [] if exact_side else [index for index in mine if index in other]
        alone = [value for index, value in mine.items() if index not in pairs]
        times = EXACT if exact_side else 1
        rest = [value for index, value in other.items() if index not in pairs]
        sums = Sums(
            known=weight,
            pairs=len(pairs),
            paired_candidate=math.fsum(mine[index] for index in pairs),
            paired_incumbent=math.fsum(other[index] for index in pairs),
            alone_candidate=times * math.fsum(alone),
            alone_incumbent=math.fsum(rest),
            more_candidate=times * len(alone),
            more_incumbent=len(rest),
        )
        return Found(
            estimate=belief.estimate(sums, float(seen.noise.correlation)),
            deviation=max(math.sqrt(squares / max(freedom, 1)), TINY),
            freedom=max(freedom, 1),
            trials=len(known),
            distinct=len(known) if exact_side else len(mine),
        )

    def _needed_if_shorter(self, seen: Evidence, level: float) -> float | None:
        """Return the gain that a shorter program needs; ties never lead below the record."""
        if seen.tie is None or not seen.tie.shorter:
            return None
        above = 0.0 if seen.best is None else max(0.0, self.metric.gain(level, seen.best))
        return above - seen.tie.within

    def _decision(
        self,
        seen: Evidence,
        found: Found,
        believed: Belief,
        move: Move,
        origin: float,
        needed: float,
    ) -> Decision:
        level = belief.level(found.estimate, believed, found.deviation)
        gain, better = float(level.gain), float(believed.better)
        margin = _margin(found, believed)
        kept = move is Move.KEEP
        # A program that is not kept teaches nothing of the best, and stands where the gain puts it.
        value = float(level.value) if kept else float(found.estimate.incumbent) + gain
        verdict = Verdict.KEPT if kept else self._not_kept(better)
        if kept and needed < self.price.min_gain:
            verdict = Verdict.TIE
        theirs = len(self._scores(seen.incumbent_trials, len(seen.splits)))
        reason = (
            f"{verdict}: {_than(needed)} with {percent(better)}"
            f" (gain {_short(gain, margin)} ± {_short(margin, margin)},"
            f" {_trials(found.trials)} against {theirs}){self.price.said(seen.added_lines)}"
        )
        rule = None
        if move is Move.IGNORES_SEED:
            rule = IGNORES_SEED
            reason = (
                f"{verdict}: {found.trials} draws gave the same score to the last bit, and the"
                " template's differ: use RUNNER_SEED for whatever is random, and fix no seed"
            )
        return Decision(
            status=ExperimentStatus.KEPT if kept else ExperimentStatus.REVERTED,
            reason=reason,
            rule=rule,
            score=self.metric.before(origin, -value),
            gain=gain,
            sure=better,
            weight=float(level.precision),
        )

    def _not_kept(self, better: float) -> Verdict:
        """Say whether a candidate is worse, or nobody knows: between the two lies the undecided."""
        return Verdict.WORSE if better <= 1 - self.bounds.keep else Verdict.UNDECIDED

    def _unstable(self, trial: TrialRecord) -> Decision:
        """Revert what ran and then did not: it is not repeated until it passes."""
        reason = trial.result.reason
        return Decision(status=ExperimentStatus.REVERTED, reason=reason, rule=UNSTABLE)

    # -- trials ---------------------------------------------------------------------------

    def _places(self, seen: Evidence, experiment: int | None, count: int) -> tuple[Place, ...]:
        """Return the trials of one draw of this candidate's, all splits of it, for either side."""
        index = draws.index(seen.number, count)
        side = seen.number if experiment is None else experiment
        return tuple(Place(experiment=side, split=split, index=index) for split in seen.splits)

    def _asked_of_the_best(self, seen: Evidence) -> Asked:
        values = _once_by_draw(self._scores(seen.incumbent_trials, len(seen.splits)))
        asked = {t.index for t in seen.incumbent_trials if t.asked_by == seen.number}
        return Asked(count=len(asked), wasted=len(asked - values.keys()))

    def _scores(self, trials: Sequence[TrialRecord], splits: int) -> dict[int, float]:
        for trial in trials:
            if not failed(trial):
                score_of(trial, self.metric.name)
        return scores_by_draw(trials, self.metric.name, splits)

    def _gain(self, origin: float, score: float) -> float:
        return max(-belief.CUT, min(belief.CUT, self.metric.gain(origin, score)))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of the best for this candidate."""

    count: int
    """Draws."""
    wasted: int
    """Those of them that failed, or gave a score that it had before."""


def _own(seen: Evidence, draws_of_it: Iterable[int]) -> list[int]:
    """Return the candidate's draws without those of the experiments that it continues."""
    return [index for index in draws_of_it if index // draws.PER_EXPERIMENT == seen.number]


def _once(values: Iterable[float]) -> list[float]:
    """Return the values without those that came before: equal scores on different draws."""
    return list(dict.fromkeys(values))


def _once_by_draw(values: dict[int, float]) -> dict[int, float]:
    """Return draws whose score did not come before."""
    first = {value: index for index, value in reversed(values.items())}
    return {index: value for index, value in values.items() if first[value] == index}


def _squares(values: Sequence[float]) -> float:
    """Return the sum of squared differences from the mean."""
    if len(values) < 2:
        return 0.0
    middle = math.fsum(values) / len(values)
    return math.fsum((value - middle) ** 2 for value in values)


def _margin(found: Found, believed: Belief) -> float:
    """Return half of the gain's interval of 95 %."""
    return 1.96 * math.sqrt(float(believed.variance)) * found.deviation


def _than(needed: float) -> str:
    if needed == 0:
        return "better"
    if needed > 0:
        return f"better by more than {written(exact(needed))}"
    return f"not worse by more than {written(rounded(-needed, 6))}"


def _short(value: float, margin: float) -> str:
    """Write a number with as many digits as its margin is known to: two of the margin's."""
    if not math.isfinite(value) or not margin or not math.isfinite(margin):
        return f"{value:.6g}"
    places = 1 - math.floor(math.log10(margin))
    return f"{value:.{max(places, 0)}f}" if -6 < places < 12 else f"{value:.3g}"


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count} trials"
