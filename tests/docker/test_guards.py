"""A guard on the real engine: it sees what a trainer sees, and its end is what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from trials import make_host, of_host, trial_spec

from runner import engines
from runner.engines import images
from runner.engines.protocol import MIB
from runner.records import Budget, File, Guard, Resources, TrialSpec
from runner.trial import TrialRunner

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
def sandbox(tmp_path: Path) -> Iterator[TrialRunner]:
    host = make_host(tmp_path, harness={"kit/__init__.py": File(content=b"")})
    with closing(engines.connect()) as engine:
        yield TrialRunner(engine=engine, host=host)
        assert engine.leftovers({engines.HOME_LABEL: host.id}) == []
    assert not list(host.stage.iterdir())


def specification(sandbox: TrialRunner, train: bytes) -> TrialSpec:
    return of_host(
        sandbox.host,
        trial_spec(
            predictors=("rows",),
            image_id=images.require_image(sandbox.engine, "cpu"),
            workspace={
                "train.py": File(content=train),
                "guard.py": File(content=SEES.encode()),
                "notes.md": File(content=b"notes"),
            },
            mutable=("train.py",),
            notes=("notes.md",),
            resources=RESOURCES,
            budget=Budget(startup=4, train=1, predict=1, score=1),
        ),
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
def test_a_guard_sees_what_a_trainer_sees_and_its_end_decides(sandbox, train, seconds, failed):
    guard = Guard(name="tests", command=("python", "/workspace/guard.py"), seconds=seconds)
    result = sandbox.guard(specification(sandbox, train), guard)
    assert result.failed == failed
    if failed is None:
        seen, hidden = result.log.decode().splitlines()
        assert seen == "['guard.py', 'train.py'] ['x.npy'] []"
        assert hidden == "[]"
