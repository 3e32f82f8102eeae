"""What a run's baseline and best came to when they were measured again; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from runner import intervals
from runner.decision import Metric
from runner.draws import PER_EXPERIMENT
from runner.history import scores_by_draw
from runner.records import Experiment, Purpose

PARTS = {Purpose.REPLICATION: "holdout", Purpose.LOCKED_REPLICATION: "locked part"}
"""What was measured again → the part that a person reads of."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """One part of the data, on the draws that both sides have a score of."""

    part: str
    baseline: tuple[float, ...]
    best: tuple[float, ...]
    failed: int
    """Trials without a score."""
    gains: tuple[float, ...]

    @property
    def gain(self) -> tuple[float, float | None]:
        """The mean gain, and half of its interval of 95 %: each draw is a pair of its own."""
        return intervals.of_mean(self.gains)


def measured_again(metric: Metric, baseline: Experiment, best: Experiment) -> Iterator[Again]:
    """Yield each part that was measured again for this best, by draws that every split had."""
    for purpose, part in PARTS.items():
        some = [
            [
                trial
                for trial in side.trials
                if trial.purpose is purpose and trial.index // PER_EXPERIMENT == best.number
            ]
            for side in (baseline, best)
        ]
        known = (trial for side in (baseline, best) for trial in side.trials)
        splits = len({trial.split for trial in known if trial.purpose.part == purpose.part})
        before, after = (scores_by_draw(trials, metric.name, splits) for trials in some)
        both = [index for index in before if index in after]
        if some[0] or some[1]:
            yield Again(
                part=part,
                baseline=tuple(before[index] for index in both),
                best=tuple(after[index] for index in both),
                failed=sum(trial.result.score is None for trials in some for trial in trials),
                gains=tuple(metric.gain(before[index], after[index]) for index in both),
            )


def rows(metric: Metric, best: Experiment, found: Sequence[Again]) -> list[tuple[str, str]]:
    """Return what a person reads."""
    claimed = "" if best.score is None else f", {metric.label} {best.score:.6g} when it was kept"
    lines = [("best", f"experiment {best.number}{claimed}")]
    lines += [(each.part, _said(each)) for each in found]
    return lines


def gains(found: Sequence[Again]) -> str:
    """Return the gains alone, as one line."""
    parts = (f"{each.part} {_gain(each) if each.gains else 'none'}" for each in found)
    return f"on fresh draws: {'; '.join(parts)}"


def _gain(found: Again) -> str:
    draws = "1 draw" if len(found.gains) == 1 else f"{len(found.gains)} draws"
    return f"gain {_with(*found.gain, '+')} on {draws}{_verdict(*found.gain)}"


def _said(found: Again) -> str:
    failures = "trial" if found.failed == 1 else "trials"
    failed = f"; {found.failed} failed {failures}" if found.failed else ""
    if not found.gains:
        return f"no draw has a score of both{failed}"
    before, after = (_with(*intervals.of_mean(level)) for level in (found.baseline, found.best))
    return f"baseline {before}, best {after}: {_gain(found)}{failed}"


def _with(value: float, margin: float | None, sign: str = "") -> str:
    return f"{value:{sign}.6g}" + ("" if margin is None else f" ± {margin:.2g}")


def _verdict(gain: float, margin: float | None) -> str:
    if margin is None:
        return ", which says nothing of noise"
    if gain - margin > 0:
        return ", a gain with more than 97 %"
    return ", a loss with more than 97 %" if gain + margin < 0 else ", which may be noise"


def document(metric: Metric, best: Experiment, found: Sequence[Again]) -> dict[str, Any]:
    """Return the same for machines; each margin is half of an interval of 95 %."""

    def level(values: tuple[float, ...]) -> dict[str, Any]:
        mean, margin = intervals.of_mean(values) if values else (None, None)
        return {"scores": values, "mean": mean, "margin": margin}

    parts = {
        each.part: {
            "baseline": level(each.baseline),
            "best": level(each.best),
            "gain": level(each.gains),
            "failed": each.failed,
        }
        for each in found
    }
    return {
        "run": best.run,
        "best": best.number,
        "metric": metric.name,
        "self_reported": metric.self_reported,
        "parts": parts,
    }
