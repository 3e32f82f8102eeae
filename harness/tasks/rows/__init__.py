"""Rows in two arrays, inputs and targets, as somebody's training script had them in a folder.

Three fifths train, a fifth decides, a fifth is locked; who is where is drawn from the seed.

What this does not protect against: rows of one group on two sides, the same patient twice say.
Write a `build` of your own where rows are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.arrays import npy
from harness.raw import BadRawDataError, required
from harness.scoring import errors
from harness.scoring.dealing import draw_ids, draw_order, load_sealed
from harness.scoring.errors import with_error
from harness.scoring.outputs import Code, InvalidOutputsError, Layout, read_array
from harness.scoring.protocol import Dealt
from harness.sealing import Built

SPLIT, PREDICTOR = "train", "rows"
IDS, PREDICTIONS = f"{PREDICTOR}/ids.npy", f"{PREDICTOR}/predictions.npy"
ENDS = (0.0, 0.6, 0.8, 1.0)
FOLDERS = (SPLIT, f"holdout/{SPLIT}", f"locked/{SPLIT}")
FEWEST_ROWS = 20
Array = NDArray[Any]


def accuracy(targets: Array, said: Array) -> float:
    """Return the share of rows whose prediction is the target."""
    return float(np.mean(targets == said))


def rmse(targets: Array, said: Array) -> float:
    """Return the root of the mean squared error; a prediction too large to square is infinity's."""
    scale = max(1.0, float(np.abs(said).max()))
    return scale * math.sqrt(float(np.mean(((targets - said) / scale) ** 2)))


def accuracy_error(targets: Array, said: Array) -> float | None:
    return errors.of_share(int((targets == said).sum()), len(targets))


def rmse_error(targets: Array, said: Array) -> float | None:
    """Return that of the mean square, carried over to its root."""
    root = rmse(targets, said)
    error = errors.of_mean(((targets - said) / root) ** 2) if root else None
    return None if error is None else root * error / 2


METRICS: Mapping[str, Callable[[Array, Array], float]] = {"accuracy": accuracy, "rmse": rmse}
ERRORS: Mapping[str, Callable[[Array, Array], float | None]] = {
    "accuracy": accuracy_error,
    "rmse": rmse_error,
}
"""The standard error of each metric; a person alone sees it."""


def build(seed: int, raw: Path | None, *, inputs: str, target: str) -> Built:
    """Return every file, from `<inputs>.npy` [n, ...] and `<target>.npy` [n] in `raw`.

    Raises:
        BadRawDataError: an array is missing, holds objects, or they do not fit each other.
    """
    arrays = {name: _raw(raw, name) for name in (inputs, target)}
    rows = len(arrays[target])
    if arrays[target].ndim != 1 or len(arrays[inputs]) != rows or rows < FEWEST_ROWS:
        raise BadRawDataError(
            f"{target}.npy must have one value for each of the {FEWEST_ROWS} rows or more of "
            f"{inputs}.npy: their shapes are {arrays[target].shape} and {arrays[inputs].shape}"
        )
    if not np.isfinite(arrays[target]).all():
        row = int(np.flatnonzero(~np.isfinite(arrays[target]))[0])
        raise BadRawDataError(f"{target}.npy: row {row} is not a finite number")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(rows)
    parts: dict[str, dict[str, bytes]] = {"public": {}, "sealed": {}}
    for folder, start, end in zip(FOLDERS, ENDS, ENDS[1:], strict=False):
        chosen = order[round(start * rows) : round(end * rows)]
        for name, array in arrays.items():
            part = parts["public" if folder == SPLIT else "sealed"]
            part[f"{folder}/{name}.npy"] = npy(array[chosen])
    return Built(**parts)


def deal(sealed: Path, part: str, split: str, *, inputs: str, target: str, metric: str) -> Dealt:
    """Give the predictor the rows without their targets, in an order and under ids drawn now."""
    found, targets = (
        load_sealed(sealed, f"{part}/{split}/{name}.npy") for name in (inputs, target)
    )
    order, ids = draw_order(len(targets)), draw_ids(len(targets))
    dealt = {f"{PREDICTOR}/{inputs}.npy": found[order], IDS: ids}
    return Dealt(
        inputs=dealt, measure=partial(measure, ids=ids, targets=targets[order], metric=metric)
    )


def measure(outputs: Path, *, ids: Array, targets: Array, metric: str) -> dict[str, float]:
    """Return the metric of one float64 per row, in the order of the ids."""
    if not np.array_equal(read_array(outputs, IDS, Layout(dtype="<i8", shape=ids.shape)), ids):
        raise InvalidOutputsError(Code.WRONG_IDS, IDS)
    said = read_array(outputs, PREDICTIONS, Layout(dtype="<f8", shape=targets.shape))
    known = targets.astype(np.float64)
    return with_error(metric, METRICS[metric](known, said), ERRORS[metric](known, said))


def _raw(raw: Path | None, name: str) -> Array:
    array: Array = np.load(required(raw, f"{name}.npy"), allow_pickle=False)
    if array.dtype.kind not in "biuf":
        raise BadRawDataError(f"{name}.npy must hold numbers, not {array.dtype}")
    return array
