"""Changes one number of the mutable files: no key, no network, one line per proposal.

The agents remember nothing: the journal's history is all that they know, so they resume.
"""

from __future__ import annotations

import math
import random
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from runner.agents.numbers import Number, tunable, values, with_value
from runner.records import Change, Proposal
from runner.seams import Context, Supervisor

TRIES = 20
DRAWS = 100

Setting = Mapping[str, float]
"""The value of each number, by its key."""
Tried = Sequence[tuple[Setting, float | None]]
"""The settings that experiments had, each with its score if any."""


class OneAtATime(ABC):
    """Proposes the first drawn value that makes a setting which was not tried yet."""

    name: str
    isolation = "api"
    ahead = 0

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Setting] = {}
        """A path and git's id of its bytes → its numbers. Each file is read once."""

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        found = tunable(context.files, context.editable)
        if not found:
            return None
        now = {number.key: number.value for number in found}
        tried = self._tried(context, now)
        known = [setting for setting, _ in tried]
        for number, value in self.draws(context, found, tried):
            if {**now, number.key: value} not in known:
                return _proposal(context, found, number, value)
        return None

    @abstractmethod
    def draws(
        self, context: Context, found: Sequence[Number], tried: Tried
    ) -> Iterator[tuple[Number, float]]:
        """Yield numbers, each with another value for it, as often as is worth trying."""

    def _tried(self, context: Context, now: Setting) -> Tried:
        """Return what the parent and every experiment set these numbers to.

        A change names the files that it changed; the others are those of its own parent.
        """
        baseline = {
            path: values(path, context.baseline[path].content)
            for path in context.patterns.among(context.baseline)
        }
        files: dict[int, Mapping[str, Setting]] = {}
        tried: list[tuple[Setting, float | None]] = []
        self._read(context)
        for experiment in (*context.history, *context.pending):
            parent = experiment.origin.parent if experiment.origin else 0
            changed = {
                change.path: self._values[change.path, change.blob] if change.blob else {}
                for change in experiment.changes
                if context.patterns.names(change.path)
            }
            files[experiment.number] = {**files.get(parent, baseline), **changed}
            known = {key: each[key] for each in files[experiment.number].values() for key in each}
            if now.keys() <= known.keys() and (changed or experiment.number == 0):
                tried.append(({key: known[key] for key in now}, experiment.score))
        if now in [setting for setting, _ in tried]:
            return tried
        scores = [known.score for known in context.history if known.number == context.parent]
        return [(now, next(iter(scores), None)), *tried]

    def _read(self, context: Context) -> None:
        asked = {
            (change.path, change.blob): None
            for experiment in (*context.history, *context.pending)
            for change in experiment.changes
            if context.patterns.names(change.path) and change.blob is not None
        }
        unknown = [each for each in asked if each not in self._values]
        contents = context.read([blob for _, blob in unknown])
        for (path, blob), content in zip(unknown, contents, strict=True):
            self._values[path, blob] = values(path, content)


class Tune(OneAtATime):
    """Lets Optuna's TPE pick one number's value at a time, from how earlier ones ended."""

    name = "tune"

    def draws(
        self, context: Context, found: Sequence[Number], tried: Tried
    ) -> Iterator[tuple[Number, float]]:
        for attempt in range(TRIES * len(found)):
            number = found[(context.number - 1 + attempt) % len(found)]
            yield number, _suggested(context, found, number, tried, seed=context.number + attempt)


class RandomSearch(OneAtATime):
    """Draws one number at random: what chance alone achieves, for a report to compare with.

    It reads the history only to propose nothing twice, so the next proposal owes nothing to how the
    ones before it ended.
    """

    name = "random"

    def draws(
        self, context: Context, found: Sequence[Number], tried: Tried
    ) -> Iterator[tuple[Number, float]]:
        # The commit tells one run from another, and the number one draw: a resumed run repeats it.
        chance = random.Random(f"{context.parent_commit}/{context.number}")  # noqa: S311 - no secret
        for _ in range(DRAWS):
            number = chance.choice(found)
            low, high = number.range.low, number.range.high
            if number.range.log:  # evenly over its logarithm
                value = math.exp(chance.uniform(math.log(low), math.log(high)))
            else:
                value = chance.uniform(low, high)
            yield number, number.rounded(value)


def _suggested(
    context: Context, found: Sequence[Number], number: Number, tried: Tried, *, seed: int
) -> float:
    """Ask for one number's next value, the others held at the best."""
    import optuna
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def inside(setting: Setting) -> dict[str, float]:
        """Keep it to the ranges, and to integers where an experiment had a fraction instead."""
        held = {
            each.key: min(max(setting[each.key], each.range.low), each.range.high) for each in found
        }
        return {each.key: round(held[each.key]) if each.whole else held[each.key] for each in found}

    others = inside({each.key: each.value for each in found})
    del others[number.key]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        inner = optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)
        sampler = optuna.samplers.PartialFixedSampler(others, inner)
    direction = optuna.study.StudyDirection[context.direction.upper()]
    study = optuna.create_study(direction=direction, sampler=sampler)
    space: dict[str, BaseDistribution] = {
        each.key: IntDistribution(int(each.range.low), int(each.range.high), log=each.range.log)
        if each.whole
        else FloatDistribution(each.range.low, each.range.high, log=each.range.log)
        for each in found
    }
    for setting, score in tried:
        state, params = TrialState.FAIL if score is None else TrialState.COMPLETE, inside(setting)
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=space, value=score, state=state)
        )
    return number.rounded(study.ask(space).params[number.key])


def _proposal(context: Context, found: Sequence[Number], number: Number, value: float) -> Proposal:
    """Propose another value for one number; its name alone says which, where no other has it."""
    content = with_value(context.files[number.path].content, number, value)
    mode = context.files[number.path].mode
    alone = [each.name for each in found].count(number.name) == 1
    said = number.name if alone else f"{number.name} of {number.path}"
    verb = "raise" if value > number.value else "lower"
    return Proposal(
        hypothesis=f"{verb} {said} {number.value!r} -> {value!r}",
        category="hyperparameter",
        changes=(Change(path=number.path, content=content, mode=mode),),
    )
