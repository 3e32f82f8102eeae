"""A guard on the real engine: it sees what a trainer sees, and its end is what it says."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runner.records import Budget, File, Guard, Purpose, Resources, Shape, TrialSpec
from runner.sandbox import engine, images
from runner.sandbox.options import MIB
from runner.trial import DockerSandbox

pytestmark = pytest.mark.docker

SEES = """
import os, pathlib, sys
import kit, train
print(sorted(os.listdir("/workspace")), os.listdir("/data"), os.listdir("/artifacts"))
print([name for name in ("/inputs", "/outputs", "/harness") if os.listdir(name)])
sys.exit(train.ANSWER != 42)
"""
RESOURCES = Resources(
    cpus=1,
    memory_bytes=256 * MIB,
    pids=64,
    shm_bytes=16 * MIB,
    artifacts_bytes=4 * MIB,
    outputs_bytes=2 * MIB,
    output_log_bytes=256 * 1024,
    gpus=0,
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[DockerSandbox]:
    with closing(engine.connect()) as client:
        home = f"test-{uuid.uuid4().hex[:8]}"
        yield DockerSandbox(client=client, home_id=home, stage_root=tmp_path / "stage")
        assert engine.leftovers(client, {engine.HOME_LABEL: home}) == []
    assert not list((tmp_path / "stage").iterdir())


def specification(sandbox: DockerSandbox, folder: Path, train: bytes) -> TrialSpec:
    (folder / "public" / "train").mkdir(parents=True)
    (folder / "public" / "train" / "x.npy").write_bytes(b"x")
    return TrialSpec(
        run="guarded",
        experiment=1,
        purpose=Purpose.DECISION,
        task="t",
        split="train",
        index=0,
        seed=1,
        shape=Shape.TWO_STEP,
        predictors=("rows",),
        image_id=images.require_image(sandbox.client, "cpu"),
        workspace={
            "train.py": File(content=train),
            "guard.py": File(content=SEES.encode()),
            "notes.md": File(content=b"notes"),
        },
        mutable=("train.py",),
        notes=("notes.md",),
        kit={"__init__.py": File(content=b"")},
        harness={},
        public_data=folder / "public",
        sealed_volume="",
        resources=RESOURCES,
        budget=Budget(startup=4, train=1, predict=1, score=1),
        min_gain=0.0,
    )


@pytest.mark.parametrize(
    ("train", "seconds", "failed"),
    [
        pytest.param(b"ANSWER = 42", 20, None, id="it passes"),
        pytest.param(b"ANSWER = 41", 20, "exit 1", id="it exits with 1"),
        pytest.param(b"1 / 0", 20, "ZeroDivisionError: division by zero", id="it crashes"),
        pytest.param(b"while True: pass", 0.2, "killed at the deadline of 4.2 s", id="it hangs"),
    ],
)
def test_a_guard_sees_what_a_trainer_sees_and_its_end_decides(
    sandbox, tmp_path, train, seconds, failed
):
    guard = Guard(name="tests", command=("python", "/workspace/guard.py"), seconds=seconds)
    result = sandbox.guard(specification(sandbox, tmp_path, train), guard)
    assert result.failed == failed
    if failed is None:
        seen, hidden = result.log.decode().splitlines()
        assert seen == "['guard.py', 'train.py'] ['x.npy'] []"
        assert hidden == "[]"
