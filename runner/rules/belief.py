"""How sure one may be that a candidate is better than the best so far: the numbers; pure.

Everything is a gain over the best's level as it stood before, positive is better. What is called a
variance or a precision is in units of s², the square of a trial's standard deviation; a precision
is therefore a number of trials. Every argument may be an array: the rule asks about one candidate,
the simulation in `bench/decisions.py` about ten thousand at once.

Sums over the grid may differ in their last digits from one machine to the next. A decision would
only differ where a probability comes within about 1e-12 of a threshold.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

Number = Any
"""A float, or an array of them."""

STEP, REACH = 0.1, 12.0
"""The grid of true gains, in s."""
FURTHEST = 6.0
"""A gain of more than so many s counts as one of so many.

Far out, a likelihood whose tail is a power would sooner believe that s was misjudged than that a
gain is large, which the prior says is exponentially rare.
"""
FURTHEST_BAR = 4.0
"""What is needed lies inside the grid: asked for more, effects are believed to be of that size."""
WILD = 9.0
"""A group adds at most so many times the variance before it, so that one that diverges from seed to
seed does not hide every gain that comes after it."""
FEWEST_PAIRS, PAIRS = 10, 10
"""Degrees of freedom before a correlation counts at all, and what it is shrunk by."""
MOST_CORRELATION = 0.8
REPEATS = 3
"""Equal scores on so many draws are no accident."""
CUT = 1e150
"""Differences are cut off there: what diverged has no square otherwise."""
SMALLEST = 0.01
"""Of a variance that a likelihood is made of: the grid shows nothing narrower."""


class Prior(NamedTuple):
    """What is believed of a proposal before its first trial."""

    helpful: float
    """The share that is better at all; the others are half of no effect, half harmful."""
    mean: float
    """Of a true effect, helpful or harmful, in s; its distribution is exponential."""


class Bounds(NamedTuple):
    """When to stop measuring."""

    keep: float
    """The probability of being better at which a candidate is kept."""
    drop: float
    """The probability of a gain worth waiting for below which it is dropped."""
    fewest: int
    """Trials of a candidate that is kept."""
    most: int
    """Trials of any candidate."""


class Noise(NamedTuple):
    """What is known of trials' spread, from groups of trials of the same program."""

    squares: Number = 0.0
    """Sum of squared differences from each group's mean."""
    freedom: Number = 0.0
    cross: Number = 0.0
    """The same of the products of a candidate's and the best's trials on the same draws."""
    candidate: Number = 0.0
    incumbent: Number = 0.0
    pairs: Number = 0.0
    """Degrees of freedom of the last three."""

    def with_group(self, squares: Number, freedom: Number) -> Noise:
        """Return it with one more group; of a wild one only a part."""
        added = np.minimum(squares, self._most(freedom))
        return self._replace(squares=self.squares + added, freedom=self.freedom + freedom)

    def with_pairs(
        self, cross: Number, candidate: Number, incumbent: Number, freedom: Number
    ) -> Noise:
        """Return it with the pairs of one more experiment, unless a side of them is wild."""
        tame = np.maximum(candidate, incumbent) <= self._most(freedom)
        return self._replace(
            cross=self.cross + np.where(tame, cross, 0.0),
            candidate=self.candidate + np.where(tame, candidate, 0.0),
            incumbent=self.incumbent + np.where(tame, incumbent, 0.0),
            pairs=self.pairs + np.where(tame, freedom, 0.0),
        )

    def _most(self, freedom: Number) -> Number:
        """Return the largest sum of squares that is not wild."""
        known = np.maximum(self.freedom, 1)
        return np.where(self.freedom > 0, WILD * self.squares / known * freedom, np.inf)

    @property
    def correlation(self) -> Number:
        """Of two programs' scores on the same draw, shrunk towards 0."""
        spread = np.sqrt(self.candidate * self.incumbent)
        raw = np.where(spread > 0, self.cross / np.where(spread > 0, spread, 1.0), 0.0)
        shrunk = np.clip(raw * self.pairs / (self.pairs + PAIRS), 0.0, MOST_CORRELATION)
        return np.where(self.pairs < FEWEST_PAIRS, 0.0, shrunk)


class Sums(NamedTuple):
    """Trials of both sides, as sums of gains over the best's level as it stood before."""

    known: Number
    """The precision of that level."""
    pairs: Number = 0
    """Draws that both sides had."""
    paired_candidate: Number = 0.0
    paired_incumbent: Number = 0.0
    alone_candidate: Number = 0.0
    alone_incumbent: Number = 0.0
    more_candidate: Number = 0
    """Draws that only this side had."""
    more_incumbent: Number = 0


class Estimate(NamedTuple):
    """Both levels by generalised least squares, and what follows for the gain."""

    candidate: Number
    incumbent: Number
    variance_candidate: Number
    variance_incumbent: Number
    variance: Number
    """Of the gain."""
    pull: Number
    """By how much the candidate's level moves with the gain."""

    @property
    def gain(self) -> Number:
        return self.candidate - self.incumbent


def estimate(sums: Sums, correlation: Number) -> Estimate:
    """Return what the trials say of both levels; a candidate has at least one trial."""
    both = sums.pairs / (1.0 - correlation**2)
    left = sums.known + sums.more_incumbent + both
    right, across = sums.more_candidate + both, -correlation * both
    pair = 1.0 / (1.0 - correlation**2)
    of_left = sums.alone_incumbent + pair * (
        sums.paired_incumbent - correlation * sums.paired_candidate
    )
    of_right = sums.alone_candidate + pair * (
        sums.paired_candidate - correlation * sums.paired_incumbent
    )
    size = left * right - across**2
    own, other, shared = left / size, right / size, -across / size
    variance = own + other - 2.0 * shared
    return Estimate(
        candidate=(left * of_right - across * of_left) / size,
        incumbent=(right * of_left - across * of_right) / size,
        variance_candidate=own,
        variance_incumbent=other,
        variance=variance,
        pull=(own - shared) / variance,
    )


