"""Run a task's template as a run's baseline would be, then again with its outputs spoilt.

A cheat is a frozen program beside the template, in the trainer or predictor whose outputs the
scorer reads, or in place of a model that is served. It must be refused, or lose: it is decided on
by one trial of every split and the policy's `min_gain`, with the template as the best so far. So
one fold in which the template happens to be worse than a coin accuses nobody. Where a constant
would be *better*, either the scorer rewards it, or the template is worth nothing and `min_gain` is
below the noise; a run of this task would be misled by both.

What this does not protect against: every cheat that is not among these. It finds a scorer that
believes what it reads; it does not prove that a task is sealed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runner import paths, trial
from runner.agreement import ERROR
from runner.data import Prepared
from runner.decision import Decision
from runner.engines import Docker, images
from runner.experiment.steps import judged
from runner.policy.load import LoadedPolicy
from runner.policy.schema import Policy
from runner.records import (
    EXECUTABLE,
    ExperimentStatus,
    File,
    Place,
    Purpose,
    Shape,
    TrialRecord,
    TrialSpec,
)
from runner.rules import Evidence, rule_of
from runner.seams import Sandbox
from runner.workspace import tree_digest

SEED = 1
CHEAT = Path(__file__).with_name("cheat.py")
CHEATS = ("missing", "not-a-number", "wrong-shape", "constant", "reordered", "pickled", "linked")
SERVED_CHEATS = ("mute", "losses", "not-a-number", "unnormalised", "looks-ahead")
CHEATING_SECONDS = 5.0
"""A cheat's training, where the template's is longer: what is spoilt need not be good."""
SPOIL = """#!/bin/sh
/workspace/honest.sh "$@" || exit $?
[ ! -d /outputs ] || exec python -u -P /workspace/cheat.py {cheat}
"""
SERVE = """#!/bin/sh
[ "$1" = serve ] || exec /workspace/honest.sh "$@"
exec python -u -P /workspace/cheat.py {cheat} serve
"""


@dataclass(frozen=True, kw_only=True)
class Played:
    """What became of the template, or of one cheat."""

    name: str
    outcome: str
    fine: bool
    score: float | None = None
    error: float | None = None
    """Of the template's score, where the scorer says one: its standard error."""


def tag_of(task: str) -> str:
    """Return what a check's containers are labelled with; no run's tag begins so."""
    return f"_check-{task}"


def template_trial(
    engine: Docker, loaded: LoadedPolicy, prepared: Prepared, *, tag: str
) -> TrialSpec:
    """Return the template's first decision trial, under a name that no run has.

    Raises:
        SandboxError: an image that it needs is not built.
    """
    policy = loaded.policy
    image_id = images.require_image(engine, loaded.image)
    scorer = images.require_image(engine, images.SCORER)
    spec = specification(policy.task, policy, prepared, image_id=image_id, scorer_image_id=scorer)
    return replace(spec, run=tag)


def specification(
    task: str, policy: Policy, prepared: Prepared, *, image_id: str, scorer_image_id: str
) -> TrialSpec:
    """Return the template's first decision trial."""
    return trial.specification(
        policy,
        run=tag_of(task),
        experiment=0,
        purpose=Purpose.DECISION,
        split=policy.evaluation.splits[0],
        index=0,
        seed=SEED,
        image_id=image_id,
        scorer_image_id=scorer_image_id,
        data_digest=prepared.digest,
        harness_digest=tree_digest(paths.harness()),
        workspace=paths.template(task),
    )


def quick(policy: Policy) -> Policy:
    """Return a policy that is decided by its first split alone."""
    first = policy.evaluation.splits[:1]
    return policy.model_copy(
        update={"evaluation": policy.evaluation.model_copy(update={"splits": first})}
    )


def foreseen(policy: Policy, *, with_cheats: bool) -> tuple[float, float]:
    """Return how many seconds a check takes: with trials of training alone, and at the deadlines.

    A cheat takes one trial where it is refused, and one of each split where it is scored.
    """
    splits, count = len(policy.evaluation.splits), len(cheats(policy.shape)) if with_cheats else 0
    shortest = splits * policy.budget.train
    shortest += count * min(policy.budget.train, CHEATING_SECONDS)
    return shortest, (1 + count) * splits * policy.trial_seconds


