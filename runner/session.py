"""A run at work: what is fixed, and the things it acts on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial

from runner import rooms
from runner.data import Prepared
from runner.decision import Metric
from runner.errors import ConfigError
from runner.history import metric_of
from runner.journal.entries import now
from runner.journal.store import Journal
from runner.logs import Log
from runner.money.spending import Spending
from runner.policy.schema import Policy
from runner.progress import DEVICE, Tracker
from runner.records import LOG, Analysis, AskedBy, Experiment, Files, Findings, Run
from runner.research_log import ResearchLog
from runner.seams import Sandbox
from runner.workspace import Workspace

ANALYSIS_SCRIPT = "analysis.py"


@dataclass(frozen=True, kw_only=True)
class Session:
    """A run at work: what is fixed, and the things it acts on."""

    run: Run
    policy: Policy
    ledger: Journal
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
    analyst: Callable[[bytes | None], Findings] | None = None
    """Runs a script, or the workspace's own, on training rows; absent where nothing can."""
    say: Callable[[str], None] = lambda _: None
    """Told what a person should hear at once."""
    progress: Tracker = field(default_factory=Tracker)
    """Says what is under way to whoever looks from elsewhere."""
    independent: bool = False
    """Whether each proposal is drawn from the template, by an agent that is told no history."""
    turn: AbstractContextManager[object] = field(default_factory=threading.RLock)
    """Held by whoever uses the device, for an experiment or an analysis: one at a time."""

    @cached_property
    def spending(self) -> Spending:
        return Spending(self.ledger, self.run.tag, cap=self.policy.limits.usd)

    @cached_property
    def research_log(self) -> ResearchLog:
        tag, ledger = self.run.tag, self.ledger
        return ResearchLog(
            self.state.run(tag) / LOG,
            self.workspace,
            self.policy.files.notes,
            partial(ledger.result_chain, tag),
            lambda number: ledger.analyses(tag, number, number),
        )

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

    def analyse(self, script: bytes | None, *, experiment: int, asked_by: AskedBy) -> Findings:
        """Run an analysis, one at a time, record it, and return what it found.

        It is one after this experiment, or one that was asked for before it.

        Raises:
            ConfigError: there is no script, or there are no rows to look at.
        """
        if self.analyst is None:
            raise ConfigError("there is no analysis here")
        with self.turn:
            own = self.workspace.with_notes(self.workspace.head()).get(ANALYSIS_SCRIPT)
            content = own.content if own and script is None else script
            begun = Analysis(
                experiment=experiment,
                asked_by=asked_by,
                script_digest=None if content is None else hashlib.sha256(content).hexdigest(),
                at=now(),
            )
            entry = self.ledger.analysis_begun(self.run.tag, begun)
            seconds = self.policy.budget.startup + self.policy.analysis.seconds
            about = {"experiment": experiment, "most_seconds": seconds}
            with self.progress.doing(DEVICE, "an analysis before", **about):
                found = self.analyst(script)
            self.ledger.analysis_ended(
                self.run.tag,
                entry.seq,
                seconds=found.wall_seconds,
                exit_code=found.exit_code,
                failure=found.failure,
            )
        return found

    def analyses_asked(self, experiment: int) -> int:
        """Return how many the agent had before this experiment, in earlier sessions too."""
        return sum(
            each.asked_by is AskedBy.AGENT and each.seconds is not None
            for each in self.ledger.analyses(self.run.tag, experiment, experiment)
        )

    def plan(self, experiment: Experiment) -> list[tuple[str, int]]:
        splits = self.policy.evaluation.splits
        return [(split, seed) for seed in experiment.seeds for split in splits]

    def read(self, number: int) -> Experiment:
        experiment = self.ledger.experiment(self.run.tag, number)
        if experiment is None:
            raise ValueError(f"experiment {number} is not in the ledger")
        return experiment
