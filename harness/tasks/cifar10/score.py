"""Deal shuffled photographs without their labels, and count which are named wrongly.

A predictor returns a score for every class. The scorer takes the largest itself, and a tie is an
error: ten equal scores, for every photograph, are wrong every time.

What this does not protect against: a model that memorised labels which it found outside.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.scoring import errors
from harness.scoring.dealing import draw_order, load_sealed
from harness.scoring.outputs import Layout, read_array
from harness.scoring.protocol import Dealt

PREDICTOR, CLASSES = "images", 10
OUTPUT = f"{PREDICTOR}/scores.npy"


def deal(sealed: Path, part: str, split: str) -> Dealt:
    """Draw an order and return the photographs in it, and the measure that knows their labels.

    Raises:
        SealedDataDamagedError: the sealed part is not what its manifest says.
    """
    images, labels = (
        load_sealed(sealed, f"{part}/{split}/{name}.npy") for name in ("images", "labels")
    )
    order = draw_order(len(labels))
    inputs = {f"{PREDICTOR}/images.npy": images[order]}
    return Dealt(inputs=inputs, measure=partial(measure, labels=labels[order]))


def measure(outputs: Path, *, labels: NDArray[np.int64]) -> dict[str, float]:
    """Return `error_rate` of the scores, float32 [n, 10], against the labels in the dealt order.

    Raises:
        InvalidOutputsError: the scores are not such an array of finite numbers.
    """
    scores = read_array(outputs, OUTPUT, Layout(dtype="<f4", shape=(len(labels), CLASSES)))
    wrong = ~is_right(scores, labels)
    error = errors.of_share(int(wrong.sum()), len(wrong))
    return errors.with_error("error_rate", float(np.mean(wrong)), error)


def is_right(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each row [n] whether its own class alone has the largest score."""
    rows = np.arange(len(labels))
    others = scores.copy()
    others[rows, labels] = -np.inf
    right: NDArray[np.bool_] = scores[rows, labels] > others.max(axis=1)
    return right
