"""A trial on an engine without containers: what is made when, what reaches it, what is left."""

from __future__ import annotations

import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fake_engine import FakeContainer, FakeEngine
from trials import make_host, of_host, trial_spec

from runner.engines.protocol import ContainerSpec, Usage
from runner.errors import ConfigError, DataError, SandboxError, StoppedError
from runner.records import Budget, Clock, File, Guard, Shape, TrialSpec, TrialStatus
from runner.trial import Host, TrialRunner

AGENTS = {
    Shape.TWO_STEP: ["train", "predict-x", "predict-y"],
    Shape.ONE_SHOT: ["train"],
    Shape.SERVED: ["train", "serve-a", "serve-b"],
}
HARNESS = {
    "__main__.py": File(content=b"print('{}')"),
    "kit/__init__.py": File(content=b'"""The kit."""'),
}
WORKSPACE = {
    "run.sh": File(content=b"#!/bin/sh"),
    "train.py": File(content=b"print(1)"),
    "notes.md": File(content=b"a secret thought"),
}


def runner_on(tmp_path: Path, shape: Shape = Shape.TWO_STEP) -> tuple[TrialRunner, FakeEngine]:
    engine = FakeEngine(gos=2 if shape is Shape.SERVED else 1)
    host = make_host(tmp_path, harness=HARNESS)
    return TrialRunner(engine=engine, host=host), engine


def trial_of(runner: TrialRunner, shape: Shape = Shape.TWO_STEP, **more: object) -> TrialSpec:
    given = trial_spec(
        shape=shape,
        predictors=("x", "y") if shape is Shape.TWO_STEP else (),
        workspace=WORKSPACE,
        mutable=("train.py",),
        notes=("notes.md",),
        **more,
    )
    resources = replace(given.resources, pids=64, output_log_bytes=4096)
    return of_host(runner.host, replace(given, resources=resources))


def left(runner: TrialRunner, engine: FakeEngine) -> list[object]:
    stage = runner.host.stage
    return [*engine.containers, *engine.volumes, *(stage.iterdir() if stage.exists() else ())]


@pytest.mark.parametrize("shape", AGENTS)
def test_stages_follow_each_other_and_nothing_is_left(tmp_path, shape):
    runner, engine = runner_on(tmp_path, shape)
    result = runner.run(trial_of(runner, shape))
    assert (result.status, result.score.metrics) == (TrialStatus.SCORED, {"auc": 0.5})
    stages = [name.rpartition("-0-")[2] for name in engine.happened("start")]
    assert stages == ["score", *AGENTS[shape]]
    assert left(runner, engine) == []


@pytest.mark.parametrize("shape", AGENTS)
def test_only_scorers_have_the_image_of_scorers(tmp_path, shape):
    runner, engine = runner_on(tmp_path, shape)
    runner.run(trial_of(runner, shape, image_id="agents", scorer_image_id="scorers"))
    given = {name.rpartition("-0-")[2]: spec.image_id for name, spec in engine.made.items()}
    assert given == {"score": "scorers"} | dict.fromkeys(AGENTS[shape], "agents")


def test_no_two_agent_containers_of_a_trial_run_at_once(tmp_path):
    runner, engine = runner_on(tmp_path)
    runner.run(trial_of(runner))
    for what, _, alive in engine.seen:
        if what == "start":
            assert all(name.endswith("-score") for name in alive)


class Held(FakeEngine):
    """Its trainer ends when it is told to."""

    def __post_init__(self) -> None:
        self.training, self.go_on = threading.Event(), threading.Event()

    def start(self, identity: str) -> None:
        super().start(identity)
        if identity.endswith("-train"):
            self.training.set()
            self.go_on.wait(10)


def test_the_predictors_slots_are_made_while_training_runs(tmp_path):
    runner, _ = runner_on(tmp_path)
    engine = Held()
    runner = replace(runner, engine=engine)
    with ThreadPoolExecutor(1) as pool:
        ran = pool.submit(runner.run, trial_of(runner))
        assert engine.training.wait(10)
        for _ in range(500):
            if len(engine.happened("create")) == 4:
                break
            threading.Event().wait(0.01)
        made, begun = list(engine.containers), engine.happened("start")
        engine.go_on.set()
        assert ran.result().status is TrialStatus.SCORED
    assert [name.rpartition("-0-")[2] for name in made][-2:] == ["predict-x", "predict-y"]
    assert len(begun) == 2, "made, and not started"


