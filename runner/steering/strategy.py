"""Which experiment the next proposal starts from, and in which mode; pure.

Every choice follows from the journal, the tag and the number, so that a resumed run makes the same
one. Scores are compared in the steps in which an agent sees them, so a choice tells it nothing new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from runner.decision import GUARD, Metric
from runner.policy.schema import Strategy
from runner.records import Experiment, ExperimentStatus

GREEDY, TOPK, RANDOM = "greedy", "topk", "random"
BASELINE = "baseline"
"""From the template, knowing nothing: no policy says this, an agent that draws blindly does."""
IMPROVE, EXPLORE = "improve", "explore"
WEIGHTS = (70, 20, 10)
"""Percent with which `topk` starts from the best, the second best and the third best."""
EXPLORE_EVERY = 5
MOST_DISCARDS = 5
"""After so many in a row from one parent `topk` takes another."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where a proposal starts, and why."""

    parent: Experiment
    strategy: str
    mode: str
    why: str
    """In words, for people and agents."""


def choose(
    history: Sequence[Experiment],
    best: Experiment,
    strategy: Strategy,
    metric: Metric,
    *,
    tag: str,
    number: int,
) -> Choice:
    """Choose the parent of experiment `number`.

    Args:
        history: every experiment that ended, the kept baseline first.
        best: the last of them that was kept.
        strategy: what the policy says.
        metric: which way scores are better, and in which steps they are compared.
        tag: the run's.
        number: the experiment's.
    """
    name, chance = standing(history, strategy), _chance(tag, number)
    why = "" if name == strategy.name else f"{plateau(strategy)}: "
    if name == TOPK:
        choice = _among_the_best(history, metric, number, chance)
    elif name == RANDOM:
        choice = _anywhere(history, chance)
    else:
        choice = on_the_best(best)
    return replace(choice, why=f"{why}{choice.why}")


def from_the_template(history: Sequence[Experiment]) -> Choice:
    """Choose the baseline, whatever came after it."""
    why = "every proposal is drawn by itself, from the template"
    return Choice(parent=history[0], strategy=BASELINE, mode=IMPROVE, why=why)


def standing(history: Sequence[Experiment], strategy: Strategy) -> str:
    """Return the strategy that holds after these experiments: a plateau changes it."""
    if strategy.patience is None:
        return strategy.name
    tried = (found for found in reversed(history) if found.number > 0 and _ran(found))
    without = list(takewhile(_discarded, tried))
    return strategy.then if len(without) >= strategy.patience else strategy.name


def plateau(strategy: Strategy) -> str:
    """Say what changed the strategy."""
    return f"nothing was kept in the last {strategy.patience} experiments"


def parent_commit(parent: Experiment) -> str:
    """Return where the parent's files are: on the branch, or among the attempts."""
    commit = parent.commit or parent.attempt_commit
    if commit is None:
        raise ValueError(f"experiment {parent.number} has no files to start from")
    return commit


def on_the_best(best: Experiment, mode: str = IMPROVE, why: str = "from the best so far") -> Choice:
    """Choose the best so far, whatever the strategy is."""
    return Choice(parent=best, strategy=GREEDY, mode=mode, why=why)


def _among_the_best(
    history: Sequence[Experiment], metric: Metric, number: int, chance: float
) -> Choice:
    exhausted = _exhausted(history)
    scored = _ranked(_scored(history), metric)
    others = [found for found in scored if found.number != exhausted] or scored
    top = others[: len(WEIGHTS)]
    parent = top[_drawn(WEIGHTS[: len(top)], chance)]
    why = f"from experiment {parent.number}, drawn from the best {len(top)} that were scored"
    if others != scored:
        why += f"; the last {MOST_DISCARDS} from experiment {exhausted} were all discarded"
    if number % EXPLORE_EVERY:
        return Choice(parent=parent, strategy=TOPK, mode=IMPROVE, why=why)
    why += "; this one explores: try something unlike everything before"
    return Choice(parent=parent, strategy=TOPK, mode=EXPLORE, why=why)


def _anywhere(history: Sequence[Experiment], chance: float) -> Choice:
    scored = _scored(history)
    parent = scored[int(chance * len(scored))]
    why = f"from experiment {parent.number}, drawn from all {len(scored)} that were scored"
    return Choice(parent=parent, strategy=RANDOM, mode=IMPROVE, why=why)


def _scored(history: Sequence[Experiment]) -> list[Experiment]:
    """Return what may be started from: it was reviewed, it ran, and no guard failed."""
    return [
        found
        for found in history
        if found.score is not None
        and found.status in (ExperimentStatus.KEPT, ExperimentStatus.REVERTED)
        and not (found.rule or "").startswith(GUARD)
    ]


def _ranked(scored: Sequence[Experiment], metric: Metric) -> list[Experiment]:
    """Order by score as an agent sees it, best first; of equals the kept and the newest first."""

    def place(found: Experiment) -> tuple[float, bool, int]:
        shown = metric.rounded(found.score or 0.0)
        return -metric.gain(0.0, shown), found.status is not ExperimentStatus.KEPT, -found.number

    return sorted(scored, key=place)


def _exhausted(history: Sequence[Experiment]) -> int | None:
    """Return the one parent of the last experiments that ran, if all of them were discarded."""
    last = [found for found in history if found.origin and _ran(found)][-MOST_DISCARDS:]
    parents = {found.origin.parent for found in last if found.origin}
    if len(last) < MOST_DISCARDS or len(parents) > 1 or not all(map(_discarded, last)):
        return None
    return parents.pop()


def _ran(experiment: Experiment) -> bool:
    return experiment.status not in (None, ExperimentStatus.REFUSED)


def _discarded(experiment: Experiment) -> bool:
    return experiment.status is not ExperimentStatus.KEPT


def _drawn(weights: Sequence[int], chance: float) -> int:
    """Return the place that a chance from 0 to 1 falls into."""
    left = chance * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1


def _chance(tag: str, number: int) -> float:
    """Return a number from 0 to below 1 that is the same whenever it is asked for."""
    drawn = hashlib.sha256(f"{tag}/{number}".encode()).digest()[:6]
    return int.from_bytes(drawn, "big") / 2**48
