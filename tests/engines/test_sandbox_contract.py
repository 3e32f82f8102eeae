"""What whoever runs trials must do, the tests' fake included: values for ends, errors for ours."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeSandbox, crashed, scored
from trials import make_host, of_host, trial_spec

from runner import engines
from runner.engines import images
from runner.engines.protocol import MIB, Volume
from runner.errors import SandboxError, StoppedError
from runner.records import (
    EXECUTABLE,
    Budget,
    File,
    Guard,
    Resources,
    Shape,
    Stage,
    TrialSpec,
    TrialStatus,
)
from runner.seams import Sandbox
from runner.trial import TrialRunner

SCORER = b"""
import sys
print("ready", file=sys.stderr, flush=True)
if sys.stdin.readline() == "go\\n":
    print('{"status": "scored", "metrics": {"m": 0.5}}')
"""
RUN = b'#!/bin/sh\nexec python /workspace/train.py "$@"\n'
CRASH = b"raise ValueError('no')"
RESOURCES = Resources(
    cpus=1,
    memory_bytes=512 * MIB,
    pids=256,  # those of runsc itself count as well
    shm_bytes=16 * MIB,
    artifacts_bytes=4 * MIB,
    outputs_bytes=2 * MIB,
    output_log_bytes=256 * 1024,
    gpus=0,
)
PASSES = Guard(name="tests", command=("true",), seconds=20)
FAILS = Guard(name="tests", command=("sh", "-c", "echo said; exit 3"), seconds=20)


@dataclass(frozen=True)
class Case:
    """Something that runs trials, and a trial for it."""

    sandbox: Any
    spec: TrialSpec
    break_it: Callable[[], Any]
    """Has our own side fail from now on."""

    def training(self, source: bytes) -> TrialSpec:
        files = {"train.py": File(content=source), "run.sh": File(content=RUN, mode=EXECUTABLE)}
        return replace(self.spec, workspace=files)


def fake() -> Case:
    def answer(spec: TrialSpec):
        crash = spec.workspace["train.py"].content == CRASH
        return crashed("train: ValueError: no") if crash else scored(0.5, "m")

    sandbox = FakeSandbox(answer, guards=lambda _, guard: "exit 3" if guard is FAILS else None)

    def break_it() -> None:
        def fail(*_: object) -> Any:
            raise SandboxError("the engine is gone")

        sandbox.results = sandbox.guards = fail

    return Case(sandbox, trial_spec(shape=Shape.ONE_SHOT), break_it)


def real(engine: engines.Docker, folder: Path, runtime: str | None) -> Case:
    host = make_host(folder, harness={"__main__.py": File(content=SCORER)})
    labels, sealed = {engines.HOME_LABEL: host.id}, f"runner-{host.id}-sealed-t"
    engine.create_volume(Volume(name=sealed, labels=labels))
    spec = trial_spec(
        shape=Shape.ONE_SHOT,
        image_id=images.require_image(engine, "cpu"),
        scorer_image_id=images.require_image(engine, images.SCORER),
        resources=replace(RESOURCES, runtime=runtime),
        mutable=("train.py",),
        budget=Budget(startup=20, train=20, predict=20, score=20),
    )
    runner = TrialRunner(engine=engine, host=host)
    spec = of_host(host, spec)

    def break_it() -> None:
        runner.engine = engines.Docker(engine.client)
        runner.engine.api = type("Gone", (), {"__getattr__": gone})()

    return Case(runner, spec, break_it)


def gone(_self: object, _name: str) -> Any:
    raise OSError("no such socket")


ENGINES = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(
    params=[
        "fake",
        pytest.param("runc", marks=ENGINES),
        pytest.param("runsc", marks=ENGINES),
    ]
)
def case(request, tmp_path) -> Iterator[Case]:
    if request.param == "fake":
        yield fake()
        return
    with closing(engines.connect()) as engine:
        runtime = None if request.param == "runc" else request.param
        made = real(engine, tmp_path, runtime)
        labels = {engines.HOME_LABEL: made.sandbox.host.id}
        try:
            yield made
            left = engine.leftovers(labels)
        finally:
            engine.sweep(labels)
        assert left == [f"volume runner-{made.sandbox.host.id}-sealed-t"]
        assert not list(made.sandbox.host.stage.glob("*"))


def test_a_trial_ends_in_a_value_that_travels(case):
    sandbox: Sandbox = case.sandbox
    seen: list[Stage] = []
    case.sandbox.watch = seen.append
    result = sandbox.run(case.training(b"print('trained')"))
    assert result.status is TrialStatus.SCORED, (result.reason, result.logs)
    assert result.score.metrics == {"m": 0.5}
    assert (result.stage, result.crash, result.limit) == (None, None, None)
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own
    crash = sandbox.run(case.training(CRASH))
    assert (crash.status, crash.stage, crash.score) == (TrialStatus.CRASHED, "train", None)
    assert crash.crash.exception == "ValueError"
    assert crash.reason == "train: ValueError: no"


def test_a_guard_s_end_says_why_it_failed(case):
    spec = case.training(b"")
    assert case.sandbox.guard(spec, PASSES).failed is None
    failed = case.sandbox.guard(spec, FAILS)
    assert (failed.failed, failed.log.strip()) == ("exit 3", b"said")


def test_a_specification_travels(case):
    spec = case.training(CRASH)
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301 - our own


def test_a_wish_to_stop_is_an_error_and_no_result(case):
    case.sandbox.abort.set()
    with pytest.raises(StoppedError):
        case.sandbox.run(case.training(b"import time; time.sleep(60)"))
    with pytest.raises(StoppedError):
        case.sandbox.guard(case.training(b""), PASSES)


def test_a_fault_of_ours_is_an_error_and_no_result(case):
    case.break_it()
    with pytest.raises(SandboxError):
        case.sandbox.run(case.training(CRASH))
    with pytest.raises(SandboxError):
        case.sandbox.guard(case.training(CRASH), PASSES)


def test_two_trials_at_once_do_not_meet(case):
    ready = threading.Barrier(2)

    def one(index: int):
        ready.wait(10)
        source = CRASH if index else b"print(1)"
        return case.sandbox.run(replace(case.training(source), index=index))

    with ThreadPoolExecutor(2) as pool:
        scored_, crashed_ = pool.map(one, range(2))
    assert (scored_.status, crashed_.status) == (TrialStatus.SCORED, TrialStatus.CRASHED)
