"""Where a run stands, as lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.decision import percent
from runner.records import Outlook
from runner.views import lines, running, summary
from runner.views.overview import Life, Overview


def status_lines(found: Overview, guidance: Path) -> str:
    """Say where a run stands, why it last paused or ended, and what a person may tell it."""
    run, standing = found.run, found.standing
    rows = [
        ("run", f"{run.tag} of {run.task}, created {run.created_at[:19]}, agent {run.agent}"),
        *summary.scores_rows(standing),
        ("experiments", summary.tally(standing)),
        *summary.crowded_rows(standing),
        *summary.spent_rows(standing, found.cap),
        *summary.box_rows(standing),
        *([("analyses", analyses(found))] if found.analyses else []),
        *summary.trust_rows(standing),
        ("hypotheses", f"{len(found.hypotheses)} open"),
        ("guidance", _guidance(guidance)),
    ]
    if found.progress is not None:
        rows += running.rows(found.progress, run.tag, summary.program())
    if found.outlook is not None:
        rows.append(("evidence", evidence(found.outlook)))
    if found.seconds_left is not None:
        rows.append(("left", f"about {lines.duration(found.seconds_left)}"))
    if found.life is not Life.RUNNING:
        ends = (f"experiment {number} ends on resume" for number in standing.unfinished)
        rows += [("unfinished", end) for end in ends]
        rows += _last(found.last_end)
    return lines.aligned(rows)


def evidence(outlook: Outlook) -> str:
    """Say how a candidate stands so far, and at what it would be kept or dropped."""
    gain = f"gain {outlook.gain:+.4g}"
    gain += "" if outlook.margin is None else f" ± {outlook.margin:.2g}"
    trials = f"{outlook.trials} of at most {outlook.most_trials} trials against {outlook.against}"
    said = f"experiment {outlook.experiment}: {gain} by {trials}"
    if outlook.better is not None and outlook.keep_from is not None:
        said += f"; {outlook.than} with {percent(outlook.better)}"
        said += f", kept from {percent(outlook.keep_from)}"
    if outlook.hope is not None and outlook.drop_below is not None:
        said += f"; hope {percent(outlook.hope)}, dropped below {percent(outlook.drop_below)}"
    return said


def analyses(found: Overview) -> str:
    """Say how many analyses of training rows a run had, and how long they ran."""
    return f"{found.analyses} of training rows, {lines.duration(found.analysis_seconds)} in all"


def _guidance(path: Path) -> str:
    return f"{path}{'' if path.is_file() else ' (read before each proposal; not there yet)'}"


def _last(last: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return how the run last ended, if that is the last that was heard of it."""
    if last is None:
        return []
    detail = last["detail"]
    if last["name"] == summary.ENDED:
        return [("last end", f"{last['at'][:19]}: {detail['reason']}")]
    to_do = f"; {detail['to_do']}" if detail.get("to_do") else ""
    what = detail["message"].removeprefix("paused: ")
    return [("last pause", f"{last['at'][:19]}: {what}{to_do}")]
