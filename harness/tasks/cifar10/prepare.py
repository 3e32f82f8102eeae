"""Divide CIFAR-10: a tenth of the training batches is the holdout, the test batch is locked.

The holdout is drawn from the prepare seed, the same share of every class.

What this does not protect against: whoever has the public archive has every label, and about one
test photograph in thirty has a near-copy in the training batches.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.arrays import npy
from harness.sealing import Built
from harness.tasks.cifar10 import records

SPLIT = "train"
"""The only split."""
HOLDOUT_SHARE = 0.1
NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def build(seed: int, raw: Path | None = None) -> Built:
    """Return every file of the data set, from the official batches in `raw`.

    Public: `train/` with images uint8 [n, 32, 32, 3], labels int64 [n] and the ten names.
    Sealed: `holdout/train/` and `locked/train/` with images and labels, row belonging to row.

    Raises:
        BadBatchError: a batch is missing or not in the official format.
    """
    if raw is None:
        raise records.BadBatchError("cifar10 is made from raw files, and none were given")
    pool, locked = records.read_training(raw), records.read_test(raw)
    held_out = draw_holdout(pool.labels, seed)
    public = _arrays(SPLIT, pool.take(np.flatnonzero(~held_out)))
    public[f"{SPLIT}/names.npy"] = npy(np.array(NAMES))
    holdout = _arrays(f"holdout/{SPLIT}", pool.take(np.flatnonzero(held_out)))
    return Built(public=public, sealed={**holdout, **_arrays(f"locked/{SPLIT}", locked)})


def draw_holdout(labels: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Return which rows [n] are held out: the same share of every class, one row at least."""
    bits = np.random.Generator(np.random.PCG64(seed))
    held_out = np.zeros(len(labels), dtype=np.bool_)
    for label in range(records.CLASSES):
        rows = bits.permutation(np.flatnonzero(labels == label))
        held_out[rows[: max(1, round(HOLDOUT_SHARE * len(rows)))]] = True
    return held_out


def _arrays(folder: str, photographs: records.Photographs) -> dict[str, bytes]:
    return {
        f"{folder}/images.npy": npy(photographs.images),
        f"{folder}/labels.npy": npy(photographs.labels),
    }
