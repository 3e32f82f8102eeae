"""A run without an engine: the real ledger, repository, review and loop around scripted trials."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner import data, rooms
from runner.errors import SpentError
from runner.journal.entries import now
from runner.journal.store import open_journal
from runner.logs import event_log
from runner.policy.load import LoadedPolicy, parse_policy
from runner.records import (
    EXECUTABLE,
    Change,
    Crash,
    File,
    Files,
    Findings,
    Guard,
    GuardResult,
    ModelCall,
    Proposal,
    Run,
    Score,
    TrialResult,
    TrialSpec,
    TrialStatus,
    Violation,
)
from runner.rules_digest import rules_digest
from runner.seams import Context, Desk
from runner.session import Session
from runner.workspace import Workspace, tree_digest

TAG = "t1"
POLICY_TEXT = rooms.policy_path("eclip").read_text(encoding="utf-8")
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

    def guard(self, spec: TrialSpec, guard: Guard) -> GuardResult:
        self.guarded.append((spec.experiment, guard.name))
        return GuardResult(failed=self.guards(spec, guard), log=b"said")

    def run(self, spec: TrialSpec) -> TrialResult:
        self.specs.append(spec)
        return self.results(spec)


@dataclass
class FakeDesk:
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
    def reserved(self, usd: float) -> Iterator[None]:
        if self.left is not None and usd > self.left:
            raise SpentError("spent")
        self.reservations.append(usd)
        yield

    def usd_left(self) -> float | None:
        return self.left

    def record(self, call: ModelCall) -> None:
        self.calls.append(call)
        self.left = None if self.left is None else self.left - call.usd

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

    def propose(self, context: Context, desk: Desk) -> Proposal | None:
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

    The state folder is `tmp_path / "state"`; `more` goes to `Session` (`finished`, `stop_asked`).
    """
    state = rooms.State(tmp_path / "state")
    policy = parse_policy(policy_text)
    prepared = prepare(state, policy.policy.task)
    with open_journal(state.ledger) as ledger, event_log(state.events(tag), run=tag) as log:
        if ledger.run(tag) is None:
            when = now()
            made = Workspace.create(
                state.repository(tag), tag, template=template, harness=harness, when=when
            )
            ledger.create_run(run_record(tag, policy, made, prepared, when))
        run = ledger.run(tag)
        assert run is not None
        workspace = Workspace(state.repository(tag), tag, log.info)
        yield Session(
            run=run,
            policy=policy.policy,
            ledger=ledger,
            workspace=workspace,
            sandbox=sandbox,
            data=prepared,
            state=state,
            harness=workspace.harness(),
            log=log,
            **more,
        )


def prepare(state: rooms.State, task: str) -> data.Prepared:
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
    tag: str, policy: LoadedPolicy, workspace: Workspace, prepared: data.Prepared, when: str
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
        data_digest=prepared.digest,
        device="cpu",
        base_commit=workspace.head(),
        created_at=when,
        runner_version="0.1.0",
        rules_digest=rules_digest(),
    )
