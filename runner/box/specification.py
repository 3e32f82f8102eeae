"""What an agent's box is made of: its mounts, its limits and its environment. Pure.

Law 1 holds here as in a trainer: no target, no scorer, no key, no file of another run is mounted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runner.engines.protocol import AGENT_USER, MIB, ContainerSpec, Mount
from runner.policy.paths import mount_place
from runner.policy.schema import Policy
from runner.seams import BoxWork

PORT = 8080
"""Of the box's own loopback, where a client finds its model."""
INSIDE = "/box/inside"
AGENTS = "/box/agents"
ABOUT = "/box/about"
DOOR, MODEL = "/box/door", "/box/door/model"
HOME = "/box/home"
DRAFT_BYTES = 256 * MIB
HOME_BYTES = 512 * MIB
LOG_BYTES = 16 * MIB
LEAST_PIDS = 256
"""A client has some thirty threads, and a shell's commands theirs."""
SEED = 0
"""What is tried here does not compete."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What of this machine the box sees, each at a place of its own."""

    given: Path
    about: Path
    kit: Path
    inside: Path
    door: Path
    model: Path
    rows: Path | None
    """Absent where the task has no rows that every split trains on, or the policy gives none."""


def specification(
    policy: Policy, work: BoxWork, places: Places, socket: str, *, name: str, image_id: str,
    labels: Mapping[str, str],
) -> ContainerSpec:  # fmt: skip
    """Return the container; all that it can write is memory of its own, which goes with it."""
    asked, trials = policy.agent, policy.resources_record()
    mounts = [
        Mount(source=str(places.given), target="/box/given"),
        Mount(source=str(places.about), target=ABOUT),
        Mount(source=str(places.inside), target=INSIDE),
        Mount(source=str(places.kit), target="/kit"),
        Mount(source=str(places.door), target=DOOR),
        Mount(source=str(places.model), target=MODEL),
    ]
    if work.programs:
        mounts.append(Mount(source=str(work.programs), target=AGENTS))
    if places.rows:
        mounts.append(Mount(source=str(places.rows), target="/data"))
        reported = policy.evaluation.reported
        mounts += [  # where the project itself looks for them
            Mount(source=str(places.rows / str(index)), target=mount_place(path))
            for index, path in enumerate(reported.data if reported else ())
        ]
    return ContainerSpec(
        name=name,
        image_id=image_id,
        user=AGENT_USER,
        command=[
            *("python", "-I", "-S", "-B", f"{INSIDE}/inside.py", "session"),
            *(str(PORT), f"{MODEL}/{socket}", *work.command),
        ],
        mounts=mounts,
        resources=replace(
            trials,
            cpus=asked.cpus,
            memory_bytes=asked.memory,
            pids=max(trials.pids, LEAST_PIDS),
            output_log_bytes=LOG_BYTES,
            gpus=0,
            # Whatever the policy says of trials: what one left in the caches is no box's to find.
            flush=True,
        ),
        labels=labels,
        scratch={
            "/workspace": DRAFT_BYTES,
            "/artifacts": trials.artifacts_bytes,
            "/outputs": trials.outputs_bytes,
            HOME: HOME_BYTES,
        },
    )


def environment(policy: Policy, work: BoxWork) -> dict[str, str]:
    """Return what a program finds in its environment; no key is among it."""
    seconds = policy.budget.train
    return {
        "HOME": HOME,
        "TMPDIR": HOME,
        "PYTHONPATH": "/kit",
        "RUNNER_SEED": str(SEED),
        "RUNNER_SPLIT": policy.evaluation.splits[0],
        "RUNNER_TRAIN_SECONDS": f"{seconds:g}",
        "RUNNER_KILL_SECONDS": f"{policy.budget.startup + seconds:g}",
        **work.environment,
    }
