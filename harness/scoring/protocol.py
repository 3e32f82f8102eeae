"""How a scorer talks: it deals inputs, says ready, waits for go, and prints one JSON document.

The scorer starts before the predictors, so that the volumes live while agent containers come and
go. It says `ready` on standard error once the inputs lie there; the host sends `go` once every
agent container of the trial is confirmed gone. End of input means exit.

What this does not protect against: a host that sends `go` too early. The order is its to keep.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from harness.mounts import Mounts
from harness.scoring import resampling
from harness.scoring.outputs import Code, InvalidOutputsError

READY, GO = "ready\n", "go\n"
NO_GO = 3
"""Exit code when the input ended without a go: nothing was scored, and nobody is to blame."""


class Measured(dict[str, float]):
    """Metrics by name, with the one that decides over samples of the rows; see `resampling`."""

    def __init__(self, metrics: Mapping[str, float], samples: Sequence[float]) -> None:
        super().__init__(metrics)
        self.samples = samples


@dataclass(frozen=True, kw_only=True)
class Dealt:
    """One trial's inputs, and the measure that remembers how they were shuffled."""

    inputs: Mapping[str, NDArray[np.generic] | bytes]
    """`predictor/name` → array of a `.npy` file, or a file's bytes; written below `/inputs`."""
    measure: Callable[[Path], Mapping[str, float]]
    """Outputs folder → metrics; raises `InvalidOutputsError`."""


def score(dealt: Dealt, mounts: Mounts, *, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Run the whole conversation and return the exit code."""
    for name, content in dealt.inputs.items():
        path = mounts.inputs / name
        if not path.parent.is_dir():
            path.parent.mkdir()
            path.parent.chmod(0o755)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content, allow_pickle=False)
        path.chmod(0o644)  # another user's predictor reads it, whatever our umask is
    stderr.write(READY)
    stderr.flush()
    if stdin.readline(len(GO)) != GO:
        return NO_GO
    tell(lambda: dealt.measure(mounts.outputs), mounts, stdout)
    return 0


def tell(measure: Callable[[], Mapping[str, float]], mounts: Mounts, stdout: TextIO) -> None:
    """Print the document: the metrics, or which output is refused and why.

    Beside the metrics stands how much training left, in whole pages as its quota counts them.

    A metric may be any one number, NumPy's included. One that is not finite says nothing of how
    good the outputs are, so they are refused.
    """
    document: dict[str, object]
    try:
        found = measure()
        metrics = {name: float(value) for name, value in found.items()}
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise InvalidOutputsError(Code.NOT_FINITE, f"the metric {name} is {value}")
        document = {"status": "scored", "metrics": metrics, "artifact_bytes": _held(mounts)}
        if isinstance(found, Measured):
            document["samples"] = [resampling.written(value) for value in found.samples]
    except InvalidOutputsError as refused:
        code, output = str(refused.code), refused.output
        document = {"status": "invalid-outputs", "code": code, "output": output}
    stdout.write(json.dumps(document) + "\n")
    stdout.flush()


def _held(mounts: Mounts) -> int | None:
    """Return the bytes of the artifacts, as their filesystem counts them; no name of it is read."""
    try:
        found = os.statvfs(mounts.held)
    except OSError:
        return None
    return (found.f_blocks - found.f_bfree) * found.f_frsize
