"""Devices of this machine, and what runs on them at the same time."""

from __future__ import annotations

import queue
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes import scored

from runner import paths, start
from runner.errors import ConfigError, SandboxError, StoppedError
from runner.executor import LocalExecutor
from runner.executor.devices import Machine, devices
from runner.policy.load import load_policy
from runner.progress import Tracker, read
from runner.records import Guard, GuardResult, Stage
from runner.session import Person
from runner.trial import TrialRunner

GIB = 1024**3
PATIENCE = 30.0
FOUR = ("0", "1", "2", "3")
NEVER = threading.Event()

# -- devices ----------------------------------------------------------------------------------

TABLE: dict[str, tuple[Machine, dict[str, Any], list[tuple[str, ...]]]] = {
    "a trial has the whole machine where it does not fit twice": (
        Machine(processors=3, memory_bytes=8 * GIB),
        {"cpus": 2},
        [("cpu-0", "cpu-1", "cpu-2")],
    ),
    "two that fit": (
        Machine(processors=5, memory_bytes=8 * GIB),
        {"cpus": 2},
        [("cpu-0", "cpu-1"), ("cpu-2", "cpu-3")],
    ),
    "a part of a processor is one": (
        Machine(processors=2, memory_bytes=8 * GIB),
        {"cpus": 0.5},
        [("cpu-0",), ("cpu-1",)],
    ),
    "one and a half are two": (
        Machine(processors=4, memory_bytes=8 * GIB),
        {"cpus": 1.5},
        [("cpu-0", "cpu-1"), ("cpu-2", "cpu-3")],
    ),
    "more processors than there are": (
        Machine(processors=2, memory_bytes=8 * GIB),
        {"cpus": 16},
        [("cpu-0", "cpu-1")],
    ),
    "as many as memory has room for": (
        Machine(processors=4, memory_bytes=5 * GIB),
        {"cpus": 1, "memory_bytes": 2 * GIB},
        [("cpu-0",), ("cpu-1",)],
    ),
    "at least one, however little memory there is": (
        Machine(processors=2, memory_bytes=GIB),
        {"cpus": 1, "memory_bytes": 2 * GIB},
        [("cpu-0", "cpu-1")],
    ),
    "as many as the person wants": (
        Machine(processors=4, memory_bytes=8 * GIB),
        {"cpus": 1, "most": 3},
        [("cpu-0",), ("cpu-1",), ("cpu-2",)],
    ),
    "no more than there are, whatever the person wants": (
        Machine(processors=2, memory_bytes=8 * GIB),
        {"cpus": 1, "most": 9},
        [("cpu-0",), ("cpu-1",)],
    ),
    "one alone has the whole machine": (
        Machine(processors=4, memory_bytes=8 * GIB),
        {"cpus": 1, "most": 1},
        [("cpu-0", "cpu-1", "cpu-2", "cpu-3")],
    ),
    "each GPU is one": (
        Machine(processors=4, memory_bytes=2 * GIB, gpus=("0", "1")),
        {"cpus": 2, "gpus": 1},
        [("gpu-0",), ("gpu-1",)],
    ),
    "two GPUs each, and one is left": (
        Machine(processors=4, memory_bytes=2 * GIB, gpus=("0", "1", "4", "5", "6")),
        {"cpus": 2, "gpus": 2},
        [("gpu-0", "gpu-1"), ("gpu-4", "gpu-5")],
    ),
    "no more trials on GPUs than memory has room for": (
        Machine(processors=8, memory_bytes=5 * GIB, gpus=FOUR),
        {"cpus": 2, "gpus": 1, "memory_bytes": 2 * GIB},
        [("gpu-0",), ("gpu-1",)],
    ),
    "no more trials on GPUs than processors": (
        Machine(processors=7, memory_bytes=8 * GIB, gpus=FOUR),
        {"cpus": 1.5, "gpus": 1},
        [("gpu-0",), ("gpu-1",), ("gpu-2",)],
    ),
    "at least one on a GPU, however few processors and little memory there are": (
        Machine(processors=2, memory_bytes=GIB, gpus=FOUR),
        {"cpus": 8, "gpus": 1, "memory_bytes": 2 * GIB},
        [("gpu-0",)],
    ),
    "one of several GPUs leaves the others alone": (
        Machine(processors=2, memory_bytes=GIB, gpus=FOUR),
        {"cpus": 2, "gpus": 1, "most": 1},
        [("gpu-0",)],
    ),
    "the first ones where no driver can be asked": (
        Machine(processors=2, memory_bytes=GIB),
        {"cpus": 2, "gpus": 2},
        [("gpu-0", "gpu-1")],
    ),
}


