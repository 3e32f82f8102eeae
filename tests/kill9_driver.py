"""A supervisor that a SIGKILL ends at a step of its journal; the tests start it as a process.

The steps are the calls that leave something behind: in the journal, in git, and a trial itself.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

from fakes import FakeSandbox, ScriptedAgent, crashed, edit, make_session, scored

from runner.draws import index
from runner.journal.store import Journal
from runner.records import Change, Proposal, Purpose, TrialRecord, TrialResult, TrialSpec
from runner.scheduler import run_loop
from runner.session import Session
from runner.workspace import Workspace

PROPOSALS = (
    replace(edit("WIDTH = 32", "WIDTH = 64", "kept", notes="kept\n"), answers=1),
    edit("WIDTH = 32", "WIDTH = 65", "crashes", notes="crashed\n"),
    Proposal(hypothesis="refused", changes=(Change(path="run.sh", content=b""),)),
)
MORE = (*PROPOSALS, edit("RATE = 0.001", "RATE = 0.002", "kept too"))
ANSWERS = {0: scored(100.0), 1: scored(90.0), 2: crashed(), 4: scored(80.0)}
PATIENCE = 30.0


def _second(_: str, number: int, *_more: Any, **_named: Any) -> object:
    return number


def _trial(_: str, number: int, trial: TrialRecord) -> object:
    return f"{number} {trial.purpose} {trial.index}"


STEPS: dict[tuple[type, str], Callable[..., object]] = {
    (Journal, "propose"): lambda experiment, _: experiment.number,
    (Workspace, "attempt"): lambda number, *_: number,
    (Journal, "attempt_stored"): _second,
    (Journal, "reviewed"): _second,
    (Workspace, "write_notes"): lambda _, message, __, **___: message.partition("\n")[0],
    (FakeSandbox, "run"): lambda spec: f"{spec.experiment} {spec.purpose} {spec.index}",
    (Journal, "trial_ended"): _trial,
    (Journal, "decided"): _second,
    (Workspace, "keep"): lambda attempt, *_: attempt,
    (Journal, "settled"): _second,
    (Journal, "end_hypothesis"): lambda hypothesis, *_, **__: hypothesis,
}
"""Each step, and what tells one call of it from another: most often the experiment's number."""


@dataclass
class Steps:
    """The steps so far, kept in a file that outlives the process; kills at each new one."""

    path: Path
    when: str | None
    """`before` or `after` the first step that no earlier process came to; None for no kill."""
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.seen = set(self.path.read_text().splitlines()) if self.path.exists() else set()

    def wrap(self, name: str, call: Callable[..., Any], tell: Callable[..., object]) -> Any:
        @wraps(call)
        def step(owner: Any, *args: Any, **kwargs: Any) -> Any:
            key = f"{name} {tell(*args, **kwargs)}"
            is_new = key not in self.seen
            self.seen.add(key)
            if is_new and self.when == "before":
                self._die(key)
            result = call(owner, *args, **kwargs)
            if is_new and self.when == "after":
                self._die(key)
            if is_new:
                self._write(key)
            return result

        return step

    def _write(self, key: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{key}\n")

    def _die(self, key: str) -> None:
        self._write(key)
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def journaled(journal: Steps) -> Iterator[None]:
    before = {(owner, name): getattr(owner, name) for owner, name in STEPS}
    for (owner, name), tell in STEPS.items():
        setattr(owner, name, journal.wrap(name, before[owner, name], tell))
    try:
        yield
    finally:
        for (owner, name), call in before.items():
            setattr(owner, name, call)


def conduct(folder: Path, when: str | None = None, devices: int = 1) -> None:
    """Start the run below `folder`, or go on with it; with two devices two trials run at once."""
    sandboxes = [FakeSandbox(lambda spec: ANSWERS[spec.experiment]) for _ in range(devices)]
    agent = ScriptedAgent(PROPOSALS if devices == 1 else MORE, ahead=devices - 1)
    with journaled(Steps(journal_of(folder), when)), make_session(folder, sandboxes) as session:
        at_once = AtOnce(session) if devices > 1 else None
        for sandbox in sandboxes:
            sandbox.results = partial(answer, session, at_once)
        if not session.journal.hypotheses(session.run.tag):
            session.journal.add_hypothesis(session.run.tag, "a wider layer")
        run_loop(session, agent, experiments=None)


def answer(session: Session, at_once: AtOnce | None, spec: TrialSpec) -> TrialResult:
    """Answer at once; a trial that the journal knows must never be asked for again."""
    recorded = [(trial.purpose, trial.index) for trial in session.read(spec.experiment).trials]
    assert (spec.purpose, spec.index) not in recorded
    if at_once is not None:
        at_once.meet(spec)
    return ANSWERS[spec.experiment]


class AtOnce:
    """Has the first trials of experiments 1 and 2 under way at once, where both are to come."""

    def __init__(self, session: Session) -> None:
        state = session.now
        fresh, last = state.count < 2, state.count > 2 and not state.experiment(2).trials
        self._meet = fresh or (last and state.experiment(2).status is None)
        self._other = threading.Event()

    def meet(self, spec: TrialSpec) -> None:
        if spec.index == index(2, 0):
            self._other.set()
        if spec.index == index(1, 0) and spec.purpose is Purpose.DECISION and self._meet:
            assert self._other.wait(PATIENCE)


def journal_of(folder: Path) -> Path:
    return folder / "journal.txt"
