"""Every decision, decided again from the recorded scores; pure.

What this does not protect against: scores that were wrong when the scorer gave them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from runner.audit.evidence import Evidence
from runner.audit.findings import LEDGER, Finding
from runner.decision import (
    GUARD,
    Decision,
    Direction,
    Metric,
    MoreTrials,
    Tie,
    after_guards,
    decide,
)
from runner.policy.schema import Policy
from runner.records import Experiment, ExperimentStatus, Purpose, TrialResult, TrialStatus


def decisions(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find experiments whose trials lead to another status or score than was recorded."""
    for experiment in evidence.written.experiments.values():
        if experiment.status is ExperimentStatus.REFUSED:
            yield from _refused(experiment)
        elif experiment.status is not None:
            best = evidence.written.record_before(experiment.number, _metric(policy))
            yield from _tried(experiment, policy, best, _tie(evidence, policy, experiment))


def forfeits(evidence: Evidence) -> Iterator[Finding]:
    """Find experiments whose agent had nothing to run, and that were not refused for that."""
    for experiment in evidence.written.experiments.values():
        forfeit = experiment.origin.forfeit if experiment.origin else None
        if forfeit is None or experiment.status is None:
            continue
        if (experiment.status, experiment.rule) != (ExperimentStatus.REFUSED, forfeit.rule):
            message = f"was forfeited by {forfeit.rule}; it is {experiment.status}"
            by = f" by rule {experiment.rule}" if experiment.rule else ""
            yield _finding("forfeit", experiment, message + by)


def audits(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find kept experiments that were not audited before the next began, and audits of others."""
    asked = policy.evaluation.audited
    for experiment in evidence.written.experiments.values():
        done = [trial for trial in experiment.trials if trial.purpose is Purpose.AUDIT]
        kept = experiment.status is ExperimentStatus.KEPT
        expected = [(split, seed) for seed in experiment.seeds[:1] for split in asked if kept]
        if strange := {(trial.split, trial.seed) for trial in done}.difference(expected):
            yield _finding("audit", experiment, f"nobody asked for an audit of {sorted(strange)}")
        if len(done) < len(expected) and experiment.number != max(evidence.written.experiments):
            message = f"has {len(done)} of {len(expected)} audits, and another followed"
            yield _finding("audit", experiment, message)


def owed(evidence: Evidence, policy: Policy) -> bool:
    """Say whether the newest experiment was kept and its audit did not come to its end."""
    newest = max(evidence.written.experiments.values(), key=lambda one: one.number, default=None)
    if newest is None or newest.status is not ExperimentStatus.KEPT or newest.ended_at is None:
        return False
    done = [trial for trial in newest.trials if trial.purpose is Purpose.AUDIT]
    return len(done) < len(policy.evaluation.audited)


def _refused(experiment: Experiment) -> Iterator[Finding]:
    if experiment.number == 0 or not experiment.rule:
        yield _finding("decision", experiment, "a refusal names a rule, and no baseline is refused")
    if experiment.trials or experiment.score is not None:
        yield _finding("decision", experiment, "what is refused has no trials and no score")


def _tie(evidence: Evidence, policy: Policy, experiment: Experiment) -> Tie | None:
    simplicity, lines = policy.decision.simplicity, evidence.stored.lines
    before = lines.get(evidence.written.head_before(experiment.number) or "")
    after = lines.get(experiment.attempt_commit or "")
    if simplicity is None or experiment.number == 0 or before is None or after is None:
        return None
    return Tie(within=simplicity.tie_within, lines_before=before, lines=after)


def _tried(
    experiment: Experiment, policy: Policy, best: float | None, tie: Tie | None
) -> Iterator[Finding]:
    metric = _metric(policy)
    plan = [(split, seed) for seed in experiment.seeds for split in policy.evaluation.splits]
    done = {
        (trial.split, trial.seed): trial.result
        for trial in experiment.trials
        if trial.purpose is Purpose.DECISION
    }
    if set(done) != set(plan[: len(done)]):
        yield _finding("trials", experiment, "its trials are not the first ones of its plan")
    results = [done[place] for place in plan if place in done]
    if not all(_usable(result, metric) for result in results):
        yield _finding("score", experiment, f"a trial is scored without {metric.name}")
        return
    min_gain = policy.decision.min_gain
    splits = len(policy.evaluation.splits)
    again = partial(
        decide, metric, best, planned=len(plan), min_gain=min_gain, splits=splits, tie=tie
    )
    guards = tuple(guard.name for guard in policy.guards)
    yield from _decided_again(experiment, results, again, guards)


def _metric(policy: Policy) -> Metric:
    said = policy.metric
    return Metric(name=said.name, direction=Direction(said.direction), round_to=said.round_to)


def _usable(result: TrialResult, metric: Metric) -> bool:
    scored = result.status is TrialStatus.SCORED
    return not scored or (result.score is not None and metric.name in result.score.metrics)


def _decided_again(
    experiment: Experiment,
    results: Sequence[TrialResult],
    again: Callable[[Sequence[TrialResult]], Decision | MoreTrials],
    guards: Sequence[str],
) -> Iterator[Finding]:
    """Decide trial by trial, as the run did: each one must have been asked for."""
    for count in range(len(results) + 1):
        answer = again(results[:count])
        if isinstance(answer, Decision):
            yield from _compared(experiment, _guarded(experiment, answer, guards))
            if count < len(results):
                message = f"the decision needed {count} of its {len(results)} trials"
                yield _finding("trials", experiment, message)
            return
    yield _finding("trials", experiment, f"is {experiment.status}, and trials are missing")


def _guarded(experiment: Experiment, answer: Decision, guards: Sequence[str]) -> Decision:
    """Take a failed guard as recorded: how it ended is not in the trials."""
    name = (experiment.rule or "").removeprefix(GUARD)
    failed = experiment.rule == f"{GUARD}{name}" and name in guards
    if failed and answer.status is ExperimentStatus.KEPT:
        return after_guards(answer, name, "as recorded")
    return answer


def _compared(experiment: Experiment, answer: Decision) -> Iterator[Finding]:
    if answer.status is not experiment.status:
        message = f"is recorded as {experiment.status}; its trials say {answer.status}"
        yield _finding("decision", experiment, f"{message}: {answer.reason}")
    for name, again, recorded in (
        ("score", answer.score, experiment.score),
        ("gain", answer.gain, experiment.gain),
    ):
        if not _same(again, recorded):
            message = f"the {name} is recorded as {recorded}; its trials say {again}"
            yield _finding(name, experiment, message)


def _same(one: float | None, other: float | None) -> bool:
    """Compare to the last digits, in which versions of Python may differ."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)


def _finding(rule: str, experiment: Experiment, message: str) -> Finding:
    return Finding(rule=rule, file=LEDGER, experiment=experiment.number, message=message)