@pytest.mark.parametrize(("machine", "wanted", "parts"), TABLE.values(), ids=TABLE)
def test_what_a_machine_has_room_for(machine, wanted, parts):
    found = devices(machine, **{"gpus": 0, "memory_bytes": GIB} | wanted)
    assert [each.parts for each in found] == parts
    gpus = [tuple(part[4:] for part in each if part.startswith("gpu-")) for each in parts]
    assert [each.gpu_ids for each in found] == gpus
    assert len({each.name for each in found}) == len(found)


@pytest.mark.parametrize("here", [("0",), ()])
def test_a_trial_that_wants_more_gpus_than_there_are_is_refused(here):
    machine = Machine(processors=2, memory_bytes=GIB, gpus=here)
    with pytest.raises(ConfigError, match=f"a trial wants 2 GPUs, and {len(here)} are here"):
        devices(machine, cpus=1, gpus=2, memory_bytes=GIB)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("2", ("2",)),
        ("1, 3", ("1", "3")),
        ("1,1", ("1",)),
        ("", FOUR),
        ("GPU-8f1d,MIG-2", ("GPU-8f1d", "MIG-2")),
        ("-1", ()),
        ("1,-1,2", ("1",)),
    ],
)
def test_fewer_gpus_may_be_named(monkeypatch, chosen, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    said = SimpleNamespace(stdout="".join(f"{each}\n" for each in FOUR))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: said)
    assert Machine.here().gpus == expected


def test_where_no_driver_can_be_asked_nobody_knows_of_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert Machine.here().gpus is None


@pytest.mark.parametrize(
    ("task", "shared", "flushed", "capacity"),
    [("packing", False, False, 4), ("heart", True, True, 1), ("eclip", False, True, 1)],
)
def test_where_what_runs_at_once_could_tell_each_other_one_trial_runs_at_a_time(
    monkeypatch, task, shared, flushed, capacity
):
    plenty = Machine(processors=8, memory_bytes=64 * GIB)
    monkeypatch.setattr(start.Machine, "here", classmethod(lambda _: plenty))
    policy = load_policy(paths.policy_path(task)).policy
    assert (policy.evaluation.shared_targets, policy.flushed) == (shared, flushed)
    sandbox = TrialRunner(engine=cast("Any", None), host=cast("Any", None))
    executor = start._executor(policy, "t1", sandbox, None, Tracker(), Person())
    assert executor.capacity == capacity
    executor.close()


# -- what runs on them ------------------------------------------------------------------------

SPEC: Any = SimpleNamespace()
"""These sandboxes read nothing of it."""


@dataclass
class Waiting:
    """A device whose trials wait until they are let go, or until all are to end."""

    name: str
    abort: threading.Event
    watch: Any = lambda _: None
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    goes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def run(self, spec: Any) -> Any:
        self.watch(Stage(name="1 of t1: train", seconds=7.0))
        self.begun.release()
        while not self.goes.acquire(timeout=0.01):
            if self.abort.is_set():
                raise StoppedError("stopped by hand")
        return scored(1.0, name=float(self.name))

    def guard(self, spec: Any, guard: Guard) -> GuardResult:
        return GuardResult(failed=self.name)


@dataclass
class Rig:
    """An executor on waiting devices, and who holds what on the machine."""

    executor: LocalExecutor
    sandboxes: list[Waiting]
    held: list[str]


