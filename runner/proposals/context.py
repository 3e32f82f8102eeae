"""What an agent is told before it proposes (law 7): little, rounded, and no audit ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.decision import GUARD, IGNORES_SEED, told, verdict_in
from runner.experiment.steps import added_lines
from runner.history import record
from runner.policy.words import summary
from runner.prompt.history import crash_line
from runner.proposals.crashes import bare
from runner.records import (
    PLANTED,
    Experiment,
    Files,
    Hypothesis,
    TrialRecord,
    TrialResult,
    Violation,
)
from runner.seams import Context, Phase
from runner.session import Session
from runner.steering.phases import policy_in
from runner.steering.strategy import (
    choose,
    from_the_template,
    on_the_best,
    parent_commit,
)
from runner.workspace import with_changes

WHY_PLANTED = (
    "planted by the person: it changes nothing on purpose, so that it may repeat and change nothing"
)
MOST_GUIDANCE = 10_000
"""Characters of `guidance.md` that are read."""


def make_context(
    session: Session,
    number: int,
    *,
    phase: Phase | None = None,
    hypotheses: Sequence[Hypothesis] | None = None,
    returned: tuple[Violation, ...] = (),
    experiments: int | None = None,
    pending: Sequence[Experiment] = (),
    planted: bool = False,
) -> Context:
    """Choose where experiment `number` starts, and say what its agent may know.

    Args:
        session: the run; its baseline has ended.
        number: the experiment's.
        phase: the part of the run that it falls into.
        hypotheses: those of a person's that it may test; `None` for all open ones.
        returned: why an earlier proposal for this place came back.
        experiments: how many this start is to reach; the policy may say fewer.
        pending: what was proposed and has no result yet.
        planted: whether it is to change nothing.
    """
    ended, best = session.ended, session.now.best
    if best is None:
        raise ValueError("there is no baseline to start from")
    set_by = [most for most in (experiments, session.policy.limits.experiments) if most is not None]
    if planted:
        choice = on_the_best(best, PLANTED, WHY_PLANTED)
    elif session.independent:
        choice = from_the_template(ended)
    else:
        rule, tag = session.policy.strategy, session.run.tag
        choice = choose(ended, best, rule, session.metric, tag=tag, number=number)
    commit = parent_commit(choice.parent)
    return Context(
        number=number,
        task=session.run.task,
        files=_files(session, commit),
        mutable=session.policy.files.mutable,
        notes=session.policy.files.notes,
        frozen=session.policy.patterns.frozen,
        may_add=session.policy.files.may_add,
        rules=summary(policy_in(session.policy, phase.name if phase else None), experiments),
        experiments=min(set_by, default=None),
        metric=session.run.metric,
        direction=session.run.direction,
        history=() if session.independent else history_as_told(session),
        pending=() if session.independent else tuple(_without_result(one) for one in pending),
        read=session.workspace.contents,
        parent=choice.parent.number,
        parent_commit=commit,
        baseline=session.workspace.files(session.run.base_commit),
        strategy=choice.strategy,
        mode=choice.mode,
        why=choice.why,
        phase=phase,
        hypotheses=session.now.open_hypotheses if hypotheses is None else tuple(hypotheses),
        guidance=_guidance(session),
        returned=returned,
        shared_targets=session.policy.evaluation.shared_targets,
        shell=session.policy.agent.shell,
    )


def _files(session: Session, commit: str) -> Files:
    """Return the parent's files, with the notes, which are a memory too."""
    workspace = session.workspace
    return workspace.files(commit) if session.independent else workspace.with_notes(commit)


def _without_result(experiment: Experiment) -> Experiment:
    """Return an experiment as it was proposed: how far it has come would tell of its trials."""
    same = ("run", "number", "parent_commit", "hypothesis", "category", "changes", "origin")
    return Experiment(**{name: getattr(experiment, name) for name in same})


def _guidance(session: Session) -> str:
    """Read what the person wrote for this run; nothing is fine."""
    path = session.state.guidance(session.run.tag)
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(MOST_GUIDANCE)


