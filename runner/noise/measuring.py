"""Trials of a template on fresh draws, and of the same with a comment more on the same draws."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean, median

from runner.agents.planted import unchanged
from runner.agreement import ERROR
from runner.draws import SEED_RANGE
from runner.errors import RunStoppedError
from runner.noise.report import Noise
from runner.policy.schema import Policy
from runner.records import File, Files, Score, TrialResult, TrialSpec
from runner.seams import Sandbox


def measure(
    sandbox: Sandbox,
    spec: TrialSpec,
    policy: Policy,
    *,
    draws: int,
    say: Callable[[str], None] = lambda _: None,
) -> Noise:
    """Run a template and its twin on so many draws, each on all splits, one after the other.

    Args:
        sandbox: where trials run.
        spec: the template's trial; split and draw are set here.
        policy: the task's.
        draws: how many; at least 2.
        say: told of each draw.

    Raises:
        RunStoppedError: a trial has no score.
    """
    twin, metric = replace(spec, workspace=_twin(spec.workspace, policy)), policy.metric.name
    results: list[TrialResult] = []
    pairs: list[tuple[float, float]] = []
    for number in range(draws):
        seed = secrets.randbelow(SEED_RANGE)
        sides = []
        for side in (spec, twin):
            some = [
                sandbox.run(replace(side, split=split, index=number, seed=seed))
                for split in policy.evaluation.splits
            ]
            sides.append(fmean(_score(result).metrics[metric] for result in some))
            results += some
        pairs.append((sides[0], sides[1]))
        say(f"draw {number + 1} of {draws}: {metric} {sides[0]:.6g}, and {sides[1]:.6g} again")
    errors = [_score(result).metrics.get(f"{metric}{ERROR}") for result in results]
    known = [error for error in errors if error is not None]
    return Noise(
        scores=tuple(mine for mine, _ in pairs),
        twins=tuple(other for _, other in pairs),
        error=fmean(known) / len(policy.evaluation.splits) ** 0.5 if known else None,
        seconds=median(result.wall_seconds for result in results),
    )


def _twin(files: Files, policy: Policy) -> Files:
    """Return a template with a comment more, or as it is where no file takes one."""
    change = unchanged(files, policy.patterns.among(files), 0)
    if change is None or change.content is None:
        return files
    return {**files, change.path: File(content=change.content, mode=change.mode)}


def _score(result: TrialResult) -> Score:
    if result.score is None:
        hint = "try it with: runner task check TASK"
        raise RunStoppedError(f"the unmodified template failed: {result.reason}", hint=hint)
    return result.score
