"""A run at work: what is fixed, and the things it acts on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial

from runner import rooms
from runner.data import Prepared
from runner.decision import Metric
from runner.history import metric_of
from runner.ledger.store import Ledger
from runner.logs import Log
from runner.money.spending import Spending
from runner.policy.schema import Policy
from runner.records import LOG, Experiment, Files, Run
from runner.research_log import ResearchLog
from runner.seams import Sandbox
from runner.workspace import Workspace

ANALYSED = "analysis.ended"
"""The ledger's event."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A run at work: what is fixed, and the things it acts on."""

    run: Run
    policy: Policy
    ledger: Ledger
    workspace: Workspace
    sandbox: Sandbox
    data: Prepared
    state: rooms.State
    harness: Files
    log: Log
    finished: Callable[[Experiment], None] = lambda _: None
    """Told of each experiment as it ends."""
    stop_asked: Callable[[], bool] = lambda: False
    waiting: Callable[[str, float], None] = lambda _what, _seconds: None
    """Told why nothing happens, and for how many seconds."""
    analyst: Callable[[bytes | None], str] = lambda _: "there is no analysis here"
    """Runs a script, or the workspace's own, on training rows, and says what it found."""
    say: Callable[[str], None] = lambda _: None
    """Told what a person should hear at once."""
    independent: bool = False
    """Whether each proposal is drawn from the template, by an agent that is told no history."""
    turn: AbstractContextManager[object] = field(default_factory=threading.RLock)
    """Held by whoever uses the device, for an experiment or an analysis: one at a time."""

    @cached_property
    def spending(self) -> Spending:
        return Spending(self.ledger, self.run.tag, cap=self.policy.limits.usd)

    @cached_property
    def research_log(self) -> ResearchLog:
        page = self.state.run(self.run.tag) / LOG
        head = partial(self.ledger.head, self.run.tag)
        return ResearchLog(page, self.workspace, self.policy.files.notes, head)

    @cached_property
    def told(self) -> dict[int, tuple[Experiment, Experiment]]:
        """Number → an experiment as the ledger has it, and what an agent was told of it."""
        return {}

    @cached_property
    def metric(self) -> Metric:
        return metric_of(self.run)

    @property
    def history(self) -> tuple[Experiment, ...]:
        return self.ledger.experiments(self.run.tag)

    @property
    def ended(self) -> tuple[Experiment, ...]:
        """The experiments that have ended; of several agents, another's may be at work."""
        return tuple(found for found in self.history if found.ended_at)

    def branch_before(self, number: int) -> str:
        """Return where the branch stood before an experiment: the best until then."""
        kept = [found for found in self.history if found.number < number and found.commit]
        return kept[-1].commit or "" if kept else self.run.base_commit

    def analyse(self, script: bytes | None, *, experiment: int, asked: bool) -> str:
        """Run an analysis, one at a time, record that there was one, and say what it found.

        It is one after this experiment, or one that the agent asked for while it thought of it.
        """
        with self.turn:
            found = self.analyst(script)
            self.ledger.event(self.run.tag, ANALYSED, experiment=experiment, asked=asked)
        return found

    def plan(self, experiment: Experiment) -> list[tuple[str, int]]:
        splits = self.policy.evaluation.splits
        return [(split, seed) for seed in experiment.seeds for split in splits]

    def read(self, number: int) -> Experiment:
        experiment = self.ledger.experiment(self.run.tag, number)
        if experiment is None:
            raise ValueError(f"experiment {number} is not in the ledger")
        return experiment
