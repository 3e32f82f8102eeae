"""A run in plain sentences; pure."""

from __future__ import annotations

from datetime import datetime

from runner.decision import Direction, percent
from runner.records import Experiment
from runner.report.gather import Report
from runner.views import lines, summary
from runner.views.overview import Life, Overview

LIVES = {
    Life.RUNNING: "is at work",
    Life.WAITING: "waits: a person paused it",
    Life.STOPPING: "ends once what is measured has ended, as a person asked",
    Life.KILLED: "was killed, and goes on when it is resumed",
}


def headline(found: Overview) -> tuple[str, str] | None:
    """Return the scores of the baseline and of the best; `None` where there is no such pair."""
    base, best = found.standing.baseline, found.standing.best
    if base is None or best is None or base.score is None or best.score is None:
        return None
    before, *after = lines.levels(found.metric, base.score, best.score)
    return before, after[0]


def sentences(found: Report) -> list[str]:
    """Say what was tried, what came of it, whether to believe it, and what it cost."""
    return [
        _tried(found.overview),
        _came(found.overview),
        *_locked(found.overview),
        cost(found.overview),
        *_boxes(found.overview),
    ]


def _tried(found: Overview) -> str:
    tried, kept = sum(found.standing.counts.values()), len(found.standing.keeps) - 1
    took = seconds_of(found)
    within = f" in {lines.duration(took)}" if took else ""
    changes = "1 change" if tried == 1 else f"{tried:,} changes"
    were = "1 was kept" if kept == 1 else f"{max(kept, 0):,} were kept"
    return f"The agent {found.run.agent} tried {changes}{within}; {were}."


def _came(found: Overview) -> str:
    scores, gain, metric = headline(found), found.gain, found.metric
    if scores is None:
        return "There is no baseline, so there is nothing to compare with."
    better = "lower is better" if metric.direction is Direction.MINIMIZE else "higher is better"
    if gain is None:
        return f"Nothing was kept yet: {metric.label} is {scores[0]}, as at the start ({better})."
    return (
        f"{metric.label} went from {scores[0]} to {scores[1]} ({better}):"
        f" a gain of {summary.shown(gain)}."
    )


def _locked(found: Overview) -> list[str]:
    if found.audit is not None:
        audited = summary.shown(found.audit.audited)
        return [f"On locked data, which no agent saw, the gain is {audited}; {_agrees(found)}."]
    return [f"Locked part: {found.audit_says}."] if headline(found) else []


def _agrees(found: Overview) -> str:
    return str(found.audit.agreement) if found.audit else ""


def cost(found: Overview) -> str:
    spent, keeps = found.spent, len(found.standing.keeps) - 1
    if spent is None:
        return "No call to a model was recorded."
    calls = "1 call" if spent.calls == 1 else f"{spent.calls:,} calls"
    each = f", {lines.money(spent.usd / keeps)} for each keep" if keeps > 0 else ""
    return f"It cost {lines.money(spent.usd)} in {calls}{each}."


def _boxes(found: Overview) -> list[str]:
    took = found.standing.boxes
    return [f"What it tried by itself took {lines.boxes(took)}."] if took else []


def seconds_of(found: Overview) -> float | None:
    """Return the time from the run's beginning to its newest end; pauses count."""
    ends = [each.ended_at for each in found.recent if each.ended_at]
    if not ends:
        return None
    last, first = (datetime.fromisoformat(each) for each in (ends[-1], found.run.created_at))
    return max(0.0, (last - first).total_seconds())


def verdict(believe: str | None) -> str:
    """Return the fate whose colour the belief has: it begins with yes, no, or in part."""
    if believe is None:
        return "reverted"
    colours = {"yes": "kept", "no:": "crashed"}
    return colours.get(believe[:3], "undecided")


def state(found: Overview) -> str:
    """Say what becomes of the run, and why it last ended or paused."""
    if found.life in LIVES:
        return LIVES[found.life]
    if found.last_end is None:
        return "idle"
    detail = found.last_end["detail"]
    why = detail.get("reason") or str(detail.get("message", "")).removeprefix("paused: ")
    return f"{found.life}: {lines.plain(why, 300)}"


def sure(experiment: Experiment) -> str:
    """Say how probable it is that it is better, or good enough, where the rule says so."""
    if experiment.sure is None:
        return ""
    return f"{lines.sure_of(experiment)} with {percent(experiment.sure)}"
