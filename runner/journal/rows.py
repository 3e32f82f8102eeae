"""Between the journal's documents and rows and the pipeline's frozen values; pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from runner.decision import Direction
from runner.journal.entries import Entry, Kind
from runner.records import (
    Analysis,
    AskedBy,
    ChangedFile,
    Crash,
    Curve,
    Experiment,
    ExperimentStatus,
    GuardRecord,
    Hypothesis,
    HypothesisStatus,
    Keep,
    ModelCall,
    Origin,
    Purpose,
    Review,
    Run,
    Score,
    Spent,
    TrialRecord,
    TrialResult,
    TrialStatus,
    Usage,
    Violation,
)

MOMENTS = ("at", "created_at", "started_at", "decided_at", "ended_at")
"""Columns that say when."""


def require_sound(row: Mapping[str, Any]) -> None:
    """Raise `ValueError` where a row holds a number without end, or no moment where one stands."""
    for name, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
        if name in MOMENTS and value is not None:
            datetime.fromisoformat(value)


def read_run(row: Mapping[str, Any]) -> Run:
    if row["direction"] not in set(Direction) or row["round_to"] <= 0:
        raise ValueError("its metric has no direction, or nothing to be rounded to")
    return Run(**{**row, "self_reported": bool(row["self_reported"])})


def proposal_document(experiment: Experiment) -> dict[str, Any]:
    """Return what an entry says of a proposal: all that is known before its review."""
    return {
        "number": experiment.number,
        "parent_commit": experiment.parent_commit,
        "hypothesis": experiment.hypothesis,
        "category": experiment.category,
        "changes": [asdict(change) for change in experiment.changes],
        "started_at": experiment.started_at,
        "origin": asdict(experiment.origin) if experiment.origin else None,
    }


def proposed(said: Mapping[str, Any], run: str, chain: str) -> Experiment:
    """Return the experiment that an entry proposes."""
    same = ("number", "parent_commit", "hypothesis", "category", "started_at")
    return Experiment(
        **{name: said[name] for name in same},
        run=run,
        changes=read_changes(said["changes"]),
        origin=_read_origin(said["origin"]) if said["origin"] else None,
        proposed_chain=chain,
    )


def review_document(number: int, review: Review) -> dict[str, Any]:
    return {"number": number, **asdict(review)}


def read_review(said: Mapping[str, Any]) -> Review:
    broken = tuple(Violation(**each) for each in said["violations"])
    return Review(violations=broken, fingerprint=said["fingerprint"], lines=said["lines"])


def read_experiment(
    row: Mapping[str, Any],
    trials: tuple[TrialRecord, ...],
    guards: tuple[GuardRecord, ...] = (),
    entries: Mapping[int, Entry] | None = None,
) -> Experiment:
    """Return an experiment.

    Args:
        row: its row.
        trials: its trials.
        guards: its guards.
        entries: those that it names; without them it has no changes, no origin, no review and no
            chains.
    """
    same = (
        "run", "number", "parent_commit", "hypothesis", "category", "rule", "reason", "score",
        "gain", "planned", "attempt_commit", "commit", "started_at", "ended_at", "wall_seconds",
    )  # fmt: skip
    some = Experiment(
        **{name: row[name] for name in same},
        changes=(),
        status=None if row["status"] is None else ExperimentStatus(row["status"]),
        trials=trials,
        guards=guards,
    )
    if entries is None:
        return some
    said = entries[row["proposed"]].document
    decision = entries[row["decided"]].document if row["decided"] else {}
    return replace(
        some,
        changes=read_changes(said["changes"]),
        origin=_read_origin(said["origin"]) if said["origin"] else None,
        review=read_review(entries[row["reviewed"]].document) if row["reviewed"] else None,
        sure=decision.get("sure"),
        weight=decision.get("weight"),
        proposed_chain=entries[row["proposed"]].chain,
        decided_chain=entries[row["decided"]].chain if row["decided"] else None,
        chain=entries[row["settled"]].chain if row["settled"] else None,
    )


def _read_origin(document: dict[str, Any]) -> Origin:
    forfeit = document.pop("forfeit")
    return Origin(**document, forfeit=Violation(**forfeit) if forfeit else None)


def read_keep(row: Mapping[str, Any], decision: Entry) -> Keep:
    """Return a keep of some of its row and the entry of its decision."""
    said = decision.document
    return Keep(**row, sure=said.get("sure"), weight=said.get("weight"))


def guard_document(number: int, guard: GuardRecord) -> dict[str, Any]:
    return {"experiment": number, **asdict(guard)}


def read_guard(said: Mapping[str, Any]) -> GuardRecord:
    return GuardRecord(name=said["name"], failed=said["failed"], wall_seconds=said["wall_seconds"])


NAMED = {
    Kind.DRAFT_VIOLATED: "draft.violated",
    Kind.PAUSED: "run.paused",
    Kind.ENDED: "run.ended",
}
"""Kinds of entries that are notes of their own → the name under which they are listed."""


def note(kind: Kind, said: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return name and detail of a note."""
    name = NAMED.get(kind)
    return (said["name"], said["detail"]) if name is None else (name, dict(said))


