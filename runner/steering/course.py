"""How far a run goes, where on its way it is, and why it ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from runner.history import record
from runner.records import Experiment, ExperimentStatus
from runner.sandbox.evidence import escaped
from runner.session import Session

FAILURES = (
    ExperimentStatus.CRASHED,
    ExperimentStatus.TIMEOUT,
    ExperimentStatus.INVALID_OUTPUTS,
)
PAUSED = "paused"
"""How the reason begins for which a person should look before the run goes on."""


WORKED = "run.worked"


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
        experiments=most, hours=limits.hours, known=len(session.history), earlier=_worked(session)
    )


def _worked(session: Session) -> float:
    """Return how long the run had been going, as its last supervisor left it."""
    noted = session.ledger.last_event(session.run.tag, WORKED)
    return float(noted["detail"]["seconds"]) if noted else 0.0


def note_work(session: Session, course: Course) -> None:
    """Write down how long the run has been going, where that is limited."""
    if course.hours is not None:
        session.ledger.event(session.run.tag, WORKED, seconds=course.seconds)


def reason_to_end(session: Session, course: Course) -> str | None:
    """Return why to end, if there is a reason."""
    limits, history, most = session.policy.limits, session.history, course.experiments
    if session.stop_asked():
        return "asked to stop"
    if most is not None and len(history) > most:
        return f"experiments: {most} of {most}"
    if (reached := _goal_reached(session)) is not None:
        return reached
    if course.hours is not None and course.seconds > course.hours * 3600:
        return f"{course.hours:g} hours are over"
    failed = _failed_in_a_row(history[course.known :])
    shared = session.policy.evaluation.shared_targets
    if len(failed) >= limits.consecutive_failures:
        return f"{PAUSED}: {_what_failed(failed, shared_targets=shared)}"
    return None


def _goal_reached(session: Session) -> str | None:
    goal, best = session.policy.stop_at, record(session.history, session.metric)
    if goal is None or best is None or session.metric.gain(goal, best) < 0:
        return None
    metric, shown = session.metric, session.metric.rounded(best)  # an agent over MCP is told it
    told = f" {shown:.10g}" if metric.gain(goal, shown) >= 0 else ""  # rounded, it may fall short
    return f"{metric.name}{told} reached stop_at {goal:.10g}"


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
    counted = [found for found in history if _ran(found) or _given_up(found)]
    return list(takewhile(_failed, reversed(counted)))


def _ran(experiment: Experiment) -> bool:
    return experiment.status is not ExperimentStatus.REFUSED


def _given_up(experiment: Experiment) -> bool:
    """Say whether its agent failed, or was told what to mend and did not."""
    origin = experiment.origin
    return not _ran(experiment) and bool(origin and (origin.returned or origin.forfeit))


def _failed(experiment: Experiment) -> bool:
    return experiment.status in FAILURES or _given_up(experiment)
