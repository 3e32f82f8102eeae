"""One container by itself, or a trial of which only guards run: what benches and tests share."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.records import Budget, Files, Purpose, Resources, Shape, TrialSpec
from runner.sandbox.container import ContainerResult, Deadline, started
from runner.sandbox.engine import HOME_LABEL
from runner.sandbox.options import AGENT_USER, MIB, ContainerSpec

RESOURCES = Resources(
    cpus=1,
    memory_bytes=128 * MIB,
    pids=64,
    shm_bytes=16 * MIB,
    artifacts_bytes=4 * MIB,
    outputs_bytes=2 * MIB,
    output_log_bytes=256 * 1024,
    gpus=0,
)
SECONDS = 60.0
NEVER = threading.Event()


def one(image_id: str, *command: str, **more: Any) -> ContainerSpec:
    """Return a container of agent code that nothing but itself is needed for."""
    given = ContainerSpec(
        name=f"runner-one-{uuid.uuid4().hex[:12]}",
        image_id=image_id,
        user=AGENT_USER,
        command=command,
        mounts=[],
        resources=RESOURCES,
        labels={HOME_LABEL: "one"},
        seconds=SECONDS,
    )
    return replace(given, **more)


def finished(client: Any, wanted: ContainerSpec, seconds: float | None = None) -> ContainerResult:
    """Run a container to its end or its deadline, or end it after so many seconds."""
    with started(client, wanted) as running:
        return running.finish(Deadline.after(seconds or wanted.seconds), NEVER)


def guarded(image_id: str, folder: Path, workspace: Files, **more: Any) -> TrialSpec:
    """Return a trial of which only guards are run, with one public file below `folder`."""
    (folder / "public" / "train").mkdir(parents=True, exist_ok=True)
    (folder / "public" / "train" / "x.npy").write_bytes(b"x" * 100_000)
    given = TrialSpec(
        run="guarded",
        experiment=1,
        purpose=Purpose.DECISION,
        task="t",
        split="train",
        index=0,
        seed=1,
        shape=Shape.TWO_STEP,
        predictors=("rows",),
        image_id=image_id,
        workspace=workspace,
        mutable=(),
        notes=(),
        kit={},
        harness={},
        public_data=folder / "public",
        sealed_volume="",
        resources=replace(RESOURCES, memory_bytes=512 * MIB),
        budget=Budget(startup=SECONDS, train=1, predict=1, score=1),
    )
    return replace(given, **more)
