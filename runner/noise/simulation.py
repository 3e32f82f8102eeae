"""Runs whose truth is known, many at once, under the numbers of the rule `posterior`; pure.

A world says how proposals and noise are made. The standard deviation of one trial is 1 in it, and
unknown to the rule, whose numbers are the product's own (`runner.rules.belief`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from runner.rules import belief
from runner.rules.belief import Bounds, Level, Move, Noise, Prior, Sums

EXPERIMENTS = 100
CAUGHT_ABOVE = 1.0
"""Standard deviations of a trial."""


@dataclass(frozen=True, kw_only=True)
class World:
    """How proposals and noise are made."""

    name: str
    helpful: float = 0.05
    mean: float = 1.5
    """Of a true effect."""
    neutral: float = 0.5
    """Of those that do not help, the share that changes nothing; the others harm."""
    correlation: float = 0.0
    """Of two programs' scores on the same draw."""
    freedom: float = np.inf
    """Of the noise's t distribution."""
    spread: float = 1.0
    """A candidate's standard deviation is from 1/spread to spread, evenly in the logarithm."""
    drift: float = 0.0
    """Standard deviation of a slow change that every trial of its time shares."""
    memory: float = 0.98
    """Of that change, from one trial to the next."""
    fixed: bool = False
    """Whether proposals fix their seed: all their trials have one score."""


