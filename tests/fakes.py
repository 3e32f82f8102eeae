"""A run without an engine: the real journal, repository, review and loop around scripted trials."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from runner import __version__, data, draws, paths
from runner.decision import Decision, Metric, Price, Tie
from runner.errors import SpentError, StoppedError
from runner.executor import LocalExecutor
from runner.experiment.steps import judged
from runner.journal.entries import now
from runner.journal.store import open_journal
from runner.logs import event_log, words
from runner.policy.load import LoadedPolicy, parse_policy
from runner.progress import Tracker
from runner.records import (
    EXECUTABLE,
    REGULAR,
    Change,
    ChangedFile,
    Crash,
    Experiment,
    File,
    Files,
    Findings,
    Guard,
    GuardResult,
    ModelCall,
    Place,
    Proposal,
    Purpose,
    Run,
    Score,
    Stage,
    TrialRecord,
    TrialResult,
    TrialSpec,
    TrialStatus,
    Violation,
)
from runner.rules import Ask, Evidence
from runner.rules.strict import Strict
from runner.rules_digest import rules_digest
from runner.seams import Context, Supervisor
from runner.session import Person, Session
from runner.workspace import Workspace, tree_digest

TAG = "t1"
SHIPPED = paths.policy_path("eclip").read_text(encoding="utf-8")
STRICT = """\
decision:
  rule: strict               # two trials of each proposal, whose mean is compared
  most_trials: 2             # the second is skipped when the first is already worse
  min_gain: 1.0

"""
POLICY_TEXT = re.sub(r"^decision:\n(  .*\n)+\n", STRICT, SHIPPED, flags=re.MULTILINE)
"""Eclip's policy under the rule `strict`, by which scripted scores are easily followed."""


