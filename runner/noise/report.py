"""What repeated trials of a template say: how noisy it is, and what a run of it can see; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist, correlation, fmean, stdev

import numpy as np

from runner.decision import percent, rounded, written
from runner.noise.simulation import EXPERIMENTS, World, posterior
from runner.policy.schema import FALSE_KEEPS, MOST_TRIALS, Policy
from runner.rules import constants

SIZES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
"""True gains that are planted into simulated runs, in standard deviations of a trial."""
PLANTS = (20, 40, 60, 80)
"""The proposals of a run that have one of them."""
RUNS = 300
"""Simulated runs for each of two questions; a share of keeps is then known to about 0.03."""
HALF, MOST = 0.5, 0.8
INVENTED = 0.05
"""The chance at which a proposal that changes nothing may beat the best by `min_gain`."""
FEWEST_PAIRS = 5
"""A correlation of fewer says nothing."""
FINE = 20
"""A step that is so many times smaller than the noise shows nothing but noise."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What is known of a task's noise; scores are means over the splits of one draw."""

    scores: tuple[float, ...]
    """Of the template, each on another draw."""
    twins: tuple[float, ...] = ()
    """The same on the same draws, after a change of nothing."""
    error: float | None = None
    """Of one score, by the scorer's own word on its rows."""
    seconds: float | None = None
    """Of one trial of one split."""

    @property
    def deviation(self) -> float | None:
        """From draw to draw; `None` for a single draw."""
        return stdev(self.scores) if len(self.scores) > 1 else None

    @property
    def exact(self) -> bool:
        """Whether several draws gave the same score to the last bit."""
        return len(self.scores) > 1 and len({*self.scores}) == 1

    @property
    def correlation(self) -> float | None:
        """Of two programs that do the same, on the same draw; `None` where it has no meaning."""
        several = (
            len(self.twins) >= FEWEST_PAIRS and len({*self.twins}) > 1 and len({*self.scores}) > 1
        )
        return correlation(self.scores, self.twins) if several else None

    @property
    def of_the_machine(self) -> float | None:
        """Standard deviation of what the draw does not decide."""
        if len(self.twins) < 2:
            return None
        return stdev(a - b for a, b in zip(self.scores, self.twins, strict=True)) / math.sqrt(2)

    def hidden(self, step: float) -> float | None:
        """Return the share of different scores that are the same in steps of this size."""
        pairs = [(a, b) for n, a in enumerate(self.scores) for b in self.scores[:n] if a != b]
        same = [round(a / step) == round(b / step) for a, b in pairs]
        return fmean(same) if pairs else None


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a run of 100 experiments sees; gains are in standard deviations of a trial."""

    half: float | None
    """The gain that is kept with 50 %; `None` where none is."""
    most: float | None
    """The gain that is kept with 80 %."""
    extra: float
    """Trials of each split beyond one for each experiment."""


def sight(policy: Policy, deviation: float) -> Sight:
    """Return what the rule `posterior` sees with this policy's numbers, by simulation.

    Programs share no noise in it; where a task's do, the run measures that and needs fewer trials.
    """
    said = policy.decision
    own = said.rule == "posterior"
    most_trials = said.trials if own else MOST_TRIALS["posterior"]
    bounds = constants.bounds(said.false_keeps or FALSE_KEEPS, most_trials)
    needed = said.min_gain / deviation
    sizes = np.resize(np.array(SIZES), (RUNS, len(PLANTS)))
    planted = np.full((RUNS, EXPERIMENTS), np.nan)
    planted[:, PLANTS] = needed + sizes
    about = (World(name=""), constants.PRIOR, bounds, constants.BASELINE, RUNS)
    kept = posterior(*about, 1, needed=needed, planted=planted).kept[:, PLANTS]
    shares = np.maximum.accumulate([kept[sizes == size].mean() for size in SIZES])
    extra = posterior(*about, 2, needed=needed).extra.mean()
    half, most = (_crossing(shares, wanted) for wanted in (HALF, MOST))
    return Sight(
        half=None if half is None else needed + half,
        most=None if most is None else needed + most,
        extra=float(extra),
    )


def _crossing(shares: np.ndarray, wanted: float) -> float | None:
    """Return the size at which a rising share comes to what is wanted."""
    if shares[-1] < wanted:
        return None
    return float(np.interp(wanted, [0.0, *shares], [0.0, *SIZES]))


def warnings(policy: Policy, noise: Noise, seen: Sight | None) -> Iterator[str]:
    """Yield where `round_to` or `min_gain` hide gains that a run could see, or invent some."""
    step, rule = policy.metric.round_to, policy.decision
    deviation = noise.deviation
    if deviation is None:
        if noise.error is not None and step > 2 * noise.error:
            yield (
                f"metric.round_to {step:g} is more than the scorer's own uncertainty"
                f" ({_short(noise.error)}) twice: it hides gains from agents"
            )
        return
    if deviation == 0:
        return
    if seen is not None and seen.most is not None and step > seen.most * deviation:
        yield (
            f"metric.round_to {step:g} hides gains from agents that the rule sees"
            f" (of {_short(seen.most * deviation)}): {tidy(deviation / 2):g} shows them"
        )
    if step * FINE < deviation:
        yield (
            f"metric.round_to {step:g} shows agents differences that are noise"
            f" (sd {_short(deviation)}): {tidy(deviation / 2):g} is enough"
        )
    if rule.rule == "posterior":
        plain = sight(_without_min_gain(policy), deviation).half if rule.min_gain else None
        if plain is not None and rule.min_gain > plain * deviation:
            yield (
                f"decision.min_gain {rule.min_gain:g} hides gains that a run would see without it"
                f" (from {_short(plain * deviation)} on)"
            )
        return
    luck = chance(policy, noise)
    if luck > INVENTED:
        yield (
            f"decision.min_gain {rule.min_gain:g} invents gains under the rule {rule.rule}: a"
            f" proposal that changes nothing beats the template by it with {percent(luck)};"
            " the rule posterior says how sure a gain is"
        )


def chance(policy: Policy, noise: Noise) -> float:
    """Return how probably a change of nothing beats a level by `min_gain`, by the mean alone."""
    rule, deviation = policy.decision, noise.deviation or 0.0
    needed = max(rule.min_gain, (noise.error or 0.0) if rule.rule == "ladder" else 0.0)
    return 1 - NormalDist(0, deviation * math.sqrt(2 / rule.trials)).cdf(needed)


def _without_min_gain(policy: Policy) -> Policy:
    decision = policy.decision.model_copy(update={"min_gain": 0.0})
    return policy.model_copy(update={"decision": decision})


def tidy(value: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{max(n * power for n in (1, 2, 5) if n * power <= value * 1.000001):.0e}")


def block(policy: Policy, noise: Noise, seen: Sight | None) -> str:
    """Return the lines of a policy that follow from the noise."""
    metric, rule, deviation = policy.metric, policy.decision, noise.deviation or 0.0
    step, min_gain = metric.round_to, rule.min_gain
    if deviation:
        wrong = [line.split()[0] for line in warnings(policy, noise, seen)]
        step = tidy(deviation / 2) if "metric.round_to" in wrong else step
        min_gain = 0.0 if "decision.min_gain" in wrong else min_gain
    said = f"{{name: {metric.name}, direction: {metric.direction}, round_to: {step:g}}}"
    most = rule.trials if rule.rule == "posterior" else MOST_TRIALS["posterior"]
    rows = [
        f"metric: {said}",
        "decision:",
        "  rule: posterior",
        f"  false_keeps: {rule.false_keeps or FALSE_KEEPS:g}",
        f"  most_trials: {most}",
        f"  min_gain: {min_gain:g}",
    ]
    if rule.price_per_line:
        rows.append(f"  price_per_line: {rule.price_per_line:g}")
    if rule.simplicity is not None:
        rows += ["  simplicity:", f"    tie_within: {rule.simplicity.tie_within:g}"]
    return "\n".join(rows)


def lines(policy: Policy, noise: Noise, seen: Sight | None) -> Iterator[tuple[str, str]]:
    """Yield what a person reads, a name and a text each."""
    metric, deviation, count = policy.metric, noise.deviation, len(noise.scores)
    splits = len(policy.evaluation.splits)
    yield "mean", f"{metric.name} {fmean(noise.scores):.6g} on {count} draws"
    if noise.exact:
        decides = "by its rows where the scorer samples them, else by min_gain"
        yield "sd", f"0: a draw changes nothing of a score; one trial decides, {decides}"
        yield from _of_rows(noise)
        return
    if deviation is None:
        return
    error = deviation / math.sqrt(2 * (count - 1))
    yield "sd", f"{_short(deviation, 3)} ± {_short(error)} from draw to draw"
    if noise.of_the_machine is not None:
        alike = "" if noise.correlation is None else f", correlation {noise.correlation:.2f}"
        yield (
            "same draw",
            f"sd {_short(noise.of_the_machine, 3)} of what the draw does not decide{alike}: what"
            " two programs share is at most that",
        )
    yield from _of_rows(noise)
    hidden = noise.hidden(metric.round_to)
    if hidden is not None:
        yield (
            "rounding",
            f"in steps of {metric.round_to:g} agents see {100 * hidden:.0f} % of these pairs as"
            " equal",
        )
    if seen is None:
        return
    yield "sees", _sees(seen, deviation, metric.name)
    trials = round((EXPERIMENTS + seen.extra) * splits)
    took = "" if noise.seconds is None else f", about {trials * noise.seconds / 3600:.1f} h"
    each = "" if noise.seconds is None else f" of {noise.seconds:.1f} s"
    yield "takes", f"{EXPERIMENTS} experiments: about {trials} trials{each}{took} on one device"


def _of_rows(noise: Noise) -> Iterator[tuple[str, str]]:
    if noise.error is not None:
        yield (
            "rows",
            f"{_short(noise.error)} is the scorer's standard error of one score, on its rows",
        )


def _sees(seen: Sight, deviation: float, metric: str) -> str:
    if seen.half is None:
        return "no gain that was tried: min_gain is far beyond the noise"
    said = f"a gain of {_short(seen.half * deviation)} in {metric} is kept with 50 %"
    return said + (
        "" if seen.most is None else f", one of {_short(seen.most * deviation)} with 80 %"
    )


def document(policy: Policy, noise: Noise, seen: Sight | None) -> dict[str, object]:
    """Return the same for machines; what is not known is null."""
    deviation = noise.deviation
    visible: list[float | None] = [None, None]
    if seen is not None and deviation:
        visible = [None if gain is None else gain * deviation for gain in (seen.half, seen.most)]
    return {
        "metric": policy.metric.name,
        "scores": noise.scores,
        "same_draws": noise.twins,
        "mean": fmean(noise.scores),
        "sd": deviation,
        "sd_of_the_machine": noise.of_the_machine,
        "correlation": noise.correlation,
        "standard_error_of_rows": noise.error,
        "hidden_by_round_to": noise.hidden(policy.metric.round_to),
        "trial_seconds": noise.seconds,
        "gain_seen_with_50_percent": visible[0],
        "gain_seen_with_80_percent": visible[1],
        "trials_for_100_experiments": None
        if seen is None
        else round((EXPERIMENTS + seen.extra) * len(policy.evaluation.splits)),
        "warnings": list(warnings(policy, noise, seen)),
        "policy": block(policy, noise, seen),
    }


def _short(value: float, digits: int = 2) -> str:
    return written(rounded(value, digits))
