"""Where a run stands: what every view of a whole run says of its experiments.

It is read from the tables' indexes and from two experiments, so it takes as long for 100,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.decision import Metric
from runner.history import metric_of, unguarded
from runner.journal.reader import Reader
from runner.money.usage import together
from runner.records import Beside, Boxes, Experiment, ExperimentStatus, Keep, Run, Spent
from runner.views.lines import CROWDED


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A run, and what its experiments came to."""

    run: Run
    counts: Mapping[ExperimentStatus | None, int]
    """How many ended in which way after the baseline; under `None` those still open."""
    baseline: Experiment | None
    best: Experiment | None
    """The last kept one."""
    best_beside: Beside
    unguarded: tuple[int, ...] = ()
    """Kept ones that rest on somebody whom nothing kept from this host."""
    unfinished: tuple[int, ...] = ()
    keeps: tuple[Keep, ...] = ()
    """The steps of the running best, the baseline first."""
    planted: tuple[ExperimentStatus, ...] = ()
    """How those ended that change nothing, to measure the noise."""
    crowded: tuple[int, int] = (0, 0)
    """How many trials had much less of the machine than their policy allows, and of how many."""
    boxes: Boxes | None = None
    """What its agent's own containers took, where it had any."""
    models: Mapping[str, Spent]
    """Model → what calls to it took."""

    @property
    def experiments(self) -> int:
        """How many there are, with the baseline."""
        return sum(self.counts.values()) + (self.baseline is not None)

    @property
    def metric(self) -> Metric:
        return metric_of(self.run)

    @property
    def advisory(self) -> bool:
        """Whether whoever proposed could have read this host, or said the score itself."""
        own = self.run.self_reported
        return own or self.run.agent_isolation == "none" or bool(self.unguarded)

    @property
    def false_keeps(self) -> float | None:
        """How many keeps are expected to be luck; `None` where the rule does not say so."""
        if not self.keeps[1:] or self.keeps[0].weight is None:
            return None  # only a rule that says how sure it is weighs the template
        return sum(1.0 - each.sure for each in self.keeps[1:] if each.sure is not None)

    @property
    def exact_keeps(self) -> int:
        """How many of a rule that says how sure it is hang on no draw, so that none is luck."""
        known = self.false_keeps is not None
        return sum(each.sure is None for each in self.keeps[1:]) if known else 0

    @property
    def spent(self) -> Spent | None:
        """What calls to models took, where there were any."""
        return together(self.models.values())


def standing_of(journal: Reader, run: Run) -> Standing:
    best = journal.best(run.tag)
    return Standing(
        run=run,
        counts=journal.counts(run.tag),
        baseline=journal.experiment(run.tag, 0),
        best=None if best is None else journal.experiment(run.tag, best),
        best_beside=Beside() if best is None else journal.beside(run.tag, best, best)[best],
        unguarded=unguarded(journal.kept_line(run.tag)),
        unfinished=journal.still_open(run.tag),
        keeps=journal.keeps(run.tag),
        planted=journal.planted(run.tag),
        crowded=journal.crowded(run.tag, CROWDED),
        boxes=journal.boxed(run.tag),
        models=journal.spent_by_model(run.tag),
    )
