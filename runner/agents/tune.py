"""Changes the constants at the top of a file: no key, no network, one line per proposal.

The agents remember nothing: the ledger's history is all that they know, so they resume.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Mapping, Sequence

from runner.agents.constants import Constant, Settings, constants, source_path, with_value
from runner.records import Proposal
from runner.seams import Context, Desk

TRIES = 20
DRAWS = 100


class Tune:
    """Lets Optuna's TPE pick one constant's value at a time, from how earlier ones ended."""

    name = "tune"
    isolation = "api"
    ahead = 0

    def __init__(self) -> None:
        self._settings = Settings()

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        path = source_path(context)
        if path is None:
            return None
        source = context.files[path].content.decode()
        found = constants(source)
        # Where it starts from: the baseline's settings are in no experiment's changes.
        scores = [known.score for known in context.history if known.number == context.parent]
        now = {constant.name: constant.value for constant in found}
        start = (now, next(iter(scores), None))
        tried = [start, *self._settings.tried(path, found, context)]
        for attempt in range(TRIES * len(found)):
            constant = found[(context.number - 1 + attempt) % len(found)]
            value = _suggested(context, found, constant, tried, seed=context.number + attempt)
            if {**now, constant.name: value} not in [known for known, _ in tried]:
                return with_value(path, source, constant, value)
        return None


class RandomSearch:
    """Draws one constant at random: what chance alone achieves, for a report to compare with.

    It reads the history only to propose nothing twice, so the next proposal owes nothing to how the
    ones before it ended.
    """

    name = "random"
    isolation = "api"
    ahead = 0

    def __init__(self) -> None:
        self._settings = Settings()

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        path = source_path(context)
        source = context.files[path].content.decode() if path else ""
        found = constants(source)
        if path is None or not found:
            return None
        now = {constant.name: constant.value for constant in found}
        tried = [now, *(settings for settings, _ in self._settings.tried(path, found, context))]
        # The commit tells one run from another, and the number one draw: a resumed run repeats it.
        chance = random.Random(f"{context.parent_commit}/{context.number}")  # noqa: S311 - no secret
        for _ in range(DRAWS):
            constant = chance.choice(found)
            if constant.log:  # evenly over its logarithm
                ends = math.log(constant.low), math.log(constant.high)
                value = constant.rounded(math.exp(chance.uniform(*ends)))
            else:
                value = constant.rounded(chance.uniform(constant.low, constant.high))
            if {**now, constant.name: value} not in tried:
                return with_value(path, source, constant, value)
        return None


def _suggested(
    context: Context,
    found: Sequence[Constant],
    constant: Constant,
    tried: Sequence[tuple[Mapping[str, float], float | None]],
    *,
    seed: int,
) -> float:
    """Ask for one constant's next value, the others held at the best."""
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    others = {other.name: other.value for other in found if other is not constant}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        inner = optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)
        sampler = optuna.samplers.PartialFixedSampler(others, inner)
    direction = optuna.study.StudyDirection[context.direction.upper()]
    study = optuna.create_study(direction=direction, sampler=sampler)
    space: dict[str, BaseDistribution] = {
        each.name: IntDistribution(int(each.low), int(each.high), log=each.log)
        if each.whole
        else FloatDistribution(each.low, each.high, log=each.log)
        for each in found
    }
    for settings, score in tried:
        inside = {each.name: min(max(settings[each.name], each.low), each.high) for each in found}
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        study.add_trial(
            optuna.trial.create_trial(params=inside, distributions=space, value=score, state=state)
        )
    return constant.rounded(study.ask(space).params[constant.name])
