"""From the reader's values to the charts of a page: which marks, which lines, which links."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from markupsafe import Markup

from runner.agreement import WIDTH, spread
from runner.charts import bars, evidence, lines, progression, scales, svg
from runner.charts.bars import Bar, Category
from runner.charts.evidence import Dots, Gauge, Side
from runner.charts.lines import Cost, Curves
from runner.charts.progression import Fate, Mark, Progression, Step
from runner.charts.scales import Scale
from runner.charts.svg import Size
from runner.decision import Direction, Metric, Verdict, verdict_in
from runner.history import audited, scores_by_draw
from runner.journal.reader import Reader
from runner.records import Experiment, ExperimentStatus, Outlook
from runner.views.lines import LABELS, decimals, plain
from runner.views.overview import Overview, Point

MOST_MARKS, MOST_NARROW = 200, 60
"""In the picture for a desk, and in the one for a phone."""
THIRD = svg.Size(width=310, height=220)
"""Of a picture that stands beside two others."""
SPARK = svg.Size(width=120, height=28)
MOST_TITLE = 72
"""Characters of a hypothesis beside its mark."""
MOST_CURVES = 8
MOST_SPENT = 200
MOST_BARS = 12
Link = Callable[[int], str]
"""From an experiment's number to its page."""


def fate_of(status: str | None, reason: str) -> Fate | None:
    """Return how an experiment ended, as far as a picture tells it apart."""
    match status:
        case None:
            return None
        case ExperimentStatus.KEPT:
            return Fate.KEPT
        case ExperimentStatus.REFUSED:
            return Fate.REFUSED
        case ExperimentStatus.REVERTED:
            undecided = verdict_in(reason) is Verdict.UNDECIDED
            return Fate.UNDECIDED if undecided else Fate.REVERTED
        case _:
            return Fate.CRASHED


