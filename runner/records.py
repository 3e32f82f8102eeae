"""The frozen values that flow through one experiment; they do nothing.

Absent is `None`. Sizes are bytes, times are seconds, and every mapping is read, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import assert_never

REGULAR = 0o100644
EXECUTABLE = 0o100755
SYMLINK = 0o120000
SELF_REPORTED = "SELF-REPORTED: the code under test printed this number"
"""What everything says that shows a score which no scorer gave."""
LOG = "LOG.md"
"""The page that the supervisor writes from the journal; no agent may change it."""
CONTAINED = "contained"
"""The isolation of an agent in a container of its own, whose one way out leads to its model."""
REBASED = "; rebased"
"""Behind why a proposal started where it did, if it was put onto a newer best while it waited."""
BOX_ENDED = "box.ended"
"""The note of what an agent's container took for one proposal; see `Box`."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file as git keeps it: a mode and bytes (a link's bytes are its target)."""

    content: bytes
    mode: int = REGULAR


Files = Mapping[str, File]
"""Path relative to the tree's root, with forward slashes → file."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an agent wants one path to become; `content=None` deletes it."""

    path: str
    content: bytes | None
    mode: int = REGULAR


@dataclass(frozen=True, kw_only=True)
class ChangedFile:
    """What a proposal changed one path to, as the journal names it; the bytes are in git."""

    path: str
    mode: int
    blob: str | None
    """Git's id of the bytes; `None` where the path is deleted."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One rule that a proposal broke, and what is allowed instead."""

    rule: str
    message: str
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The only thing an agent hands over."""

    hypothesis: str
    category: str = ""
    changes: tuple[Change, ...] = ()
    expectation: str = ""
    """What the agent thinks will come of it."""
    takeaway: str = ""
    """What the agent makes of the experiment before."""
    answers: int | None = None
    """The person's hypothesis that it tests."""
    model: str | None = None
    """Which model wrote it, where one did."""
    forfeit: Violation | None = None
    """Why there is nothing to run: the agent's own failure, such as an answer that was cut off."""
    by_person: bool = False
    """A person owes neither takeaways nor answers."""


TO_PLANT = "aa.asked"
"""The note of how many changes of nothing a person wants in a run."""
PLANTED, RETRY = "planted", "retry"
"""Modes that no strategy chooses: a change of nothing, and an undecided experiment once more."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How an experiment's proposal came about. It is a record; nothing is decided by it."""

    agent: str
    isolation: str
    model: str | None = None
    parent: int = 0
    """The experiment whose files it started from."""
    strategy: str = "greedy"
    mode: str = "improve"
    why: str = ""
    """Why this parent and this mode."""
    phase: str | None = None
    expectation: str = ""
    takeaway: str = ""
    takeaway_of: int | None = None
    """The experiment that the takeaway is about: the last one that its agent knew of."""
    answers: int | None = None
    retries: int | None = None
    """The undecided experiment that it continues."""
    returned: int = 0
    """How often it was sent back to the agent before it was taken."""
    forfeit: Violation | None = None


class HypothesisStatus(StrEnum):
    OPEN = "open"
    ANSWERED = "answered"
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """Something a person wants tried in a run; served to agents in the order of `id`."""

    id: int
    run: str
    text: str
    added_at: str
    status: HypothesisStatus = HypothesisStatus.OPEN
    experiment: int | None = None
    """The experiment that answered it."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of one call to a model. Input excludes what the cache wrote and read."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    web_searches: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """One call to a model, or one session of a client that sums up its own."""

    experiment: int
    """The experiment that it was made for."""
    agent: str
    model: str
    usage: Usage
    usd: float
    seconds: float
    outcome: str
    """How it ended: a stop reason, or the name of an error."""
    at: str = ""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What some calls took together."""

    calls: int
    usage: Usage
    usd: float
    seconds: float

    @property
    def given(self) -> int:
        """All tokens that went in, whatever the cache did with them."""
        used = self.usage
        written = used.cache_write_5m_tokens + used.cache_write_1h_tokens
        return used.input_tokens + written + used.cache_read_tokens

    @property
    def cached(self) -> float | None:
        """The share of those that the cache had; `None` where nothing went in."""
        return self.usage.cache_read_tokens / self.given if self.given else None


