"""A trial's volumes: memory with a hard quota, each owned by the one user who writes there."""

from __future__ import annotations

from collections.abc import Mapping

from runner.engines.protocol import AGENT_USER, SCORER_USER, Volume
from runner.records import Shape, TrialSpec
from runner.trial import served

INPUTS_BYTES = 512 * 1024**2
WIRE_BYTES = 64 * 1024  # of a volume that holds one socket
AGENT_UID, SCORER_UID = (int(user.split(":")[0]) for user in (AGENT_USER, SCORER_USER))


def volumes(spec: TrialSpec, prefix: str, labels: Mapping[str, str]) -> tuple[Volume, ...]:
    """Return each volume that a trial of this shape has; its name follows the prefix."""
    resources = spec.resources
    held = {"artifacts": (resources.artifacts_bytes, AGENT_UID)}
    if spec.shape is Shape.ONE_SHOT:
        held["outputs"] = (resources.outputs_bytes, AGENT_UID)
    elif spec.shape is Shape.SERVED:
        held |= {f"wire-{name}": (WIRE_BYTES, SCORER_UID) for name in served.PREDICTORS}
    else:
        for name in spec.predictors:
            held[f"inputs-{name}"] = (INPUTS_BYTES, SCORER_UID)
            held[f"outputs-{name}"] = (resources.outputs_bytes, AGENT_UID)
    return tuple(
        Volume(name=f"{prefix}-{name}", labels=labels, memory_bytes=size, uid=uid)
        for name, (size, uid) in held.items()
    )
