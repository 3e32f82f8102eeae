"""The summary at the end of a run, as text."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from runner import intervals, paths
from runner.agreement import Agreement, Gain, compared
from runner.decision import Metric
from runner.history import mean_audit
from runner.records import (
    SELF_REPORTED,
    Experiment,
    ExperimentStatus,
)
from runner.views import lines, replicated
from runner.views.standing import Standing

PAUSED, ENDED = "run.paused", "run.ended"
"""Events: how a run came to its end."""
FIXED_SEED = "SEED FIXED BY THE SCRIPT: repeats say the same, so nothing tells a gain from luck"
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
    standing: Standing,
    state: paths.State,
    *,
    reason: str,
    experiments: int | None,
    cap: float | None = None,
    to_do: str = "",
) -> str:
    """Say what came of it, how far to trust it, where everything is, and what to type next.

    Args:
        standing: the run, and what it came to.
        state: where it is.
        reason: why it ended.
        experiments: how many it was to have.
        cap: what its calls to models may cost.
        to_do: what has to be done before it can go on.
    """
    run, top = standing.run, standing.best
    repository = state.repository(run.tag)
    rows = [
        ("ended", reason),
        *([("to do", to_do)] if to_do else []),
        *scores_rows(standing),
        ("experiments", tally(standing)),
        *crowded_rows(standing),
        *spent_rows(standing, cap),
        *box_rows(standing),
        *trust_rows(standing),
        ("journal", str(state.journal)),
        ("logs", f"{state.run(run.tag) / 'logs'}"),
    ]
    if top and top.number:
        commits = (run.base_commit[:10], (top.commit or "")[:10])
        rows.append(("best diff", shlex.join(["git", f"--git-dir={repository}", "diff", *commits])))
    rows.append(("next", f"{_go_on(standing, experiments)}   |   {program()} audit {run.tag}"))
    return "\n" + lines.aligned(rows)


def program() -> str:
    """Return how this person can type the command: by name, or by its path from here."""
    if shutil.which("runner"):
        return "runner"
    beside = Path(sys.executable).with_name("runner")
    if beside.exists():
        return shlex.quote(os.path.relpath(beside))
    return f"{shlex.quote(os.path.relpath(sys.executable))} -m runner"


def _go_on(standing: Standing, experiments: int | None) -> str:
    """Return the command that goes on: to where it was going, or beyond if it got there."""
    run = standing.run
    verb = "mcp" if run.agent == "mcp" else "run"
    command = f"{program()} {verb} --resume {run.tag}"
    if experiments is None:
        return command
    got_there = standing.experiments - len(standing.unfinished) > experiments
    return f"{command} --experiments {experiments + MORE if got_there else experiments}"


def crowded_rows(standing: Standing) -> list[tuple[str, str]]:
    """Say how often the machine had other work; with a clock on the wall it is in the scores."""
    few, known = standing.crowded
    if not few:
        return []
    less = f"had less than {lines.CROWDED:.0%} of the processor time that the policy allows"
    part = "they took longer, and with budget.clock: wall the machine is part of their scores"
    return [("crowded", f"{few} of {known} trials {less}; {part}")]


def spent_rows(standing: Standing, cap: float | None) -> list[tuple[str, str]]:
    return [("spent", lines.spending(standing.spent, cap))] if standing.spent else []


def box_rows(standing: Standing) -> list[tuple[str, str]]:
    """Say what was tried beside the experiments, which is not free either."""
    return [("boxes", lines.boxes(standing.boxes))] if standing.boxes else []


def scores_rows(standing: Standing) -> list[tuple[str, str]]:
    metric, baseline, top = standing.metric, standing.baseline, standing.best
    if top is None or top.score is None or baseline is None:
        return [("best", "none: there is no baseline")]
    base = top.score if baseline.score is None else baseline.score
    before, after = lines.levels(metric, base, top.score)
    kept = ", as it was when kept" if top.number else ""
    said = f"{metric.label} {after} (experiment {top.number}{kept}), baseline {before}"
    audit = "none: a score that the code prints has no locked part"
    if not metric.self_reported:
        audit = audit_sentence(metric, baseline, top)
    rows = [("best", said), ("audit", audit)]
    again = [*replicated.measured_again(metric, baseline, top)]
    rows += [("replicated", replicated.gains(again))] if again else []
    rows += [("believe", belief(standing))] if standing.keeps[1:] else []
    return [*rows, ("a/a", planted(standing.planted))] if standing.planted else rows


def planted(ended: Sequence[ExperimentStatus]) -> str:
    """Say what share of the changes of nothing was kept, with its interval."""
    count, kept = len(ended), ended.count(ExperimentStatus.KEPT)
    low, high = intervals.share(kept, count)
    return (
        f"{kept} of {count} planted proposals that change nothing were kept:"
        f" {100 * kept / count:.1f} % ({100 * low:.1f} to {100 * high:.1f} % with 95 %)"
    )


LUCK = "a third to three quarters"
"""Of the keeps of `ladder` and `strict`, where 15 or 5 % of the proposals help; see
`bench/decisions.md`."""


def belief(standing: Standing) -> str:
    """Say in one sentence whether to believe the gain, and what speaks for or against it."""
    keeps, baseline, top = len(standing.keeps[1:]), standing.baseline, standing.best
    kept = "1 keep" if keeps == 1 else f"{keeps} keeps"
    luck = f"how many of {kept} are luck is not known"
    if standing.false_keeps is not None:
        luck = f"of {kept} {standing.false_keeps:.2g} are expected to be luck"
        if exact := standing.exact_keeps:
            many = "" if exact == keeps else f"{exact} "
            luck += f" ({many}decided by scores that no draw changes)"
    if standing.metric.self_reported:
        return f"as far as you believe the code, whose own score it is: {luck}"
    if standing.false_keeps is None or baseline is None or top is None:
        return (
            f"not by itself: {kept} by a rule that does not say how sure it is; in simulated runs"
            f" {LUCK} of the keeps of such rules are luck, so look at the audit"
        )
    found = compared(standing.metric, baseline, top)
    if found is not None and found.agreement is Agreement.DISAGREE:
        return f"no: {luck}, and yet the locked part does not confirm the gain"
    if found is None:
        return f"in part: {luck}; the locked part was not scored for both"
    claimed = shown(found.claimed)
    if found.claimed.value <= (found.claimed.margin or 0.0):
        return f"in part: {luck}, and the gain of {claimed} is within its uncertainty"
    if found.agreement is Agreement.NOISY:
        return f"in part: {luck}; the gain is {claimed}, and the locked part is too noisy to tell"
    return f"yes: {luck}, the gain is {claimed}, and the locked part agrees"


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
    """Write a gain with its interval, if it has one, in two digits of the interval."""
    if not gain.margin or not math.isfinite(gain.margin):
        return f"{gain.value:+.6g}"
    places = 1 - math.floor(math.log10(gain.margin))
    if not 0 <= places < lines.MOST_DECIMALS:
        return f"{gain.value:+.6g} ± {gain.margin:.2g}"
    return f"{gain.value:+.{places}f} ± {gain.margin:.{places}f}"


def tally(standing: Standing) -> str:
    counts = standing.counts
    shown = ", ".join(f"{counts.get(status, 0)} {name}" for status, name in COUNTED)
    return f"{sum(counts.values())} after the baseline: {shown}"


TRUST = {
    "api": "agent isolation api: it could not read this host",
    "contained": "agent isolation contained: it had a shell in a container, and its model alone",
    "tool-restricted": "agent isolation tool-restricted: its tools were limited on this host",
    "none": "ADVISORY: the agent had a shell on this host (isolation none)",
}


def trust_rows(standing: Standing) -> list[tuple[str, str]]:
    found = [("trust", trust(standing.run.agent_isolation, standing.unguarded))]
    if standing.run.self_reported:
        sealed = f"runner seal {standing.run.task} leads from here"
        found.append(("believe it?", f"no: {SELF_REPORTED}; {sealed}"))
        found += [("seed", FIXED_SEED)] if _is_seed_fixed(standing.baseline) else []
    return found


def _is_seed_fixed(baseline: Experiment | None) -> bool:
    """Whether the draws that the supervisor gave made no difference; one alone does not tell."""
    trials = baseline.trials if baseline else ()
    known = [trial.result.score for trial in trials if trial.purpose.decides]
    scores = [tuple(score.metrics.values()) for score in known if score]
    return len(scores) > 1 and len({*scores}) == 1


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