class AskedBy(StrEnum):
    """Who wanted an analysis."""

    AGENT = "agent"
    PERSON = "person"
    POLICY = "policy"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What an analysis printed, safe to show to a person and an agent."""

    text: str
    failure: str | None
    """Why it ended early; `None` if it ended well."""
    wall_seconds: float
    noted: bool
    """Whether it was appended to `findings.md`."""
    exit_code: int | None = None
    """Absent where it was killed."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One run of an analysis, as the journal has it."""

    experiment: int
    """That it came before, or for the policy after."""
    asked_by: AskedBy
    script_digest: str | None
    """sha256 of the script; absent where there was none."""
    at: str
    seconds: float | None = None
    """Absent where it did not end: it counts for nothing."""
    exit_code: int | None = None
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Box:
    """What an agent's own container took for one proposal, as the journal has it."""

    experiment: int
    """That the proposal was made for."""
    seconds: float
    cpu_seconds: float | None
    why: str | None
    """Why it was ended, if a limit did it."""


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """What all of them took in a run."""

    count: int
    seconds: float
    cpu_seconds: float
    """Of those that are known."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What was done for an experiment before it was proposed, as the journal has it."""

    spent: Spent | None = None
    """On calls to models; absent where none were recorded."""
    analyses: tuple[Analysis, ...] = ()
    boxes: tuple[Box, ...] = ()


class ExperimentStatus(StrEnum):
    """How an experiment ended. One that has not ended has none."""

    KEPT = "kept"
    REVERTED = "reverted"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    INVALID_OUTPUTS = "invalid-outputs"
    REFUSED = "refused"


class TrialStatus(StrEnum):
    SCORED = "scored"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    INVALID_OUTPUTS = "invalid-outputs"


class Purpose(StrEnum):
    """Why a trial runs. Each says what is scored, whether it decides, and who may know of it."""

    DECISION = "decision"
    AUDIT = "audit"
    REPLICATION = "replication"
    """What a decision saw, once more, for a person."""
    LOCKED_REPLICATION = "locked-replication"
    """What an audit saw, once more."""

    @property
    def part(self) -> str:
        """The sealed part that is scored."""
        match self:
            case Purpose.DECISION | Purpose.REPLICATION:
                return "holdout"
            case Purpose.AUDIT | Purpose.LOCKED_REPLICATION:
                return "locked"
            case _:
                assert_never(self)

    @property
    def decides(self) -> bool:
        """Whether a decision rests on it, and an agent is told a little of it."""
        match self:
            case Purpose.DECISION:
                return True
            case Purpose.AUDIT | Purpose.REPLICATION | Purpose.LOCKED_REPLICATION:
                return False
            case _:
                assert_never(self)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the engine lets each container of a trial use."""

    cpus: float
    memory_bytes: int
    pids: int
    shm_bytes: int
    artifacts_bytes: int
    outputs_bytes: int
    output_log_bytes: int
    gpus: int
    flush: bool = False
    """Whether the kernel's caches are dropped before each."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of agents' containers only."""
    runtime: str | None = None
    """An OCI runtime that the engine has; absent is the engine's default."""


class Clock(StrEnum):
    """What a budget's seconds are."""

    CPU = "cpu"
    """Of the container's processors, all of them at work."""
    WALL = "wall"
    """As they pass, whatever else the machine does."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Seconds. A container is killed at `startup` plus the budget of its own stage."""

    startup: float
    train: float
    predict: float
    score: float
    clock: Clock = Clock.WALL
    stretch: float = 1.0
    """With `Clock.CPU`: how many times as many seconds may pass meanwhile."""


