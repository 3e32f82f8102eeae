"""Made-up experiments, as an agent is told of them."""

from __future__ import annotations

from typing import Any

from fakes import trial

from runner.records import (
    Crash,
    Curve,
    Experiment,
    ExperimentStatus,
    Files,
    Origin,
    Purpose,
    TrialResult,
    TrialStatus,
)
from runner.seams import Context

KEPT, REVERTED = ExperimentStatus.KEPT, ExperimentStatus.REVERTED
SENTENCE = "a longer warm-up should help the early steps, because the gradients are noisy there"


def experiment(
    number: int,
    status: ExperimentStatus = REVERTED,
    *,
    score: float | None = None,
    takeaway: str = "",
    expectation: str = "",
    curves: tuple[Curve, ...] = (),
    crash: Crash | None = None,
    **more: Any,
) -> Experiment:
    result = TrialResult(
        status=TrialStatus.CRASHED if crash else TrialStatus.SCORED,
        reason="",
        stage="train",
        crash=crash,
        curves=curves,
    )
    fields: dict[str, Any] = {
        "run": "t1",
        "number": number,
        "parent_commit": "",
        "hypothesis": f"idea {number}",
        "category": "",
        "changes": (),
        "origin": Origin(
            agent="x",
            isolation="api",
            expectation=expectation,
            takeaway=takeaway,
            takeaway_of=number - 1 if takeaway else None,
        ),
        "status": status,
        "score": score,
        "ended_at": f"2026-01-01T00:00:{number % 60:02d}",
        "trials": (trial(Purpose.DECISION, result, split="", asked_by=number),),
    }
    return Experiment(**{**fields, **more})


def mixed(length: int) -> tuple[Experiment, ...]:
    """Every tenth is kept, every eighth crashes."""
    return tuple(_mixed(number) for number in range(length))


def _mixed(number: int) -> Experiment:
    crashed = number % 8 == 3
    status = ExperimentStatus.CRASHED if crashed else KEPT if number % 10 == 0 else REVERTED
    points = tuple((float(step), 1 / (step + 1)) for step in range(100))
    return experiment(
        number,
        status,
        score=None if crashed else round(500 - number / 4, 2),
        hypothesis=f"{number}: {SENTENCE}",
        category=f"category {number % 9}",
        expectation=f"a little better, {SENTENCE[:40]}",
        takeaway=SENTENCE,
        crash=Crash(exception="ValueError", file="t.py", line=1, message="no") if crashed else None,
        curves=(Curve(name="loss", points=points),),
        reason="mean_rank 90.5, gain -1, needed 1",
    )


def context(
    history: tuple[Experiment, ...] = (), files: Files | None = None, **more: Any
) -> Context:
    fields: dict[str, Any] = {
        "number": len(history),
        "task": "eclip",
        "files": files or {},
        "mutable": ("train.py",),
        "notes": ("scratchpad.md",),
        "rules": "the rules",
        "metric": "mean_rank",
        "direction": "minimize",
        "history": history,
    }
    return Context(**{**fields, **more})
