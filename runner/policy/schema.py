"""The policy of one task as a typed, frozen value; it holds only what is implemented.

What this does not protect against: a policy that is valid and careless.
A person decides what an agent may edit; the schema only refuses what cannot work.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from runner import records
from runner.decision import Price
from runner.patterns import PATH, PATTERN, FilePatterns
from runner.policy.paths import WORKSPACE, mount_place
from runner.policy.quantities import duration, size

SLUG = r"^[a-z][a-z0-9_-]{0,40}$"
MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$"


def _text(pattern: str, words: str, *, longest: int = 100) -> Any:
    """A constrained string; its `$comment` is what error messages call it."""
    return Field(pattern=pattern, max_length=longest, json_schema_extra={"$comment": words})


Slug = Annotated[str, _text(SLUG, "a lower-case name such as eclip or mean_rank", longest=41)]
PlainPath = Annotated[str, _text(PATH, "a relative ASCII path such as train.py or src/model.py")]
PathPattern = Annotated[
    str, _text(PATTERN, "a relative ASCII path such as train.py, or a pattern such as src/**/*.py")
]
Module = Annotated[str, _text(MODULE, "a module such as torch or concurrent.futures")]
REPORT = r"^(/outputs/)?[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"
ReportPath = Annotated[
    str, _text(REPORT, "a path such as results/metrics.json or /outputs/metrics.json")
]
DATA_PATH = r"^(/|~/|(\.\./)+)?\.?\w[\w.+,=()@' -]*(/\.?\w[\w.+,=()@' -]*)*$"
DataPath = Annotated[
    str, _text(DATA_PATH, "a path such as data, ../data, ~/data or /datasets/mnist")
]
Word = Annotated[str, Field(min_length=1, max_length=1000)]
VARIABLE = r"^[A-Z][A-Z0-9_]*=[ -~]*$"
Variable = Annotated[
    str, _text(VARIABLE, "NAME=value in plain ASCII, such as OMP_WAIT_POLICY=ACTIVE", longest=200)
]
Forbidden = Literal["dynamic-code", "process", "network", "seed-only-change"]
FORBIDDEN: tuple[str, ...] = get_args(Forbidden)
StrategyName = Literal["greedy", "topk", "random"]
DOMAIN = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$"
Domain = Annotated[str, _text(DOMAIN, "a domain such as arxiv.org", longest=253)]


class Strict(BaseModel):
    """Unknown keys are errors, nothing is converted silently, and a loaded policy never changes."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


ImageName = Literal["cpu", "tabular", "cuda"]


class Image(Strict):
    """What agent code runs in; a name alone is that image, with nothing put on it."""

    base: ImageName
    """An image of the project."""
    packages: Annotated[tuple[Word, ...], Field(max_length=200)] = ()
    """Put on it, as wheels of the package index: NAME, or NAME==VERSION and the like. Versions and
    hashes of all that they bring are in the lock beside the policy, which `runner setup` writes."""


def _named(image: object) -> object:
    return {"base": image} if isinstance(image, str) else image


class Metric(Strict):
    """The one number that decides."""

    name: Slug
    """Key of the scorer's document."""
    direction: Literal["minimize", "maximize"]
    """Which way is better."""
    round_to: Annotated[float, Field(gt=0)]
    """Step to which the score is rounded before an agent sees it."""


class FileRules(Strict):
    """Which files of the workspace an agent may change; every other one is frozen."""

    mutable: Annotated[tuple[PathPattern, ...], Field(min_length=1, max_length=50)]
    """Files that decide the experiment, by paths or patterns; each alone is mounted writable.
    `*` is any part of one name, `**` any number of folders, as docs/rules.md says."""
    frozen: Annotated[tuple[PathPattern, ...], Field(max_length=50)] = ()
    """Files that stay as they are although a pattern of `mutable` matches them."""
    may_add: bool = False
    """Whether files that a pattern of `mutable` matches may be added and removed."""
    scratch: Annotated[tuple[PlainPath, ...], Field(max_length=20)] = ()
    """Folders that agent code may write into, as a script does that logs beside itself: empty in
    each container, at most `resources.artifacts` each, and gone with it."""
    notes: Annotated[tuple[PlainPath, ...], Field(max_length=50)]
    """Files that never enter a container and that no revert takes back."""


