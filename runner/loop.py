"""One experiment, top to bottom, and the loop around it.

Every step is recorded before the next begins and does nothing when it is done twice, so an
experiment that was cut off anywhere is finished by conducting it again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from runner import commit_messages
from runner.attempt import keep_attempt, refuse
from runner.decision import Decision
from runner.errors import LedgerError, RunStoppedError, SpentError
from runner.journal.entries import Entry
from runner.logs import LOGS_KEPT, drop_logs
from runner.proposals.context import history_as_told, make_context
from runner.proposals.desk import SessionDesk
from runner.proposals.opening import open_baseline, open_proposal
from runner.proposals.proposers import Place, Places, side_by_side
from runner.proposals.rebasing import Based, on_the_best
from runner.records import Experiment, ExperimentStatus, HypothesisStatus, Violation
from runner.seams import Agent, Context, Phase
from runner.session import Session
from runner.steering.between import between
from runner.steering.course import Course, course_of, note_work, reason_to_end
from runner.steering.phases import phase_at
from runner.trials import audit_if_kept, try_out
from runner.workspace import NOTES_REF


def run_loop(session: Session, *agents: Agent, experiments: int | None) -> str:
    """Conduct experiments until a limit, the agents' end, or a wish to stop; return why it ended.

    Args:
        session: the run.
        agents: who proposes; several do so side by side.
        experiments: how many after the baseline the run is to have in all; `None` for no limit.

    Raises:
        RunStoppedError: the baseline failed.
        RunnerError: a failure of ours; the experiment in progress is conducted again on resume.
    """
    course = course_of(session, experiments)
    try:
        return _go_through(session, agents, course)
    finally:
        with suppress(LedgerError):  # it may be what failed
            note_work(session, course)


def _go_through(session: Session, agents: Sequence[Agent], course: Course) -> str:
    session.progress.until(course.experiments)
    _finish_what_is_open(session)
    if not session.history:
        conduct(session, open_baseline(session))
    _require_baseline(session)
    course = replace(course, known=len(session.history))
    if (reason := reason_to_end(session, course)) is not None:
        return reason
    between(session, course)
    places = Places(session, course.experiments)
    works = [partial(_work, session, agent, course, places) for agent in agents]
    ends = side_by_side(works, places.end)
    return places.reason or next((end for end in ends if end), "the run ended")


def _work(session: Session, agent: Agent, course: Course, places: Places) -> str | None:
    """Propose and conduct until the run ends; return why, if it is this agent's reason alone."""
    while not places.ended:
        with places.taken() as place:
            if place is None:
                return None
            if (reason := _next(session, agent, course, places, place)) is not None:
                return reason
    return None


def _next(
    session: Session, agent: Agent, course: Course, places: Places, place: Place
) -> str | None:
    """Conduct one proposal; return why there is none, if the agent has reached an end."""
    returned: tuple[Violation, ...] = ()
    while not places.ended:
        context = _context(session, course, place, returned)
        desk = SessionDesk(session, context, ended=lambda: places.ended)
        try:
            with session.progress.doing(desk.name, "the agent thinks about", **desk.about):
                proposal = agent.propose(context, desk)
        except SpentError as spent:
            return f"{spent}; {spent.hint}" if spent.hint else str(spent)
        if proposal is None:
            if session.stop_asked():
                return "asked to stop"
            return f"the agent {agent.name} has nothing more to propose"
        with places.turn():
            if places.ended:
                return None
            based = on_the_best(session, context, desk.taken(proposal))
            if isinstance(based, Based):
                conduct(session, open_proposal(session, based, agent, returned=desk.returned))
            _go_on(session, course, places)
        if isinstance(based, Based):
            return None
        returned = based.why
    return None


def _go_on(session: Session, course: Course, places: Places) -> None:
    """End the run, or do what is due between two experiments, while nobody else has the turn."""
    note_work(session, course)
    if (reason := reason_to_end(session, course)) is not None:
        places.end(reason)
    else:
        between(session, course)


def _context(
    session: Session, course: Course, place: Place, returned: tuple[Violation, ...]
) -> Context:
    return make_context(
        session,
        place.number,
        phase=_phase(session, course, place.number),
        hypotheses=place.hypotheses,
        returned=returned,
        experiments=course.experiments,
    )


