"""One experiment in full, for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner import given, paths
from runner.history import metric_of
from runner.records import Beside, Experiment, Hypothesis, Origin, Run
from runner.views import lines
from runner.workspace import Workspace

MOST_LOG_BYTES = 2**28
MOST = 1000
"""Characters of one text of an agent's that are shown."""


def heading(
    run: Run,
    experiment: Experiment,
    beside: Beside,
    hypotheses: Sequence[Hypothesis] = (),
) -> str:
    """Return what is known of an experiment beside its trials and its diff.

    Args:
        run: its run.
        experiment: the experiment.
        beside: what was done for it.
        hypotheses: the run's, of which it may answer one.
    """
    rows = [
        ("experiment", f"{experiment.number} of run {run.tag} ({run.task})"),
        (
            "status",
            lines.label(experiment)
            + lines.seeds(experiment)
            + (f" by rule {experiment.rule}" if experiment.rule else ""),
        ),
        ("tried", lines.plain(experiment.hypothesis, 400) or "(no hypothesis)"),
        ("reason", lines.plain(experiment.reason, 1000)),
        ("score", " ".join([metric_of(run).label, *lines.change(metric_of(run), experiment)])),
        ("commit", experiment.commit or "none: not on the branch"),
        ("attempt", f"{experiment.attempt_commit} (refs/attempts/{experiment.number})"),
        ("parent", experiment.parent_commit),
        ("when", f"{experiment.started_at} to {experiment.ended_at or 'unfinished'}"),
    ]
    if experiment.origin:
        rows += _origin(experiment.origin, hypotheses)
    if beside.spent:
        rows.append(("spent", lines.spending(beside.spent)))
    rows += [("box", lines.box(each)) for each in beside.boxes]
    if beside.analyses:
        each = "; ".join(map(lines.analysis, beside.analyses))
        rows.append(("analyses", f"{lines.analyses(beside.analyses)}: {each}"))
    return lines.aligned(rows)


def _origin(origin: Origin, hypotheses: Sequence[Hypothesis]) -> list[tuple[str, str]]:
    """Return how the proposal came about, without what there is nothing to say of."""
    model = f", model {lines.plain(origin.model)}" if origin.model else ""
    phase = f" in the phase {origin.phase}" if origin.phase else ""
    advisory = ": ADVISORY" if origin.isolation == "none" else ""
    why = f": {lines.plain(origin.why, MOST)}" if origin.why else ""
    rows = [
        ("by", f"{origin.agent}{model} (isolation {origin.isolation}{advisory})"),
        (
            "started from",
            f"experiment {origin.parent} ({origin.strategy}, {origin.mode}){phase}{why}",
        ),
        ("expected", lines.plain(origin.expectation, MOST)),
        ("learned", _learned(origin)),
        ("answers", _answered(origin.answers, hypotheses)),
        ("sent back", _times(origin.returned)),
    ]
    if origin.forfeit:
        why = lines.plain(origin.forfeit.message, MOST)
        rows.append(("forfeited", f"{origin.forfeit.rule}: {why}"))
    return [(name, text) for name, text in rows if text]


def _times(returned: int) -> str:
    if not returned:
        return ""
    return f"{'once' if returned == 1 else f'{returned} times'} before it was taken"


def _learned(origin: Origin) -> str:
    """A takeaway comes with the next proposal, and speaks of what came before that."""
    said = lines.plain(origin.takeaway, MOST)
    return f"from what came before it: {said}" if said else ""


def _answered(asked: int | None, hypotheses: Sequence[Hypothesis]) -> str:
    if asked is None:
        return ""
    text = next((found.text for found in hypotheses if found.id == asked), "")
    return f"a person's hypothesis {asked}: {lines.plain(text, MOST)}"


def diff(experiment: Experiment) -> str:
    """Return what the attempt changed against its parent, as it is."""
    if experiment.attempt_commit is None:
        return ""
    repository = Workspace(paths.state().repository(experiment.run), experiment.run)
    return repository.diff(experiment.parent_commit, experiment.attempt_commit)


def logs(experiment: Experiment) -> dict[str, str]:
    """Return file → what one container printed, as it is."""
    folder = paths.state().logs(experiment.run, experiment.number)
    return {path.name: _read(path) for path in sorted(folder.glob("*.log"))}


def log_text(experiment: Experiment) -> str:
    found = logs(experiment)
    return "\n".join(f"== {name}\n{text}" for name, text in found.items()) or "no output was kept"


def _read(path: Path) -> str:
    content = given.read(path, most=MOST_LOG_BYTES)
    return content.decode(errors="backslashreplace")
