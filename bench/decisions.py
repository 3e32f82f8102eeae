"""How often each rule is wrong, in runs whose truth is known: `python bench/decisions.py`.

A world says how proposals and noise are made. The standard deviation of one trial is 1 in it, and
unknown to the rule. The numbers of `posterior` are the product's own (`runner.rules.belief`), asked
for all runs of a world at once; `strict` and `ladder` are asked run by run. The table goes to
`bench/decisions.md`, and with `--constants` the thresholds that reach each share of false keeps go
to `runner/rules/constants.py`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from runner import draws, paths
from runner.decision import Decision
from runner.policy.load import load_policy
from runner.policy.schema import DecisionRule
from runner.policy.schema import Metric as MetricRule
from runner.records import (
    ExperimentStatus,
    Purpose,
    Score,
    TrialRecord,
    TrialResult,
    TrialStatus,
)
from runner.rules import Evidence, belief, constants, rule_of
from runner.rules.belief import Bounds, Level, Move, Noise, Prior, Sums

HERE = Path(__file__).resolve().parent
EXPERIMENTS = 100
CAUGHT_ABOVE = 1.0
CERTAINTY = ((0.8, 0.9), (0.9, 0.95), (0.95, 0.99), (0.99, 1.01))
"""Bins of the stated probability, for keeps."""


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
    reached: np.ndarray = field(init=False)
    """True level at the end."""

    def __post_init__(self) -> None:
        for name in ("keeps", "false", "large", "caught", "extra", "claimed", "reached"):
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
        over = self.claimed - self.reached
        return {
            "false": self.share(self.false, self.keeps),
            "caught": self.share(self.caught, self.large),
            "extra": (float(self.extra.mean()), float(self.extra.std() / root)),
            "keeps": (float(self.keeps.mean()), float(self.keeps.std() / root)),
            "over": (float(over.mean()), float(over.std() / root)),
            "reached": (float(self.reached.mean()), float(self.reached.std() / root)),
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
            return self.own[some] * self.candidate_sd[some]
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
        made = sd * (np.sqrt(rho) * self.shared[some, slot] + np.sqrt(1 - rho) * own)
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
        return np.maximum(self.count - 1, 0)


def posterior(
    world: World, prior: Prior, bounds: Bounds, baseline: int, runs: int, seed: int
) -> Tally:
    """Play many runs of a world at once under the rule `posterior`."""
    random = np.random.default_rng(seed)
    tally, trials = Tally(runs), Trials(world, runs, random)
    every = np.arange(runs)
    wanted = effects(world, runs, random)
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
            believed = belief.believe(found.gain / deviation, found.variance, freedom, prior)
            turn = belief.move(found, believed, bounds, trials=n[active], distinct=distinct)
            at: Level = belief.level(found, believed, deviation)
            keep = active[turn == Move.KEEP]
            kept[keep] = True
            stated[keep] = believed.better[turn == Move.KEEP]
            ended[active], weight[active] = standing[active] + at.value, at.precision
            goes_on = turn >= Move.CANDIDATE
            active, turn = active[goes_on], turn[goes_on]
        tally.extra += n + m - 1
        _count(tally, effect, kept, stated)
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
    tally.claimed, tally.reached = standing, truth
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


def _count(tally: Tally, effect: np.ndarray, kept: np.ndarray, stated: np.ndarray) -> None:
    tally.keeps += kept
    tally.false += kept & (effect <= 0)
    tally.large += effect > CAUGHT_ABOVE
    tally.caught += kept & (effect > CAUGHT_ABOVE)
    if kept.any():
        tally.stated.append((stated[kept], effect[kept] > 0))


# -- the rules that are asked run by run ---------------------------------------------------------


def in_turn(world: World, name: str, runs: int, seed: int) -> Tally:
    """Play runs of a world under `strict` or `ladder`, each proposal by the rule's own `judge`."""
    random = np.random.default_rng(seed)
    tally, trials = Tally(runs), Trials(world, runs, random)
    wanted, every, first = effects(world, runs, random), np.arange(runs), np.zeros(runs, int)
    rule = rule_of(POLICY.model_copy(update={"decision": RULES[name]}))
    trials.begin(1)
    best, truth = trials.incumbent(every, first), np.zeros(runs)
    for number in range(1, EXPERIMENTS + 1):
        trials.begin(1)
        effect = wanted[:, number - 1]
        scores = truth + effect + trials.candidate(every, first)
        kept = np.zeros(runs, bool)
        for run in every:
            score, known = float(scores[run]), float(best[run])
            answer = rule.judge(_seen(number, score, known))
            assert isinstance(answer, Decision)
            kept[run] = answer.status is ExperimentStatus.KEPT
        _count(tally, effect, kept, np.zeros(runs))
        best, truth = np.where(kept, scores, best), np.where(kept, truth + effect, truth)
    tally.stated, tally.claimed, tally.reached = [], best, truth
    return tally


POLICY = load_policy(paths.policy_path("eclip")).policy.model_copy(
    update={"metric": MetricRule(name="score", direction="maximize", round_to=0.5)}
)
RULES = {
    "strict": DecisionRule(rule="strict", most_trials=1),
    "ladder": DecisionRule(rule="ladder"),
}


def _seen(number: int, score: float, best: float) -> Evidence:
    """Return one trial of a candidate; the error that its scorer gives is what it is, 1."""
    found = Score(metrics={"score": score, "score_se": 1.0})
    result = TrialResult(status=TrialStatus.SCORED, reason="", score=found)
    trial = TrialRecord(
        purpose=Purpose.DECISION, split="train", index=draws.index(number, 0), seed=0,
        asked_by=number, result=result,
    )  # fmt: skip
    return Evidence(number=number, splits=("train",), candidate=(trial,), best=best)


