"""Whether a number that the engine or the scorer gave stays within the bounds of a guard; pure.

What this does not protect against: the noise of such a number. A bound is no test.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.decision import mean
from runner.policy.schema import ENGINES_NUMBERS, Guard
from runner.records import Experiment, TrialResult

GB = 1024**3


def broken(guard: Guard, found: Experiment, best: Experiment | None) -> str | None:
    """Say which bound the number of a guard breaks; nothing where it holds.

    Args:
        guard: one with a number.
        found: the candidate, whose own trials count.
        best: what it was compared with, with the trials up to then; `None` for the baseline.
    """
    name = str(guard.number)
    value = number(name, _results(found, found.number))
    if value is None:
        scores = [each.score.metrics for each in _results(found, found.number) if each.score]
        if name in ENGINES_NUMBERS or not scores:
            return f"no {name} is known"
        return f"no {name} is known; the scorer gives {', '.join(sorted(scores[0]))}"
    said = f"{name} is {value:.6g}"
    if guard.at_most is not None and value > guard.at_most:
        return f"{said}, and may be {guard.at_most:g} at most"
    if guard.at_least is not None and value < guard.at_least:
        return f"{said}, and must be {guard.at_least:g} at least"
    before = None if best is None else number(name, _results(best, found.number))
    if guard.worse_by is None or before is None:
        return None
    loss = before - value if guard.better == "high" else value - before
    if loss <= guard.worse_by / 100 * abs(before):
        return None
    share = f"{100 * loss / abs(before):.3g} % " if before else ""
    return f"{said}, {share}worse than the best's {before:.6g}; {guard.worse_by:g} % is the most"


def number(name: str, results: Sequence[TrialResult]) -> float | None:
    """Return a number over trials; absent where none of them has it."""
    if name not in ENGINES_NUMBERS:
        scores = [each.score.metrics for each in results if each.score]
        return mean([each[name] for each in scores]) if scores and name in scores[0] else None
    if name == "cpu_seconds":
        spent = [each.cpu_seconds for each in results if each.cpu_seconds is not None]
        return mean(spent) if spent else None
    if name == "peak_memory_gb":
        peak = max((each.peak_memory_bytes or 0 for each in results), default=0)
        return peak / GB or None
    sizes = [each.artifact_bytes for each in results if each.artifact_bytes is not None]
    return float(max(sizes)) if sizes else None


def _results(experiment: Experiment, until: int) -> list[TrialResult]:
    """Return its scored trials that decide, those that later experiments asked for left out."""
    return [
        trial.result
        for trial in experiment.trials
        if trial.purpose.decides and trial.asked_by <= until and trial.result.score
    ]
