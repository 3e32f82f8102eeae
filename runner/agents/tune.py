"""Tunes the constants at the top of a file: no key, no network, one line per proposal.

Optuna's TPE picks the value from the ledger's history; the agent itself remembers nothing, so it
resumes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from runner.agents.constants import Constant, constants, history, source_path, with_value
from runner.records import Proposal
from runner.seams import Context, Desk

TRIES = 20


class Tune:
    """Proposes one changed constant of the first mutable Python file at a time."""

    name = "tune"
    isolation = "api"

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
        path = source_path(context)
        if path is None:
            return None
        source = context.files[path].content.decode()
        found = constants(source)
        # Where it starts from: the baseline's settings are in no experiment's changes.
        scores = [known.score for known in context.history if known.number == context.parent]
        now = {constant.name: constant.value for constant in found}
        tried = [(now, next(iter(scores), None)), *history(path, found, context.history)]
        for attempt in range(TRIES * len(found)):
            constant = found[(context.number - 1 + attempt) % len(found)]
            value = _suggested(context, found, constant, tried, seed=context.number + attempt)
            if {**now, constant.name: value} not in [known for known, _ in tried]:
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
