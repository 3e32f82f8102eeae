"""A trial's volumes: memory with a hard quota, each owned by the one user who writes there."""

from __future__ import annotations

from typing import Any

from runner.records import Shape, TrialSpec
from runner.sandbox.engine import our_fault
from runner.sandbox.options import AGENT_USER, SCORER_USER, tmpfs_volume
from runner.trial import served

INPUTS_BYTES = 512 * 1024**2
WIRE_BYTES = 64 * 1024  # of a volume that holds one socket
AGENT_UID, SCORER_UID = (int(user.split(":")[0]) for user in (AGENT_USER, SCORER_USER))


def volume_options(spec: TrialSpec) -> dict[str, dict[str, str]]:
    """Return the local driver's options of each volume that a trial of this shape has."""
    resources = spec.resources
    artifacts = tmpfs_volume(size_bytes=resources.artifacts_bytes, uid=AGENT_UID)
    outputs = tmpfs_volume(size_bytes=resources.outputs_bytes, uid=AGENT_UID)
    inputs = tmpfs_volume(size_bytes=INPUTS_BYTES, uid=SCORER_UID)
    if spec.shape is Shape.ONE_SHOT:
        return {"artifacts": artifacts, "outputs": outputs}
    if spec.shape is Shape.SERVED:
        wire = tmpfs_volume(size_bytes=WIRE_BYTES, uid=SCORER_UID)
        return {"artifacts": artifacts, **{f"wire-{name}": wire for name in served.PREDICTORS}}
    dealt = {f"inputs-{name}": inputs for name in spec.predictors}
    taken = {f"outputs-{name}": outputs for name in spec.predictors}
    return {"artifacts": artifacts, **dealt, **taken}


def remove_volume(api: Any, name: str) -> None:
    with our_fault(f"removing the volume {name}"):
        api.remove_volume(name, force=True)
