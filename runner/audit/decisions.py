"""Every decision, decided again from the recorded scores; pure.

What this does not protect against: scores that were wrong when the scorer gave them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from runner import draws
from runner.audit.evidence import Evidence
from runner.audit.findings import JOURNAL, Finding
from runner.decision import Decision, Metric, after_guards
from runner.experiment import noise
from runner.experiment.steps import audits_owed, continued, judged, measured
from runner.experiment.steps import evidence as seen_by_the_rule
from runner.policy.schema import Policy
from runner.records import Experiment, ExperimentStatus, Purpose, TrialResult, TrialStatus
from runner.rules import Ask, rule_of
from runner.rules.belief import Noise
from runner.rules.bounds import broken
from runner.rules.scores import metric_of


def decisions(evidence: Evidence, policy: Policy) -> Iterator[Finding]:
    """Find experiments whose trials lead to another status or score than was recorded."""
    known, best, metric = Noise(), None, metric_of(policy)
    again: dict[int, set[int]] = defaultdict(set)
    for one in evidence.written.experiments.values():
        for trial in one.trials:
            if trial.purpose.decides and trial.asked_by != one.number:
                again[trial.asked_by].add(one.number)
    for experiment in evidence.written.experiments.values():
        if strange := again[experiment.number] - ({best.number} if best else set()):
            message = f"asked for trials of {sorted(strange)}, which was not the best"
            yield _finding("trials", experiment, message)
        if experiment.status is ExperimentStatus.REFUSED:
            yield from _refused(experiment)
        elif experiment.status is not None:
            yield from _lengths(evidence, experiment)
            yield from _tried(evidence, policy, experiment, known)
        if experiment.ended_at is not None:
            known = noise.after(known, experiment, best, metric.name)
            best = experiment if experiment.status is ExperimentStatus.KEPT else best


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
    """Find keeps without an audit before the next decision, and audits that nobody asked for."""
    known = evidence.written.experiments
    decided = max((one.number for one in known.values() if one.status is not None), default=0)
    for experiment in known.values():
        done = [trial for trial in experiment.trials if trial.purpose is Purpose.AUDIT]
        kept = experiment.status is ExperimentStatus.KEPT
        index = draws.index(experiment.number, 0)
        expected = {(split, index) for split in policy.evaluation.audited if kept}
        if strange := {(trial.split, trial.index) for trial in done}.difference(expected):
            yield _finding("audit", experiment, f"nobody asked for an audit of {sorted(strange)}")
        if len(done) < len(expected) and experiment.number < decided:
            message = f"has {len(done)} of {len(expected)} audits, and another was decided"
            yield _finding("audit", experiment, message)


def owed(evidence: Evidence, policy: Policy) -> bool:
    """Say whether the newest experiment that was kept did not have its whole audit yet."""
    settled = [one for one in evidence.written.kept if one.ended_at is not None]
    return bool(settled) and bool(audits_owed(settled[-1], policy))


def seeds(evidence: Evidence) -> Iterator[Finding]:
    """Find trials whose seed is not the one that the run's secret draws for them."""
    secret, run = evidence.beside.secret, evidence.written.run
    if secret is None:
        return
    if draws.digest(secret) != run.draws_digest:
        message = "the secret of the draws is not the one that the run began with"
        yield Finding(rule="draws", file=JOURNAL, message=message)
        return
    for experiment in evidence.written.experiments.values():
        for trial in experiment.trials:
            drawn = draws.seed(secret, trial.purpose, trial.split, trial.index)
            if trial.seed != drawn:
                what = f"the {trial.purpose} trial {trial.index} of {trial.split}"
                message = f"{what} has the seed {trial.seed}; its draw is {drawn}"
                yield _finding("draws", experiment, message)


def _refused(experiment: Experiment) -> Iterator[Finding]:
    if experiment.number == 0 or not experiment.rule:
        yield _finding("decision", experiment, "a refusal names a rule, and no baseline is refused")
    if experiment.trials or experiment.score is not None:
        yield _finding("decision", experiment, "what is refused has no trials and no score")


def _lengths(evidence: Evidence, experiment: Experiment) -> Iterator[Finding]:
    """Find programs that are longer or shorter than their review says."""
    stored = evidence.stored.lines.get(experiment.attempt_commit or "")
    said = experiment.review.lines if experiment.review else None
    if stored is not None and said != stored:
        message = f"its program has {stored} lines; its review says {said}"
        yield _finding("lines", experiment, message)


def _tried(
    evidence: Evidence, policy: Policy, experiment: Experiment, known: Noise
) -> Iterator[Finding]:
    """Ask the rule again, batch by batch, as the run did: each trial must have been asked for."""
    metric = metric_of(policy)
    kept = [found for found in evidence.written.kept if found.number < experiment.number]
    trials = measured(kept, experiment)
    if not all(_usable(trial.result, metric) for trial in trials.values()):
        yield _finding("score", experiment, f"a trial is scored without {metric.name}")
        return
    before = continued(evidence.written.experiments.__getitem__, experiment)
    seen = seen_by_the_rule(kept, experiment, policy, metric, known, before)
    answer, used = judged(rule_of(policy), seen, trials)
    if isinstance(answer, Ask):
        yield _finding("trials", experiment, f"is {experiment.status}, and trials are missing")
        return
    best = kept[-1] if kept else None
    yield from _compared(experiment, _guarded(experiment, answer, policy, best))
    asked = [place for place, trial in trials.items() if trial.asked_by == experiment.number]
    if beyond := [place for place in asked if place not in used]:
        count = len(asked) - len(beyond)
        message = f"the decision needed {count} of its {len(asked)} trials"
        yield _finding("trials", experiment, message)


def _usable(result: TrialResult, metric: Metric) -> bool:
    scored = result.status is TrialStatus.SCORED
    return not scored or (result.score is not None and metric.name in result.score.metrics)


def _guarded(
    experiment: Experiment, answer: Decision, policy: Policy, best: Experiment | None
) -> Decision:
    """Take commands as they were recorded, since what they said is not in the trials."""
    if answer.status is not ExperimentStatus.KEPT:
        return answer
    ended = {guard.name: guard.failed for guard in experiment.guards}
    for guard in policy.guards:
        why = ended.get(guard.name, "it did not run")
        if guard.number is not None:
            why = broken(guard, experiment, best)
        if why is not None:
            return after_guards(answer, guard.name, why)
    return answer


def _compared(experiment: Experiment, answer: Decision) -> Iterator[Finding]:
    if answer.status is not experiment.status:
        message = f"is recorded as {experiment.status}; its trials say {answer.status}"
        yield _finding("decision", experiment, f"{message}: {answer.reason}")
    elif answer.rule != experiment.rule:
        message = f"its rule is recorded as {experiment.rule}; its trials say {answer.rule}"
        yield _finding("decision", experiment, message)
    for name, again, recorded in (
        ("score", answer.score, experiment.score),
        ("gain", answer.gain, experiment.gain),
        ("probability", answer.sure, experiment.sure),
        ("weight", answer.weight, experiment.weight),
    ):
        if not _same(again, recorded):
            message = f"the {name} is recorded as {recorded}; its trials say {again}"
            yield _finding(name, experiment, message)


def _same(one: float | None, other: float | None) -> bool:
    """Compare to the last digits, in which versions of Python and machines may differ."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def _finding(rule: str, experiment: Experiment, message: str) -> Finding:
    return Finding(rule=rule, file=JOURNAL, experiment=experiment.number, message=message)
