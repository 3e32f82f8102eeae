"""The summary at the end of a run, as text."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import rooms
from runner.agreement import Gain, compared
from runner.decision import Metric
from runner.history import best, mean_audit, metric_of, unguarded
from runner.money.usage import Spent
from runner.progress import Progress
from runner.records import Analysis, Experiment, ExperimentStatus, Hypothesis, HypothesisStatus, Run
from runner.views import lines, running

MORE = 8
COUNTED = (
    (ExperimentStatus.KEPT, "kept"),
    (ExperimentStatus.REVERTED, "reverted"),
    (ExperimentStatus.CRASHED, "crashed"),
    (ExperimentStatus.TIMEOUT, "timed out"),
    (ExperimentStatus.INVALID_OUTPUTS, "invalid outputs"),
    (ExperimentStatus.REFUSED, "refused"),
)


def summary(
    run: Run,
    history: tuple[Experiment, ...],
    state: rooms.State,
    *,
    reason: str,
    experiments: int | None,
    took: Spent | None = None,
    cap: float | None = None,
    to_do: str = "",
) -> str:
    """Say what came of it, how far to trust it, where everything is, and what to type next.

    Args:
        run: the run.
        history: its experiments.
        state: where it is.
        reason: why it ended.
        experiments: how many it was to have.
        took: what its calls to models cost, where there were any.
        cap: what they may cost.
        to_do: what has to be done before it can go on.
    """
    repository = state.repository(run.tag)
    top = best(history)
    rows = [
        ("ended", reason),
        *([("to do", to_do)] if to_do else []),
        *_scores(metric_of(run), history),
        ("experiments", tally(history)),
        *([("spent", lines.spending(took, cap))] if took else []),
        ("trust", trust(run.agent_isolation, unguarded(history))),
        ("ledger", str(state.ledger)),
        ("logs", f"{state.run(run.tag) / 'logs'}"),
    ]
    if top and top.number:
        diff = f"git --git-dir={repository} diff {run.base_commit[:10]} {(top.commit or '')[:10]}"
        rows.append(("best diff", diff))
    rows.append(("next", f"{_go_on(run, history, experiments)}   |   {program()} audit {run.tag}"))
    return "\n" + lines.aligned(rows)


def program() -> str:
    """Return how this person can type the command: by name, or by its path from here."""
    if shutil.which("runner"):
        return "runner"
    return os.path.relpath(sys.argv[0])


def _go_on(run: Run, history: tuple[Experiment, ...], experiments: int | None) -> str:
    """Return the command that goes on: to where it was going, or beyond if it got there."""
    verb = "mcp" if run.agent == "mcp" else "run"
    command = f"{program()} {verb} --resume {run.tag}"
    if experiments is None:
        return command
    got_there = len([found for found in history if found.ended_at]) > experiments
    return f"{command} --experiments {experiments + MORE if got_there else experiments}"


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What stands beside a run's experiments."""

    events: Sequence[Mapping[str, Any]]
    hypotheses: Sequence[Hypothesis]
    guidance: Path
    took: Spent | None = None
    """What its calls to models cost, where there were any."""
    cap: float | None = None
    analyses: Sequence[Analysis] = ()
    progress: Progress | None = None
    """What its supervisor does, or did when it was killed; absent where it ended."""

    @property
    def open_hypotheses(self) -> int:
        return sum(found.status is HypothesisStatus.OPEN for found in self.hypotheses)


def status_lines(run: Run, history: tuple[Experiment, ...], beside: Beside) -> str:
    """Say where a run stands, why it last paused or ended, and what a person may tell it."""
    rows = [
        ("run", f"{run.tag} of {run.task}, created {run.created_at[:19]}, agent {run.agent}"),
        *_scores(metric_of(run), history),
        ("experiments", tally(history)),
        *([("spent", lines.spending(beside.took, beside.cap))] if beside.took else []),
        *([("analyses", _analyses(beside.analyses))] if beside.analyses else []),
        ("trust", trust(run.agent_isolation, unguarded(history))),
        ("hypotheses", f"{beside.open_hypotheses} open"),
        ("guidance", _guidance(beside.guidance)),
    ]
    progress = beside.progress
    if progress is not None:
        rows += running.rows(progress, run.tag, program())
    if history and history[-1].ended_at is None and not (progress and progress.alive):
        rows.append(("unfinished", f"experiment {history[-1].number} ends on resume"))
    if not (progress and progress.alive):
        rows += _last(beside.events)
    return lines.aligned(rows)


