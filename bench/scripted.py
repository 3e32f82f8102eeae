"""A real run of packing with an agent of a few lines: what the benches of whole runs share."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker

from runner import data, engines, paths
from runner.engines import images
from runner.policy.load import parse_policy
from runner.records import Change, Proposal
from runner.seams import Context, Supervisor
from runner.session import Person, Session
from runner.start import Request, at_work

TASK = "packing"
Seconds = Callable[[], float]


@dataclass
class Scripted:
    """Adds a line that changes nothing, so that nothing is kept, and hands it over after a while.

    It asks for the review first, as agents that ask a model do; that is part of its thinking.
    """

    thinks: Seconds = lambda: 0.0
    name: str = "scripted"
    isolation: str = "api"
    ahead: int = 1
    made: int = 0

    def propose(self, context: Context, supervisor: Supervisor) -> Proposal | None:
        until = time.monotonic() + self.thinks()
        self.made += 1
        line = f"\nUNUSED = {context.number * 1000 + self.made}\n".encode()
        content = context.files["train.py"].content + line
        change = Change(path="train.py", content=content)
        proposal = Proposal(hypothesis=f"line {self.made}", changes=(change,), takeaway="nothing")
        supervisor.send_back(proposal)
        threading.Event().wait(max(0.0, until - time.monotonic()))
        return proposal


def policy_text(train: float) -> str:
    """Return packing's policy with trials of one processor and one seed, and nothing kept."""
    text = paths.policy_path(TASK).read_text(encoding="utf-8")
    wanted = {
        "cpus: 2": "cpus: 1",
        "train: 10s": f"train: {train:g}s",
        "rule: posterior": "rule: strict",
        "false_keeps: 0.05": "simplicity: null",
        "most_trials: 14": "most_trials: 1",
        "min_gain: 0": "min_gain: 1.0",
    }
    for old, new in wanted.items():
        text, count = re.subn(rf"(?m)^  {old}\b", f"  {new}", text)
        assert count == 1, old
    parse_policy(text)
    return text


@dataclass(frozen=True)
class Home:
    """A state folder with packing prepared, whose runs wait for nobody else's."""

    engine: Any
    state: paths.State
    locks: Path

    def start(self, tag: str, train: float, devices: int, person: Person | None = None) -> Any:
        """Open a run of this name, made the first time."""
        os.environ["RUNNER_LOCKS"] = str(self.locks)
        policy = self.state.root / "policy.yaml"
        policy.write_text(policy_text(train), encoding="utf-8")
        known = self.state.run(tag).exists()
        request = Request(
            task="" if known else TASK,
            tag=tag,
            policy=None if known else policy,
            resume=known,
            devices=devices,
            somebody_else=True,
        )
        return at_work(self.state, request, person or Person())

    def leftovers(self, tag: str) -> list[str]:
        found: list[str] = self.engine.leftovers(
            {engines.HOME_LABEL: self.state.id, engines.RUN_LABEL: tag}
        )
        return found


@contextmanager
def home(folder: Path) -> Iterator[Home]:
    """Prepare packing below a folder; nothing of it is left on the engine afterwards."""
    with closing(engines.connect()) as engine:
        state = paths.State(folder / "home")
        image_id = images.require_image(engine, images.SCORER)
        data.Preparation(
            engine=engine, state=state, task=TASK, image_id=image_id, say=lambda _: None
        ).prepare(seed=7)
        try:
            yield Home(engine, state, folder / "locks")
        finally:
            engine.sweep({engines.HOME_LABEL: state.id})


@dataclass(frozen=True)
class Life:
    """When a container ran, in seconds of the engine's clock, and of which experiment."""

    experiment: int
    stage: str
    began: float
    ended: float


@dataclass
class Watcher:
    """Notes when each container of a run starts and ends, as the engine tells it."""

    lives: list[Life] = field(default_factory=list)

    def of(self, experiments: range) -> list[Life]:
        return sorted(
            (life for life in self.lives if life.experiment in experiments),
            key=lambda life: life.began,
        )

    def read(self, events: Any) -> None:
        began: dict[str, float] = {}
        for event in events:
            name, when = event["Actor"]["Attributes"]["name"], event["timeNano"] / 1e9
            if event["Action"] == "start":
                began[name] = when
            elif event["Action"] == "die" and name in began:
                rest = name.rpartition("--")[2].split("-")
                self.lives.append(Life(int(rest[0]), rest[-1], began.pop(name), when))


@contextmanager
def watching(tag: str) -> Iterator[Watcher]:
    """Watch a run's containers; all that ended is known after it."""
    filters = {"label": [f"{engines.RUN_LABEL}={tag}"], "type": "container"}
    client, watcher = docker.from_env(), Watcher()
    events = client.events(decode=True, filters=filters)
    reader = threading.Thread(target=watcher.read, args=(events,), daemon=True)
    reader.start()
    try:
        yield watcher
    finally:
        threading.Event().wait(1.0)  # the last events are still on their way
        events.close()
        reader.join(10)
        client.close()


def alive(lives: list[Life], begin: float, end: float) -> float:
    """Return for how many seconds between two moments at least one container ran."""
    seconds, until = 0.0, begin
    for life in sorted(lives, key=lambda life: life.began):
        seconds += max(0.0, min(life.ended, end) - max(life.began, until))
        until = max(until, life.ended)
    return seconds


def last_trial_seconds(session: Session) -> float:
    """Return how long the newest trial took that has ended."""
    return session.now.settled[-1].trials[-1].result.wall_seconds


def load() -> str:
    """Say how busy the machine is."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
