"""What a training script imports: it reads, writes, stops in time, and logs little."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import harness.verbs
from harness.kit import artifacts, curves, data, inputs, outputs, processors, seed, split
from harness.kit.deadline import GRACE_SECONDS, Deadline, age
from runner.sandbox import evidence

KIT = Path(harness.verbs.__file__).parent / "kit"


@pytest.fixture
def trial(monkeypatch):
    """The environment that the supervisor sets."""

    def set_trial(*, train_seconds: float = 8.0, killed_in: float = 60.0) -> None:
        monkeypatch.setenv("RUNNER_SEED", "17")
        monkeypatch.setenv("RUNNER_SPLIT", "train")
        monkeypatch.setenv("RUNNER_TRAIN_SECONDS", str(train_seconds))
        monkeypatch.setenv("RUNNER_KILL_SECONDS", str(age() + killed_in))

    set_trial()
    return set_trial


def test_the_kit_is_importable_from_where_it_is_mounted(tmp_path):
    (tmp_path / "kit").symlink_to(KIT)
    code = "import kit; from kit import Deadline, curves, data; print(kit.seed())"
    environment = {"PYTHONPATH": str(tmp_path), "RUNNER_SEED": "3", "PATH": os.environ["PATH"]}
    run = subprocess.run(
        [sys.executable, "-P", "-B", "-c", code],
        env=environment, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == ("3\n", "")


def test_seed_and_split_come_from_outside(trial):
    assert (seed(), split()) == (17, "train")


def test_a_missing_variable_is_explained(monkeypatch):
    monkeypatch.delenv("RUNNER_SEED", raising=False)
    with pytest.raises(RuntimeError, match="RUNNER_SEED is not set"):
        seed()


@pytest.mark.parametrize("module", [data, inputs])
def test_arrays_are_read_by_name(module, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    np.save(tmp_path / "images.npy", np.arange(3))
    assert module.load("images").tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match="holds images"):
        module.load("labels")


def test_pickles_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    np.save(tmp_path / "images.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        data.load("images")


def test_outputs_appear_whole_and_in_c_order(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "FOLDER", tmp_path)
    array = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    outputs.save("embeddings", array)
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.npy"]
    saved = np.load(tmp_path / "embeddings.npy")
    assert saved.flags.c_contiguous
    assert np.array_equal(saved, array)


def test_outputs_refuse_objects(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="allow_pickle"):
        outputs.save("embeddings", np.array([object()]))


def test_artifacts_lie_in_their_folder():
    assert artifacts.path("eclip.pt") == Path("/artifacts/eclip.pt")


def test_the_budget_ends_training(trial):
    trial(train_seconds=0.05)
    deadline = Deadline()
    assert not deadline.expired()
    assert 0 <= deadline.fraction() < 1
    time.sleep(0.06)
    assert deadline.expired()
    assert (deadline.remaining(), deadline.fraction()) == (0, 1)


def test_a_slow_start_ends_training_before_the_kill(trial):
    trial(train_seconds=8, killed_in=3)
    assert Deadline().remaining() == pytest.approx(3 - GRACE_SECONDS, abs=0.1)


def test_a_step_that_would_be_killed_is_not_begun(trial):
    trial(train_seconds=8, killed_in=GRACE_SECONDS + 0.5)
    deadline = Deadline()
    time.sleep(0.2)  # what happens before the loop is no step
    assert not deadline.expired()
    assert not deadline.expired()
    time.sleep(0.2)
    assert deadline.remaining() > 0
    assert deadline.expired()


def test_a_slow_step_costs_nothing_while_the_kill_is_far(trial):
    trial(train_seconds=0.3, killed_in=60)
    deadline = Deadline()
    assert not deadline.expired()
    time.sleep(0.2)
    assert not deadline.expired()


@pytest.fixture
def on_processors(trial, monkeypatch):
    """A trial whose budget is processor time, and what its container has taken so far."""
    taken = [2.0]
    monkeypatch.setattr(processors, "account", lambda: lambda: taken[0])

    def set_trial(*, killed_at: float = 100.0, killed_in: float = 60.0) -> list[float]:
        trial(train_seconds=8, killed_in=killed_in)
        monkeypatch.setenv("RUNNER_CPUS", "2")
        monkeypatch.setenv("RUNNER_CPU_SECONDS", str(killed_at))
        return taken

    return set_trial


def test_a_budget_of_processor_time_is_spent_by_all_processors_together(on_processors):
    taken = on_processors()
    deadline = Deadline()
    assert (deadline.remaining(), deadline.fraction()) == (8, pytest.approx(0, abs=0.01))
    taken[0] += 12  # 6 s of two processors
    assert (deadline.remaining(), deadline.fraction()) == (2, 0.75)
    assert not deadline.expired()
    taken[0] += 4
    assert deadline.expired()


def test_training_that_has_little_of_the_machine_ends_before_the_wall_does(on_processors):
    on_processors(killed_in=GRACE_SECONDS + 0.2)
    deadline = Deadline()
    assert not deadline.expired()
    time.sleep(0.25)
    assert deadline.expired()
    assert deadline.fraction() == 1


def test_processor_time_that_a_start_took_ends_training_before_the_kill(on_processors):
    on_processors(killed_at=2 + 2 * (GRACE_SECONDS + 3))
    assert Deadline().remaining() == pytest.approx(3)


V1 = "2:cpuacct:/docker/a\n1:cpu:/docker/a\n0::/docker/a\n"
JOINT = "4:cpu,cpuacct:/a\n1:name=systemd:/a\n"
V2_STAT = "usage_usec 2500000\nuser_usec 1\nsystem_usec 1\n"


@pytest.mark.parametrize(
    ("said", "path", "content"),
    [
        pytest.param(V1, "cpuacct/cpuacct.usage", "2500000000\n", id="v1, its own group on top"),
        pytest.param(V1, "cpuacct/docker/a/cpuacct.usage", "2500000000\n", id="v1, the machine's"),
        pytest.param(JOINT, "cpu,cpuacct/cpuacct.usage", "2500000000\n", id="v1, two together"),
        pytest.param("0::/\n", "cpu.stat", V2_STAT, id="v2, its own group on top"),
        pytest.param("0::/docker/a\n", "docker/a/cpu.stat", V2_STAT, id="v2, the machine's"),
    ],
)
def test_the_account_of_the_container_is_found(tmp_path, said, path, content):
    groups, own = tmp_path / "groups", tmp_path / "own"
    own.write_text(said)
    for file, text in (("cpu.stat", "usage_usec 99000000\n"), (path, content)):
        (groups / file).parent.mkdir(parents=True, exist_ok=True)
        (groups / file).write_text(text)
    seconds = processors.account(groups, own)
    assert seconds() == 2.5
    (groups / path).write_text(content.replace("25", "35"))
    assert seconds() == 3.5


@pytest.mark.parametrize("said", ["", "0::/\n", "2:cpuacct:/\n"])
def test_without_an_account_a_process_counts_its_own_and_its_children_s(tmp_path, said):
    own = tmp_path / "own"
    own.write_text(said)
    seconds = processors.account(tmp_path, own)
    before = seconds()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert 0.05 < seconds() - before < 5


def test_too_late_a_start_is_expired_at_once(trial):
    trial(killed_in=GRACE_SECONDS / 2)
    deadline = Deadline()
    assert deadline.expired()
    assert deadline.fraction() == 1


def test_a_point_is_one_line_of_few_digits(trial, capsys):
    curves.log("loss_of_one", 3, np.float32(1 / 3))
    assert capsys.readouterr().out == "#curve loss_of_one 3 0.333333\n"


def test_a_fast_loop_leaves_about_two_hundred_points(trial, capsys):
    trial(train_seconds=0.2)
    deadline, step = Deadline(), 0
    while not deadline.expired():
        curves.log("fast", step, 0.0)
        step += 1
    lines = capsys.readouterr().out.splitlines()
    assert 50 < len(lines) <= curves.POINTS + 1
    assert step > 10 * len(lines)


ODD_NAMES = ["", "two words", "line\nbreak", "Loss", "x" * 41, "#curve", "val/loss", "3", "\ud800é",
             "\x1b[2J", "kit_dropped", "loss ", "loss", "LOSS", "a" * 32]  # fmt: skip


@pytest.fixture
def fresh(trial, monkeypatch):
    """A process that has logged nothing yet."""
    monkeypatch.setattr(curves, "_names", {})
    monkeypatch.setattr(curves, "_next_point", {})
    monkeypatch.setattr(curves, "_counted", {curves.RENAMED: 0, curves.DROPPED: 0})


def read(text: str) -> dict[str, tuple[tuple[float, float], ...]]:
    return {curve.name: curve.points for curve in evidence.curves(text.encode())}


def test_no_experiment_is_lost_to_a_curve_s_name(fresh, capsys):
    for place, name in enumerate(ODD_NAMES):
        curves.log(name, place, place)
    said = capsys.readouterr()
    found = read(said.out)
    mine = {name: points for name, points in found.items() if name not in evidence_names()}
    assert sorted(points for [points] in mine.values()) == [(n, n) for n in range(len(ODD_NAMES))]
    assert mine["loss"] == ((ODD_NAMES.index("Loss"), ODD_NAMES.index("Loss")),)
    assert mine["val_loss"]
    assert "'val/loss' is logged as val_loss" in said.err
    assert found["kit_renamed"][-1][1] == 8
    assert said.err.isascii()


def evidence_names() -> set[str]:
    return {name.decode() for name in evidence.KIT_CURVES}


@pytest.mark.parametrize(
    ("step", "value"),
    [
        (0, math.nan),
        (0, math.inf),
        (0, -math.inf),
        (math.nan, 1.0),
        (None, 1.0),
        (0, None),
        (0, "much"),
        (0, [1, 2]),
        (0, np.array([1.0, 2.0])),
        (0, 1j),
        (0, 10**400),
        ({}, 1),
    ],
)
def test_no_experiment_is_lost_to_a_value_that_is_no_number(fresh, capsys, step, value):
    for _ in range(3):
        curves.log("loss", step, value)
    said = capsys.readouterr()
    assert read(said.out) == {"kit_dropped": ((1, 1), (2, 2))}
    assert said.err.count("left out") == 1


def test_curves_beyond_the_most_are_counted_and_the_first_stay(fresh, capsys):
    for number in range(20):
        curves.log(f"curve{number}", 10**39, 1e300)
    found = read(capsys.readouterr().out)
    assert set(found) == {*(f"curve{number}" for number in range(16)), "kit_dropped"}
    assert found["kit_dropped"][-1][1] == 4


def test_a_closed_output_ends_no_training(fresh, monkeypatch):
    for stream in (None, io.StringIO()):
        if stream:
            stream.close()
        monkeypatch.setattr("sys.stdout", stream)
        curves.log("loss", 0, 1.0)


def test_an_artifact_may_lie_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "FOLDER", tmp_path)
    artifacts.path("models/best.bin").write_bytes(b"x")
    monkeypatch.setattr(artifacts, "FOLDER", Path("/proc/none"))
    assert artifacts.path("models/best.bin") == Path("/proc/none/models/best.bin")
