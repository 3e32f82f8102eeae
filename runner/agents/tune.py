"""Tunes the constants at the top of a file: no key, no network, one line per proposal.

Optuna's TPE picks the value from the ledger's history; the agent itself remembers nothing, so it
resumes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from runner.agents.constants import Constant, Settings, constants, source_path, with_value
from runner.records import Proposal
from runner.seams import Context, Desk

TRIES = 20


class Tune:
    """Proposes one changed constant of the first mutable Python file at a time."""

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
        tried = [_start(found, context), *self._settings.tried(path, found, context)]
        for attempt in range(TRIES * len(found)):
            constant = found[(context.number - 1 + attempt) % len(found)]
            value = self._suggest(context, found, constant, tried, seed=context.number + attempt)
            settings = {other.name: other.value for other in found} | {constant.name: value}
            if settings not in [known for known, _ in tried]:
                return with_value(path, source, constant, value)
        return None

    def _suggest(
        self,
        context: Context,
        found: Sequence[Constant],
        constant: Constant,
        tried: Sequence[tuple[Mapping[str, float], float | None]],
        *,
        seed: int,
    ) -> float:
        """Ask for one constant's next value, the others held at the best."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        others = {other.name: other.value for other in found if other is not constant}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            inner = optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)
            sampler = optuna.samplers.PartialFixedSampler(others, inner)
        direction = optuna.study.StudyDirection[context.direction.upper()]
        study = optuna.create_study(direction=direction, sampler=sampler)
        space = {other.name: _distribution(other) for other in found}
        study.add_trials([_trial(space, settings, score) for settings, score in tried])
        return constant.rounded(study.ask(space).params[constant.name])


def _start(found: Sequence[Constant], context: Context) -> tuple[Mapping[str, float], float | None]:
    """Return the settings that it starts from; the baseline's are in no experiment's changes."""
    scores = [known.score for known in context.history if known.number == context.parent]
    return {constant.name: constant.value for constant in found}, next(iter(scores), None)


def _distribution(constant: Constant) -> Any:
    import optuna

    if constant.whole:
        low, high = int(constant.low), int(constant.high)
        return optuna.distributions.IntDistribution(low, high, log=constant.log)
    return optuna.distributions.FloatDistribution(constant.low, constant.high, log=constant.log)


def _trial(space: Mapping[str, Any], settings: Mapping[str, float], score: float | None) -> Any:
    import optuna

    state = optuna.trial.TrialState.FAIL if score is None else optuna.trial.TrialState.COMPLETE
    inside = {
        name: min(max(value, space[name].low), space[name].high) for name, value in settings.items()
    }
    return optuna.trial.create_trial(
        params=inside, distributions=dict(space), value=score, state=state
    )
