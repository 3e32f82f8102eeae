"""When the kernel's caches are dropped: with every agent container gone, before the next starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_trial import ended, spec

from runner.records import Guard, Shape, TrialStatus
from runner.sandbox.options import ContainerSpec
from runner.trial import DockerSandbox
from runner.trial.run import _Trial

SCORED = b'{"status": "scored", "metrics": {"auc": 0.5}}'
AGENTS = {
    Shape.TWO_STEP: ["train", "predict-x", "predict-y"],
    Shape.ONE_SHOT: ["train"],
    Shape.SERVED: ["train", "serve-a", "serve-b"],
}


class Events:
    """What an engine would have seen of a trial."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, frozenset[str]]] = []
        """What happened, to which container, and which lived then."""
        self.alive: set[str] = set()

    def add(self, what: str, name: str) -> None:
        self.seen.append((what, name, frozenset(self.alive)))

    def drop(self, container: ContainerSpec) -> None:
        self.add("drop", stage(container))

    @contextmanager
    def started(self, _client: object, container: ContainerSpec) -> Iterator[object]:
        name = stage(container)
        self.add("start", name)
        self.alive.add(name)
        yield SimpleNamespace(
            said=lambda _line: True,
            has_ended=lambda: False,
            finish=lambda _deadline, _abort: ended(stdout=SCORED if name == "score" else b""),
            stream=SimpleNamespace(send=lambda _line: None),
        )
        self.alive.remove(name)


def stage(container: ContainerSpec) -> str:
    return container.name.removeprefix("runner-h-t1--3-decision-train-7-")


@pytest.fixture
def events(monkeypatch) -> Events:
    events = Events()
    monkeypatch.setattr("runner.trial.run.started", events.started)
    monkeypatch.setattr(_Trial, "_volumes", lambda _self: nullcontext())
    return events


def trial(tmp_path, shape: Shape, *, flush: bool):
    (tmp_path / "public" / "train").mkdir(parents=True)
    given = spec(shape=shape, public_data=tmp_path / "public")
    predictors = ("x", "y") if shape is Shape.TWO_STEP else ()
    resources = replace(given.resources, flush=flush)
    return replace(given, predictors=predictors, resources=resources)


def sandbox(tmp_path, events: Events) -> DockerSandbox:
    return DockerSandbox(
        client=None, home_id="h", stage_root=tmp_path / "stage", drop_caches=events.drop
    )


@pytest.mark.parametrize("shape", Shape)
def test_every_container_starts_from_dropped_caches_and_none_of_an_agent_lives_then(
    tmp_path, events, shape
):
    result = sandbox(tmp_path, events).run(trial(tmp_path, shape, flush=True))
    assert result.status is TrialStatus.SCORED
    drops, starts = events.seen[::2], events.seen[1::2]
    assert [what for what, *_ in drops] == ["drop"] * len(drops)
    assert [(what, name) for what, name, _ in starts] == [
        ("start", name) for name in ("score", *AGENTS[shape])
    ]
    assert all(alive <= {"score"} for _, _, alive in drops)
    assert not drops[0][2], "what the scorer maps while it waits stays, so it starts afresh too"


def test_a_guard_starts_from_dropped_caches_too(tmp_path, events):
    guard = Guard(name="tests", command=("true",), seconds=1)
    sandbox(tmp_path, events).guard(trial(tmp_path, Shape.TWO_STEP, flush=True), guard)
    assert [what for what, *_ in events.seen] == ["drop", "start"]


def test_nothing_is_dropped_for_a_policy_that_does_without(tmp_path, events):
    sandbox(tmp_path, events).run(trial(tmp_path, Shape.TWO_STEP, flush=False))
    assert {what for what, *_ in events.seen} == {"start"}
