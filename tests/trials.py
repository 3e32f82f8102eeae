"""A host with a small task's data, and a trial of that task: what tests of trials share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runner import paths
from runner.data import MANIFEST
from runner.records import Budget, Files, Purpose, Resources, Shape, TrialSpec
from runner.trial import Host
from runner.workspace import tree_digest

ROWS = {"train/x.npy": b"x"}


def make_host(
    root: Path, *, task: str = "t", public: Mapping[str, bytes] = ROWS, harness: Files | None = None
) -> Host:
    """Leave data as `runner prepare` would, the sealed volume aside."""
    state = paths.State(root)
    for name, content in public.items():
        path = state.data(task) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (state.data(task) / MANIFEST).write_text("{}")
    return Host(state=state, harness=harness or {})


def of_host(host: Host, spec: TrialSpec) -> TrialSpec:
    """Return a trial that stands on what the host has."""
    manifest = (host.state.data(spec.task) / MANIFEST).read_bytes()
    return replace(
        spec,
        data_digest=hashlib.sha256(manifest).hexdigest(),
        harness_digest=tree_digest(host.harness),
    )


def trial_spec(**more: object) -> TrialSpec:
    given: dict[str, object] = {
        "run": "t1",
        "experiment": 3,
        "purpose": Purpose.DECISION,
        "split": "train",
        "index": 0,
        "seed": 7,
    }
    fixed = {
        "task": "t", "shape": Shape.TWO_STEP, "predictors": (),
        "image_id": "", "scorer_image_id": "", "workspace": {}, "mutable": (), "notes": (),
        "data_digest": "", "harness_digest": "",
        "budget": Budget(startup=1, train=1, predict=1, score=1),
        "resources": Resources(
            cpus=1, memory_bytes=1, pids=1, shm_bytes=1, artifacts_bytes=1, outputs_bytes=1,
            output_log_bytes=1, gpus=0,
        ),
    }  # fmt: skip
    return TrialSpec(**(fixed | given | more))  # type: ignore[arg-type]
