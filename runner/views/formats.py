"""A run's experiments in the columns that other programs of this kind read; views, never read back.

| format | columns | of |
|---|---|---|
| karpathy | commit, metric, memory_gb, status, description | karpathy/autoresearch |
| edu | commit, val_metric, test_metric, wall_time_s, status, description | autoresearch-edu |
| tabular | exp_id, mean_score, std_score, n_features, metric, per_window_scores, description | \
autoresearch-tabular |
| jsonl | one document a line, as `runner show --json` has it | |
| csv | a flat table with everything that is one value | |

Their words for a status have none for what a review refused, which never ran: it says `refused`.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.characters import as_json
from runner.decision import mean, verdict_in
from runner.history import mean_audit
from runner.records import SELF_REPORTED, Beside, Experiment, ExperimentStatus, Run, Spent
from runner.views import lines
from runner.views.documents import experiment_document, peak_memory
from runner.views.export import MAX_DESCRIPTION, SHORT_COMMIT, Written, line, score_column

Row = dict[str, Any]
KARPATHY = {ExperimentStatus.KEPT: "keep", ExperimentStatus.REVERTED: "discard"}
EDU = {ExperimentStatus.KEPT: "ok", ExperimentStatus.REVERTED: "ok"}
GIGABYTE = 1024**3
MAX_CELL = 1000
FEATURES = "n_features"
"""A scorer's metric that counts columns, where a task has one."""


def karpathy(run: Run, experiment: Experiment, _: Spent | None) -> Row:
    peak = peak_memory(experiment)
    return {
        "commit": _commit(experiment),
        score_column(run.metric): experiment.score,
        "memory_gb": None if peak is None else f"{peak / GIGABYTE:.1f}",
        "status": _status(experiment, KARPATHY, "crash"),
        "description": _described(experiment),
    }


def edu(run: Run, experiment: Experiment, _: Spent | None) -> Row:
    seconds = experiment.wall_seconds
    return {
        "commit": _commit(experiment),
        f"val_{run.metric}": experiment.score,
        f"test_{run.metric}": mean_audit(experiment, run.metric),
        "wall_time_s": None if seconds is None else f"{seconds:.2f}",
        "status": _status(experiment, EDU, "crashed"),
        "description": _described(experiment),
    }


def tabular(run: Run, experiment: Experiment, _: Spent | None) -> Row:
    by_split: dict[str, list[float]] = defaultdict(list)
    features = None
    for trial in experiment.trials:
        score = trial.result.score
        if score and trial.purpose.decides and run.metric in score.metrics:
            by_split[trial.split].append(score.metrics[run.metric])
            features = score.metrics.get(FEATURES, features)
    windows = {name: mean(found) for name, found in by_split.items()}
    return {
        "exp_id": experiment.number,
        "mean_score": experiment.score,
        "std_score": statistics.pstdev(windows.values()) if windows else None,
        "n_features": None if features is None else int(features),
        "metric": run.metric,
        "per_window_scores": json.dumps(windows) if windows else None,
        "description": _described(experiment),
    }


def flat(run: Run, experiment: Experiment, spent: Spent | None) -> Row:
    origin = experiment.origin
    verdict = verdict_in(experiment.reason)
    return {
        "number": experiment.number,
        "status": experiment.status and str(experiment.status),
        "verdict": verdict and str(verdict),
        "rule": experiment.rule,
        score_column(run.metric): experiment.score,
        "gain": experiment.gain,
        "probability_better": experiment.sure,
        f"audit_{run.metric}": mean_audit(experiment, run.metric),
        "category": lines.plain(experiment.category, MAX_DESCRIPTION),
        "hypothesis": lines.plain(experiment.hypothesis, MAX_CELL),
        "expectation": lines.plain(origin.expectation, MAX_CELL) if origin else None,
        "takeaway": lines.plain(origin.takeaway, MAX_CELL) if origin else None,
        "takeaway_of": origin.takeaway_of if origin else None,
        "reason": lines.plain(experiment.reason, MAX_CELL),
        "agent": origin.agent if origin else None,
        "model": lines.plain(origin.model, MAX_DESCRIPTION) if origin and origin.model else None,
        "parent": origin.parent if origin else None,
        "trials": sum(trial.purpose.decides for trial in experiment.trials),
        "started_at": experiment.started_at,
        "ended_at": experiment.ended_at,
        "wall_seconds": experiment.wall_seconds,
        "peak_memory_bytes": peak_memory(experiment),
        "usd": spent and spent.usd,
        "commit": experiment.commit,
        "attempt_commit": experiment.attempt_commit,
    }


@dataclass(frozen=True, kw_only=True)
class Format:
    """A shape of export: what a row holds, and what stands between its fields."""

    ending: str
    row: Callable[[Run, Experiment, Spent | None], Row]
    delimiter: str = "\t"
    fixed: bool = False
    """Whether scores have six decimals, as the program that reads them expects."""


FORMATS = {
    "karpathy": Format(ending="karpathy.tsv", row=karpathy, fixed=True),
    "edu": Format(ending="edu.tsv", row=edu, fixed=True),
    "tabular": Format(ending="tabular.tsv", row=tabular, fixed=True),
    "csv": Format(ending="csv", row=flat, delimiter=","),
}
JSONL = "jsonl"


def written(
    name: str, run: Run, experiments: Iterable[Experiment], beside: Mapping[int, Beside]
) -> Iterator[str]:
    """Yield an export line by line.

    Args:
        name: of one of `FORMATS`, or `JSONL`.
        run: whose.
        experiments: with everything, in their order.
        beside: what was done for each of them.
    """
    heading = False
    for each in experiments:
        if name == JSONL:
            document = experiment_document(run, each, beside[each.number])
            yield as_json(document, indent=None) + "\n"
            continue
        form = FORMATS[name]
        row = form.row(run, each, beside[each.number].spent)
        if run.self_reported:
            row["trust"] = SELF_REPORTED
        if not heading:
            heading = True
            yield line(row, form.delimiter)
        yield line((_written(value, form) for value in row.values()), form.delimiter)


def _written(value: Any, form: Format) -> Any:
    """Write a float as it was measured, or with six decimals."""
    if not isinstance(value, float):
        return value
    return Written(f"{value:.6f}" if form.fixed else repr(value))


def _commit(experiment: Experiment) -> str | None:
    return (experiment.commit or experiment.attempt_commit or "")[:SHORT_COMMIT] or None


def _status(
    experiment: Experiment, words: Mapping[ExperimentStatus, str], failed: str
) -> str | None:
    if experiment.status in (None, ExperimentStatus.REFUSED):
        return experiment.status and str(experiment.status)
    return words.get(experiment.status, failed)


def _described(experiment: Experiment) -> str:
    return lines.plain(experiment.hypothesis, MAX_DESCRIPTION)