def _analyses(ran: Sequence[Analysis]) -> str:
    seconds = lines.duration(sum(each.seconds or 0.0 for each in ran))
    return f"{len(ran)} of training rows, {seconds} in all"


def _guidance(path: Path) -> str:
    return f"{path}{'' if path.is_file() else ' (read before each proposal; not there yet)'}"


def _last(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return how the run last ended, if that is the last that was heard of it."""
    ends = [event for event in events if event["name"] in ("run.paused", "run.ended")]
    if not ends:
        return []
    last, detail = ends[-1], ends[-1]["detail"]
    if last["name"] == "run.ended":
        return [("last end", f"{last['at'][:19]}: {detail['reason']}")]
    to_do = f"; {detail['to_do']}" if detail.get("to_do") else ""
    what = detail["message"].removeprefix("paused: ")
    return [("last pause", f"{last['at'][:19]}: {what}{to_do}")]


def _scores(metric: Metric, history: tuple[Experiment, ...]) -> list[tuple[str, str]]:
    top = best(history)
    if top is None or top.score is None:
        return [("best", "none: there is no baseline")]
    baseline = history[0]
    base = top.score if baseline.score is None else baseline.score
    before, after = lines.levels(metric, base, top.score)
    said = f"{metric.name} {after} (experiment {top.number}), baseline {before}"
    rows = [("best", said)]
    return [*rows, ("audit", audit_sentence(metric, baseline, top))]


def audit_sentence(metric: Metric, baseline: Experiment, top: Experiment) -> str:
    """Compare the gain that decided with the gain on the locked part."""
    before, after = mean_audit(baseline, metric.name), mean_audit(top, metric.name)
    if before is None and after is None:
        return "none: the locked part was not scored"
    if before is None or after is None or baseline.score is None or top.score is None:
        return "not complete: the locked part was not scored for both"
    base, best_score = lines.levels(metric, before, after)
    scores = f"{metric.name} {best_score}, baseline {base}"
    if top.number == baseline.number:
        return f"{scores}: nothing was kept yet"
    found = compared(metric, baseline, top)
    if found is None:
        return f"{scores}: not complete"
    audited, claimed = shown(found.audited), shown(found.claimed)
    return f"{scores}: gain {audited} against {claimed} on the holdout, {found.agreement}"


def shown(gain: Gain) -> str:
    """Write a gain with its interval, if it has one."""
    margin = "" if not gain.margin else f" ± {gain.margin:.2g}"
    return f"{gain.value:+.6g}{margin}"


def tally(history: tuple[Experiment, ...]) -> str:
    counts = Counter(found.status for found in history if found.number)
    total = sum(counts.values())
    shown = ", ".join(f"{counts[status]} {name}" for status, name in COUNTED)
    return f"{total} after the baseline: {shown}"


TRUST = {
    "api": "agent isolation api: it could not read this host",
    "tool-restricted": "agent isolation tool-restricted: its tools were limited on this host",
    "none": "ADVISORY: the agent had a shell on this host (isolation none)",
}


def trust(isolation: str, kept_unguarded: Sequence[int] = ()) -> str:
    """Say how far whoever proposed was kept from this host.

    Args:
        isolation: of the run's agent.
        kept_unguarded: kept experiments that rest on somebody else, whom nothing kept from it.
    """
    if isolation == "none" or not kept_unguarded:
        return TRUST[isolation]
    numbers = ", ".join(map(str, kept_unguarded))
    return (
        f"ADVISORY: the kept {numbers} rest on somebody with a shell on this host (isolation none)"
    )