def call_document(call: ModelCall) -> dict[str, Any]:
    said = asdict(call)
    tokens: dict[str, Any] = said.pop("usage")
    del said["at"]  # the entry says when
    return tokens | said


def read_call(row: Mapping[str, Any]) -> ModelCall:
    same = ("experiment", "agent", "model", "usd", "seconds", "outcome", "at")
    return ModelCall(**{name: row[name] for name in same}, usage=_read_usage(row))


def read_spent(row: Mapping[str, Any]) -> Spent:
    same = ("calls", "usd", "seconds")
    return Spent(**{name: row[name] for name in same}, usage=_read_usage(row))


def _read_usage(row: Mapping[str, Any]) -> Usage:
    return Usage(**{name: row[name] for name in Usage.__dataclass_fields__})


def read_analysis(row: Mapping[str, Any]) -> Analysis:
    same = ("experiment", "script_digest", "at", "seconds", "exit_code", "failure")
    return Analysis(**{name: row[name] for name in same}, asked_by=AskedBy(row["asked_by"]))


def read_hypothesis(row: Mapping[str, Any]) -> Hypothesis:
    return Hypothesis(**{**row, "status": HypothesisStatus(row["status"])})


def read_changes(documents: Sequence[Mapping[str, Any]]) -> tuple[ChangedFile, ...]:
    return tuple(ChangedFile(**document) for document in documents)


IN_ENTRIES = ("metrics", "samples", "crash", "curves", "artifact_bytes")
"""What a trial's row leaves out of its entry."""


def trial_document(experiment: int, trial: TrialRecord) -> dict[str, Any]:
    """Return what an entry says of a trial; its logs are files."""
    result = trial.result
    return {
        "experiment": experiment,
        "purpose": str(trial.purpose),
        "split": trial.split,
        "index": trial.index,
        "seed": trial.seed,
        "asked_by": trial.asked_by,
        "metrics": dict(result.score.metrics) if result.score else {},
        "samples": list(result.score.samples) if result.score else [],
        "status": result.status.value,
        "reason": result.reason,
        "stage": result.stage,
        "failed_limit": result.limit,
        "crash": asdict(result.crash) if result.crash else None,
        "curves": [{"name": curve.name, "points": curve.points} for curve in result.curves],
        "self_modified": list(result.self_modified),
        "wall_seconds": result.wall_seconds,
        "overhead_seconds": result.overhead_seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "peak_gpu_memory_bytes": result.peak_gpu_memory_bytes,
        "cpu_seconds": result.cpu_seconds,
        "artifact_bytes": result.artifact_bytes,
        "processor_share": result.processor_share,
    }


def read_trial(said: Mapping[str, Any]) -> TrialRecord:
    """Return the trial that an entry speaks of."""
    same = (
        "reason", "stage", "wall_seconds", "overhead_seconds",
        "peak_memory_bytes", "peak_gpu_memory_bytes", "cpu_seconds",
    )  # fmt: skip
    result = TrialResult(
        **{name: said[name] for name in same},
        artifact_bytes=said.get("artifact_bytes"),  # neither before 104
        processor_share=said.get("processor_share"),
        status=TrialStatus(said["status"]),
        limit=said["failed_limit"],
        score=_read_score(said) if said["metrics"] else None,
        crash=Crash(**said["crash"]) if said["crash"] else None,
        curves=tuple(map(_read_curve, said["curves"])),
        self_modified=tuple(said["self_modified"]),
    )
    where = {name: said[name] for name in ("split", "index", "seed", "asked_by")}
    return TrialRecord(purpose=Purpose(said["purpose"]), **where, result=result)


def _read_score(said: Mapping[str, Any]) -> Score:
    return Score(metrics=said["metrics"], samples=tuple(said.get("samples") or ()))


def read_trial_row(row: Mapping[str, Any], entry: Entry | None = None) -> TrialRecord:
    """Return the trial of a row; without its entry it has no score, no curves and no crash."""
    said = entry.document if entry else {"metrics": {}, "crash": None, "curves": ()}
    modified = () if row["self_modified"] == "[]" else json.loads(row["self_modified"])
    in_entry = {name: said.get(name) for name in IN_ENTRIES}
    return read_trial({**row, **in_entry, "self_modified": modified})


def _read_curve(document: Mapping[str, Any]) -> Curve:
    points = tuple((step, value) for step, value in document["points"])
    return Curve(name=document["name"], points=points)
