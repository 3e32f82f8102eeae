"""What a training script imports: it reads, writes, stops in time, and logs little."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import harness.verbs
from harness.kit import artifacts, curves, data, inputs, outputs, seed, split
from harness.kit.deadline import GRACE_SECONDS, Deadline, age

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


@pytest.mark.parametrize("name", ["", "two words", "line\nbreak", "Loss", "x" * 41, "#curve"])
def test_a_curves_name_is_a_plain_word(trial, name):
    with pytest.raises(ValueError, match="curve's name"):
        curves.log(name, 0, 0.0)
