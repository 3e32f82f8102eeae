"""The history of a run in a length that hardly grows.

| experiments | shown |
|---|---|
| the last 20 | in full |
| kept before those | in one short line each; the more there are, the shorter |
| all before those | by category: how many, the best, the worst |
| undecided, the last 10 | its hypothesis |
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from runner.decision import Verdict, verdict_in
from runner.prompt.untrusted import one_line, said
from runner.records import PLANTED, Crash, Curve, Experiment, ExperimentStatus
from runner.sandbox.evidence import escaped
from runner.seams import Context

LATEST = 20
KEPT_SHARE = 5
"""All lines on kept experiments together are at most a fifth as long as the last 20 in full."""
KEPT_CHARACTERS = (1200, 3000)
"""The least and the most that they may take."""
KEPT_LINE = (24, 120)
"""Characters of one such line: the fewest, below which the oldest are folded, and the most."""
CATEGORIES = 8
UNDECIDED = 10
REASON = 300
CURVES = 4


def digest(context: Context) -> str:
    """Return what was tried and what became of it, as lines of text."""
    history, takeaways = context.history, takeaways_of(context.history)
    latest, older = history[-LATEST:], history[:-LATEST]
    entries = [entry(found, takeaways.get(found.number, "")) for found in latest]
    head = [f"The last {len(latest)}, oldest first:"] if latest else []
    in_full = "\n".join([*head, *entries])
    room = min(max(KEPT_CHARACTERS[0], len(in_full) // KEPT_SHARE), KEPT_CHARACTERS[1])
    kept = [found for found in older if found.status is ExperimentStatus.KEPT]
    parts = [_kept(context, kept, room), _by_category(context, older), in_full, undecided(history)]
    return "\n\n".join(part for part in parts if part) or "Nothing was tried yet."


def undecided(history: Sequence[Experiment]) -> str:
    """Return what nobody knows yet, by its hypothesis alone: what to try again, if anything."""
    done = {found.origin.retries for found in history if found.origin}
    ideas = [
        f"#{found.number} {said(found.hypothesis, 200)}"
        for found in history
        if verdict_in(found.reason) is Verdict.UNDECIDED
        and found.number not in done
        and not (found.origin and found.origin.mode == PLANTED)
    ][-UNDECIDED:]
    head = "Undecided, neither better nor worse for certain; the first to try again, made stronger:"
    return "\n".join([head, *ideas]) if ideas else ""


def takeaways_of(history: Sequence[Experiment]) -> Mapping[int, str]:
    """Return experiment → what an agent made of it, which came with a later proposal."""
    origins = [found.origin for found in history if found.origin]
    return {of: origin.takeaway for origin in origins if (of := origin.takeaway_of) is not None}


def _kept(context: Context, kept: Sequence[Experiment], room: int) -> str:
    if not kept:
        return ""
    fewest, most = KEPT_LINE
    shown = kept[-(room // fewest) :]
    width = min(most, room // len(shown))
    lines = [one_line(f"{_short(found)} {found.hypothesis}", width) for found in shown]
    if folded := kept[: -len(shown)]:
        first, last = folded[0], folded[-1]
        span = f"#{first.number} to #{last.number}, {_number(first)} to {_number(last)}"
        lines.insert(0, f"{len(folded)} earlier ones: {span}")
    return "\n".join([f"Kept before the last {LATEST}, oldest first ({context.metric}):", *lines])


def _by_category(context: Context, older: Sequence[Experiment]) -> str:
    if not older:
        return ""
    names = {raw: one_line(raw, 24) or "none" for raw in {found.category for found in older}}
    groups: dict[str, list[Experiment]] = defaultdict(list)
    for found in older:
        groups[names[found.category]].append(found)
    largest = sorted(groups, key=lambda name: (-len(groups[name]), name))
    rest = [found for name in largest[CATEGORIES:] for found in groups[name]]
    lines = [_category(context, name, groups[name]) for name in largest[:CATEGORIES]]
    lines += [_category(context, "all others", rest)] if rest else []
    return "\n".join([f"All {len(older)} before the last {LATEST}, by category:", *lines])


def _category(context: Context, name: str, group: Sequence[Experiment]) -> str:
    ends = Counter(str(found.status) for found in group)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(ends.items()))
    sign = 1 if context.direction == "minimize" else -1
    scored = [(sign * found.score, found.number, found) for found in group
              if found.score is not None]  # fmt: skip
    ranked = [found for *_, found in sorted(scored, key=lambda one: one[:2])]
    ends_of = "".join(
        f"; {word} {_short(found)} {said(found.hypothesis, 40)}"
        for word, found in zip(("best", "worst"), (ranked[:1] + ranked[1:][-1:]), strict=False)
    )
    return f"{name}: {len(group)} ({counts}){ends_of}"


def _short(found: Experiment) -> str:
    return f"#{found.number} {_number(found)}"


def _number(found: Experiment) -> str:
    return "-" if found.score is None else f"{found.score:.10g}"


def entry(found: Experiment, takeaway: str) -> str:
    """Return one experiment as a few lines; nothing in it can begin a line of its own."""
    expected = found.origin.expectation if found.origin else ""
    category = f" [{one_line(found.category, 24)}]" if found.category else ""
    parts = {
        "hypothesis": said(found.hypothesis, 300),
        "expected": said(expected, 160) if expected.strip() else "",
        "curves": curves_of(found),
        "takeaway": said(takeaway, 240) if takeaway.strip() else "",
    }
    lines = [f"{name}: {words}" for name, words in parts.items() if words]
    return "\n  ".join([f"#{found.number}{category} {result(found)}", *lines])


def result(found: Experiment) -> str:
    """Return how an experiment ended and why, as one line; of a crash at most 500 bytes."""
    if found.status is None:
        return "has no result yet"
    for trial in (trial.result for trial in found.trials):
        if trial.crash:
            where = ", ".join(part for part in (trial.stage, trial.limit) if part)
            limit = f" ({one_line(where, 60)})" if where else ""
            return f"{found.status}{limit}: {crash_line(trial.crash)}"
    if found.reason.startswith(f"{found.status}: "):
        return one_line(found.reason, REASON)
    rule = f" by the rule {one_line(found.rule, 60)}" if found.rule else ""
    return f"{found.status}{rule}: {one_line(found.reason, REASON)}"


def crash_line(crash: Crash) -> str:
    """Return exception, file, line and message, in at most 500 bytes of ASCII together."""
    where = f" at {crash.file}:{crash.line}" if crash.file else ""
    message = f": {crash.message}" if crash.message else ""
    return escaped(f"{crash.exception or 'exit'}{where}{message}")


def curves_of(found: Experiment, most: int = CURVES) -> str:
    """Return a scored experiment's curves, of the first trial that has any, as one line."""
    if found.score is None:
        return ""
    curves = next((trial.result.curves for trial in found.trials if trial.result.curves), ())
    left_out = f"; {len(curves) - most} more" if len(curves) > most else ""
    return "; ".join(_curve(curve) for curve in curves[:most]) + left_out


def _curve(curve: Curve) -> str:
    values = [value for _, value in curve.points]
    name = one_line(curve.name, 32)
    if len(values) < 2:
        return " ".join([name, *(f"{value:g}" for value in values)])
    ends = f"{values[0]:g} to {values[-1]:g}"
    return f"{name} {ends} (least {min(values):g}, most {max(values):g}, n={len(values)})"
