"""How often each rule is wrong, in runs whose truth is known: `python bench/decisions.py`.

The numbers of `posterior` are the product's own, asked for all runs of a world at once
(`runner.noise.simulation`); `strict` and `ladder` are asked run by run. The table goes to
`bench/decisions.md`, and with `--constants` the thresholds that reach each share of false keeps go
to `runner/rules/constants.py`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from runner import draws, paths
from runner.decision import Decision
from runner.noise.simulation import EXPERIMENTS, Tally, Trials, World, count, effects, posterior
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
from runner.rules import Evidence, constants, rule_of
from runner.rules.belief import Bounds

HERE = Path(__file__).resolve().parent
CERTAINTY = ((0.8, 0.9), (0.9, 0.95), (0.95, 0.99), (0.99, 1.01))
"""Bins of the stated probability, for keeps."""


# -- the rules that are asked run by run ---------------------------------------------------------


def in_turn(world: World, name: str, runs: int, seed: int) -> Tally:
    """Play runs of a world under `strict` or `ladder`, by the rule's own `judge`.

    Neither keeps a score that is no better than the best's, so only of better ones it is asked.
    """
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
        for run in np.flatnonzero(scores > best):
            score, known = float(scores[run]), float(best[run])
            answer = rule.judge(_seen(number, score, known))
            assert isinstance(answer, Decision)
            kept[run] = answer.status is ExperimentStatus.KEPT
        count(tally, effect, kept, np.zeros(runs))
        best, truth = np.where(kept, scores, best), np.where(kept, truth + effect, truth)
        tally.claimed[:, number - 1], tally.reached[:, number - 1] = best, truth
    tally.stated = []
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
Behind ± stands the standard error over {runs:,} runs. *Strict* has one trial, and the error of
*ladder*'s scorer is 1 sd.
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


def table(runs: int) -> Iterator[str]:
    """Play every world under every rule, and yield the page."""
    yield PREAMBLE.format(runs=runs)
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
            yield line(name, world, in_turn(world, name, runs, 1))
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
    parser.add_argument("--runs", type=int, default=10_000, help="of each world, under each rule")
    parser.add_argument("--constants", action="store_true", help="find and write the constants")
    said = parser.parse_args()
    if said.constants:
        path = Path(constants.__file__)
        text = re.sub(r'(?ms)^TABLE = .*?(?=^""")', tuned(said.runs), path.read_text())
        path.write_text(text)
        return
    begun, lines = time.monotonic(), []
    for each in table(said.runs):
        print(each, flush=True)
        lines.append(each)
    HERE.joinpath("decisions.md").write_text("\n".join(lines) + "\n")
    print(f"\n{time.monotonic() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
