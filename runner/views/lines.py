"""How numbers and experiments read, as pure functions; used by every view."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from runner.decision import (
    GUARD,
    IGNORES_SEED,
    UNSTABLE,
    Metric,
    Seeds,
    Verdict,
    percent,
    verdict_in,
)
from runner.prompt.untrusted import one_line
from runner.records import Analysis, Box, Boxes, Experiment, ExperimentStatus, Spent, TrialRecord

LABELS = {
    ExperimentStatus.KEPT: "KEPT",
    ExperimentStatus.REVERTED: "REVERTED",
    ExperimentStatus.CRASHED: "CRASHED",
    ExperimentStatus.TIMEOUT: "TIMEOUT",
    ExperimentStatus.INVALID_OUTPUTS: "INVALID",
    ExperimentStatus.REFUSED: "REFUSED",
}
LABEL_WIDTH = max(map(len, LABELS.values()))
MAX_HYPOTHESIS = 80
MOST_DECIMALS = 17
MOST_FAILURE = 1000
ASKED = {"better by more than ": "good enough", "not worse by more than ": "as good"}
"""What a reason asks for besides a gain at all → what an experiment is that has it."""
CROWDED = 0.6
"""A trial whose training had a smaller share of its processors is marked."""


def number(metric: Metric, value: float | None) -> str:
    """Write a score with the decimals that the metric's step has, at least one."""
    if value is None:
        return "-"
    return f"{value:.{decimals(metric)}f}"


def levels(metric: Metric, *values: float) -> tuple[str, ...]:
    """Write scores with so many decimals that different ones stay different, and in order."""
    places = decimals_apart(values, decimals(metric))
    return tuple(f"{value:.{places}f}" for value in values)


def decimals_apart(values: Iterable[float], fewest: int) -> int:
    """Return the decimals, no fewer than these, that tell all different values apart."""
    known = set(values)
    places = range(fewest, MOST_DECIMALS)
    found = (n for n in places if len({float(f"{value:.{n}f}") for value in known}) == len(known))
    return next(found, MOST_DECIMALS)


def change(metric: Metric, experiment: Experiment) -> tuple[str, str]:
    """Write a score, and the change from the best before as the difference of what is written."""
    score, gain = experiment.score, experiment.gain
    if score is None or gain is None:
        return number(metric, score), ""
    before, after = levels(metric, metric.before(score, gain), score)
    moved = Decimal(after) - Decimal(before) + 0  # no -0
    return after, f"(Δ {moved:+f})"


def decimals(metric: Metric) -> int:
    """Return how many decimals a score is written with at least: those of the metric's step."""
    return max(1, math.ceil(-math.log10(metric.round_to)))


def label(experiment: Experiment, *, running: bool = False) -> str:
    """Name the outcome; where a score was compared, with the words that rounding cannot change."""
    if not experiment.status:
        return "RUNNING" if running else "UNFINISHED"
    verdict = verdict_in(experiment.reason)
    if experiment.rule in (IGNORES_SEED, UNSTABLE):
        return f"{LABELS[experiment.status]}, {experiment.rule}"
    if experiment.sure is not None:
        sure = f"{sure_of(experiment)} with {percent(experiment.sure)}"
        said = sure if verdict is Verdict.KEPT else f"{verdict}: {sure}"
        return f"{LABELS[experiment.status]}, {said}"
    guarded = (experiment.rule or "").startswith(GUARD)
    if verdict in (None, Verdict.BASELINE, Verdict.KEPT) or guarded:
        return LABELS[experiment.status]
    return f"{LABELS[experiment.status]}, {verdict}"


def sure_of(experiment: Experiment) -> str:
    """Say what a decision's probability is of, beside the best: its reason names the gain asked."""
    verdict = verdict_in(experiment.reason)
    asked = (said for bar, said in ASKED.items() if f"{verdict}: {bar}" in experiment.reason)
    return next(asked, "better")


def seeds(experiment: Experiment) -> str:
    """Say on how many seeds a score rests, and whether others were skipped; for a person only."""
    own = [
        trial
        for trial in experiment.trials
        if trial.purpose.decides and trial.asked_by == experiment.number
    ]
    if experiment.score is None or not own:
        return ""
    ran, splits = len({trial.index for trial in own}), len({trial.split for trial in own})
    if experiment.origin and experiment.origin.retries is not None:
        return f" on {ran} more {'seed' if ran == 1 else 'seeds'}"
    if experiment.planned is None:  # as many as it took, and none was skipped
        return f" on {ran} seeds" if ran > 1 else " on 1 seed"
    planned = (experiment.planned or len(own)) // splits
    return f" on {Seeds(ran=ran, planned=max(ran, planned))}"