def _phase(session: Session, course: Course, number: int) -> Phase | None:
    phases = session.policy.phases
    return phase_at(phases, course.done(number)) if phases else None


def conduct(session: Session, experiment: Experiment) -> Experiment:
    """Take one experiment from wherever it stands to its end."""
    begun = time.monotonic()
    if experiment.attempt_commit is None:
        experiment = keep_attempt(session, experiment)
    if experiment.status is None:
        decision = refuse(session, experiment) or try_out(session, experiment)
        experiment = _record_decision(session, experiment, decision)
    commit = _settle_git(session, experiment)
    wall = time.monotonic() - begun
    tag, number = experiment.run, experiment.number
    notes = session.workspace.resolve(NOTES_REF)
    entry = session.ledger.settled(
        tag, number, commit=commit, wall_seconds=wall, notes_commit=notes
    )
    ended = session.read(number)
    _log_settled(session, ended, entry)
    _answer_hypothesis(session, ended)
    _write_page(session)
    audit_if_kept(session, ended)
    session.research_log.audited(ended)
    drop_logs(session.state, session.ledger.experiment(tag, number - LOGS_KEPT))
    session.finished(session.read(number))
    return ended


def _answer_hypothesis(session: Session, experiment: Experiment) -> None:
    """A refusal tested nothing, so the person's hypothesis stays open."""
    asked = experiment.origin.answers if experiment.origin else None
    if asked is not None and experiment.status is not ExperimentStatus.REFUSED:
        session.ledger.end_hypothesis(
            asked, HypothesisStatus.ANSWERED, experiment=experiment.number
        )


def _finish_what_is_open(session: Session) -> None:
    """Do what an earlier supervisor still owes, and conduct what it left unfinished.

    The event log gets the chain's head first: the last line may be what it could not write.
    """
    head = session.ledger.head(session.run.tag)
    session.log.info("loop.begun", seq=head.seq, chain=head.chain)
    usd = session.spending.settle(agent=session.run.agent, experiment=len(session.history))
    if usd:
        session.log.warning("spending.settled", usd=round(usd, 6))
    for experiment in session.ended:
        _answer_hypothesis(session, experiment)
    _write_page(session)
    for experiment in session.ended:
        audit_if_kept(session, experiment)
    for newest in session.ended[-1:]:
        session.research_log.audited(newest)
    if (left := session.ledger.unfinished(session.run.tag)) is not None:
        session.log.info("experiment.resumed", experiment=left.number)
        conduct(session, left)


def _write_page(session: Session) -> None:
    told = history_as_told(session)
    for newest in told[-1:]:
        session.research_log.update(newest, lambda: told)


def _require_baseline(session: Session) -> None:
    baseline = session.read(0)
    if baseline.status is not ExperimentStatus.KEPT:
        log = session.state.run(session.run.tag) / "logs" / "0000"
        raise RunStoppedError(
            f"the unmodified template failed: {baseline.reason}", hint=f"its output is in {log}"
        )


def _record_decision(session: Session, experiment: Experiment, decision: Decision) -> Experiment:
    session.ledger.decided(
        experiment.run,
        experiment.number,
        status=decision.status,
        reason=decision.reason,
        rule=decision.rule,
        score=decision.score,
        gain=decision.gain,
    )
    return session.read(experiment.number)


def _settle_git(session: Session, experiment: Experiment) -> str | None:
    """Move the branch for a keep; a revert is the branch not moving."""
    if experiment.status is not ExperimentStatus.KEPT or experiment.attempt_commit is None:
        return None
    if experiment.number == 0:
        return experiment.parent_commit
    return session.workspace.keep(
        experiment.attempt_commit,
        session.branch_before(experiment.number),
        commit_messages.kept(session.run, experiment),
        experiment.started_at,
    )


def _log_settled(session: Session, experiment: Experiment, entry: Entry) -> None:
    session.log.info(
        "experiment.decided",
        experiment=experiment.number,
        status=experiment.status,
        rule=experiment.rule,
        reason=experiment.reason,
        score=experiment.score,
        gain=experiment.gain,
        commit=experiment.commit,
        wall_seconds=experiment.wall_seconds,
        seq=entry.seq,
        chain=entry.chain,
    )
