"""A run at work: what is fixed, and the things it acts on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial

from runner import draws, paths
from runner.data import Prepared
from runner.decision import Metric
from runner.ends import STOPS, Wish
from runner.errors import ConfigError
from runner.executor import LocalExecutor
from runner.experiment.fold import RunState, folded
from runner.history import metric_of
from runner.journal.entries import now
from runner.journal.store import Journal
from runner.logs import Log
from runner.money.spending import Spending
from runner.policy.schema import Policy
from runner.progress import Tracker
from runner.records import (
    BOX_ENDED,
    LOG,
    SELF_REPORTED,
    Analysis,
    AskedBy,
    Experiment,
    Files,
    Findings,
    Purpose,
    Run,
)
from runner.research_log import ResearchLog
from runner.seams import BoxEnd, BoxWork, Sandbox
from runner.workspace import Workspace

ANALYSIS_SCRIPT = "analysis.py"
ASKED = "run.asked"
"""The note of what a person asked from elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whoever watches: what they are told, and what they want."""

    say: Callable[[str], None] = lambda _: None
    """Told what a person should hear at once."""
    finished: Callable[[Experiment], None] = lambda _: None
    """Told of each experiment as it ends."""
    waiting: Callable[[str, float], None] = lambda _what, _seconds: None
    """Told why nothing happens, and for how many seconds."""
    stop_asked: Callable[[], bool] = lambda: False


@dataclass(kw_only=True)
class Known:
    """What the run's entries came to when they were looked at last."""

    state: RunState = field(default_factory=RunState)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, kw_only=True)
class Session:
    """A run at work. Threads share it."""

    run: Run
    policy: Policy
    journal: Journal
    workspace: Workspace
    executor: LocalExecutor
    data: Prepared
    state: paths.State
    harness: Files
    secret: bytes
    """What the draws are made from."""
    log: Log
    person: Person = field(default_factory=Person)
    analyst: Callable[[Sandbox, bytes | None], Findings] | None = None
    """Runs a script, or the workspace's own, on training rows; absent where nothing can."""
    boxer: Callable[[BoxWork, Callable[[], bool]], BoxEnd] | None = None
    """Runs a program in a box, until somebody wants the run to end; absent where none can."""
    progress: Tracker = field(default_factory=Tracker)
    """Says what is under way to whoever looks from elsewhere."""
    independent: bool = False
    """Whether each proposal is drawn from the template, by an agent that is told no history."""
    known: Known = field(default_factory=Known)

    @cached_property
    def spending(self) -> Spending:
        return Spending(self.journal, self.run.tag, cap=self.policy.limits.usd)

    @cached_property
    def research_log(self) -> ResearchLog:
        tag, journal = self.run.tag, self.journal
        return ResearchLog(
            self.state.run(tag) / LOG,
            self.workspace,
            self.policy.files.notes,
            partial(journal.result_chain, tag),
            lambda number: journal.analyses(tag, number, number),
            SELF_REPORTED if self.run.self_reported else "",
        )

    @cached_property
    def told(self) -> list[Experiment]:
        """What agents were told of each settled experiment, which is made once."""
        return []

    @cached_property
    def analysed(self) -> set[int]:
        """The experiments after which this start ran the policy's analysis, or could not."""
        return set()

    @cached_property
    def metric(self) -> Metric:
        return metric_of(self.run)

    @property
    def now(self) -> RunState:
        """What the run's entries come to, those that other processes append included."""
        with self.known.lock:
            before = self.known.state
            fresh = self.journal.entries(self.run.tag, after=before.head.seq)
            self.known.state = folded(fresh, before)
            return self.known.state

    @property
    def wish(self) -> Wish | None:
        """What a person asked last, from elsewhere, of the process that is at work here."""
        asked = self.now.noted.get(ASKED)
        if asked is None or (asked.get("pid"), asked.get("started")) != self.progress.process:
            return None
        return next((each for each in Wish if each == asked.get("what")), None)

    def stop_asked(self) -> bool:
        """Say whether a person wants the run to end, here or from elsewhere."""
        return self.person.stop_asked() or self.wish in STOPS

    @property
    def history(self) -> tuple[Experiment, ...]:
        return self.now.history

    @property
    def ended(self) -> Sequence[Experiment]:
        """The experiments that have ended; others may be at work."""
        return self.now.settled

    def read(self, number: int) -> Experiment:
        return self.now.experiment(number)

    def begin(self) -> None:
        """Give the event log the chain's head first: its last line may be what a kill took."""
        head = self.journal.head(self.run.tag)
        self.log.info("loop.begun", seq=head.seq, chain=head.chain)

    def seed(self, purpose: Purpose, split: str, index: int) -> int:
        return draws.seed(self.secret, purpose, split, index)

    def analyse(self, script: bytes | None, *, experiment: int, asked_by: AskedBy) -> Findings:
        """Run an analysis, record it, and return what it found.

        It is one after this experiment, or one that was asked for before it.

        Raises:
            ConfigError: there is no script, or there are no rows to look at.
        """
        if self.analyst is None:
            raise ConfigError("there is no analysis here")
        own = self.workspace.with_notes(self.workspace.head()).get(ANALYSIS_SCRIPT)
        content = own.content if own and script is None else script
        begun = Analysis(
            experiment=experiment,
            asked_by=asked_by,
            script_digest=None if content is None else hashlib.sha256(content).hexdigest(),
            at=now(),
        )
        about = {
            "what": "an analysis before",
            "experiment": experiment,
            "most_seconds": self.policy.budget.startup + self.policy.analysis.seconds,
        }
        with self.executor.device(about) as sandbox:
            entry = self.journal.analysis_begun(self.run.tag, begun)
            found = self.analyst(sandbox, script)
            self.journal.analysis_ended(
                self.run.tag,
                entry.seq,
                seconds=found.wall_seconds,
                exit_code=found.exit_code,
                failure=found.failure,
            )
        return found

    def boxed(self, work: BoxWork, *, experiment: int, stop: Callable[[], bool]) -> BoxEnd:
        """Run a program in a box for one proposal, and write down what it took."""
        if self.boxer is None:
            raise ConfigError("there is no box here")
        ended = self.boxer(work, stop)
        self.journal.event(self.run.tag, BOX_ENDED, experiment=experiment, **asdict(ended))
        self.log.info(BOX_ENDED, experiment=experiment, **asdict(ended))
        return ended

    def analyses_asked(self, experiment: int) -> int:
        """Return how many the agent had before this experiment, in earlier sessions too."""
        return sum(
            each.experiment == experiment
            and each.asked_by is AskedBy.AGENT
            and each.seconds is not None
            for each in self.now.analyses.values()
        )