def history_as_told(session: Session) -> tuple[Experiment, ...]:
    """Return all that ended so far, as an agent may know them; each is made only once.

    What comes later to an experiment, such as its audit, is nothing that is told.
    """
    state, known = session.now, session.told
    for experiment in state.settled[len(known) :]:
        kept = [state.settled[number] for number in state.kept if number < experiment.number]
        more = added_lines(kept[-1] if kept else None, experiment)
        known.append(as_told(session, experiment, record(kept, session.metric), more))
    return tuple(known)


def as_told(
    session: Session, experiment: Experiment, best: float | None, added_lines: int = 0
) -> Experiment:
    """Return what an agent may know of an experiment: rounded, and without scores per trial.

    Of its trials only curves and crashes are left, which were capped when they were read; and of
    those only where it crashed, if what a trainer holds are the answers of another split.

    Args:
        session: the run.
        experiment: one that has ended.
        best: the score that it was compared with; `None` for the baseline.
        added_lines: by how many its program is longer than the best's, where that counts.
    """
    own = [
        trial
        for trial in experiment.trials
        if trial.purpose.decides and trial.asked_by == experiment.number
    ]
    trials = tuple(_trial_as_told(trial) for trial in own)
    some = replace(
        experiment,
        chain=None,
        wall_seconds=None,
        sure=None,
        weight=None,
        guards=(),
        review=None,
        trials=trials,
    )
    if session.policy.evaluation.shared_targets:
        files = _files_of(session, experiment)
        trials = tuple(_without_words(trial, files) for trial in trials)
        some = replace(some, trials=trials, reason=_reason_without_words(some, trials))
    if experiment.score is None:
        return some
    score = session.metric.rounded(experiment.score)
    if best is None:
        reason = f"{session.run.metric} {score:.10g}"
        return replace(some, score=score, gain=None, reason=reason)
    price = session.policy.decision.price
    gain, reason = _compared(session, experiment, best, price.needed(added_lines))
    reason += price.said(added_lines)
    if experiment.rule and experiment.rule.startswith(GUARD):
        reason = f"{experiment.rule} failed, else {reason}"
    return replace(some, score=score, gain=gain, reason=reason)


def _compared(
    session: Session, experiment: Experiment, best: float, needed: float
) -> tuple[float, str]:
    """Return gain and reason as an agent may know them; how sure they are is for the person."""
    rule, verdict = session.policy.decision, verdict_in(experiment.reason)
    score = experiment.score or 0.0
    within = rule.simplicity.tie_within if rule.simplicity else None
    if experiment.sure is None and rule.rule != "ladder":
        return told(session.metric, verdict, best, score, min_gain=needed, tie_within=within)
    if experiment.gain is not None:  # the best's level as it was seen then
        best = session.metric.before(score, experiment.gain)
    gain, levels = told(session.metric, None, best, score, min_gain=needed)
    if experiment.rule == IGNORES_SEED:
        return gain, experiment.reason
    return gain, f"{verdict}: {levels}"


def _trial_as_told(trial: TrialRecord) -> TrialRecord:
    result = trial.result
    told = TrialResult(
        status=result.status,
        reason="",
        stage=result.stage,
        limit=result.limit,
        crash=result.crash,
        curves=result.curves,
        self_modified=result.self_modified,
    )
    return TrialRecord(
        purpose=trial.purpose, split="", index=0, seed=0, asked_by=trial.asked_by, result=told
    )


def _files_of(session: Session, experiment: Experiment) -> Files:
    """Return the files that an experiment ran: no notes, which may be of any length."""
    patterns, loaded = session.policy.patterns, session.workspace.loaded(experiment.changes)
    changed = [change for change in loaded if patterns.names(change.path)]
    return with_changes(session.workspace.files(experiment.parent_commit), changed)


def _without_words(trial: TrialRecord, files: Files) -> TrialRecord:
    """Leave nothing of a trial that its code could have said in words or numbers of its own."""
    result = trial.result
    crash = bare(result.crash, files) if result.crash else None
    return replace(trial, result=replace(result, crash=crash, curves=(), self_modified=()))


def _reason_without_words(told: Experiment, trials: Sequence[TrialRecord]) -> str:
    """Return why it failed; the reason of a crash quotes its message."""
    crashed = next((trial.result for trial in trials if trial.result.crash), None)
    if crashed is None or crashed.crash is None:
        return told.reason
    return f"{crashed.stage}: {crash_line(crashed.crash)}"
