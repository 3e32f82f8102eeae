"""When the kernel's caches are dropped: with every agent container gone, before the next starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import FakeEngine
from test_trial_order import AGENTS, runner_on, trial_of

from runner.engines.protocol import ContainerSpec
from runner.records import Guard, Shape, TrialSpec, TrialStatus
from runner.trial import TrialRunner


def dropping(tmp_path: Path, shape: Shape) -> tuple[TrialRunner, FakeEngine]:
    runner, engine = runner_on(tmp_path, shape)

    def drop(container: ContainerSpec) -> None:
        engine.add("drop", container.name)

    return replace(runner, drop_caches=drop), engine


def flushed(runner: TrialRunner, shape: Shape, *, flush: bool = True) -> TrialSpec:
    given = trial_of(runner, shape)
    return replace(given, resources=replace(given.resources, flush=flush))


def of_interest(engine: FakeEngine) -> list[tuple[str, str, frozenset[str]]]:
    return [each for each in engine.seen if each[0] in ("drop", "start")]


@pytest.mark.parametrize("shape", AGENTS)
def test_every_container_starts_from_dropped_caches_and_none_of_an_agent_lives_then(
    tmp_path, shape
):
    runner, engine = dropping(tmp_path, shape)
    wanted = flushed(runner, shape)
    assert runner.run(wanted).status is TrialStatus.SCORED
    drops, starts = of_interest(engine)[::2], of_interest(engine)[1::2]
    assert [what for what, *_ in drops] == ["drop"] * len(drops)
    assert [name.rpartition("-0-")[2] for _, name, _ in starts] == ["score", *AGENTS[shape]]
    assert all(name.endswith("-score") for _, _, alive in drops for name in alive)
    assert not drops[0][2], "what the scorer maps while it waits stays, so it starts afresh too"


def test_a_guard_starts_from_dropped_caches_too(tmp_path):
    runner, engine = dropping(tmp_path, Shape.TWO_STEP)
    guard = Guard(name="tests", command=("true",), seconds=1)
    runner.guard(flushed(runner, Shape.TWO_STEP), guard)
    assert [what for what, *_ in of_interest(engine)] == ["drop", "start"]


def test_nothing_is_dropped_for_a_policy_that_does_without(tmp_path):
    runner, engine = dropping(tmp_path, Shape.TWO_STEP)
    runner.run(flushed(runner, Shape.TWO_STEP, flush=False))
    assert {what for what, *_ in of_interest(engine)} == {"start"}
