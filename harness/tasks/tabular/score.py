"""Deal rows without their targets under ids of this trial, and measure the ranking that returns.

Rows come in an order drawn here, each with a number drawn here. Neither order nor number says
anything about a row or its target, and both are forgotten with this process. Predictions come
back with the ids they are for: dropped, added, repeated or reordered rows are refused, so that a
join that lost its rows is an error with a name and not a low score.

What this does not protect against: rows that give their target away by their content. What a
task drops as a leak is its description's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.scoring import errors
from harness.scoring.classification import auc
from harness.scoring.dealing import draw_ids, draw_order, load_sealed
from harness.scoring.errors import with_error
from harness.scoring.outputs import Code, InvalidOutputsError, Layout, read_array
from harness.scoring.protocol import Dealt, Measured
from harness.scoring.resampling import over_rows
from harness.tasks.tabular import files

PREDICTOR = "rows"
IDS, PREDICTIONS = f"{PREDICTOR}/ids.npy", f"{PREDICTOR}/predictions.npy"
PER_ROW = ("numbers", "words")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a trial's predictor was asked, in the order in which it was asked."""

    ids: NDArray[np.int64]
    targets: NDArray[np.uint8]
    order: NDArray[np.int64]
    """The sealed row that was asked about at each place."""


def deal(sealed: Path, part: str, split: str, *, metric: str) -> Dealt:
    """Draw order and ids, and return the predictor's inputs and the measure called `metric`.

    Raises:
        SealedDataDamagedError: the sealed part is not what its manifest says.
    """
    folder = f"{part}/{split}"
    targets = load_sealed(sealed, f"{folder}/{files.TARGETS}.npy")
    order, ids = draw_order(len(targets)), draw_ids(len(targets))
    inputs: dict[str, NDArray[Any]] = {IDS: ids}
    for name in files.ROWS:
        array = load_sealed(sealed, f"{folder}/{name}.npy")
        inputs[f"{PREDICTOR}/{name}.npy"] = array[order] if name in PER_ROW else array
    asked = Asked(ids=ids, targets=targets[order], order=order)
    return Dealt(inputs=inputs, measure=partial(measure, asked=asked, metric=metric))


def measure(outputs: Path, *, asked: Asked, metric: str) -> Measured:
    """Return the area under the ROC curve of what the predictor wrote.

    Raises:
        InvalidOutputsError: an array is not as asked for, or is for other rows.
    """
    shape = asked.targets.shape
    ids = read_array(outputs, IDS, Layout(dtype="<i8", shape=shape))
    if not np.array_equal(ids, asked.ids):
        raise InvalidOutputsError(Code.WRONG_IDS, IDS)
    predictions = read_array(outputs, PREDICTIONS, Layout(dtype="<f8", shape=shape))
    value = auc(asked.targets, predictions)
    samples = over_rows(partial(_of_some, asked.targets, predictions), asked.order)
    error = errors.of_auc(asked.targets, predictions)
    return Measured(with_error(metric, value, error), samples)


def _of_some(
    targets: NDArray[np.uint8], predictions: NDArray[np.float64], rows: NDArray[np.int64]
) -> float:
    """Return the metric of some rows; NaN where they are all of one class."""
    some = targets[rows]
    return math.nan if some.all() or not some.any() else auc(some, predictions[rows])
