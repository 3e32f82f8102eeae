"""A guard on the real engine: it sees what a trainer sees, and its end is what it says."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.containers import guarded
from runner.records import Budget, File, Guard, TrialSpec
from runner.sandbox import engine, images
from runner.trial import DockerSandbox

pytestmark = pytest.mark.docker

SEES = """
import os, pathlib, sys
import kit, train
print(sorted(os.listdir("/workspace")), os.listdir("/data"), os.listdir("/artifacts"))
print([name for name in ("/inputs", "/outputs", "/harness") if os.listdir(name)])
sys.exit(train.ANSWER != 42)
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[DockerSandbox]:
    with closing(engine.connect()) as client:
        home = f"test-{uuid.uuid4().hex[:8]}"
        yield DockerSandbox(client=client, home_id=home, stage_root=tmp_path / "stage")
        assert engine.leftovers(client, {engine.HOME_LABEL: home}) == []
    assert not list((tmp_path / "stage").iterdir())


def specification(sandbox: DockerSandbox, folder: Path, train: bytes) -> TrialSpec:
    workspace = {
        "train.py": File(content=train),
        "guard.py": File(content=SEES.encode()),
        "notes.md": File(content=b"notes"),
    }
    return guarded(
        images.require_image(sandbox.client, "cpu"),
        folder,
        workspace,
        mutable=("train.py",),
        notes=("notes.md",),
        kit={"__init__.py": File(content=b"")},
        budget=Budget(startup=4, train=1, predict=1, score=1),
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
