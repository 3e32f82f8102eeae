"""How numbers and experiments read, as pure functions; used by every view."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.decision import Direction, Metric
from runner.money.usage import Spent
from runner.prompt.untrusted import one_line
from runner.records import Experiment, ExperimentStatus

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


def number(metric: Metric, value: float | None) -> str:
    """Write a score with the decimals that the metric's step has, at least one."""
    if value is None:
        return "-"
    return f"{value:.{_decimals(metric)}f}"


def delta(metric: Metric, gain: float | None) -> str:
    """Write a gain as the metric's own change, so that it reads like the scores do."""
    if gain is None:
        return ""
    change = (-gain if metric.direction is Direction.MINIMIZE else gain) + 0.0  # no -0.0
    return f"(Δ {change:+.{_decimals(metric)}f})"


def _decimals(metric: Metric) -> int:
    return max(1, math.ceil(-math.log10(metric.round_to)))


def label(experiment: Experiment) -> str:
    return LABELS[experiment.status] if experiment.status else "UNFINISHED"


def experiment_line(metric: Metric, experiment: Experiment) -> str:
    """Return the one line of an experiment that has ended."""
    score = f"{metric.name} {number(metric, experiment.score)}"
    parts = [
        f"exp {experiment.number}",
        f"{score} {delta(metric, experiment.gain)}".strip(),
        f"{label(experiment):<{LABEL_WIDTH}}",
        said(experiment),
        f"{experiment.wall_seconds or 0:.0f} s",
    ]
    return " | ".join(parts)


def said(experiment: Experiment) -> str:
    """Return the hypothesis, and for what has no score the reason as well."""
    hypothesis = plain(experiment.hypothesis) or "(no hypothesis)"
    if experiment.score is not None:
        return hypothesis
    why = f"{experiment.rule}: {experiment.reason}" if experiment.rule else experiment.reason
    return f"{hypothesis} [{plain(why, 160)}]"


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