def is_crowded(trial: TrialRecord) -> bool:
    """Say whether its training had much less of the machine than its policy allows."""
    found = trial.result.processor_share
    return found is not None and found < CROWDED


def crowded(experiment: Experiment) -> str:
    """Mark an experiment of which a trial was, that of its audit too; for a person only."""
    count = sum(map(is_crowded, experiment.trials))
    return f", {count} {'trial' if count == 1 else 'trials'} on a crowded machine" if count else ""


def experiment_line(metric: Metric, experiment: Experiment) -> str:
    """Return the one line of an experiment that has ended."""
    score, moved = change(metric, experiment)
    parts = [
        f"exp {experiment.number}",
        f"{metric.label} {score} {moved}".strip(),
        f"{label(experiment) + seeds(experiment) + crowded(experiment):<{LABEL_WIDTH}}",
        said(experiment),
        f"{experiment.wall_seconds or 0:.0f} s",
    ]
    return " | ".join(parts)


def said(experiment: Experiment) -> str:
    """Return the hypothesis, and for what has no score the reason as well."""
    hypothesis = plain(experiment.hypothesis) or "(no hypothesis)"
    why = f"{experiment.rule}: {experiment.reason}" if experiment.rule else experiment.reason
    if experiment.score is not None or not why:
        return hypothesis
    return f"{hypothesis} [{plain(why, 160)}]"


def analyses(ran: Sequence[Analysis]) -> str:
    """Say how many analyses there were before an experiment, and how long they ran."""
    return f"{len(ran)} before it, {duration(sum(each.seconds or 0.0 for each in ran))}"


def analysis(ran: Analysis) -> str:
    """Say how long an analysis ran, who asked for it, with which script, and how it failed."""
    took = "cut off" if ran.seconds is None else f"{ran.seconds:.1f} s"
    script = f", script {ran.script_digest[:12]}" if ran.script_digest else ""
    how = f", {plain(ran.failure, MOST_FAILURE)}" if ran.failure else ""
    return f"{took} by {ran.asked_by}{script}{how}"


def box(took: Box) -> str:
    """Say what an agent's container took; what it tried there is no experiment, and not free."""
    spent = "unknown" if took.cpu_seconds is None else duration(took.cpu_seconds)
    why = f"; {plain(took.why)}" if took.why else ""
    return f"{duration(took.seconds)}, of processors {spent}{why}"


def boxes(took: Boxes) -> str:
    """Say what all containers of a run's agents took."""
    count = "1 container" if took.count == 1 else f"{took.count:,} containers"
    total, spent = duration(took.seconds), duration(took.cpu_seconds)
    return f"{count} of its agent, {total}, of processors {spent}"


def plain(text: str, most: int = MAX_HYPOTHESIS) -> str:
    """Make text one printable line of bounded length; it may come from an agent."""
    return one_line(text, most)


def memory(size: int | None) -> str:
    """Write bytes as gigabytes; an absent figure stays empty."""
    return "" if size is None else f"{size / 1024**3:.2f}"


def money(usd: float) -> str:
    """Write US dollars so that a cent's fraction still shows."""
    return f"${usd:.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def spending(found: Spent, cap: float | None = None) -> str:
    """Say what calls cost, of what they may cost, and how much of their input was cached."""
    of = "" if cap is None else f" of ${cap:g}"
    calls = "1 call" if found.calls == 1 else f"{found.calls:,} calls"
    cached = "" if found.cached is None else f" ({found.cached:.0%} from the cache)"
    tokens = f"{found.given:,} tokens in{cached}, {found.usage.output_tokens:,} out"
    return f"{money(found.usd)}{of} in {calls}: {tokens}"


def duration(seconds: float) -> str:
    """Write a time in the unit that a person would use."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def aligned(rows: Sequence[tuple[str, str]]) -> str:
    """Write names and texts below each other."""
    return "\n".join(f"{name:>12}  {text}" for name, text in rows)