def play(
    sandbox: Sandbox, spec: TrialSpec, policy: Policy, *, with_cheats: bool
) -> Iterator[Played]:
    """Run the template, then each cheat on it; none where the template has no score."""
    template = play_template(sandbox, spec, policy)
    yield template
    if template.score is not None and with_cheats:
        for cheat in cheats(spec.shape):
            yield play_cheat(sandbox, spec, policy, cheat, template.score)


def cheats(shape: Shape) -> tuple[str, ...]:
    """Name the cheats there are for a shape; a served model writes no outputs, it answers."""
    if shape is Shape.REPORTED:
        return ()  # every cheat works where the code under test says its own number
    return SERVED_CHEATS if shape is Shape.SERVED else CHEATS


def play_template(sandbox: Sandbox, spec: TrialSpec, policy: Policy) -> Played:
    """Run the template, and say what became of it."""
    found, trials = _decided(sandbox, spec, policy, best=None)
    fine, outcome = found.status is ExperimentStatus.KEPT, f"{found.status}: {found.reason}"
    if fine:
        outcome = f"{policy.metric.name} {found.score:.6g}"
    error = _error(policy.metric.name, trials)
    return Played(name="template", outcome=outcome, fine=fine, score=found.score, error=error)


def play_cheat(
    sandbox: Sandbox, spec: TrialSpec, policy: Policy, cheat: str, honest: float
) -> Played:
    """Run the template with its outputs spoilt; a trial that crashed proves nothing.

    Training is told to be short, and killed no earlier.
    """
    run = (SERVE if spec.shape is Shape.SERVED else SPOIL).format(cheat=cheat)
    workspace = {
        **spec.workspace,
        "honest.sh": spec.workspace["run.sh"],
        "run.sh": File(content=run.encode(), mode=EXECUTABLE),
        "cheat.py": File(content=CHEAT.read_bytes()),
    }
    train = min(spec.budget.train, CHEATING_SECONDS)
    startup = spec.budget.startup + spec.budget.train - train
    budget = replace(spec.budget, train=train, startup=startup)
    cheating = replace(spec, workspace=workspace, budget=budget)
    found, _ = _decided(sandbox, cheating, policy, best=honest)
    if found.score is None:
        refused = found.status is ExperimentStatus.INVALID_OUTPUTS
        return Played(name=cheat, outcome=f"{found.status}: {found.reason}", fine=refused)
    kept = found.status is ExperimentStatus.KEPT
    verdict = "BETTER than the template" if kept else "no better than the template"
    outcome = f"{policy.metric.name} {found.score:.6g}, {verdict}"
    return Played(name=cheat, outcome=outcome, fine=not kept)


def _error(metric: str, trials: Iterable[TrialRecord]) -> float | None:
    """Return the standard error of the mean over trials, where each says its own."""
    scores = [one.result.score for one in trials]
    errors = [one.metrics.get(f"{metric}{ERROR}") for one in scores if one is not None]
    known = [one for one in errors if one is not None]
    return math.hypot(*known) / len(known) if known and len(known) == len(scores) else None


def _decided(
    sandbox: Sandbox, spec: TrialSpec, policy: Policy, *, best: float | None
) -> tuple[Decision, Collection[TrialRecord]]:
    """Run one trial of each split; it is better if it beats the best by `min_gain`."""
    once = {"rule": "strict", "most_trials": 1, "false_keeps": None}
    decision = policy.decision.model_copy(update=once)
    rule = rule_of(policy.model_copy(update={"decision": decision}))
    seen = Evidence(number=spec.experiment, splits=policy.evaluation.splits, best=best)
    trials: dict[Place, TrialRecord] = {}
    while True:
        answer, _ = judged(rule, seen, trials)
        if isinstance(answer, Decision):
            return answer, trials.values()
        for place in answer.places:
            result = sandbox.run(replace(spec, split=place.split, index=place.index))
            trials[place] = TrialRecord(
                purpose=spec.purpose, split=place.split, index=place.index, seed=spec.seed,
                asked_by=spec.experiment, result=result,
            )  # fmt: skip