class Shape(StrEnum):
    """How a trial is evaluated."""

    TWO_STEP = "two-step"
    ONE_SHOT = "one-shot"
    SERVED = "served"
    REPORTED = "reported"
    """The code under test says its number itself: nothing is sealed."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A project's own command, and where the host reads the number that it reports."""

    metric: str
    command: str
    """For `sh`, in `/workspace`; `{seed}` stands for the draw."""
    pattern: str | None
    """Text with one `{}` for the number, whose last match in the output counts; or a `file`."""
    file: str | None
    """A JSON file, relative to `/workspace` or below `/outputs`."""
    key: str
    """Where in that file, with dots."""
    data: tuple[str, ...]
    """Where the parts of the data appear, in their order, relative to `/workspace` or absolute."""
    workspace_bytes: int
    """How much the writable copy of each of the project's folders may hold."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What agent code runs in: an image of the project, and packages that are put on it."""

    base: str
    packages: tuple[str, ...] = ()
    """Requirements: names, extras, versions, markers."""
    lock: Path | None = None
    """The file with the versions and hashes of what is put on it."""


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """Everything that runs one (split, draw), by value or by digest: any host can be given it.

    A host that has the image, the data and the harness of these digests resolves them.
    """

    run: str
    experiment: int
    purpose: Purpose
    task: str
    split: str
    index: int
    """The number of its draw."""
    seed: int
    """The draw."""
    shape: Shape
    predictors: tuple[str, ...]
    """Names given to `run.sh predict NAME`, one fresh container each."""
    image_id: str
    """What the agent's code runs in."""
    scorer_image_id: str
    workspace: Files
    mutable: tuple[str, ...]
    notes: tuple[str, ...]
    data_digest: str
    harness_digest: str
    resources: Resources
    budget: Budget
    scratch: tuple[str, ...] = ()
    """Folders of the workspace that agent code may write into, empty at first."""
    reported: Reported | None = None
    """What is run, and where its number is, for the shape of that name."""
    min_gain: float = 0.0
    """What the decision asks for; a served model may differ by a fifth of it where it must not,
    or by rounding."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a trial that has just begun, for whoever watches."""

    name: str
    seconds: float
    """When it will be killed at the latest."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What the scorer said; `metrics` holds finite floats only."""

    metrics: Mapping[str, float]
    samples: tuple[float | None, ...] = ()
    """The deciding metric over samples of the rows, the same for every trial of a split; absent
    where it is not defined. Nobody is told of them."""


@dataclass(frozen=True, kw_only=True)
class Crash:
    """What a traceback on the container's output said: untrusted, escaped, capped."""

    exception: str | None
    file: str | None
    line: int | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A numeric series logged through the kit: (step, value), thinned and rounded."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One trial's end. `reason` is for the person; what an agent may see is chosen elsewhere."""

    status: TrialStatus
    reason: str
    stage: str | None = None
    """Where it failed: `train`, `predict images`, `score`."""
    limit: str | None = None
    """Which limit ended it: memory, processes, disk, file-size, output, deadline."""
    score: Score | None = None
    crash: Crash | None = None
    curves: tuple[Curve, ...] = ()
    self_modified: tuple[str, ...] = ()
    """Mutable files that training changed on disk; the change was thrown away."""
    wall_seconds: float = 0.0
    overhead_seconds: float = 0.0
    """Wall time in which no agent or scorer process ran: the supervisor's and engine's own."""
    scoring_seconds: float = 0.0
    """From the scorer's go to its end; a measurement that the journal does not keep."""
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    """Of the devices, which no container limit counts; for the person."""
    cpu_seconds: float | None = None
    artifact_bytes: int | None = None
    """What training left for its predictor, in whole pages, as the scorer's container found it."""
    processor_share: float | None = None
    """How much agent code had of the processor time that it was allowed, what nobody used left
    out: less than 1 where the machine had other work, or gave its cores away."""
    logs: Mapping[str, bytes] = field(default_factory=dict)
    """Stage → the container's capped output, for the person only."""


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A command that must end well before an experiment is kept."""

    name: str
    command: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class GuardResult:
    """A guard's end. `failed` says why, for the person; it is absent where the guard passed."""

    failed: str | None
    wall_seconds: float = 0.0
    log: bytes = b""
    """The container's capped output, for the person only."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which trial: whose program, on which split, with which draw."""

    experiment: int
    split: str
    index: int


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A finished trial as the journal keeps it."""

    purpose: Purpose
    split: str
    index: int
    """The number of its draw."""
    seed: int
    """The draw."""
    asked_by: int
    """The experiment whose decision asked for it; the best may be measured again for another's."""
    result: TrialResult