class Looking(FakeEngine):
    """Reads what lies in a container's mounts when it is made, and when it starts."""

    def __post_init__(self) -> None:
        self.found: dict[tuple[str, str], dict[str, bytes]] = {}

    def look(self, what: str, container: FakeContainer) -> None:
        files = {}
        for mount in container.spec.mounts:
            source = Path(mount.source)
            for path in [source, *source.rglob("*")] if source.is_absolute() else ():
                if path.is_file():
                    inside = Path(mount.target, path.relative_to(source))
                    files[str(inside)] = path.read_bytes()
        stage = container.spec.name.rpartition("-0-")[2]
        self.found[what, stage] = {key: at for key, at in files.items() if "/data" not in key}

    def create(self, spec) -> str:
        identity = super().create(spec)
        if spec.name.endswith(("train", "x")):
            self.look("create", self.containers[identity])
        return identity

    def start(self, identity: str) -> None:
        self.look("start", self.containers[identity])
        super().start(identity)


def test_a_slot_is_nobody_s_until_its_turn_and_then_holds_what_was_reviewed(tmp_path):
    runner, _ = runner_on(tmp_path)
    engine = Looking()
    replace(runner, engine=engine).run(trial_of(runner))
    assert engine.found["create", "predict-x"] == {"/workspace/train.py": b""}
    for stage in AGENTS[Shape.TWO_STEP]:
        assert engine.found["start", stage] == {
            "/workspace/run.sh": b"#!/bin/sh",
            "/workspace/train.py": b"print(1)",
            "/kit/kit/__init__.py": b'"""The kit."""',
        }
    assert engine.found["start", "score"] == {"/harness/__main__.py": b"print('{}')"}


class Keeping(FakeEngine):
    """Keeps what each container was given."""

    def __post_init__(self) -> None:
        self.given: dict[str, bytes] = {}

    def remove(self, identity: str) -> None:
        if identity in self.containers:
            self.given[identity.rpartition("-0-")[2]] = self.containers[identity].given
        super().remove(identity)


def test_draw_and_deadline_reach_a_container_when_it_begins(tmp_path):
    runner, _ = runner_on(tmp_path)
    engine = Keeping()
    replace(runner, engine=engine).run(trial_of(runner, seed=4711))
    seconds, *variables = engine.given["train"].decode().rstrip("\n").split("\0")
    said = dict(each.split("=", 1) for each in variables)
    assert said.keys() == {
        "PYTHONPATH", "RUNNER_SEED", "RUNNER_SPLIT", "RUNNER_TRAIN_SECONDS", "RUNNER_KILL_SECONDS",
    }  # fmt: skip
    assert (said["RUNNER_SEED"], said["RUNNER_SPLIT"]) == ("4711", "train")
    assert float(said["RUNNER_KILL_SECONDS"]) <= 2.0 < float(seconds), "2 s, and the grace"
    assert engine.given["score"].endswith(b"\ngo\n")
    assert b"4711" not in engine.given["score"]


class Burning(Keeping):
    """One stage of it does not end by itself, and takes processor time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stage, self.taken = "train", 0.0

    def create(self, spec: ContainerSpec) -> str:
        identity = super().create(spec)
        if spec.name.endswith(f"-{self.stage}"):
            self.containers[identity].gos = 99
            self.containers[identity].send = lambda _: None  # type: ignore[method-assign]
        return identity

    def usage(self, identity: str) -> Usage | None:
        self.taken += identity.endswith(f"-{self.stage}") * 2.0
        return Usage(cpu_seconds=self.taken, peak_memory_bytes=1)


ON_PROCESSORS = Budget(startup=1, train=1, predict=1, score=1, clock=Clock.CPU, stretch=30)


def test_the_host_ends_what_has_spent_its_processor_time(tmp_path):
    runner, _ = runner_on(tmp_path)
    engine = Burning()
    spec = trial_of(runner, budget=ON_PROCESSORS)
    spec = replace(spec, resources=replace(spec.resources, cpus=2))
    found = replace(runner, engine=engine).run(spec)
    assert (found.status, found.limit, found.stage) == (TrialStatus.TIMEOUT, "deadline", "train")
    assert found.reason == "train: killed after 4 s of processor time"
    assert found.wall_seconds < 5


def test_what_is_counted_in_processor_time_is_told_so(tmp_path):
    runner, _ = runner_on(tmp_path)
    engine = Keeping()
    spec = trial_of(runner, budget=ON_PROCESSORS)
    replace(runner, engine=engine).run(replace(spec, resources=replace(spec.resources, cpus=1.5)))
    seconds, *variables = engine.given["train"].decode().rstrip("\n").split("\0")
    said = dict(each.split("=", 1) for each in variables)
    assert (said["RUNNER_CPUS"], said["RUNNER_CPU_SECONDS"]) == ("1.5", "3")
    assert said["RUNNER_TRAIN_SECONDS"] == "1"
    assert 50 < float(said["RUNNER_KILL_SECONDS"]) <= 60 < float(seconds), "thirty times 2 s"


class Lost(Burning):
    """A served model that goes on until it has spent its time; then the scorer has nobody."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stage = "serve-a"

    def start(self, identity: str) -> None:
        super().start(identity)
        if self.containers[identity].is_scorer:
            frames = self.containers[identity].frames_
            frames.get()
            frames.put((True, b"ready\nconnected a\n"))

    def kill(self, identity: str) -> None:
        super().kill(identity)
        for container in self.containers.values():
            if container.is_scorer and identity.endswith("serve-a"):
                refused = {"status": "invalid-outputs", "output": "a", "code": "disconnected"}
                container.frames_.put((False, json.dumps(refused).encode()))
                container.end(0)


