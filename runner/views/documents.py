"""The journal as plain JSON documents: one shape for every `--json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from runner import intervals
from runner.agreement import compared
from runner.decision import Metric, verdict_in
from runner.history import mean_audit
from runner.records import Beside, Experiment, ExperimentStatus, Purpose, Run, Spent, TrialRecord
from runner.views import lines
from runner.views.standing import Standing


def run_document(standing: Standing) -> dict[str, Any]:
    """Return a run with its standing; the policy is named by its digest."""
    run, top, baseline = standing.run, standing.best, standing.baseline
    fixed = {key: value for key, value in asdict(run).items() if key != "policy_text"}
    audit = None
    if baseline and top and top.number:
        audit = audit_document(standing.metric, baseline, top)
    return fixed | {
        "experiments": standing.experiments,
        "advisory": standing.advisory,
        "expected_false_keeps": standing.false_keeps,
        "planted": planted_document(standing),
        "crowded_trials": standing.crowded[0],
        "spent": standing.spent and spent_document(standing.spent),
        "best": top and experiment_document(run, top, standing.best_beside),
        "baseline": baseline and experiment_document(run, baseline, Beside()),
        "audit": audit,
    }


def planted_document(standing: Standing) -> dict[str, Any] | None:
    """Return how many changes of nothing were kept, with the interval of that share."""
    count, kept = len(standing.planted), standing.planted.count(ExperimentStatus.KEPT)
    interval = intervals.share(kept, count) if count else None
    return interval and {"count": count, "kept": kept, "interval": interval}


def audit_document(metric: Metric, baseline: Experiment, top: Experiment) -> dict[str, Any] | None:
    """Return the two gains, each with half of its interval, and whether they agree."""
    found = compared(metric, baseline, top)
    return (
        None
        if found is None
        else {
            "gain": found.audited.value,
            "margin": found.audited.margin,
            "claimed_gain": found.claimed.value,
            "claimed_margin": found.claimed.margin,
            "agreement": found.agreement.name.lower(),
        }
    )


def spent_document(found: Spent) -> dict[str, Any]:
    """Return what calls to models took; each kind of token by its name."""
    used = asdict(found.usage)
    return {"usd": found.usd, "calls": found.calls, "seconds": found.seconds, **used}


def experiment_document(run: Run, experiment: Experiment, beside: Beside) -> dict[str, Any]:
    """Return an experiment; what it does not have is null, never 0 or an empty text."""
    return _said(
        {
            "run": experiment.run,
            "number": experiment.number,
            "status": experiment.status,
            "self_reported": run.self_reported,
            "verdict": verdict_in(experiment.reason),
            "rule": experiment.rule,
            "reason": experiment.reason,
            "hypothesis": experiment.hypothesis,
            "category": experiment.category,
            "score": experiment.score,
            "gain": experiment.gain,
            "probability_better": experiment.sure,
            "audit_score": mean_audit(experiment, run.metric),
            "commit": experiment.commit,
            "attempt_commit": experiment.attempt_commit,
            "parent_commit": experiment.parent_commit,
            "started_at": experiment.started_at,
            "ended_at": experiment.ended_at,
            "wall_seconds": experiment.wall_seconds,
            "peak_memory_bytes": peak_memory(experiment),
            "chain": experiment.chain,
            "origin": experiment.origin and _said(asdict(experiment.origin)),
            "spent": beside.spent and spent_document(beside.spent),
            "trials": [trial_document(trial) for trial in experiment.trials],
            "boxes": [_said(asdict(each)) for each in beside.boxes],
            "analyses": [_said(asdict(each)) for each in beside.analyses],
        }
    )


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document in which a text that is not there is none."""
    return {name: None if value == "" else value for name, value in document.items()}


def trial_document(trial: TrialRecord) -> dict[str, Any]:
    result = trial.result
    return _said(
        {
            "purpose": trial.purpose,
            "split": trial.split,
            "seed": trial.seed,
            "status": result.status,
            "reason": result.reason,
            "stage": result.stage,
            "limit": result.limit,
            "metrics": dict(result.score.metrics) if result.score else None,
            "crash": result.crash and _said(asdict(result.crash)),
            "curves": {curve.name: curve.points for curve in result.curves},
            "self_modified": result.self_modified,
            "wall_seconds": result.wall_seconds,
            "overhead_seconds": result.overhead_seconds,
            "peak_memory_bytes": result.peak_memory_bytes,
            "peak_gpu_memory_bytes": result.peak_gpu_memory_bytes,
            "cpu_seconds": result.cpu_seconds,
            "artifact_bytes": result.artifact_bytes,
            "processor_share": result.processor_share,
            "crowded": lines.is_crowded(trial),
        }
    )


def peak_memory(experiment: Experiment) -> int | None:
    """Return the engine's largest figure over the decision trials."""
    peaks = [
        trial.result.peak_memory_bytes
        for trial in experiment.trials
        if trial.purpose is Purpose.DECISION and trial.result.peak_memory_bytes is not None
    ]
    return max(peaks, default=None)
