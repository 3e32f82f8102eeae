"""There is no data: what a trainer gets is the number of circles, and nothing is sealed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.arrays import npy
from harness.sealing import Built
from harness.tasks.packing.score import CIRCLES, SPLIT


def build(_seed: int, _raw: Path | None = None) -> Built:
    """Return `square/circles.npy`, one int64, and no sealed file; the seed changes nothing."""
    return Built(public={f"{SPLIT}/circles.npy": npy(np.array(CIRCLES, dtype=np.int64))}, sealed={})