@dataclass(frozen=True, kw_only=True)
class GuardRecord:
    """A finished guard as the journal keeps it."""

    name: str
    failed: str | None
    """Why, for the person; absent where it passed."""
    wall_seconds: float


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How a candidate stands while it is still measured; nothing is decided by it."""

    experiment: int
    trials: int
    """Of the candidate, those of one draw on several splits counted once."""
    most_trials: int
    against: int
    """Trials of the best."""
    gain: float
    """Over the best, as far as one may believe it now, in the metric's unit; positive is better."""
    margin: float | None = None
    """Half of its interval of 95 %."""
    better: float | None = None
    """How probable it is that the gain is what a keep needs, where the rule says so."""
    than: str = "better"
    """What a keep needs, in words: a `min_gain` or a tie says by how much."""
    keep_from: float | None = None
    """The probability at which it is kept."""
    hope: float | None = None
    """How probable a gain is that is worth waiting for."""
    drop_below: float | None = None
    """The hope below which it is dropped."""


@dataclass(frozen=True, kw_only=True)
class Review:
    """What the review of a proposal found, once and for good."""

    violations: tuple[Violation, ...] = ()
    fingerprint: str | None = None
    """Digest of the proposed files' normalised syntax trees, to find repeats."""
    lines: int | None = None
    """Of the program, written out in one way; absent where nothing hangs on it."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What the entries about one proposal come to, with its trials."""

    run: str
    number: int
    parent_commit: str
    hypothesis: str
    category: str
    changes: tuple[ChangedFile, ...]
    origin: Origin | None = None
    """How the proposal came about; the baseline has none."""
    review: Review | None = None
    """Absent until it was reviewed."""
    status: ExperimentStatus | None = None
    rule: str | None = None
    """For a refusal: the first broken rule; for a guard that failed: `guard:NAME`; for a revert
    that its scores did not decide: `unstable`, `ignores-seed`."""
    reason: str = ""
    score: float | None = None
    """The level that the decision trials show; absent after a crash."""
    gain: float | None = None
    """Improvement over the best before it, positive is better."""
    sure: float | None = None
    """How probable it is that the gain is what a keep needs, where the rule says so."""
    weight: float | None = None
    """The number of trials that `score` is worth, where the rule says so."""
    planned: int | None = None
    """How many trials of it the rule would have asked for at most, where it had such a plan."""
    attempt_commit: str | None = None
    commit: str | None = None
    """The commit on the run's branch, for a kept experiment."""
    started_at: str = ""
    ended_at: str | None = None
    wall_seconds: float | None = None
    proposed_chain: str | None = None
    """The journal's chain at its proposal, which the attempt's commit carries."""
    decided_chain: str | None = None
    """The journal's chain at its decision, which a kept commit carries."""
    chain: str | None = None
    """The journal's chain when it was settled."""
    trials: tuple[TrialRecord, ...] = ()
    """In the order in which they ended."""
    guards: tuple[GuardRecord, ...] = ()

    @property
    def fingerprint(self) -> str | None:
        return self.review.fingerprint if self.review else None


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Where an experiment came from, without anything that was found."""

    number: int
    parent: int | None
    isolation: str | None
    """Of whoever proposed it; the baseline has neither."""
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Keep:
    """One step of the running best, as it was believed when it was taken."""

    number: int
    score: float | None
    gain: float | None
    sure: float | None
    weight: float | None
    """The number of trials that the score is worth."""
    ended_at: str | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was fixed when the run was created."""

    tag: str
    task: str
    agent: str
    agent_isolation: str
    metric: str
    direction: str
    round_to: float
    """The step in which an agent sees scores."""
    policy_text: str
    policy_digest: str
    harness_digest: str
    template_digest: str
    image_id: str
    """What the agent's code runs in; the scorer has an image of the project's own."""
    scorer_image_id: str
    data_digest: str
    device: str
    base_commit: str
    created_at: str
    runner_version: str
    rules_digest: str
    """Of the code that reviews and decides."""
    draws_digest: str
    """sha256 of the secret that the draws are made from."""
    self_reported: bool = False
    """Whether the code under test says its own score: nothing of it is sealed."""
