"""An experiment's intent, recorded before anything else happens."""

from __future__ import annotations

from dataclasses import replace

from runner.decision import OVER_ROWS, Verdict, verdict_in
from runner.errors import ConfigError
from runner.history import last_tried
from runner.journal.entries import now
from runner.policy.schema import Policy
from runner.proposals.rebasing import Based
from runner.records import PLANTED, RETRY, Experiment, Origin, Proposal
from runner.seams import Agent, Context
from runner.session import Session
from runner.steering.phases import policy_in

MOST_WORDS = 10_000
"""Characters of a hypothesis that are kept."""
BASELINE = Proposal(hypothesis="the unmodified template", category="baseline")


def open_baseline(session: Session) -> int:
    return _open(session, session.workspace.head(), BASELINE, None)


def open_proposal(session: Session, based: Based, agent: Agent, *, returned: int) -> int:
    """Record what an agent proposed, and return its number: the next that is free."""
    context = based.context
    policy = policy_in(session.policy, context.phase_name)
    proposal = _bounded(policy, based.proposal)
    origin = Origin(
        agent=agent.name,
        isolation=agent.isolation,
        model=proposal.model,
        parent=context.parent,
        strategy=context.strategy,
        mode=context.mode,
        why=context.why,
        phase=context.phase_name,
        expectation=proposal.expectation,
        takeaway=proposal.takeaway,
        takeaway_of=_last_told(context) if proposal.takeaway else None,
        answers=_answered(session, context, proposal),
        returned=returned,
        forfeit=proposal.forfeit,
    )
    return _open(session, context.parent_commit, proposal, origin)


def open_retry(session: Session, number: int) -> int:
    """Open an experiment that continues an undecided one, as the person asked.

    Raises:
        ConfigError: it cannot be continued on the same evidence.
    """
    state = session.now
    before = state.settled[number] if number < len(state.settled) else None
    if before is None or before.origin is None:
        raise ConfigError(f"run {session.run.tag} has no proposal {number} that has ended")
    if verdict_in(before.reason) is not Verdict.UNDECIDED or before.rule is not None:
        raise ConfigError(
            f"experiment {number} is not undecided: {before.reason}", hint="see: runner list"
        )
    if before.origin.mode == PLANTED:
        raise ConfigError(
            f"experiment {number} was planted: a change of nothing has nothing to decide"
        )
    if OVER_ROWS in before.reason:
        raise ConfigError(
            f"experiment {number} is undecided by its rows: more trials would score the same",
            hint="a larger holdout would tell",
        )
    again = [one for one in state.history if one.origin and one.origin.retries == number]
    for other in again:
        raise ConfigError(f"experiment {number} was continued before, as {other.number}")
    if state.best is not None and state.best.number > number:
        raise ConfigError(
            f"experiment {state.best.number} was kept after {number}, so that its trials say"
            " nothing of the two together",
            hint=f"try it on the best: runner show {number} {session.run.tag} --diff | runner"
            f' propose - --tag {session.run.tag} -m "{number} again"',
        )
    notes = session.policy.files.notes
    origin = replace(
        before.origin,
        mode=RETRY,
        why=f"a person asked for more trials of experiment {number}, which was undecided",
        retries=number,
        answers=None,
        takeaway="",
        takeaway_of=None,
        returned=0,
    )
    return _record(
        session,
        replace(
            before,
            number=state.count,
            changes=tuple(change for change in before.changes if change.path not in notes),
            origin=origin,
            started_at=now(),
        ),
    )


def _last_told(context: Context) -> int | None:
    last = last_tried(context.history)
    return last.number if last else None


def _answered(session: Session, context: Context, proposal: Proposal) -> int | None:
    """Return the hypothesis that it tests, if it is one that its agent was given.

    An open one that came while the agent thought may have been told to it, too.
    """
    known = {each.id for each in (*context.hypotheses, *session.now.open_hypotheses)}
    return proposal.answers if proposal.answers in known else None


def _open(session: Session, parent_commit: str, proposal: Proposal, origin: Origin | None) -> int:
    number = session.now.count
    experiment = Experiment(
        run=session.run.tag,
        number=number,
        parent_commit=parent_commit,
        hypothesis=proposal.hypothesis,
        category=proposal.category,
        changes=session.workspace.stored(proposal.changes),
        origin=origin,
        started_at=now(),
    )
    return _record(session, experiment)


def _record(session: Session, experiment: Experiment) -> int:
    number, hypothesis = experiment.number, experiment.hypothesis
    session.journal.propose(experiment, session.run)
    session.log.info("experiment.started", experiment=number, hypothesis=hypothesis)
    return number


def _bounded(policy: Policy, proposal: Proposal) -> Proposal:
    """Cut what no review could let pass, so that a flood of refused bytes fills no journal.

    One byte and one change too many stay, so that the review still sees them and says so.
    """
    edits, notes = policy.edits, policy.files.notes
    changes = tuple(
        change
        if change.content is None
        else replace(change, content=change.content[: edits.max_file_bytes + 1])
        for change in proposal.changes[: edits.max_files + len(notes) + 1]
    )
    return replace(
        proposal,
        hypothesis=_words(proposal.hypothesis),
        category=_words(proposal.category),
        expectation=_words(proposal.expectation),
        takeaway=_words(proposal.takeaway),
        changes=changes,
    )


def _words(text: str) -> str:
    """Cut words, and escape what JSON or a command line can bring and no text can hold."""
    return text[:MOST_WORDS].encode("utf-8", errors="backslashreplace").decode()
