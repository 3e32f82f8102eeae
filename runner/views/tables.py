"""Tables and pages for a person; they read values and print nothing."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from runner.decision import Metric
from runner.history import advisory, best
from runner.money.usage import Spent
from runner.records import Experiment, ExperimentStatus, Run, TrialRecord, TrialResult
from runner.views import lines
from runner.views.documents import peak_memory

COLOURS = {
    ExperimentStatus.KEPT: "green",
    ExperimentStatus.REVERTED: "yellow",
    ExperimentStatus.REFUSED: "magenta",
}


def runs_table(
    rows: Sequence[tuple[Run, Metric, tuple[Experiment, ...]]],
    usd: Mapping[str, float] | None = None,
    running: Container[str] = (),
) -> Table:
    """Show one run a line, with a column of money if any of them spent some."""
    money = ("USD",) if usd else ()
    table = Table("run", "task", "agent", "created", "experiments", "baseline", "best", *money)
    for run, metric, history in rows:
        top = best(history)
        agent = f"{run.agent} (advisory)" if advisory(run, history) else run.agent
        table.add_row(
            *(
                run.tag,
                run.task,
                lines.plain(agent),
                run.created_at[:19],
                _count(run, history, running),
            ),
            *_ends(metric, history[0].score if history else None, top.score if top else None),
            *((f"{usd[run.tag]:.2f}" if run.tag in usd else "",) if usd else ()),
        )
    return table


def _count(run: Run, history: Sequence[Experiment], running: Container[str]) -> str:
    return f"{len(history)}, RUNNING" if run.tag in running else str(len(history))


def _ends(metric: Metric, baseline: float | None, best: float | None) -> tuple[str, ...]:
    if baseline is None or best is None:
        return lines.number(metric, baseline), lines.number(metric, best)
    return lines.levels(metric, baseline, best)


def experiments_table(
    metric: Metric,
    history: Sequence[Experiment],
    took: Mapping[int, Spent] | None = None,
    *,
    running: bool = False,
) -> Table:
    """Show one experiment a line, with a column of money if any of them spent some."""
    money = ("USD",) if took else ()
    table = Table(
        *("exp", metric.name, "change", "status", "memory GB", "seconds", *money, "what was tried")
    )
    for experiment in history:
        colour = COLOURS.get(experiment.status, "red") if experiment.status else "dim"
        table.add_row(
            str(experiment.number),
            *lines.change(metric, experiment),
            Text(lines.label(experiment, running=running) + lines.seeds(experiment), style=colour),
            lines.memory(peak_memory(experiment)),
            f"{experiment.wall_seconds:.0f}" if experiment.wall_seconds else "",
            *(_usd(took.get(experiment.number)) if took else ()),
            Text(lines.said(experiment)),
        )
    return table


def _usd(took: Spent | None) -> tuple[str]:
    return ("" if took is None else f"{took.usd:.4f}",)


def trials_table(trials: Sequence[TrialRecord]) -> Table:
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
            Text(_outcome(result)),
        )
    return table


def _outcome(result: TrialResult) -> str:
    """Return the metrics, or why there are none, and what training did to its own files."""
    metrics = result.score.metrics if result.score else {}
    told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    modified = (
        f"; modified itself: {', '.join(result.self_modified)}" if result.self_modified else ""
    )
    return lines.plain((told or lines.plain(result.reason, 160)) + modified, 1000)
