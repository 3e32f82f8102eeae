"""What the supervisor's commits say: the run writes them, and the audit compares them; pure.

Each that belongs to an experiment carries the journal's chain at its proposal, at its decision or
after it, so that git is a witness of the journal.
"""

from __future__ import annotations

from runner.decision import apart, same_sign, written
from runner.history import metric_of
from runner.records import SELF_REPORTED, Experiment, Run
from runner.sandbox.evidence import escaped

CHAIN = "Journal-Chain"


def attempt(experiment: Experiment) -> str:
    """Return the message of an attempt, kept before its first container starts."""
    chain = experiment.proposed_chain
    return f"attempt {experiment.number}: {escaped(experiment.hypothesis)}\n\n{CHAIN}: {chain}\n"


def kept(run: Run, experiment: Experiment) -> str:
    """Return the message of a commit on the run's branch."""
    metric, score, gain = metric_of(run), experiment.score or 0.0, experiment.gain or 0.0
    best = metric.before(score, gain)
    before, after = apart(metric, best, score, lambda shown: same_sign(float(shown), gain))
    trust = f"{SELF_REPORTED}\n" if run.self_reported else ""
    return (
        f"{escaped(experiment.hypothesis)}\n\n{experiment.reason}\n\n{trust}"
        f"Metric: {run.metric} {written(before)} -> {written(after)}\n"
        f"Experiment: {experiment.run}/{experiment.number}\n"
        f"{CHAIN}: {experiment.decided_chain}\n"
    )


def notes(number: int) -> str:
    """Return the message of the notes that came with a proposal."""
    return f"Notes of experiment {number}"


def log(number: int, head: str) -> str:
    """Return the message of the log, whose newest entry is this experiment."""
    return f"Log of experiment {number}\n\n{CHAIN}: {head}\n"


def audit(number: int, head: str) -> str:
    """Return the message of a commit that says no more than that an experiment was audited."""
    return f"Audit of experiment {number}\n\n{CHAIN}: {head}\n"


def trailer(message: str, key: str = CHAIN) -> str | None:
    """Return the last line `key: value`; the hypothesis above it may look like one."""
    lines = [line.partition(": ") for line in message.splitlines()]
    return next((value for name, _, value in reversed(lines) if name == key), None)