def test_a_served_model_that_has_spent_its_processor_time_is_ended(tmp_path):
    runner, _ = runner_on(tmp_path, Shape.SERVED)
    engine = Lost(gos=2)
    spec = trial_of(runner, Shape.SERVED, budget=ON_PROCESSORS)
    found = replace(runner, engine=engine).run(spec)
    assert (found.status, found.limit, found.stage) == (TrialStatus.TIMEOUT, "deadline", "serve a")
    assert found.reason == "serve a: killed after 2 s of processor time"
    assert found.wall_seconds < 5


@pytest.mark.parametrize("what", ["create volume", "create", "start"])
def test_a_failing_engine_is_our_fault_and_leaves_nothing(tmp_path, what):
    runner, engine = runner_on(tmp_path)
    engine.broken = what
    with pytest.raises(SandboxError, match=f"{what} failed"):
        runner.run(trial_of(runner))
    engine.broken = ""
    assert left(runner, engine) == []


def test_a_wish_to_stop_ends_a_trial_and_leaves_nothing(tmp_path):
    runner, engine = runner_on(tmp_path)
    runner.abort.set()
    with pytest.raises(StoppedError):
        runner.run(trial_of(runner))
    assert left(runner, engine) == []


def test_two_runners_may_be_at_work_at_once_for_the_same_experiment(tmp_path):
    runner, engine = runner_on(tmp_path)
    runners = [runner, replace(runner, gpu_ids=())]
    with ThreadPoolExecutor(2) as pool:
        specs = [trial_of(runner, index=index, seed=index) for index in range(8)]
        results = list(
            pool.map(lambda job: job[0].run(job[1]), zip(runners * 4, specs, strict=True))
        )
    assert {each.status for each in results} == {TrialStatus.SCORED}
    assert len(set(engine.happened("create"))) == 8 * 4
    assert left(runner, engine) == []


# -- a specification that names no host --------------------------------------------------------


def test_a_specification_travels_and_names_no_place(tmp_path):
    runner, _ = runner_on(tmp_path)
    spec = trial_of(runner)
    sent = pickle.dumps(spec)
    assert pickle.loads(sent) == spec  # noqa: S301 - our own
    assert str(tmp_path).encode() not in sent
    assert runner.host.id.encode() not in sent


def test_another_host_with_the_same_data_and_harness_runs_it(tmp_path):
    here, _ = runner_on(tmp_path / "here")
    there, engine = runner_on(tmp_path / "there")
    assert there.run(trial_of(here)).status is TrialStatus.SCORED
    assert left(there, engine) == []


def test_a_host_without_these_data_or_this_harness_says_so(tmp_path):
    runner, engine = runner_on(tmp_path)
    spec = trial_of(runner)
    with pytest.raises(DataError, match="others than the trial's"):
        runner.run(replace(spec, data_digest="0" * 64))
    with pytest.raises(DataError, match="not prepared"):
        runner.run(replace(spec, task="other"))
    with pytest.raises(DataError, match="no public data"):
        runner.run(replace(spec, split="other"))
    with pytest.raises(ConfigError, match="harness"):
        runner.run(replace(spec, harness_digest="0" * 64))
    guard = Guard(name="g", command=("true",), seconds=1)
    with pytest.raises(DataError, match="others"):
        runner.guard(replace(spec, data_digest="0" * 64), guard)
    assert left(runner, engine) == []


def test_a_manifest_that_changed_is_other_data(tmp_path):
    runner, _ = runner_on(tmp_path)
    spec = trial_of(runner)
    manifest = runner.host.state.data("t") / "manifest.json"
    manifest.write_text(json.dumps({"changed": True}))
    with pytest.raises(DataError):
        runner.run(spec)


def test_a_host_s_harness_is_named_by_what_it_holds():
    one, other = Host(state=None, harness=HARNESS), Host(state=None, harness={})
    spec = of_digest(one)
    assert one.harness_of(spec) == HARNESS
    with pytest.raises(ConfigError):
        other.harness_of(spec)


def of_digest(host: Host) -> TrialSpec:
    from runner.workspace import tree_digest

    return trial_spec(harness_digest=tree_digest(host.harness))
