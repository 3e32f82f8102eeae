"""What is due between two experiments: a change of strategy is told, an analysis is run."""

from __future__ import annotations

from contextlib import suppress

from runner.errors import ConfigError
from runner.records import AskedBy
from runner.session import Session
from runner.steering.course import Course
from runner.steering.strategy import plateau, standing

CHANGED = "strategy.changed"


def between(session: Session, course: Course) -> None:
    """Do what is due now. What was done before, by this supervisor or another, is not repeated."""
    _tell_phases(session, course)
    _tell_strategy(session)
    _analyse(session)


def _tell_phases(session: Session, course: Course) -> None:
    """Say once per start that a run without an end never leaves its first phase."""
    phases, at_start = session.policy.phases, len(session.ended) == course.known
    if at_start and len(phases) > 1 and course.done(1) is None:
        message = (
            f"it stays in the phase {phases[0].name}: neither a number of experiments"
            " nor limits.hours says how long the run is"
        )
        session.person.say(message)
        session.log.warning("phases.without_end", message=message)


def _tell_strategy(session: Session) -> None:
    """Record and say that a plateau changed the strategy, or that a keep ended it."""
    strategy = session.policy.strategy
    if session.independent or strategy.patience is None:
        return
    before = session.now.noted.get(CHANGED, {}).get("to", strategy.name)
    after = standing(session.ended, strategy)
    if after == before:
        return
    why = plateau(strategy) if after != strategy.name else "something was kept"
    session.journal.event(session.run.tag, CHANGED, **{"from": before, "to": after, "why": why})
    session.log.info(CHANGED, before=before, after=after, why=why)
    session.person.say(f"the strategy is {after} now: {why}")


def _analyse(session: Session) -> None:
    """Run the workspace's own analysis where the policy says that it is time."""
    every, last = session.policy.analysis.every, session.ended[-1].number
    if every is None or last < every:
        return
    number = last - last % every  # several may settle at once
    done = number in session.analysed or any(
        each.seconds is not None and each.asked_by is AskedBy.POLICY and each.experiment == number
        for each in session.now.analyses.values()
    )
    if not done:
        session.analysed.add(number)
        session.person.say(f"analysing training rows, as after every {every} experiments")
        with suppress(ConfigError):  # which was said when the run was created
            session.analyse(None, experiment=number, asked_by=AskedBy.POLICY)
