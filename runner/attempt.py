"""Before the first container: the diff goes into git, and the proposal through the review."""

from __future__ import annotations

from collections.abc import Sequence

from runner import commit_messages
from runner.decision import Decision, Metric
from runner.policy.review import Earlier, Examination, fingerprint
from runner.policy.review import review as examine
from runner.records import Change, Experiment, ExperimentStatus, Files, Proposal, Violation
from runner.sandbox.evidence import escaped
from runner.seams import Context
from runner.session import Session
from runner.steering.phases import policy_in


def keep_attempt(session: Session, experiment: Experiment) -> Experiment:
    """Keep the diff in git, whatever becomes of it."""
    changes = [change for change in experiment.changes if not _is_note(session, change)]
    message = commit_messages.attempt(experiment)
    commit = session.workspace.attempt(
        experiment.number, experiment.parent_commit, changes, message, experiment.started_at
    )
    session.ledger.attempt_stored(experiment.run, experiment.number, commit)
    return session.read(experiment.number)


def _is_note(session: Session, change: Change) -> bool:
    return change.path in session.policy.files.notes


def refuse(session: Session, experiment: Experiment) -> Decision | None:
    """Review the proposal; the baseline is ours and needs none."""
    files = session.workspace.with_notes(experiment.parent_commit)
    if experiment.number == 0:
        template = fingerprint(files, session.policy)  # so that a way back to it is a repeat
        session.ledger.reviewed(experiment.run, 0, template)
        return None
    proposal = Proposal(
        hypothesis=experiment.hypothesis, category=experiment.category, changes=experiment.changes
    )
    known = _earlier(session, experiment.number)
    phase = experiment.origin.phase if experiment.origin else None
    found = _examined(session, files, proposal, known, phase)
    session.ledger.reviewed(experiment.run, experiment.number, found.fingerprint)
    _write_notes(session, experiment, {broken.path for broken in found.violations})
    forfeit = _forfeit(experiment)
    if forfeit and not experiment.changes:
        return _refusal(*forfeit)  # that nothing changes follows from it
    return _refusal(*forfeit, *found.violations)


def review(session: Session, context: Context, proposal: Proposal) -> tuple[Violation, ...]:
    """Return what the review will say of a proposal, if it becomes the next experiment."""
    known = _earlier(session)
    return _examined(session, context.files, proposal, known, context.phase_name).violations


def _examined(
    session: Session,
    files: Files,
    proposal: Proposal,
    known: Sequence[Earlier],
    phase: str | None,
) -> Examination:
    """Review a proposal on these files against what was tried before, as its phase allows."""
    policy = policy_in(session.policy, phase)
    return examine(proposal, policy, files=files, earlier=known)


def _earlier(session: Session, number: int | None = None) -> tuple[Earlier, ...]:
    """Return what was tried before experiment `number`, for a repeat to be known by.

    `None` is everything so far, what another agent has at work too.
    """
    return tuple(
        Earlier(
            number=other.number,
            fingerprint=other.fingerprint,
            outcome=_outcome(other, session.metric),
        )
        for other in session.history
        if other.fingerprint and (number is None or other.number < number)
        if other.status is not ExperimentStatus.REFUSED
    )


def _forfeit(experiment: Experiment) -> tuple[Violation, ...]:
    forfeit = experiment.origin.forfeit if experiment.origin else None
    return (forfeit,) if forfeit else ()


def _refusal(*violations: Violation) -> Decision | None:
    if not violations:
        return None
    first = violations[0]
    others = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    where = f"{escaped(first.path)}: " if first.path else ""
    return Decision(
        status=ExperimentStatus.REFUSED, reason=f"{where}{first.message}{others}", rule=first.rule
    )


def _outcome(experiment: Experiment, metric: Metric) -> str:
    """Return how it ended, as an agent may know it: a repeat of it is told so."""
    score = "" if experiment.score is None else f", {metric.rounded(experiment.score):.10g}"
    return f"{experiment.status or 'unfinished'}{score}"


def _write_notes(session: Session, experiment: Experiment, broken: set[str | None]) -> None:
    notes = [
        change
        for change in experiment.changes
        if _is_note(session, change) and change.path not in broken
    ]
    message = commit_messages.notes(experiment.number)
    session.workspace.write_notes(notes, message, experiment.started_at)
