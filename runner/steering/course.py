"""How far a run goes, where on its way it is, and why it ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from runner.ends import End, Outcome
from runner.records import Experiment, ExperimentStatus
from runner.sandbox.evidence import escaped
from runner.session import Session

FAILURES = (
    ExperimentStatus.CRASHED,
    ExperimentStatus.TIMEOUT,
    ExperimentStatus.INVALID_OUTPUTS,
)
WORKED = "run.worked"
BEST_FAILURES = 2
"""Draws on which the best may fail in one start."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """What ends a run, counted from this start where a pause is to be able to go on."""

    experiments: int | None
    """How many after the baseline the run is to have in all."""
    hours: float | None
    known: int
    """Experiments that there were at this start."""
    earlier: float = 0.0
    """Seconds that the run had been going before this start."""
    begun: float = field(default_factory=lambda: time.monotonic())

    @property
    def seconds(self) -> float:
        """How long it has been going in all; clocks are set, so no moments are compared."""
        return self.earlier + time.monotonic() - self.begun

    @property
    def seconds_left(self) -> float | None:
        """How long it may go on; `None` for no limit."""
        return None if self.hours is None else max(0.0, self.hours * 3600 - self.seconds)

    def done(self, number: int) -> float | None:
        """Return how much of the run lies before experiment `number`; `None` if nobody knows."""
        shares = []
        if self.experiments:
            shares.append((number - 1) / self.experiments)
        if self.hours is not None:
            shares.append(self.seconds / (self.hours * 3600))
        return max(shares, default=None)


def course_of(session: Session, experiments: int | None) -> Course:
    """Return the course of a run that is to have so many experiments in all, or fewer."""
    limits = session.policy.limits
    most = min((n for n in (experiments, limits.experiments) if n is not None), default=None)
    return Course(
        experiments=most, hours=limits.hours, known=len(session.ended), earlier=_worked(session)
    )


def _worked(session: Session) -> float:
    """Return how long the run had been going, as its last supervisor left it."""
    return float(session.now.noted.get(WORKED, {}).get("seconds", 0.0))


def note_work(session: Session, course: Course) -> None:
    """Write down how long the run has been going, where that is limited."""
    if course.hours is not None:
        session.journal.event(session.run.tag, WORKED, seconds=course.seconds)


def reason_to_end(session: Session, course: Course) -> End | None:
    """Return how the run ends, if there is a reason to end it."""
    limits, state, most = session.policy.limits, session.now, course.experiments
    if session.stop_asked():
        return End(outcome=Outcome.STOPPED, reason="asked to stop")
    if most is not None and state.count > most:
        return End(outcome=Outcome.FINISHED, reason=f"experiments: {most} of {most}")
    if (reached := _goal_reached(session)) is not None:
        return End(outcome=Outcome.GOAL_REACHED, reason=reached)
    if course.hours is not None and course.seconds > course.hours * 3600:
        return End(outcome=Outcome.FINISHED, reason=f"{course.hours:g} hours are over")
    if (broken := _best_failed(state.best, course.known)) is not None:
        return End(outcome=Outcome.PAUSED, reason=broken)
    failed = _failed_in_a_row(state.settled[course.known :])
    shared = session.policy.evaluation.shared_targets
    if len(failed) >= limits.consecutive_failures:
        return End(outcome=Outcome.PAUSED, reason=_what_failed(failed, shared_targets=shared))
    return None


def _goal_reached(session: Session) -> str | None:
    state, goal = session.now, session.policy.stop_at
    best = state.best.score if state.best is not None else None  # its level: it may have fallen
    if goal is None or best is None or session.metric.gain(goal, best) < 0:
        return None
    metric, shown = session.metric, session.metric.rounded(best)  # an agent over MCP is told it
    told = f" {shown:.10g}" if metric.gain(goal, shown) >= 0 else ""  # rounded, it may fall short
    return f"{metric.name}{told} reached stop_at {goal:.10g}"


def _best_failed(best: Experiment | None, known: int) -> str | None:
    """Say that the best failed when it was measured again, if it did so too often in this start."""
    again = [] if best is None else [
        trial for trial in best.trials
        if trial.purpose.decides and trial.asked_by >= max(known, best.number + 1)
    ]  # fmt: skip
    broken = [trial for trial in again if trial.result.score is None]
    if best is None or len({trial.index for trial in broken}) < BEST_FAILURES:
        return None
    return (
        f"experiment {best.number}, the best, failed {len(broken)} times when it was measured"
        " again: look at its output, and whether something else needs this machine"
    )


def _what_failed(failed: Sequence[Experiment], *, shared_targets: bool) -> str:
    """Say how the last experiments failed, and what the newest of them said."""
    kinds = Counter(found.rule or str(found.status) for found in reversed(failed))
    shown = ", ".join(f"{count} {escaped(kind)}" for kind, count in kinds.most_common())
    last, words = failed[0], f"{len(failed)} experiments failed in a row: {shown}"
    if shared_targets and _ran(last):  # an agent over MCP is told why the run ended
        return words
    return f"{words}; experiment {last.number}: {escaped(last.reason)}"


def _failed_in_a_row(history: Sequence[Experiment]) -> list[Experiment]:
    """Return those at the end, newest first.

    A refusal that its agent never heard of neither counts nor ends the row.
    """
    counted = (found for found in reversed(history) if _ran(found) or _given_up(found))
    return list(takewhile(_failed, counted))


def _ran(experiment: Experiment) -> bool:
    return experiment.status is not ExperimentStatus.REFUSED


def _given_up(experiment: Experiment) -> bool:
    """Say whether its agent failed, or was told what to mend and did not."""
    origin = experiment.origin
    return not _ran(experiment) and bool(origin and (origin.returned or origin.forfeit))


def _failed(experiment: Experiment) -> bool:
    return experiment.status in FAILURES or _given_up(experiment)
