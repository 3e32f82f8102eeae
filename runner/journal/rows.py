"""Between the journal's documents and rows and the pipeline's frozen values; pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from runner.journal.entries import Entry
from runner.records import (
    Analysis,
    AskedBy,
    Change,
    Crash,
    Curve,
    Experiment,
    ExperimentStatus,
    Hypothesis,
    HypothesisStatus,
    ModelCall,
    Origin,
    Purpose,
    Score,
    Spent,
    TrialRecord,
    TrialResult,
    TrialStatus,
    Usage,
    Violation,
)


def load(text: str) -> Any:
    return json.loads(text)


def proposal_document(experiment: Experiment) -> dict[str, Any]:
    """Return what an entry says of a proposal: all that is known before its review."""
    return {
        "run": experiment.run,
        "number": experiment.number,
        "parent_commit": experiment.parent_commit,
        "hypothesis": experiment.hypothesis,
        "category": experiment.category,
        "changes": [change_document(change) for change in experiment.changes],
        "seeds": list(experiment.seeds),
        "started_at": experiment.started_at,
        "origin": asdict(experiment.origin) if experiment.origin else None,
    }


def read_experiment(
    row: Mapping[str, Any],
    trials: tuple[TrialRecord, ...],
    entries: Mapping[int, Entry] | None = None,
) -> Experiment:
    """Return an experiment.

    Args:
        row: its row.
        trials: its trials.
        entries: those that it names; without them it has no changes, no origin and no chains.
    """
    same = (
        "run", "number", "parent_commit", "hypothesis", "category", "fingerprint", "rule", "reason",
        "score", "gain", "attempt_commit", "commit", "started_at", "ended_at", "wall_seconds",
    )  # fmt: skip
    some = Experiment(
        **{name: row[name] for name in same},
        changes=(),
        seeds=tuple(load(row["seeds"])),
        status=ExperimentStatus(row["status"]) if row["status"] else None,
        trials=trials,
    )
    if entries is None:
        return some
    said = entries[row["proposed"]].document
    return replace(
        some,
        changes=tuple(map(read_change, said["changes"])),
        origin=_read_origin(said["origin"]) if said["origin"] else None,
        proposed_chain=entries[row["proposed"]].chain,
        decided_chain=entries[row["decided"]].chain if row["decided"] else None,
        chain=entries[row["settled"]].chain if row["settled"] else None,
    )


def _read_origin(document: dict[str, Any]) -> Origin:
    forfeit = document.pop("forfeit")
    return Origin(**document, forfeit=Violation(**forfeit) if forfeit else None)


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


def change_document(change: Change) -> dict[str, Any]:
    content = change.content
    encoded = None if content is None else base64.b64encode(content).decode()
    return {"path": change.path, "mode": change.mode, "content": encoded}


def read_change(document: Mapping[str, Any]) -> Change:
    content = document["content"]
    decoded = None if content is None else base64.b64decode(content)
    return Change(path=document["path"], mode=document["mode"], content=decoded)


def trial_document(experiment: int, trial: TrialRecord) -> dict[str, Any]:
    """Return what an entry says of a trial; its logs are files."""
    result = trial.result
    return {
        "experiment": experiment,
        "purpose": str(trial.purpose),
        "split": trial.split,
        "seed": trial.seed,
        "metrics": dict(result.score.metrics) if result.score else {},
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
    }


def read_trial(row: Mapping[str, Any], entry: Entry | None = None) -> TrialRecord:
    """Return a trial; without its entry it has no score, no curves and no crash."""
    said = entry.document if entry else {"metrics": {}, "crash": None, "curves": ()}
    same = (
        "reason",
        "stage",
        "wall_seconds",
        "overhead_seconds",
        "peak_memory_bytes",
        "peak_gpu_memory_bytes",
        "cpu_seconds",
    )
    result = TrialResult(
        **{name: row[name] for name in same},
        status=TrialStatus(row["status"]),
        limit=row["failed_limit"],
        score=Score(metrics=said["metrics"]) if said["metrics"] else None,
        crash=Crash(**said["crash"]) if said["crash"] else None,
        curves=tuple(map(_read_curve, said["curves"])),
        self_modified=() if row["self_modified"] == "[]" else tuple(load(row["self_modified"])),
    )
    purpose = Purpose(row["purpose"])
    return TrialRecord(purpose=purpose, split=row["split"], seed=row["seed"], result=result)


def _read_curve(document: Mapping[str, Any]) -> Curve:
    points = tuple((step, value) for step, value in document["points"])
    return Curve(name=document["name"], points=points)
