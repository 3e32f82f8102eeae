"""What a report says of a run, gathered from the journal and the run's repository."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from runner import paths, progress
from runner.charts.progression import Fate, Progression
from runner.charts.svg import Size
from runner.journal.reader import Reader
from runner.records import Beside, Experiment, ExperimentStatus, Keep, Run
from runner.views import diffs, lines, pictures
from runner.views.diffs import WHOLE, FileDiff
from runner.views.overview import Overview, overview_of
from runner.workspace import Workspace

COST = Size(width=960, height=260)
NEWEST = 500
"""Experiments that are told one by one."""
TOP = 5
MOST_EXAMPLES = 12
MOST_TAKEAWAYS = 8
"""Of one category, the newest."""
MOST_KINDS = 20
MOST_DIFF = 600_000
"""Bytes of what changed between two of the best."""


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """One of the best, and what changed from the one that is listed after it."""

    experiment: Experiment
    since: int | None
    """The experiment that the files are compared with; the last one has none."""
    files: tuple[FileDiff, ...] = ()
    left_out: int = 0
    """Changed files that are not shown."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Experiments that failed, or were refused, for the same reason."""

    name: str
    said: str
    """What the newest of them said."""
    numbers: tuple[int, ...]
    """The newest of them."""
    count: int


@dataclass(frozen=True, kw_only=True)
class Topic:
    """What is known of one category."""

    name: str
    tried: int
    kept: int
    biggest: Experiment | None
    """The keep with the largest gain."""
    takeaways: Sequence[tuple[str, Sequence[Experiment]]]
    """What agents learned, and the experiments that they learned it from; the newest first."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run at one moment, as a report tells it."""

    overview: Overview
    experiments: Sequence[Experiment]
    """The newest, the oldest of them first."""
    beside: Mapping[int, Beside]
    """What was done for each of them."""
    top: Sequence[Milestone]
    failures: Sequence[Group]
    refusals: Sequence[Group]
    topics: Sequence[Topic]
    progression: Progression
    failures_drawn: Markup
    categories_drawn: Markup
    cost_drawn: Markup | None
    """Absent where no model was asked."""

    @property
    def run(self) -> Run:
        return self.overview.run

    @property
    def earlier(self) -> int:
        """Experiments that are not told one by one."""
        return self.overview.standing.experiments - len(self.experiments)


def report_of(
    journal: Reader, state: paths.State, run: Run, *, cap: float | None = None, newest: int = NEWEST
) -> Report:
    """Gather a report.

    Args:
        journal: the journal.
        state: where the run's repository is.
        run: which run.
        cap: what its calls to models may cost, in US dollars, where it is known.
        newest: how many experiments are told one by one.
    """
    tag = run.tag
    at = progress.read(state.progress(tag))
    with journal.at_one_moment():
        overview = overview_of(journal, run, at, cap=cap)
        last = journal.newest(tag) or 0
        first = max(0, last - newest + 1)
        experiments = tuple(journal.whole(tag, first, last))
        beside = journal.beside(tag, first, last)
        shown = {each.number for each in experiments}
        keeps = [one.number for one in _best(overview)]
        best = [each for number in keeps if (each := journal.experiment(tag, number))]
        drawn = pictures.progression_of(
            journal, overview, lambda number: f"#e{number}" if number in shown else "#experiments"
        )
        failures_drawn, categories_drawn = pictures.outcomes(
            journal, tag, lambda *_: "#experiments"
        )
        cost_drawn = pictures.spending(journal, overview, COST)
    return Report(
        overview=overview,
        experiments=experiments,
        beside=beside,
        top=tuple(_milestones(Workspace(state.repository(tag), tag), best)),
        failures=_grouped(each for each in experiments if _failed(each)),
        refusals=_grouped(e for e in experiments if e.status is ExperimentStatus.REFUSED),
        topics=tuple(_topics(experiments)),
        progression=drawn,
        failures_drawn=failures_drawn,
        categories_drawn=categories_drawn,
        cost_drawn=cost_drawn,
    )


def _best(found: Overview) -> list[Keep]:
    """Return the best that were kept, the best of all first."""
    scored = [each for each in found.standing.keeps if each.score is not None]
    order = sorted(
        scored, key=lambda keep: (found.metric.gain(0.0, keep.score or 0.0), keep.number)
    )
    return order[::-1][:TOP]


def _milestones(workspace: Workspace, best: Sequence[Experiment]) -> Iterable[Milestone]:
    """Yield the best, each with what changed since the one after it in the list."""
    for each, after in zip(best, (*best[1:], None), strict=False):
        if after is None or each.commit is None or after.commit is None:
            yield Milestone(experiment=each, since=None)
            continue
        files, left_out = diffs.parsed(workspace.diff(after.commit, each.commit, WHOLE), MOST_DIFF)
        yield Milestone(experiment=each, since=after.number, files=tuple(files), left_out=left_out)


def _failed(experiment: Experiment) -> bool:
    return pictures.fate_of(experiment.status, experiment.reason) is Fate.CRASHED


def _grouped(experiments: Iterable[Experiment]) -> tuple[Group, ...]:
    """Return experiments by what they failed for, the most frequent first."""
    found: dict[str, list[Experiment]] = defaultdict(list)
    for each in experiments:
        found[kind_of(each)].append(each)
    order = sorted(found.items(), key=lambda item: -len(item[1]))[:MOST_KINDS]
    return tuple(
        Group(
            name=name,
            said=lines.plain(each[-1].reason, 400),
            numbers=tuple(one.number for one in each[-MOST_EXAMPLES:]),
            count=len(each),
        )
        for name, each in order
    )


def kind_of(experiment: Experiment) -> str:
    """Name what an experiment failed for: a rule, a limit, an exception, or how it ended."""
    if experiment.rule:
        return lines.plain(experiment.rule, 60)
    for trial in reversed(experiment.trials):
        if trial.result.score is None and trial.purpose.decides:
            crash, limit = trial.result.crash, trial.result.limit
            named = limit or (crash.exception if crash else None)
            return lines.plain(named or str(trial.result.status), 60)
    return str(experiment.status)


def _topics(experiments: Sequence[Experiment]) -> Iterable[Topic]:
    """Yield what was tried in each category, and what agents learned there."""
    by_number = {each.number: each for each in experiments}
    by_category: dict[str, list[Experiment]] = defaultdict(list)
    learned: dict[str, dict[str, list[Experiment]]] = defaultdict(lambda: defaultdict(list))
    for each in experiments:
        if each.number:
            by_category[each.category].append(each)
        origin = each.origin
        about = by_number.get(origin.takeaway_of or 0) if origin and origin.takeaway else None
        if origin is not None and about is not None:
            learned[about.category][lines.plain(origin.takeaway, 600)].append(about)
    for name, tried in sorted(by_category.items(), key=lambda item: -len(item[1])):
        kept = [each for each in tried if each.status is ExperimentStatus.KEPT]
        yield Topic(
            name=lines.plain(name, 60) or "without a category",
            tried=len(tried),
            kept=len(kept),
            biggest=max(kept, key=lambda each: each.gain or 0.0, default=None),
            takeaways=[
                (text, about[-MOST_EXAMPLES:])
                for text, about in sorted(
                    learned[name].items(), key=lambda item: -item[1][-1].number
                )[:MOST_TAKEAWAYS]
            ],
        )
