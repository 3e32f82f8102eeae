"""The trials of an experiment: as many as the decision asks for, and the audit after a keep."""

from __future__ import annotations

import statistics
from typing import Any

from runner.decision import Decision, MoreTrials, Tie, after_guards, decide
from runner.history import record
from runner.journal.entries import RESULTS, Entry
from runner.policy.lines import count_lines
from runner.progress import DEVICE
from runner.records import (
    Experiment,
    ExperimentStatus,
    Guard,
    GuardResult,
    Purpose,
    TrialRecord,
    TrialSpec,
)
from runner.session import Session
from runner.trial import specification


def try_out(session: Session, experiment: Experiment) -> Decision:
    """Run trials until the decision needs no more, then the guards of what is to be kept."""
    decision = _decide(session, experiment)
    if decision.status is not ExperimentStatus.KEPT:
        return decision
    for guard in session.policy.guards_records():
        if (why := _guard(session, experiment, guard).failed) is not None:
            return after_guards(decision, guard.name, why)
    return decision


def _decide(session: Session, experiment: Experiment) -> Decision:
    """Run trials; those that ended before are not run again."""
    plan, best = session.plan(experiment), record(session.history, session.metric)
    tie = _tie(session, experiment)
    done = {
        (trial.split, trial.seed): trial.result
        for trial in experiment.trials
        if trial.purpose is Purpose.DECISION
    }
    while True:
        results = [done[place] for place in plan if place in done]
        answer = decide(
            session.metric,
            best,
            results,
            planned=len(plan),
            min_gain=session.policy.decision.min_gain,
            splits=len(session.policy.evaluation.splits),
            tie=tie,
        )
        if not isinstance(answer, MoreTrials):
            return answer
        place = plan[answer.index]
        done[place] = _trial(session, experiment, place, Purpose.DECISION).result


def _tie(session: Session, experiment: Experiment) -> Tie | None:
    """Compare the program's length with that of the best, where the policy cares."""
    simplicity = session.policy.decision.simplicity
    if simplicity is None or experiment.number == 0 or experiment.attempt_commit is None:
        return None
    before, after = (
        count_lines({path: files[path].content for path in session.policy.files.mutable})
        for files in map(
            session.workspace.files,
            (session.branch_before(experiment.number), experiment.attempt_commit),
        )
    )
    return Tie(within=simplicity.tie_within, lines_before=before, lines=after)


def _guard(session: Session, experiment: Experiment, guard: Guard) -> GuardResult:
    """Run one guard, keep its output for the person, and record how it ended."""
    place = session.plan(experiment)[0]
    spec = _specification(session, experiment, place, Purpose.DECISION)
    result = session.sandbox.guard(spec, guard)
    tag, number = experiment.run, experiment.number
    _write_log(session, experiment, "guard", guard.name, result.log)
    session.ledger.event(
        tag, "guard.ended", experiment=number, guard=guard.name, failed=result.failed
    )
    session.log.info(
        "guard.ended",
        experiment=number,
        guard=guard.name,
        failed=result.failed,
        wall_seconds=round(result.wall_seconds, 3),
    )
    return result


def _write_log(
    session: Session, experiment: Experiment, trial: str, stage: str, output: bytes
) -> None:
    path = session.state.log(experiment.run, experiment.number, trial, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(output)


def _trial(
    session: Session, experiment: Experiment, place: tuple[str, int], purpose: Purpose
) -> TrialRecord:
    """Run one trial, keep its output for the person, and record it."""
    spec = _specification(session, experiment, place, purpose)
    with session.progress.doing(DEVICE, **_progress(session, experiment, place, purpose)):
        result = session.sandbox.run(spec)
    tag, number, (split, seed) = experiment.run, experiment.number, place
    for stage, output in result.logs.items():
        _write_log(session, experiment, f"{purpose}-{split}-{seed}", stage, output)
    trial = TrialRecord(purpose=purpose, split=split, seed=seed, result=result)
    entry = session.ledger.trial_ended(tag, number, trial)
    _log_trial(session, experiment, trial, entry)
    return trial


def _progress(
    session: Session, experiment: Experiment, place: tuple[str, int], purpose: Purpose
) -> dict[str, Any]:
    """Return where in its plan a trial is, and how long trials like it took."""
    audit = purpose is Purpose.AUDIT
    splits = session.policy.evaluation.audited
    plan = [(split, place[1]) for split in splits] if audit else session.plan(experiment)
    took = [
        trial.result.wall_seconds
        for other in session.history[-20:]
        for trial in other.trials
        if trial.purpose is purpose and trial.result.score
    ]
    return {
        "what": "the audit of" if audit else "a trial of",
        "experiment": experiment.number,
        "trial": plan.index(place) + 1,
        "trials": len(plan),
        "seed": None if audit else experiment.seeds.index(place[1]) + 1,
        "seeds": None if audit else len(experiment.seeds),
        "usual_seconds": statistics.median(took) if took else None,
    }


def _specification(
    session: Session, experiment: Experiment, place: tuple[str, int], purpose: Purpose
) -> TrialSpec:
    if experiment.attempt_commit is None:
        raise ValueError("a trial before its attempt was kept")
    split, seed = place
    return specification(
        session.policy,
        run=session.run.tag,
        experiment=experiment.number,
        purpose=purpose,
        split=split,
        index=experiment.seeds.index(seed),
        seed=seed,
        image_id=session.run.image_id,
        data_digest=session.run.data_digest,
        harness_digest=session.run.harness_digest,
        workspace=session.workspace.files(experiment.attempt_commit),
    )


def audit_if_kept(session: Session, experiment: Experiment) -> None:
    """Score what was kept on the locked part, once. Only the person ever sees it."""
    if experiment.status is not ExperimentStatus.KEPT:
        return
    done = {trial.split for trial in experiment.trials if trial.purpose is Purpose.AUDIT}
    for split in session.policy.evaluation.audited:
        if split not in done:
            _trial(session, experiment, (split, experiment.seeds[0]), Purpose.AUDIT)


def _log_trial(session: Session, experiment: Experiment, trial: TrialRecord, entry: Entry) -> None:
    """Log how it ended; an audit with the journal's chain at it, of which the log is a witness."""
    result = trial.result
    witnessed = {"seq": entry.seq, "chain": entry.chain} if entry.kind in RESULTS else {}
    session.log.info(
        "trial.ended",
        experiment=experiment.number,
        purpose=trial.purpose,
        split=trial.split,
        seed=trial.seed,
        status=result.status,
        reason=result.reason,
        self_modified=list(result.self_modified),
        wall_seconds=round(result.wall_seconds, 3),
        overhead_seconds=round(result.overhead_seconds, 3),
        peak_memory_bytes=result.peak_memory_bytes,
        peak_gpu_memory_bytes=result.peak_gpu_memory_bytes,
        **witnessed,
    )