@contextmanager
def rig(count: int, progress: Tracker | None = None):
    abort, held = threading.Event(), list[str]()
    sandboxes = [Waiting(str(number + 1), abort) for number in range(count)]

    def made(sandbox: Waiting, watch: Any, show: Any) -> Waiting:
        sandbox.watch = watch
        return sandbox

    @contextmanager
    def hold(sandbox: Waiting, _: threading.Event):
        held.append(sandbox.name)
        try:
            yield
        finally:
            held.remove(sandbox.name)

    executor = LocalExecutor(
        [(partial(made, each), partial(hold, each)) for each in sandboxes],
        abort=abort,
        progress=progress,
    )
    try:
        yield Rig(executor, sandboxes, held)
    finally:
        abort.set()
        executor.close()


def test_trials_run_at_once_and_each_device_is_held_for_its_trial_only():
    with rig(2) as found:
        futures = [found.executor.submit(SPEC) for _ in range(2)]
        for each in found.sandboxes:
            assert each.begun.acquire(timeout=PATIENCE)
        assert sorted(found.held) == ["1", "2"]
        for each in found.sandboxes:
            each.goes.release()
        results = {future.result(PATIENCE).score.metrics["name"] for future in futures}
        assert results == {1.0, 2.0}
        assert found.held == []


def test_a_third_trial_has_the_device_that_is_free_first():
    with rig(2) as found:
        futures = [found.executor.submit(SPEC) for _ in range(3)]
        for each in found.sandboxes:
            assert each.begun.acquire(timeout=PATIENCE)
        second = found.sandboxes[1]
        second.goes.release()
        assert second.begun.acquire(timeout=PATIENCE)
        second.goes.release()
        found.sandboxes[0].goes.release()
        names = sorted(future.result(PATIENCE).score.metrics["name"] for future in futures)
        assert names == [1.0, 2.0, 2.0]


def test_who_asks_for_a_device_waits_for_one_that_is_free():
    with rig(1) as found:
        trial = found.executor.submit(SPEC)
        [only] = found.sandboxes
        assert only.begun.acquire(timeout=PATIENCE)
        got: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def ask() -> None:
            with found.executor.device({"what": "an analysis before", "experiment": 1}) as sandbox:
                got.put((sandbox, trial.done()))

        asking = threading.Thread(target=ask)
        asking.start()
        assert got.empty()
        only.goes.release()
        assert got.get(timeout=PATIENCE) == (only, True)
        asking.join(PATIENCE)


def test_an_abort_ends_what_runs_on_every_device():
    with rig(2) as found:
        futures = [found.executor.submit(SPEC) for _ in range(2)]
        for each in found.sandboxes:
            assert each.begun.acquire(timeout=PATIENCE)
        found.executor.abort.set()
        for future in futures:
            with pytest.raises(StoppedError):
                future.result(PATIENCE)
        assert found.held == []


def test_a_failure_of_ours_is_the_trial_s_own_and_gives_the_device_back():
    def fails(_: Any) -> Any:
        raise SandboxError("the engine is gone")

    with rig(1) as found:
        found.sandboxes[0].run = fails  # type: ignore[method-assign]
        with pytest.raises(SandboxError):
            found.executor.submit(SPEC).result(PATIENCE)
        guard: Any = SimpleNamespace(name="g")
        assert found.executor.submit_guard(SPEC, guard).result(PATIENCE).failed == "1"


@pytest.mark.parametrize(
    ("count", "names"), [(1, {"device"}), (3, {"device 1", "device 2", "device 3"})]
)
def test_progress_names_each_device_and_what_it_is_at(tmp_path, count, names):
    path, stages = tmp_path / "progress.json", list[str]()
    with Tracker.at(path) as progress, rig(count, progress) as found:
        found.executor.on_stage = lambda stage: stages.append(stage.name)
        futures = [found.executor.submit(SPEC, {"experiment": n}) for n in range(count)]
        for each in found.sandboxes:
            assert each.begun.acquire(timeout=PATIENCE)
        said = read(path)
        assert said is not None
        assert set(said.activities) == names
        seen = sorted((each.experiment, each.what) for each in said.activities.values())
        assert seen == [(number, "a trial of") for number in range(count)]
        assert {(each.stage, each.most_seconds) for each in said.activities.values()} == {
            ("train", 7.0)
        }
        assert stages == ["1 of t1: train"] * count
        for each in found.sandboxes:
            each.goes.release()
        for future in futures:
            future.result(PATIENCE)
        after = read(path)
        assert after is not None
        assert after.activities == {}