def with_files(text: str, **said: str) -> str:
    """Return a policy's text with other words for keys of `files`."""
    for key, value in said.items():
        text, count = re.subn(rf"^  {key}: .*$", f"  {key}: {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    return text


TRAIN = b'"""Train."""\n\nWIDTH = 32\nRATE = 0.001\n'
TEMPLATE: Files = {
    "run.sh": File(content=b'#!/bin/sh\nexec python train.py "$@"\n', mode=EXECUTABLE),
    "scratchpad.md": File(content=b"# Scratchpad\n"),
    "train.py": File(content=TRAIN),
}
HARNESS: Files = {
    "__main__.py": File(content=b"print('{}')\n"),
    "kit/__init__.py": File(content=b'"""The kit."""\n'),
}
IMAGE_ID = f"sha256:{'1' * 64}"


@dataclass
class FakeSandbox:
    """Answers each trial from a function, and remembers what it was asked to run."""

    results: Callable[[TrialSpec], TrialResult]
    specs: list[TrialSpec] = field(default_factory=list)
    guards: Callable[[TrialSpec, Guard], str | None] = lambda *_: None
    """Says why a guard fails."""
    guarded: list[tuple[int, str]] = field(default_factory=list)
    abort: threading.Event = field(default_factory=threading.Event)
    watch: Callable[[Stage], None] = lambda _: None

    def stop_if_asked(self) -> None:
        if self.abort.is_set():
            raise StoppedError("stopped by hand")

    def guard(self, spec: TrialSpec, guard: Guard) -> GuardResult:
        self.stop_if_asked()
        self.guarded.append((spec.experiment, guard.name))
        return GuardResult(failed=self.guards(spec, guard), log=b"said")

    def run(self, spec: TrialSpec) -> TrialResult:
        self.stop_if_asked()
        self.specs.append(spec)
        return self.results(spec)


@dataclass
class FakeSupervisor:
    """Sends proposals back as `verdicts` say, in turn, and remembers what it was asked."""

    verdicts: list[tuple[Violation, ...]] = field(default_factory=list)
    findings: str = "nothing found"
    left: float | None = None
    """US dollars; `None` is no limit."""
    stopping: bool = False
    proposals: list[Proposal] = field(default_factory=list)
    analyses: list[bytes | None] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    waits: list[tuple[str, float]] = field(default_factory=list)
    talk: list[tuple[str, str]] = field(default_factory=list)
    reservations: list[float] = field(default_factory=list)
    objections: Callable[[Proposal], tuple[Violation, ...]] = lambda _: ()
    """What the review says of a proposal in the making."""
    violations: list[tuple[str, str]] = field(default_factory=list)

    def review(self, proposal: Proposal) -> tuple[Violation, ...]:
        return self.objections(proposal)

    def violation(self, path: str, what: str) -> None:
        self.violations.append((path, what))

    def send_back(self, proposal: Proposal) -> tuple[Violation, ...]:
        self.proposals.append(proposal)
        return self.verdicts.pop(0) if self.verdicts else ()

    def returns_left(self) -> int:
        return len(self.verdicts)

    def analyze(self, script: bytes | None) -> str:
        self.analyses.append(script)
        return self.findings

    @contextmanager
    def reserved(self, usd: float, *, wait: bool = True) -> Iterator[None]:
        if self.left is not None and usd > self.left:
            raise SpentError("spent")
        self.reservations.append(usd)
        yield

    def usd_left(self) -> float | None:
        return self.left

    def record(self, call: ModelCall) -> None:
        self.calls.append(call)
        self.left = None if self.left is None else self.left - call.usd

    def said(self, role: str, content: Any) -> None:
        self.talk.append((role, words(content)))

    def waiting(self, what: str, seconds: float) -> None:
        self.waits.append((what, seconds))

    def stop_asked(self) -> bool:
        return self.stopping


def found(text: str = "found", **more: Any) -> Findings:
    """Return what an analysis found."""
    return Findings(text=text, noted=False, **{"failure": None, "wall_seconds": 0.5} | more)


@dataclass
class ScriptedAgent:
    """Proposes its list in order; the experiment's number says where it is."""

    proposals: Sequence[Proposal]
    name: str = "scripted"
    isolation: str = "api"
    ahead: int = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        place = context.number - 1
        return self.proposals[place] if place < len(self.proposals) else None


def scored(value: float, metric: str = "mean_rank", **metrics: float) -> TrialResult:
    return TrialResult(
        status=TrialStatus.SCORED, reason="scored", score=Score(metrics={metric: value, **metrics})
    )


def crashed(reason: str = "train: ValueError: no", limit: str | None = None) -> TrialResult:
    crash = Crash(exception="ValueError", file="train.py", line=3, message="no")
    return TrialResult(
        status=TrialStatus.CRASHED, reason=reason, stage="train", limit=limit, crash=crash
    )


def timed_out(reason: str = "train: killed at the deadline of 14 s") -> TrialResult:
    return TrialResult(status=TrialStatus.TIMEOUT, reason=reason, stage="train", limit="deadline")


def invalid_outputs(reason: str = "images: not-finite") -> TrialResult:
    return TrialResult(status=TrialStatus.INVALID_OUTPUTS, reason=reason, stage="score")


def decide(
    metric: Metric,
    best: float | None,
    results: Sequence[TrialResult],
    *,
    planned: int,
    min_gain: float,
    splits: int = 1,
    tie: Tie | None = None,
    per_line: float = 0.0,
    added_lines: int = 0,
) -> Decision | Ask:
    """Have the rule `strict` judge the trials so far of experiment 1, in the order of its plan."""
    price = Price(min_gain=min_gain, per_line=per_line)
    rule = Strict(metric=metric, price=price, seeds=planned // splits, most_trials=planned)
    names = tuple("abcdefgh"[:splits])
    plan = [
        Place(experiment=1, split=name, index=draws.index(1, count))
        for count in range(rule.seeds)
        for name in names
    ]
    trials = {
        place: trial(Purpose.DECISION, result, split=place.split, index=place.index, asked_by=1)
        for place, result in zip(plan, results, strict=False)
    }
    seen = Evidence(number=1, splits=names, best=best, tie=tie, added_lines=added_lines)
    answer, _ = judged(rule, seen, trials)
    return answer


BYTES: dict[str, bytes] = {}


def named(content: bytes | None, path: str = "train.py") -> ChangedFile:
    """Return a changed file as the journal names it; `read` has its bytes, as git would."""
    blob = None if content is None else hashlib.sha1(content).hexdigest()  # noqa: S324 - as git does
    if content is not None and blob is not None:
        BYTES[blob] = content
    return ChangedFile(path=path, mode=REGULAR, blob=blob)


def read(blobs: Sequence[str]) -> list[bytes]:
    return [BYTES[blob] for blob in blobs]


def changed(folder: Path, experiment: Experiment) -> tuple[Change, ...]:
    """Return what an experiment of the run below a folder changed, with its bytes."""
    repository = paths.State(folder / "state").repository(experiment.run)
    return Workspace(repository, experiment.run).loaded(experiment.changes)


def trial(
    purpose: Purpose,
    result: TrialResult,
    *,
    split: str = "train",
    index: int = 0,
    asked_by: int = 0,
) -> TrialRecord:
    return TrialRecord(
        purpose=purpose, split=split, index=index, seed=index, asked_by=asked_by, result=result
    )


def edit(old: str, new: str, hypothesis: str = "try it", notes: str | None = None) -> Proposal:
    """Propose the template's `train.py` with one replacement, and perhaps a new scratchpad."""
    changes = [Change(path="train.py", content=TRAIN.replace(old.encode(), new.encode()))]
    if notes is not None:
        changes.append(Change(path="scratchpad.md", content=notes.encode()))
    return Proposal(hypothesis=hypothesis, changes=tuple(changes))


@contextmanager
def make_session(
    tmp_path: Path,
    sandbox: Any,
    *,
    tag: str = TAG,
    policy_text: str = POLICY_TEXT,
    template: Files = TEMPLATE,
    harness: Files = HARNESS,
    **more: Any,
) -> Iterator[Session]:
    """Yield a session of the run `tag` below `tmp_path`, made the first time and opened after.

    The state folder is `tmp_path / "state"`; `more` goes to `Person` (`finished`, `stop_asked`) or
    to `Session`. Several sandboxes are several devices.
    """
    person = Person(**{name: more.pop(name) for name in PERSON if name in more})
    state = paths.State(tmp_path / "state")
    policy = parse_policy(policy_text)
    prepared = prepare(state, policy.policy.task)
    with open_journal(state.journal) as journal, event_log(state.events(tag), run=tag) as log:
        if journal.run(tag) is None:
            when = now()
            made = Workspace.create(
                state.repository(tag), tag, template=template, harness=harness, when=when
            )
            secret = draws.make_secret(state.secret(tag))
            journal.create_run(run_record(tag, policy, made, prepared, when, secret))
        run = journal.run(tag)
        assert run is not None
        workspace = Workspace(state.repository(tag), tag, log.info)
        executor = executor_on(sandbox, more.get("progress"))
        yield Session(
            run=run,
            policy=policy.policy,
            journal=journal,
            workspace=workspace,
            executor=executor,
            data=prepared,
            state=state,
            harness=workspace.harness(),
            secret=state.secret(tag).read_bytes(),
            log=log,
            person=person,
            **more,
        )
        executor.close()


PERSON = ("say", "finished", "waiting", "stop_asked")


def executor_on(sandbox: Any, progress: Tracker | None = None) -> LocalExecutor:
    """Return what runs trials in this sandbox, or in one of these each."""
    several = sandbox if isinstance(sandbox, list) else [sandbox]
    return LocalExecutor(
        [(partial(_watched, one), lambda _: nullcontext()) for one in several],
        abort=getattr(several[0], "abort", None),
        progress=progress,
    )


def _watched(sandbox: Any, watch: Callable[[Stage], None], show: Callable[[bytes], None]) -> Any:
    for name, told in (("watch", watch), ("show", show)):
        if hasattr(sandbox, name):
            setattr(sandbox, name, told)
    return sandbox


def prepare(state: paths.State, task: str) -> data.Prepared:
    """Leave a small data folder with a manifest, as `runner prepare` would."""
    folder = state.data(task)
    if not (folder / "manifest.json").exists():
        (folder / "train").mkdir(parents=True)
        (folder / "train" / "x.npy").write_bytes(b"x")
        digest = hashlib.sha256(b"x").hexdigest()
        public = f'{{"train/x.npy": {{"bytes": 1, "sha256": "{digest}"}}}}'
        (folder / "manifest.json").write_text(f'{{"format": 1, "public": {public}}}\n')
    return data.load(state, task)


def run_record(
    tag: str,
    policy: LoadedPolicy,
    workspace: Workspace,
    prepared: data.Prepared,
    when: str,
    secret: bytes = b"secret",
) -> Run:
    return Run(
        tag=tag,
        task=policy.policy.task,
        agent="scripted",
        agent_isolation="api",
        metric=policy.policy.metric.name,
        direction=policy.policy.metric.direction,
        round_to=policy.policy.metric.round_to,
        policy_text=policy.text,
        policy_digest=policy.digest,
        harness_digest=tree_digest(workspace.harness()),
        template_digest=tree_digest(workspace.files(workspace.head())),
        image_id=IMAGE_ID,
        scorer_image_id=IMAGE_ID,
        data_digest=prepared.digest,
        device="cpu",
        base_commit=workspace.head(),
        created_at=when,
        runner_version=__version__,
        rules_digest=rules_digest(),
        draws_digest=draws.digest(secret),
    )