class Imports(Strict):
    """Modules that Python source may import."""

    allow: Annotated[tuple[Module, ...], Field(max_length=500)]
    """A name allows the module and everything under it."""


class Edits(Strict):
    """Limits of one proposal, and rules on the syntax tree of its Python files."""

    max_files: Annotated[int, Field(ge=1, le=50)]
    """Mutable files that one proposal may change."""
    max_added_lines: Annotated[int, Field(ge=1, le=100_000)]
    """Lines of all mutable files together that are not in the version they replace."""
    max_file_bytes: Annotated[int, Field(ge=1, le=1_000_000)]
    """Size of any changed file, notes too."""
    max_line_bytes: Annotated[int, Field(ge=1, le=1_000_000)]
    """Length of any line of a mutable file."""
    max_new_information: Annotated[int, Field(ge=1, le=50_000_000)]
    """Compressed bytes of the changed mutable files, given all of those before the change."""
    max_information: Annotated[int, Field(ge=1, le=50_000_000)]
    """Compressed bytes of all mutable files together, as the proposal leaves them."""
    imports: Imports | None = None
    """Null allows every import."""
    forbid: tuple[Forbidden, ...]
    """Rules on what the source calls and changes; an empty list switches them off."""


class Resources(Strict):
    """What the engine lets each container use. What is written to tmpfs counts as memory."""

    cpus: Annotated[float, Field(gt=0, le=1024)]
    """Processor cores; a fraction is fine."""
    memory: Annotated[int, *size("64m", "4096g")]
    """Memory; swap is never added."""
    pids: Annotated[int, Field(ge=16, le=100_000)]
    """Processes and threads."""
    shm: Annotated[int, *size("1m", "1024g")]
    """`/dev/shm`, which data loaders use."""
    artifacts: Annotated[int, *size("4k", "1024g")]
    """What training may leave for its predictor."""
    outputs: Annotated[int, *size("4k", "1024g")]
    """What the scorer reads."""
    log: Annotated[int, *size("4k", "256m")]
    """A container's standard output and error; reaching it ends the trial."""
    gpus: Annotated[int, Field(ge=0, le=16)]
    """Graphics processors."""
    flush: bool | None = None
    """Drop the kernel's caches before each container; null: where `evaluation.shared_targets`."""
    environment: Annotated[tuple[Variable, ...], Field(max_length=32)] = ()
    """Environment variables of what the agent wrote; the scorer does not have them."""
    runtime: Word | None = None
    """OCI runtime of every container, as the engine names it: `runsc`; null: its default."""


class Budget(Strict):
    """Time of one trial; a container is killed at `startup` plus its own stage's budget."""

    startup: Annotated[float, *duration()]
    """Starting the container and importing, before the clock of the stage starts."""
    train: Annotated[float, *duration()]
    """Training; the script is told and should stop by itself."""
    predict: Annotated[float, *duration()] = 60.0
    """Each predictor, where there are any."""
    score: Annotated[float, *duration()] = 60.0
    """The scorer, where there is one."""
    clock: Literal["cpu", "wall"] | None = None
    """Which seconds these are. `cpu`: of `resources.cpus` processors at work, so that other work on
    the machine makes a trial longer, and no score worse; `wall`: as they pass; null: `cpu` without
    GPUs."""
    stretch: Annotated[float, Field(ge=1, le=100)] = 3.0
    """With the clock `cpu`, how many times as many seconds may pass before the kill."""


class Reported(Strict):
    """A project's own command, and where it says its number. Nothing of that is sealed."""

    run: Annotated[str, Field(min_length=1, max_length=4000)]
    """For `sh`, in `/workspace`; `{seed}` stands for the trial's draw, as `$RUNNER_SEED` does."""
    pattern: Annotated[str, Field(max_length=200)] | None = None
    """Text with one `{}` where the number is; the last match in the output counts."""
    file: ReportPath | None = None
    """A JSON file that holds the number instead; it must be written in place, not renamed."""
    key: Annotated[str, Field(max_length=200)] = ""
    """Where in that file, with dots, as in `val.loss`; empty where the file is the number alone."""
    data: Annotated[tuple[DataPath, ...], Field(max_length=50)] = ()
    """Where the project looks for its data, which are mounted there and cannot be written."""
    workspace: Annotated[int, *size("64k", "1024g")] = 1024**3
    """What the command may write into each folder of its copy of the project."""


