"""The places where another implementation may stand in: who proposes, and where trials run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from runner.errors import SpentError
from runner.patterns import FilePatterns
from runner.records import (
    Experiment,
    Files,
    Guard,
    GuardResult,
    Hypothesis,
    ModelCall,
    Proposal,
    TrialResult,
    TrialSpec,
    Violation,
)

MOST_RETURNS = 3
"""How often a proposal goes back to its agent before it counts as it is."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """The part of a run that an experiment falls into."""

    name: str
    hint: str = ""
    web_domains: tuple[str, ...] = ()
    """What the model, never a container, may search in this phase; empty is nothing."""
    web_uses: int = 0
    """Searches per experiment."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """What an agent is told before it proposes. Nothing else goes back to it."""

    number: int
    """The experiment that the proposal is to become; with several agents it may be a later one."""
    files: Files
    """The workspace to start from, notes included."""
    mutable: tuple[str, ...]
    """As the policy says it: paths, and patterns."""
    metric: str
    direction: str
    history: Sequence[Experiment]
    """Every experiment that ended, as law 7 lets it be told."""
    pending: Sequence[Experiment] = ()
    """Experiments that were proposed and have no result yet, oldest first."""
    read: Callable[[Sequence[str]], list[bytes]] = lambda _: []
    """Returns the bytes that experiments of the history changed files to, by their ids."""
    task: str = ""
    notes: tuple[str, ...] = ()
    """Files of the workspace that hold notes."""
    frozen: tuple[str, ...] = ()
    """Paths and patterns of what is not mutable, although it matches."""
    may_add: bool = False
    """Whether files that a pattern matches may be added, and removed."""
    rules: str = ""
    """The policy in words."""
    experiments: int | None = None
    """After how many the run ends, by the policy or by this start; `None` is no limit."""
    parent: int = 0
    """The experiment whose files these are."""
    parent_commit: str = ""
    baseline: Files = field(default_factory=dict)
    """The files of experiment 0, which no change of the history holds."""
    strategy: str = "greedy"
    """By which the parent was chosen."""
    mode: str = "improve"
    why: str = ""
    """Why this parent and this mode, in words for the agent."""
    phase: Phase | None = None
    hypotheses: Sequence[Hypothesis] = ()
    """A person's open hypotheses; the first is the one to test now."""
    guidance: str = ""
    """What the person wrote into `guidance.md`."""
    returned: tuple[Violation, ...] = ()
    """Why an earlier proposal for this place came back, where it did before it was reviewed."""
    shared_targets: bool = False
    """Whether a trainer holds answers of other splits, so that less comes back of it."""
    shell: bool = True
    """Whether an agent in a box may run commands there."""

    @property
    def patterns(self) -> FilePatterns:
        """Which files may be written, by their paths."""
        return FilePatterns(
            mutable=self.mutable, frozen=self.frozen, may_add=self.may_add, notes=self.notes
        )

    @property
    def editable(self) -> tuple[str, ...]:
        """The mutable files that are there."""
        return self.patterns.among(self.files)

    @property
    def phase_name(self) -> str | None:
        return self.phase.name if self.phase else None


class Gateway(Protocol):
    """The way from a box to its model, and nothing else."""

    def listening(self, folder: Path) -> AbstractContextManager[Path]:
        """Yield a socket in this folder that any user may connect to; it speaks HTTP."""
        ...


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered to a box."""

    text: str
    accepted: bool = False
    """Whether the proposal goes ahead; the box is ended then."""
    prompt: str | None = None
    """With what a program that has ended runs once more; `None` ends the box."""


@dataclass(frozen=True, kw_only=True)
class BoxWork:
    """A program that is to make one proposal, in a container of its own."""

    command: Sequence[str]
    environment: Mapping[str, str]
    files: Files
    """The workspace to start from; what becomes of it stays in the box."""
    about: Mapping[str, bytes]
    """What it may read of the run, by name; `brief.md` is also its standard input."""
    programs: Path | None
    """A folder of this machine that it sees as `/box/agents`, and cannot write to."""
    gateway: Gateway
    answer: Callable[[Mapping[str, Any]], Reply]
    """Answers what is said in the box, which may be anything that JSON can hold."""


@dataclass(frozen=True, kw_only=True)
class BoxEnd:
    """How a box ended."""

    why: str | None
    """Why it was ended, if a limit did it."""
    seconds: float
    cpu_seconds: float | None


class SetAsideError(SpentError):
    """A call does not fit while others are under way; it may once they have ended."""


class Supervisor(Protocol):
    """What an agent may ask of the supervisor while it thinks about one proposal."""

    def send_back(self, proposal: Proposal) -> tuple[Violation, ...]:
        """Return what to mend before the proposal is handed over; empty once it goes ahead.

        After three returns it goes ahead as it is, and counts as refused if it must.
        """
        ...

    def returns_left(self) -> int:
        """Return how often a proposal may still come back; at 0 the next one counts as it is."""
        ...

    def review(self, proposal: Proposal) -> tuple[Violation, ...]:
        """Return what the review says of a proposal in the making; it counts as no return."""
        ...

    def violation(self, path: str, what: str) -> None:
        """Write down that something changed in the agent's draft that it may not change.

        Any thread may call it.
        """
        ...

    def analyze(self, script: bytes | None) -> str:
        """Run an analysis on training rows and return what it found, capped and escaped.

        `None` runs the workspace's own `analysis.py`. A failure is part of the answer.
        """
        ...

    def boxed(self, work: BoxWork) -> BoxEnd:
        """Run a program in a box, to its end or to a limit, and write down what it took.

        All that it says is answered in the caller's thread.
        """
        ...

    def reserved(self, usd: float, *, wait: bool = True) -> AbstractContextManager[None]:
        """Set the worst case of one call aside while it is made.

        What fits but for what others have set aside is waited for. Whoever has something set aside
        itself must not wait for more.

        Raises:
            SetAsideError: it fits but for that, and `wait` is false or the person wants the end.
            SpentError: it does not fit into what is left; the run ends.
        """
        ...

    def usd_left(self) -> float | None:
        """Return what is not spent, though others may have set it aside; `None` is no limit."""
        ...

    def record(self, call: ModelCall) -> None:
        """Write down what a call cost."""
        ...

    def said(self, role: str, content: Any) -> None:
        """Keep a message of a talk with a model, for the person alone; once is enough.

        Any thread may call it.
        """
        ...

    def waiting(self, what: str, seconds: float) -> None:
        """Show the person that nothing happens for a while, and why."""
        ...

    def stop_asked(self) -> bool:
        """Say whether the person wants the run to end."""
        ...


class Agent(Protocol):
    """Turns a context into a proposal; `None` ends the run.

    Raises:
        ModelError: the model cannot be reached or refuses our account; the run pauses.
        SpentError: the next call does not fit into what may be spent; the run ends.
    """

    name: str
    isolation: str
    """How far it is kept from the host: `api`, `contained`, `tool-restricted` or `none`."""
    ahead: int
    """How many proposals it makes, unless a person says otherwise, while its last experiment has no
    result yet; 0 where it has to know the result."""

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None: ...


class Sandbox(Protocol):
    """Runs trials and guards on one device; raises `SandboxError` for our own faults only."""

    def run(self, spec: TrialSpec) -> TrialResult: ...

    def guard(self, spec: TrialSpec, guard: Guard) -> GuardResult:
        """Run a command where the trainer of this trial would run, without artifacts."""
        ...