def progression_of(
    journal: Reader,
    found: Overview,
    link: Link,
    *,
    first: int = 0,
    last: int | None = None,
    logarithmic: bool = False,
    most: int = MOST_MARKS,
) -> Progression:
    """Return what a picture of a run between two experiments shows, with about so many marks."""
    newest = journal.newest(found.run.tag) or 0
    last = newest if last is None else min(last, newest)
    first = min(first, last)
    count = last - first + 1
    every = -(-count // most)
    shown = [point for point in found.series if point.number <= last and point.score is not None]
    steps = _thinned([point for point in shown if point.number >= first], most // 2)
    before = [point for point in shown if point.number < first][-1:]
    keeps = [point.number for point in steps]
    rows = [
        row
        for row in journal.sampled(found.run.tag, first, last, every, keeps)
        if row["status"] != ExperimentStatus.KEPT or row["number"] in keeps
    ]
    marks = [
        Mark(number=row["number"], fate=fate, value=row["score"], title=_title(row, found.metric),
             href=link(row["number"]))
        for row in rows
        if (fate := fate_of(row["status"], row["reason"])) is not None
    ]  # fmt: skip
    best = [
        Step(
            number=max(point.number, first),
            value=point.score,
            low=None if point.margin is None else point.score - point.margin,
            high=None if point.margin is None else point.score + point.margin,
        )
        for point in (*before, *steps)
        if point.score is not None
    ]
    locked = journal.audits(found.run.tag, among=[point.number for point in (*before, *steps)])
    audit = [
        Step(number=max(number, first), value=value)
        for number, trials in locked.items()
        if (value := audited(trials, found.metric.name)) is not None
    ]
    return Progression(
        metric=found.metric.label,
        minimize=found.metric.direction is Direction.MINIMIZE,
        first=first,
        last=last,
        marks=sorted(marks, key=lambda mark: mark.number),
        best=best,
        audit=audit,
        logarithmic=logarithmic,
        places=decimals(found.metric),
        missing=count - len(marks),
    )


def run_progression(
    journal: Reader,
    found: Overview,
    link: Link,
    *,
    first: int = 0,
    last: int | None = None,
    logarithmic: bool = False,
) -> Markup:
    """Draw a run between two experiments, for a desk and for a phone."""
    return drawn(
        progression_of(journal, found, link, first=first, last=last, logarithmic=logarithmic)
    )


def drawn(found: Progression) -> Markup:
    """Draw a progression for a desk, and for a phone with fewer marks; a page shows one of them."""
    marks = progression.thinned(found.marks, MOST_NARROW)
    missing = found.missing + len(found.marks) - len(marks)
    few = replace(found, marks=marks, missing=missing)
    wide = progression.progression(found, class_="wide")
    narrow = progression.progression(few, svg.NARROW, class_="narrow")
    return Markup(wide + narrow)  # noqa: S704 - escaped by charts


def _thinned(values: Sequence[Point], most: int) -> list[Point]:
    """Return every n-th, and the last."""
    every = max(1, -(-len(values) // most))
    return [*values[:-1:every], *values[-1:]]


def _title(row: dict[str, object], metric: Metric) -> str:
    score = row["score"]
    shown = f"{metric.name} {score:.6g}, " if isinstance(score, float) else ""
    label = LABELS[ExperimentStatus(str(row["status"]))].lower()
    return f"{row['number']}: {shown}{label}. {plain(str(row['hypothesis']), MOST_TITLE)}"


def sparkline(found: Overview) -> Markup | None:
    """Draw the running best in a line of text; `None` before anything was kept."""
    known = [(float(p.number), p.score) for p in found.series if p.score is not None]
    if len(known) < 2:
        return None
    low, high = scales.around([score for _, score in known], pad=0.1)
    last = float(max(sum(found.standing.counts.values()), known[-1][0]))
    across = Scale(low=0.0, high=last, start=2.0, end=SPARK.width - 2.0)
    up = Scale(low=low, high=high, start=SPARK.height - 2.0, end=2.0)
    places = [(svg.number(across.at(n)), svg.number(up.at(score))) for n, score in known]
    drawn = f"M{places[0][0]} {places[0][1]}" + "".join(f"H{x}V{y}" for x, y in places[1:])
    line = svg.group([svg.path(f"{drawn}H{across.end:g}", class_="line")], "kept")
    said = f"from {known[0][1]:.5g} to {known[-1][1]:.5g}"
    return Markup(svg.picture(SPARK, [line], title="Running best", description=said))  # noqa: S704


def evidence_gauge(outlook: Outlook) -> Markup | None:
    """Draw how far the candidate that is being measured is from either bound, where a rule says."""
    if outlook.better is None or outlook.keep_from is None:
        return None
    found = Gauge(
        better=outlook.better,
        than=outlook.than,
        keep=outlook.keep_from,
        hope=outlook.hope,
        drop=outlook.drop_below,
        trials=outlook.trials,
        most_trials=outlook.most_trials,
    )
    return Markup(evidence.gauge(found))  # noqa: S704 - escaped by charts


def trials_of_both(
    metric: Metric,
    experiment: Experiment,
    incumbent: Experiment | None,
    continued: Sequence[Experiment] = (),
) -> Markup | None:
    """Draw the trials that decided, of an experiment and of the best before it.

    Args:
        metric: the run's.
        experiment: the experiment.
        incumbent: the best before it.
        continued: the undecided experiments that it continues, whose trials decided too.
    """
    if incumbent is None or incumbent.number == experiment.number:
        return None
    whole = tuple(trial for one in (*continued, experiment) for trial in one.trials)
    experiment = replace(experiment, trials=whole)
    deviation = spread(metric, (incumbent, experiment))
    then = tuple(t for t in incumbent.trials if t.asked_by <= experiment.number)
    before = replace(incumbent, trials=then)
    mine = _side(metric, experiment, f"this: {experiment.number}", deviation)
    if not mine.values:
        return None
    found = Dots(
        metric=metric.label,
        minimize=metric.direction is Direction.MINIMIZE,
        candidate=mine,
        incumbent=_side(metric, before, f"best: {incumbent.number}", deviation),
        kept=experiment.status is ExperimentStatus.KEPT,
    )
    return Markup(evidence.dots(found))  # noqa: S704 - escaped by charts


def _side(metric: Metric, experiment: Experiment, name: str, deviation: float | None) -> Side:
    known = scores_by_draw((t for t in experiment.trials if t.purpose.decides), metric.name)
    margin = _margin(deviation, experiment.weight or len(known))
    return Side(name=name, values=tuple(known.values()), level=experiment.score, margin=margin)


def _margin(deviation: float | None, weight: float) -> float | None:
    return WIDTH * deviation / weight**0.5 if deviation and weight else None


def curves_of(experiment: Experiment, incumbent: Experiment | None) -> list[Curves]:
    """Return what the trials logged that decide, with the same of the best before."""
    mine, theirs = _logged(experiment), {} if incumbent is None else _logged(incumbent)
    return [
        Curves(name=name, candidate=mine[name], incumbent=theirs.get(name, ()))
        for name in list(mine)[:MOST_CURVES]
    ]


def _logged(experiment: Experiment) -> dict[str, list[Sequence[tuple[float, float]]]]:
    found: dict[str, list[Sequence[tuple[float, float]]]] = defaultdict(list)
    for trial in experiment.trials:
        if trial.purpose.decides and trial.asked_by == experiment.number:
            for curve in trial.result.curves:
                found[curve.name].append(curve.points)
    return found


def curve(found: Curves) -> Markup:
    return Markup(lines.curves(found))  # noqa: S704 - escaped by charts


def spending(journal: Reader, found: Overview, size: Size = THIRD) -> Markup | None:
    """Draw what a run cost so far; `None` where no model was asked."""
    newest = journal.newest(found.run.tag) or 0
    spent = journal.spent_along(found.run.tag, max(1, newest // MOST_SPENT))
    if not spent:
        return None
    keeps = [point.number for point in found.series if point.number]
    value = Cost(spent=spent, keeps=keeps)
    return Markup(lines.cost(value, size))  # noqa: S704 - escaped by charts


def outcomes(journal: Reader, tag: str, link: Callable[[str, str], str]) -> tuple[Markup, Markup]:
    """Draw failures by kind, and categories by success.

    Args:
        journal: the journal.
        tag: whose.
        link: from a column and what it is to hold to the table of these.
    """
    failures: Counter[tuple[str, str, Fate]] = Counter()
    categories: dict[str, Counter[Fate]] = defaultdict(Counter)
    for row in journal.outcomes(tag):
        fate = fate_of(row["status"], "undecided: " if row["undecided"] else "")
        if fate is None:
            continue
        categories[row["category"]][fate] += row["count"]
        if fate in (Fate.CRASHED, Fate.REFUSED) or row["rule"]:
            failures[(row["status"], row["rule"] or "", fate)] += row["count"]
    shown = [
        Bar(
            name=rule or STATUS_WORDS.get(status, status),
            counts=[(fate, count)],
            said=f"{count:,} {'' if not rule else status}".strip(),
            href=link("status", status),
        )
        for (status, rule, fate), count in failures.most_common(MOST_BARS)
    ]
    tried = sorted(categories.items(), key=lambda each: -each[1].total())[:MOST_BARS]
    found = [Category(name=plain(name, 40), counts=dict(counts)) for name, counts in tried]
    return (
        Markup(bars.bars(shown, title="Failures by kind", width=THIRD.width)),  # noqa: S704 - escaped by charts
        Markup(bars.categories(found, width=THIRD.width)),  # noqa: S704 - escaped by charts
    )


STATUS_WORDS = {
    "crashed": "crashed",
    "timeout": "ran out of time",
    "invalid-outputs": "outputs not readable",
    "refused": "refused",
}