class Evaluation(Strict):
    """How a trial is evaluated."""

    shape: Literal["two-step", "one-shot", "served", "reported"]
    """Fresh predictors get inputs, training writes outputs, a model answers the scorer, or the code
    under test reports its own number."""
    reported: Reported | None = None
    """What runs and where its number is, for the shape of that name only."""
    predict: Annotated[tuple[Slug, ...], Field(max_length=8)] = ()
    """Names given to `run.sh predict NAME`, one fresh container each."""
    splits: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]
    """Training parts that decide; each is a trial of its own."""
    audit_splits: Annotated[tuple[Slug, ...], Field(max_length=20)] | None = None
    """Training parts that are scored on the locked part after a keep; null: `splits`."""
    shared_targets: bool = False
    """One split's training targets are another split's evaluation targets, so that what comes back
    from a trainer could tell them: of a crash an agent is told type, file and line, and no curves.
    Must be said where there are several splits, those of the audit included."""

    @property
    def audited(self) -> tuple[str, ...]:
        """The splits of the audit."""
        return self.splits if self.audit_splits is None else self.audit_splits


class Simplicity(Strict):
    """A shorter program is worth a little."""

    tie_within: Annotated[float, Field(ge=0)]
    """A score no more than this worse than the best is kept if the program became shorter."""


class Guard(Strict):
    """What must hold before an experiment is kept: a command's exit with 0, or a number's bounds.

    A command runs in a container like the trainer's, with `/workspace` and `/data`. It meets honest
    mistakes: the agent's code runs in it and can end it as it likes. A number is the engine's or
    the scorer's, over the experiment's own trials.
    """

    name: Slug
    """What a revert says."""
    run: Annotated[tuple[Word, ...], Field(min_length=1, max_length=50)] | None = None
    """The program and its arguments; there is no shell."""
    seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """When the command is killed, after `budget.startup`."""
    number: Slug | None = None
    """In place of a command: `peak_memory_gb` or `artifact_bytes`, the most of any trial;
    `cpu_seconds`, or a metric of the scorer, the mean over trials."""
    at_most: float | None = None
    at_least: float | None = None
    worse_by: Annotated[float, Field(ge=0)] | None = None
    """By how many percent of the best's it may be worse; null: by any."""
    better: Literal["low", "high"] | None = None
    """Which way is worse, for a metric of the scorer with `worse_by`."""


class DecisionRule(Strict):
    """When a proposal is kept, and how often both sides are measured for that."""

    rule: Literal["posterior", "strict", "ladder"] = "posterior"
    """`posterior`: it is probably better, given all trials of both sides; `strict`: the mean over
    its trials beats the best; `ladder`: one trial beats the best by its standard error."""
    false_keeps: Annotated[float, Field(ge=0.01, le=0.5)] | None = None
    """The share of keeps that may be luck; null: 0.05 for `posterior`, which alone has one."""
    most_trials: Annotated[int, Field(ge=1, le=100)] | None = None
    """Of each split of a proposal; null: 14 for `posterior`, 2 for `strict`, 1 for `ladder`."""
    min_gain: Annotated[float, Field(ge=0)] = 0.0
    """A smaller gain is not worth a keep, however certain it is."""
    price_per_line: Annotated[float, Field(ge=0)] = 0.0
    """What the gain must be more for each line that the program becomes longer; of the mutable
    files' syntax trees, written out in one way."""
    simplicity: Simplicity | None = None
    """Null: a tie reverts."""

    @property
    def trials(self) -> int:
        """Of each split of a proposal, at most."""
        return MOST_TRIALS[self.rule] if self.most_trials is None else self.most_trials

    @property
    def counts_lines(self) -> bool:
        """Whether anything hangs on how long a program is."""
        return self.simplicity is not None or self.price_per_line > 0

    @property
    def price(self) -> Price:
        """The gain that a keep needs."""
        return Price(min_gain=self.min_gain, per_line=self.price_per_line)