@dataclass
class Tally:
    """What became of the proposals of many runs."""

    runs: int
    keeps: np.ndarray = field(init=False)
    false: np.ndarray = field(init=False)
    large: np.ndarray = field(init=False)
    caught: np.ndarray = field(init=False)
    extra: np.ndarray = field(init=False)
    """Trials beyond one for each proposal, the baseline's included."""
    stated: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    """Stated probabilities of keeps, and whether they were right."""
    claimed: np.ndarray = field(init=False)
    """(runs, experiments): the level that is believed after each of them."""
    reached: np.ndarray = field(init=False)
    """(runs, experiments): the true level then."""
    kept: np.ndarray = field(init=False)
    """(runs, experiments), under `posterior`."""

    def __post_init__(self) -> None:
        self.kept = np.zeros((self.runs, EXPERIMENTS), bool)
        self.claimed, self.reached = (np.zeros(self.kept.shape) for _ in range(2))
        for name in ("keeps", "false", "large", "caught", "extra"):
            setattr(self, name, np.zeros(self.runs))

    def share(self, part: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
        """Return a ratio of sums over runs, and its standard error."""
        total = whole.sum()
        if not total:
            return float("nan"), float("nan")
        ratio = part.sum() / total
        error = np.sqrt(((part - ratio * whole) ** 2).sum()) / total
        return float(ratio), float(error)

    def row(self) -> dict[str, tuple[float, float]]:
        """Return each figure with its standard error."""
        root = np.sqrt(self.runs)
        reached = self.reached[:, -1]
        over = self.claimed[:, -1] - reached
        return {
            "false": self.share(self.false, self.keeps),
            "caught": self.share(self.caught, self.large),
            "extra": (float(self.extra.mean()), float(self.extra.std() / root)),
            "keeps": (float(self.keeps.mean()), float(self.keeps.std() / root)),
            "over": (float(over.mean()), float(over.std() / root)),
            "reached": (float(reached.mean()), float(reached.std() / root)),
        }


def effects(world: World, runs: int, random: np.random.Generator) -> np.ndarray:
    """Return the true effect of every proposal, (runs, experiments)."""
    shape = (runs, EXPERIMENTS)
    size = random.exponential(world.mean, shape)
    kind, neutral = random.random(shape), random.random(shape) < world.neutral
    return np.where(kind < world.helpful, size, np.where(neutral, 0.0, -size))


class Trials:
    """Makes the noise of trials; a trial of either side on one slot of an experiment is a draw."""

    def __init__(self, world: World, runs: int, random: np.random.Generator) -> None:
        self.world, self.random = world, random
        self.drift = random.normal(0.0, world.drift, runs) if world.drift else np.zeros(runs)
        self.incumbent_sd = np.ones(runs)
        self.candidate_sd = np.ones(runs)
        self.shared = np.zeros((runs, 1))
        self.own = np.zeros(runs)

    def begin(self, slots: int) -> None:
        """Draw what the trials of the next experiments share."""
        runs = len(self.drift)
        self.shared = self.random.normal(size=(runs, slots))
        self.own = self._noise(np.arange(runs), np.zeros(runs, int), np.ones(runs))
        spread = np.log(self.world.spread)
        self.candidate_sd = np.exp(self.random.uniform(-spread, spread, runs))

    def candidate(self, some: np.ndarray, slot: np.ndarray) -> np.ndarray:
        if self.world.fixed:
            fixed: np.ndarray = self.own[some] * self.candidate_sd[some]
            return fixed
        return self._noise(some, slot, self.candidate_sd[some])

    def incumbent(self, some: np.ndarray, slot: np.ndarray) -> np.ndarray:
        return self._noise(some, slot, self.incumbent_sd[some])

    def _noise(self, some: np.ndarray, slot: np.ndarray, sd: np.ndarray) -> np.ndarray:
        world, random = self.world, self.random
        if np.isfinite(world.freedom):
            scale = np.sqrt((world.freedom - 2) / world.freedom)
            own = random.standard_t(world.freedom, len(some)) * scale
        else:
            own = random.normal(size=len(some))
        rho = world.correlation
        made: np.ndarray = sd * (np.sqrt(rho) * self.shared[some, slot] + np.sqrt(1 - rho) * own)
        if world.drift:
            step = world.drift * np.sqrt(1 - world.memory**2)
            fresh = random.normal(0.0, step, len(some))
            self.drift[some] = world.memory * self.drift[some] + fresh
            made = made + self.drift[some]
        return made


@dataclass
class Group:
    """Trials of one program in each run: count, mean and squared differences from it."""

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def empty(cls, runs: int) -> Group:
        return cls(np.zeros(runs), np.zeros(runs), np.zeros(runs))

    def add(self, some: np.ndarray, value: np.ndarray) -> None:
        self.count[some] += 1
        moved = value - self.mean[some]
        self.mean[some] += moved / self.count[some]
        self.squares[some] += moved * (value - self.mean[some])

    @property
    def freedom(self) -> np.ndarray:
        found: np.ndarray = np.maximum(self.count - 1, 0)
        return found


def posterior(
    world: World,
    prior: Prior,
    bounds: Bounds,
    baseline: int,
    runs: int,
    seed: int,
    *,
    needed: float = 0.0,
    planted: np.ndarray | None = None,
) -> Tally:
    """Play many runs of a world at once under the rule `posterior`.

    Args:
        world: how proposals and noise are made.
        prior: what the rule believes of a proposal.
        bounds: when it stops.
        baseline: trials of the template.
        runs: how many.
        seed: of all that is drawn.
        needed: the gain that counts as better, in standard deviations of a trial.
        planted: (runs, experiments): true effects in place of drawn ones, where they are finite.
    """
    random = np.random.default_rng(seed)
    tally, trials = Tally(runs), Trials(world, runs, random)
    every = np.arange(runs)
    wanted = effects(world, runs, random)
    if planted is not None:
        wanted = np.where(np.isfinite(planted), planted, wanted)
    slots = bounds.most + 30
    truth, standing, known = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    best, noise = Group.empty(runs), Noise(*(np.zeros(runs) for _ in Noise._fields))
    trials.begin(baseline)
    for slot in range(baseline):
        best.add(every, trials.incumbent(every, np.full(runs, slot)))
    standing, known = best.mean.copy(), best.count.copy()
    tally.extra += baseline
    for number in range(EXPERIMENTS):
        trials.begin(slots)
        effect = wanted[:, number]
        mine, theirs = np.zeros((runs, slots)), np.zeros((runs, slots))
        n, m = np.zeros(runs, int), np.zeros(runs, int)
        own = Group.empty(runs)
        kept = np.zeros(runs, bool)
        stated = np.zeros(runs)
        ended, weight = np.zeros(runs), np.zeros(runs)
        active, turn = every, np.full(runs, Move.CANDIDATE)
        while len(active):
            some = active[turn == Move.CANDIDATE]
            value = truth[some] + effect[some] + trials.candidate(some, n[some])
            mine[some, n[some]] = value - standing[some]
            own.add(some, value)
            n[some] += 1
            some = active[turn == Move.INCUMBENT]
            value = truth[some] + trials.incumbent(some, m[some])
            theirs[some, m[some]] = value - standing[some]
            best.add(some, value)
            m[some] += 1
            asked = _asked(mine[active], theirs[active], n[active], m[active], known[active], world)
            squares = noise.squares[active] + best.squares[active] + own.squares[active]
            freedom = noise.freedom[active] + best.freedom[active]
            distinct = np.ones(len(active), int) if world.fixed else n[active]
            freedom += distinct - 1
            deviation = np.sqrt(squares / freedom)
            some_noise = Noise(*(part[active] for part in noise))
            found = belief.estimate(asked, some_noise.correlation)
            bar = needed / deviation
            believed = belief.believe(found.gain / deviation, found.variance, freedom, prior, bar)
            turn = belief.move(found, believed, bounds, trials=n[active], distinct=distinct)
            at: Level = belief.level(found, believed, deviation)
            keep = active[turn == Move.KEEP]
            kept[keep] = True
            stated[keep] = believed.better[turn == Move.KEEP]
            ended[active], weight[active] = standing[active] + at.value, at.precision
            goes_on = turn >= Move.CANDIDATE
            active, turn = active[goes_on], turn[goes_on]
        tally.extra += n + m - 1
        tally.kept[:, number] = kept
        count(tally, effect, kept, stated)
        left = ~kept
        total = np.where(np.arange(slots) < m[:, None], theirs, 0.0).sum(axis=1)
        standing[left] += (total / (known + m))[left]
        known[left] += m[left]
        once = np.where(world.fixed, 0.0, own.freedom)
        closed = np.where(kept, best.squares, own.squares), np.where(kept, best.freedom, once)
        noise = noise.with_pairs(*_pairs(mine, theirs, n, m)).with_group(*closed)
        truth[kept] += effect[kept]
        standing[kept], known[kept] = ended[kept], weight[kept]
        trials.incumbent_sd[kept] = trials.candidate_sd[kept]
        for part, other in zip(
            (best.count, best.mean, best.squares), (own.count, own.mean, own.squares), strict=True
        ):
            part[kept] = other[kept]
        tally.claimed[:, number], tally.reached[:, number] = standing, truth
    return tally


def _asked(
    mine: np.ndarray,
    theirs: np.ndarray,
    n: np.ndarray,
    m: np.ndarray,
    known: np.ndarray,
    world: World,
) -> Sums:
    """Return an experiment's trials as sums; slots that both sides have are pairs."""
    slot = np.arange(mine.shape[1])
    if world.fixed:  # equal scores count once
        n = np.ones_like(n)
    pairs = np.minimum(n, m)
    both = slot < pairs[:, None]
    own = (slot < n[:, None]) & ~both
    other = (slot < m[:, None]) & ~both
    return Sums(
        known=known,
        pairs=pairs,
        paired_candidate=(mine * both).sum(axis=1),
        paired_incumbent=(theirs * both).sum(axis=1),
        alone_candidate=(mine * own).sum(axis=1),
        alone_incumbent=(theirs * other).sum(axis=1),
        more_candidate=n - pairs,
        more_incumbent=m - pairs,
    )


def _pairs(
    mine: np.ndarray, theirs: np.ndarray, n: np.ndarray, m: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return sums of products of paired trials, and their degrees of freedom."""
    pairs = np.minimum(n, m)
    both = (np.arange(mine.shape[1]) < pairs[:, None]) & (pairs[:, None] > 1)

    def centred(values: np.ndarray) -> np.ndarray:
        some = np.where(both, values, 0.0)
        return np.where(both, some - (some.sum(axis=1) / np.maximum(pairs, 1))[:, None], 0.0)

    own, other = centred(mine), centred(theirs)
    sums = ((own * other).sum(axis=1), (own**2).sum(axis=1), (other**2).sum(axis=1))
    return *sums, np.maximum(pairs - 1, 0)


def count(tally: Tally, effect: np.ndarray, kept: np.ndarray, stated: np.ndarray) -> None:
    tally.keeps += kept
    tally.false += kept & (effect <= 0)
    tally.large += effect > CAUGHT_ABOVE
    tally.caught += kept & (effect > CAUGHT_ABOVE)
    if kept.any():
        tally.stated.append((stated[kept], effect[kept] > 0))
