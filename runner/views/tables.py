"""Tables and pages for a person; they read values and print nothing."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.decision import Metric
from runner.records import Experiment, ExperimentStatus, Spent, TrialRecord, TrialResult
from runner.views import lines
from runner.views.documents import peak_memory
from runner.views.standing import Standing

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {
    ExperimentStatus.KEPT: "green",
    ExperimentStatus.REVERTED: "yellow",
    ExperimentStatus.REFUSED: "magenta",
}


def runs_table(rows: Sequence[Standing], running: Container[str] = ()) -> Table:
    """Show one run a line, with a column of money if any of them spent some."""
    from rich.table import Table  # not where a line or a document is wanted

    money = any(each.spent for each in rows)
    head = ("run", "task", "agent", "created", "experiments", "baseline", "best")
    table = Table(*head, *(("USD",) if money else ()))
    for each in rows:
        run, spent, count = each.run, each.spent, str(each.experiments)
        table.add_row(
            run.tag,
            f"{run.task} (SELF-REPORTED)" if run.self_reported else run.task,
            lines.plain(f"{run.agent} (advisory)" if each.advisory else run.agent),
            run.created_at[:19],
            f"{count}, RUNNING" if run.tag in running else count,
            *_ends(each),
            *((f"{spent.usd:.2f}" if spent else "",) if money else ()),
        )
    return table


def _ends(standing: Standing) -> tuple[str, ...]:
    """Return the scores of the baseline and the best."""
    scores = [found.score if found else None for found in (standing.baseline, standing.best)]
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        return tuple(lines.number(standing.metric, score) for score in scores)
    return lines.levels(standing.metric, *known)


HEADINGS = ("exp", "{metric}", "change", "status", "memory GB", "seconds", "USD", "what was tried")
WIDTHS = (7, 14, 16, 38, 9, 8, 8, 0)
"""Of the columns of a list that has no end; what is longer moves the rest of its line."""


def experiments_table(
    metric: Metric,
    history: Iterable[Experiment],
    took: Mapping[int, Spent] | None = None,
    *,
    running: bool = False,
) -> Table:
    """Show one experiment a line, with a column of money if the run spent some."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings(metric, money=took is not None))
    for experiment in history:
        colour = COLOURS.get(experiment.status, "red") if experiment.status else "dim"
        number, score, moved, ended, *rest = cells(metric, experiment, took, running=running)
        table.add_row(number, score, moved, Text(ended, style=colour), *map(Text, rest))
    return table


def headings(metric: Metric, *, money: bool) -> list[str]:
    return [name.format(metric=metric.label) for name in HEADINGS if money or name != "USD"]


def cells(
    metric: Metric, experiment: Experiment, took: Mapping[int, Spent] | None, *, running: bool
) -> list[str]:
    """Return an experiment's place in each column."""
    spent = took.get(experiment.number) if took else None
    return [
        str(experiment.number),
        *lines.change(metric, experiment),
        lines.label(experiment, running=running)
        + lines.seeds(experiment)
        + lines.crowded(experiment),
        lines.memory(peak_memory(experiment)),
        f"{experiment.wall_seconds:.0f}" if experiment.wall_seconds else "",
        *([f"{spent.usd:.4f}" if spent else ""] if took is not None else []),
        lines.said(experiment),
    ]


def columns(found: Sequence[str]) -> str:
    """Return cells as a line of a list that has no end."""
    widths = WIDTHS if len(found) == len(WIDTHS) else (*WIDTHS[:6], 0)
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(found, widths, strict=True))


def trials_table(trials: Sequence[TrialRecord]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        *("purpose", "split", "seed", "status"),
        *("memory GB", "GPU GB", "CPU s", "wall s", "outcome"),
    )
    for trial in trials:
        result = trial.result
        table.add_row(
            *(trial.purpose, trial.split, str(trial.seed), result.status),
            lines.memory(result.peak_memory_bytes),
            lines.memory(result.peak_gpu_memory_bytes),
            "" if result.cpu_seconds is None else f"{result.cpu_seconds:.1f}",
            f"{result.wall_seconds:.1f}",
            Text(_outcome(result) + _crowded(trial)),
        )
    return table


def _crowded(trial: TrialRecord) -> str:
    share = trial.result.processor_share or 0.0
    said = f"; crowded: training had {share:.0%} of its processor time"
    return said if lines.is_crowded(trial) else ""


def _outcome(result: TrialResult) -> str:
    """Return the metrics, or why there are none, and what training did to its own files."""
    metrics = result.score.metrics if result.score else {}
    told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    modified = (
        f"; modified itself: {', '.join(result.self_modified)}" if result.self_modified else ""
    )
    return lines.plain((told or lines.plain(result.reason, 160)) + modified, 1000)