ENGINES_NUMBERS = ("peak_memory_gb", "cpu_seconds", "artifact_bytes")
"""What a guard may bound besides the scorer's metrics; low is good."""
MOST_TRIALS = {"posterior": 14, "strict": 2, "ladder": 1}
FALSE_KEEPS = 0.05


class Strategy(Strict):
    """Which experiment the next proposal starts from."""

    name: StrategyName = "greedy"
    """`greedy`: the best; `topk`: the best three, every fifth explores; `random`: any scored."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """After so many experiments without a keep, `then`, until the next keep; null: never."""
    then: StrategyName = "topk"
    """What a plateau changes to."""


class Relax(Strict):
    """What the review allows in a phase; it may only be more than elsewhere."""

    max_added_lines: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """In place of `edits.max_added_lines`; null: the same."""
    max_files: Annotated[int, Field(ge=1, le=50)] | None = None
    """In place of `edits.max_files`; null: the same."""
    max_new_information: Annotated[int, Field(ge=1, le=50_000_000)] | None = None
    """In place of `edits.max_new_information`; null: the same. `max_information` holds always."""
    imports: Annotated[tuple[Module, ...], Field(max_length=500)] = ()
    """Allowed besides those of `edits.imports`."""


class WebSearch(Strict):
    """What the model, never a container, may search through its own API."""

    domains: Annotated[tuple[Domain, ...], Field(min_length=1, max_length=100)]
    """Nothing else is searched."""
    uses: Annotated[int, Field(ge=1, le=100)]
    """Searches for one proposal."""


class Phase(Strict):
    """A part of a run."""

    name: Slug
    """What the journal calls it."""
    share: Annotated[float, Field(gt=0, le=1)]
    """Of `limits.experiments` or `limits.hours`; the shares of all phases sum to 1."""
    hint: Annotated[str, Field(max_length=2000)] = ""
    """What agents are told in it."""
    relax: Relax = Relax()
    web_search: WebSearch | None = None
    """Only in the last phase; null: no search."""


class Analysis(Strict):
    """Questions to rows that every split trains on, between experiments."""

    every: Annotated[int, Field(ge=1)] | None = None
    """`analysis.py` runs after every so many experiments; null: never by itself."""
    on_request: bool = True
    """Whether an agent may ask for one."""
    most: Annotated[int, Field(ge=0, le=100)] = 5
    """How many an agent may ask for before one experiment; they are recorded."""
    seconds: Annotated[float, *duration()] = 15.0
    """When one is killed, after `budget.startup`: it is there to look, not to solve."""


class AgentBox(Strict):
    """What an agent gets that runs in a container of its own; other agents have none."""

    shell: bool = True
    """Whether it may run commands; only claude-code can do without."""
    cpus: Annotated[float, Field(gt=0, le=1024)] = 1.0
    """Processor cores; with `minutes`, the most that it can spend on one proposal."""
    memory: Annotated[int, *size("512m", "4096g")] = 4 * 1024**3
    """Memory, what it writes included."""
    minutes: Annotated[float, Field(gt=0, le=1440)] = 30.0
    """When the container is killed; one proposal has one container."""
    data: Literal["public", "none"] = "public"
    """`public`: rows that every split trains on, if the task has such, are in it at `/data`."""


class Limits(Strict):
    """When a run ends by itself."""

    experiments: Annotated[int, Field(ge=0)] | None
    """Experiments after the baseline; null is no limit."""
    hours: Annotated[float, Field(gt=0)] | None
    """Time at work, that of earlier starts included; null is no limit."""
    consecutive_failures: Annotated[int, Field(ge=1)]
    """Crashed, timed out or invalid experiments in a row, and proposals given up on."""
    usd: Annotated[float, Field(ge=0)] | None = None
    """What calls to models may cost, in US dollars; null is no limit."""


class Policy(Strict):
    """What an agent may change and what a run may use."""

    task: Slug
    """Name that the policy, `harness/tasks/` and `workspace-template/` share."""
    metric: Metric
    files: FileRules
    edits: Edits
    image: Annotated[Image, BeforeValidator(_named, json_schema_input_type=ImageName | Image)]
    """Image that trainers and predictors run in; scorers have one of the project's own."""
    resources: Resources
    budget: Budget
    evaluation: Evaluation
    decision: DecisionRule = DecisionRule()
    guards: Annotated[tuple[Guard, ...], Field(max_length=8)] = ()
    """Run in this order, once the trials say keep; the first that fails reverts."""
    stop_at: float | None = None
    """The run ends when the best score is as good as this; null: it goes on."""
    strategy: Strategy = Strategy()
    phases: Annotated[tuple[Phase, ...], Field(max_length=8)] = ()
    """Parts of a run, in order; an empty list is one part."""
    analysis: Analysis = Analysis()
    agent: AgentBox = AgentBox()
    limits: Limits

    @property
    def patterns(self) -> FilePatterns:
        """Which files may change: what the review, the audit and agents go by.

        None where a trial of a project's own command mounts something itself.
        """
        files, asked, frozen = self.files, self.evaluation.reported, list(self.files.frozen)
        for path in (*asked.data, *filter(None, [asked.file])) if asked else ():
            place = mount_place(path).removeprefix(f"{WORKSPACE}/")
            frozen += [] if place.startswith("/") else [place, f"{place}/**"]
        return FilePatterns(
            mutable=files.mutable,
            frozen=tuple(frozen),
            may_add=files.may_add,
            notes=files.notes,
        )

    @property
    def shape(self) -> records.Shape:
        """How a trial is evaluated."""
        return records.Shape(self.evaluation.shape)

    @property
    def self_reported(self) -> bool:
        """Whether the code under test says its own score."""
        return self.shape is records.Shape.REPORTED

    @property
    def trial_seconds(self) -> float:
        """The longest that the containers of one trial may take together, on the wall."""
        budget, asked = self.budget, self.evaluation
        predictors = len(asked.predict) or (2 if asked.shape == "served" else 0)
        stages = budget.startup + budget.train + budget.score
        stages += predictors * (budget.startup + budget.predict)
        return stages * self.budget_record().stretch

    @property
    def flushed(self) -> bool:
        """Whether the kernel's caches are dropped before each container."""
        chosen = self.resources.flush
        return self.evaluation.shared_targets if chosen is None else chosen

    @property
    def clock(self) -> records.Clock:
        """Which seconds a budget is in."""
        return records.Clock(self.budget.clock or ("wall" if self.resources.gpus else "cpu"))

    def resources_record(self) -> records.Resources:
        """What the engine is told."""
        asked = self.resources
        return records.Resources(
            cpus=asked.cpus,
            memory_bytes=asked.memory,
            pids=asked.pids,
            shm_bytes=asked.shm,
            artifacts_bytes=asked.artifacts,
            outputs_bytes=asked.outputs,
            output_log_bytes=asked.log,
            gpus=asked.gpus,
            flush=self.flushed,
            environment=dict(each.split("=", 1) for each in asked.environment),
            runtime=asked.runtime,
        )

    def guards_records(self) -> tuple[records.Guard, ...]:
        """The commands that must end well before a keep."""
        return tuple(
            records.Guard(name=guard.name, command=guard.run, seconds=guard.seconds)
            for guard in self.guards
            if guard.run is not None and guard.seconds is not None
        )

    def reported_record(self) -> records.Reported | None:
        """What a self-reported trial runs, and where its number is."""
        asked = self.evaluation.reported
        if asked is None:
            return None
        return records.Reported(
            metric=self.metric.name,
            command=asked.run,
            pattern=asked.pattern,
            file=asked.file,
            key=asked.key,
            data=asked.data,
            workspace_bytes=asked.workspace,
        )

    def budget_record(self) -> records.Budget:
        """What the deadlines are made of, in seconds."""
        asked, clock = self.budget, self.clock
        return records.Budget(
            startup=asked.startup,
            train=asked.train,
            predict=asked.predict,
            score=asked.score,
            clock=clock,
            stretch=asked.stretch if clock is records.Clock.CPU else 1.0,
        )
