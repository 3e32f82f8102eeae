"""The review of a proposal, as the run at this moment has it."""

from __future__ import annotations

from dataclasses import replace

from runner.decision import Metric
from runner.policy.case import Tried
from runner.policy.lines import count_lines
from runner.policy.review import Earlier, Examination, fingerprint, review
from runner.records import PLANTED, RETRY, Experiment, Files, Proposal, Review
from runner.seams import Context
from runner.session import Session
from runner.steering.phases import policy_in
from runner.workspace import with_changes

WAIVED = {PLANTED: {"no-change", "repeat"}, RETRY: {"repeat"}}
"""Mode → the rules that do not hold for what the supervisor itself proposes in it. No agent and no
strategy can choose these modes, and why it was proposed stands in its origin."""


def examined(session: Session, context: Context, proposal: Proposal) -> Examination:
    """Review a proposal against everything tried so far, what is still at work too."""
    policy = policy_in(session.policy, context.phase_name)
    found = review(proposal, policy, files=context.files, earlier=tried(session))
    return _waived(found, context.mode)


def _waived(found: Examination, mode: str) -> Examination:
    waived = WAIVED.get(mode, set())
    left = tuple(violation for violation in found.violations if violation.rule not in waived)
    return replace(found, violations=left)


def reviewed(session: Session, experiment: Experiment, found: Examination | None) -> Review:
    """Return the review of an experiment.

    The baseline is ours and needs none. What its agent was told of the same proposal stands, if it
    is known: whoever goes on after a kill reviews it again.
    """
    files = session.workspace.files(experiment.parent_commit)
    if experiment.number == 0:
        first = fingerprint(files, session.policy)  # so that a way back to it is a repeat
        return Review(fingerprint=first, lines=_lines(session, files))
    changes = session.workspace.loaded(experiment.changes)
    origin = experiment.origin
    if found is None or _is_a_repeat_now(session, experiment.number, found):
        policy = policy_in(session.policy, origin.phase if origin else None)
        proposal = Proposal(
            hypothesis=experiment.hypothesis, category=experiment.category, changes=changes
        )
        noted = session.workspace.with_notes(experiment.parent_commit)
        found = review(proposal, policy, files=noted, earlier=tried(session, experiment.number))
        found = _waived(found, origin.mode if origin else "")
    forfeit = (origin.forfeit,) if origin and origin.forfeit else ()
    # That nothing changes follows from there being nothing to run.
    broken = forfeit if forfeit and not changes else (*forfeit, *found.violations)
    lines = None if broken else _lines(session, with_changes(files, changes))
    return Review(violations=broken, fingerprint=found.fingerprint, lines=lines)


def _is_a_repeat_now(session: Session, number: int, found: Examination) -> bool:
    """Say whether somebody else proposed the same since its agent was told of its review."""
    first = session.now.fingerprints.get(found.fingerprint or "", number)
    return first < number and not found.violations


def _lines(session: Session, files: Files) -> int | None:
    """Return how long a program is, where a decision hangs on that."""
    if not session.policy.decision.counts_lines:
        return None
    mutable = session.policy.patterns.among(files)
    return count_lines({path: files[path].content for path in mutable})


def tried(session: Session, before: int | None = None) -> Tried:
    """Return what finds an earlier experiment that was tried, and not refused, by its fingerprint.

    `before` is the number up to which it looks; `None` is everything so far.
    """
    state, metric = session.now, session.metric

    def find(fingerprint: str) -> Earlier | None:
        number = state.fingerprints.get(fingerprint)
        if number is None or (before is not None and number >= before):
            return None
        outcome = None if session.independent else _outcome(state.experiment(number), metric)
        return Earlier(number=number, fingerprint=fingerprint, outcome=outcome)

    return find


def _outcome(experiment: Experiment, metric: Metric) -> str:
    """Return how it ended, as an agent may know it: a repeat of it is told so."""
    score = "" if experiment.score is None else f", {metric.rounded(experiment.score):.10g}"
    return f"{experiment.status or 'unfinished'}{score}"