# -- what is printed -----------------------------------------------------------------------------

WORLDS = (
    World(name="independent noise"),
    World(name="correlation .2 on a draw", correlation=0.2),
    World(name="correlation .35 on a draw", correlation=0.35),
    World(name="t noise, 5 degrees of freedom", freedom=5),
    World(name="sd from half to double", spread=2.0),
    World(name="drift, sd .5 over 50 trials", drift=0.5),
)
SHARES, MEANS = (0.15, 0.05), (1.5, 1.0)
NOTHING = (
    World(name="proposals that change nothing", helpful=0.0, neutral=1.0),
    World(name="the same, and fix their seed", helpful=0.0, neutral=1.0, fixed=True),
)
WANTED = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of false keeps that a policy may ask for."""
SURE = (0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99)
"""Probabilities to keep at that are tried."""
HEADING = """| rule | world | helpful | mean | false share | above 1 sd caught | keeps | extra \
| overstated | true gain |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"""
PREAMBLE = """# How often each rule is wrong

`python bench/decisions.py` writes this page; the numbers of `posterior` are those of the product.

A run has 100 proposals.
Of them 15 or 5 % help, by an exponential gain of the stated mean; half of the others do nothing,
and half harm by as much.
The standard deviation of one trial, sd, is the unit, and unknown to the rule.

*False* is the share of keeps that do not help, *caught* the share of the gains above 1 sd that are
kept.
*Extra* counts every trial beyond one for each proposal: of the best and of the template too.
*Overstated* is what the last level claims beyond the truth, *true gain* what was reached.
Behind ± stands the standard error over runs: {runs:,} of posterior, and {few:,} of strict (one
trial) and of ladder (its scorer's error is 1 sd).
"""


def line(name: str, world: World, tally: Tally) -> str:
    found = tally.row()

    def cell(key: str, digits: int) -> str:
        value, error = found[key]
        return "none" if np.isnan(value) else f"{value:.{digits}f} ± {error:.{digits}f}"

    cells = (cell("false", 3), cell("caught", 3), cell("keeps", 2), cell("extra", 1))
    ends = (cell("over", 2), cell("reached", 2))
    about = (name, world.name, f"{world.helpful:.0%}", f"{world.mean:g} sd")
    return f"| {' | '.join((*about, *cells, *ends))} |"


def calibration(tallies: Sequence[Tally]) -> Iterator[str]:
    """Yield what was said of keeps in all worlds with independent noise, and what was true."""
    yield "| stated | in the mean | true | keeps |\n|---|--:|--:|--:|"
    said = np.concatenate([one for tally in tallies for one, _ in tally.stated])
    right = np.concatenate([one for tally in tallies for _, one in tally.stated])
    for low, high in CERTAINTY:
        some = (said >= low) & (said < high)
        if some.any():
            cells = (f"{said[some].mean():.3f}", f"{right[some].mean():.3f}", f"{some.sum()}")
            yield f"| {low:.0%} to {min(high, 1):.0%} | {' | '.join(cells)} |"


def table(runs: int, few: int) -> Iterator[str]:
    """Play every world under every rule, and yield the page."""
    yield PREAMBLE.format(runs=runs, few=few)
    yield HEADING
    bounds, independent = constants.bounds(0.05, 14), []
    cases = [
        replace(world, helpful=helpful, mean=mean)
        for mean in MEANS
        for world in WORLDS
        for helpful in SHARES
    ]
    for world in (*cases, *NOTHING):
        tally = posterior(world, constants.PRIOR, bounds, constants.BASELINE, runs, 1)
        if world.name == WORLDS[0].name and world.mean == MEANS[0]:
            independent.append(tally)
        yield line("posterior", world, tally)
    for name in RULES:
        for world in (*cases, *NOTHING):
            yield line(name, world, in_turn(world, name, few, 1))
    yield "\n## How sure it says it is\n\nKeeps of the first two rows.\n"
    yield from calibration(independent)


def tuned(runs: int) -> str:
    """Return the constants' table: the least sure keep that each share of false keeps allows."""
    world, drop, shares = World(name="", helpful=0.05), constants.TABLE[0][2], list[float]()
    for keep in SURE:
        bounds = Bounds(keep=keep, drop=drop, fewest=constants.FEWEST, most=14)
        tally = posterior(world, constants.PRIOR, bounds, constants.BASELINE, runs, 2)
        shares.append(tally.row()["false"][0])
        print(f"keep at {keep}: {shares[-1]:.4f} false", file=sys.stderr)
    rows = []
    for wanted in WANTED:
        places = range(len(SURE))
        first = next(at for at in places if max(shares[at:]) <= wanted)
        rows.append(f"    ({wanted}, {SURE[first]}, {drop}),")
    return "TABLE = (\n" + "\n".join(rows) + "\n)\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="of each world, under posterior")
    parser.add_argument("--few", type=int, default=300, help="under strict and ladder")
    parser.add_argument("--constants", action="store_true", help="find and write the constants")
    said = parser.parse_args()
    if said.constants:
        path = Path(constants.__file__)
        text = re.sub(r'(?ms)^TABLE = .*?(?=^""")', tuned(said.runs), path.read_text())
        path.write_text(text)
        return
    begun, lines = time.monotonic(), []
    for each in table(said.runs, said.few):
        print(each, flush=True)
        lines.append(each)
    HERE.joinpath("decisions.md").write_text("\n".join(lines) + "\n")
    print(f"\n{time.monotonic() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