class Belief(NamedTuple):
    """What is believed of a candidate's true gain after its trials; lengths in s."""

    better: Number
    """The probability of a gain above what is needed."""
    hope: Number
    """The probability of one worth waiting for: of more than 1 s, or than what is needed; where a
    little worse is good enough, of no more than that."""
    mean: Number
    variance: Number


def _grid(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Return true gains and their prior weights: half of the cells lie on each side of 0."""
    centres = np.arange(STEP / 2, REACH, STEP)
    density = np.exp(-centres / prior.mean)
    density /= density.sum()
    neutral = (1.0 - prior.helpful) / 2
    weights = (neutral * density[::-1], [neutral], prior.helpful * density)
    return np.concatenate([-centres[::-1], [0.0], centres]), np.concatenate(weights)


def believe(
    gain: Number, variance: Number, freedom: Number, prior: Prior, needed: Number = 0.0
) -> Belief:
    """Weigh every true gain by how well it explains the one that was seen.

    Args:
        gain: as it was estimated, in s.
        variance: of that, in s².
        freedom: degrees of freedom that s was estimated with; at least 1.
        prior: what was believed before.
        needed: the gain that counts as better, in s; negative where a little worse is good enough.
    """
    gain, variance, needed = (np.asarray(each, float) for each in (gain, variance, needed))
    true, found = _weighed(gain, variance, freedom, prior)
    mean, square = found @ true, found @ true**2
    unit = np.maximum(1.0, np.abs(needed) / FURTHEST_BAR)
    if (unit > 1.0).any():
        _, found = _weighed(gain / unit, variance / unit**2, freedom, prior)
    bar = needed / unit
    worth = np.where(bar < 0.0, bar, np.maximum(bar, 1.0 / unit))
    return Belief(
        better=_above(true, found, bar),
        hope=_above(true, found, worth),
        mean=mean,
        variance=np.maximum(square - mean**2, 0.0),
    )


def _weighed(
    gain: np.ndarray, variance: np.ndarray, freedom: Number, prior: Prior
) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid of true gains, and how probable each is."""
    true, weights = _grid(prior)
    seen = np.clip(gain, -FURTHEST, FURTHEST)[..., None]
    freedom = np.asarray(freedom, float)[..., None]
    variance = np.maximum(variance, SMALLEST)[..., None]
    likelihood = -(freedom + 1) / 2 * np.log1p((seen - true) ** 2 / (freedom * variance))
    found = weights * np.exp(likelihood - likelihood.max(axis=-1, keepdims=True))
    return true, found / found.sum(axis=-1, keepdims=True)


def pulled(gain: Number, belief: Belief) -> Number:
    """Return how far what is believed lies from the gain that was seen, in s."""
    return belief.mean - np.clip(gain, -FURTHEST, FURTHEST)


def _above(true: np.ndarray, found: np.ndarray, bar: np.ndarray) -> Number:
    """Return the probability of more than `bar`, which may divide a cell of the grid.

    What has no effect at all is one point, which is more than a negative bar only.
    """
    width = np.where(true == 0.0, 1e-9, STEP)
    start = np.where(true == 0.0, -1e-9, true - STEP / 2)
    share = np.clip((start + width - bar[..., None]) / width, 0.0, 1.0)
    return (found * share).sum(axis=-1)


class Move(IntEnum):
    """What to do next."""

    KEEP = 0
    DROP = 1
    IGNORES_SEED = 2
    """Revert it: on every draw it scores the same to the last bit, where the template does not."""
    CANDIDATE = 3
    """Measure it again."""
    INCUMBENT = 4


def move(
    found: Estimate,
    belief: Belief,
    bounds: Bounds,
    *,
    trials: Number,
    distinct: Number,
    varies: Number = True,
) -> Number:
    """Decide, or say which side to measure: the one whose level is less certain.

    Args:
        found: both levels.
        belief: what follows.
        bounds: when to stop.
        trials: how many the candidate had.
        distinct: how many of them count; equal scores on different draws count once.
        varies: whether the template's scores differ from draw to draw, each from all others.
    """
    sure = belief.better >= bounds.keep
    keep = sure & (distinct >= bounds.fewest)
    drop = (trials >= bounds.most) | ((belief.hope < bounds.drop) & ~sure)
    ignores = np.logical_and(varies, (trials >= REPEATS) & (distinct == 1)) & ~drop
    less_certain = found.variance_incumbent > found.variance_candidate
    measure = np.where(less_certain, Move.INCUMBENT, Move.CANDIDATE)
    measure = np.where(ignores, Move.IGNORES_SEED, measure)
    return np.where(keep, Move.KEEP, np.where(drop, Move.DROP, measure))


class Level(NamedTuple):
    """Where a candidate stands once it is decided on: what is believed, not what it scored."""

    value: Number
    """As a gain over the best's level as it stood before."""
    precision: Number
    """The number of trials that it is worth."""
    gain: Number
    """Over the best as both sides' trials show it now."""


def level(found: Estimate, belief: Belief, deviation: Number) -> Level:
    """Return the candidate's level: its own trials, drawn towards what the prior makes of the gain.

    Args:
        found: both levels.
        belief: of the gain.
        deviation: s.
    """
    moved = pulled(found.gain / deviation, belief) * deviation
    left = found.variance_candidate - found.pull**2 * (found.variance - belief.variance)
    return Level(
        value=found.candidate + found.pull * moved,
        precision=1.0 / np.maximum(left, 1e-6),
        gain=found.gain + moved,
    )
