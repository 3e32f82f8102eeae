"""Questions for image-text and language models: what is hardest, where, and how sure it was."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 10


class Example(NamedTuple):
    """One example and its loss."""

    row: int
    loss: float


class Position(NamedTuple):
    """Mean loss over a range of positions, `start` included and `end` not."""

    start: int
    end: int
    loss: float


class Bin(NamedTuple):
    """Examples whose confidence lies in one bin."""

    low: float
    high: float
    examples: int
    confidence: float
    correct: float


def hardest(losses: NDArray[Any], *, count: int = 20) -> list[Example]:
    """Return the rows of the largest finite losses [n] (or ranks), worst first."""
    finite = np.flatnonzero(np.isfinite(losses))
    worst = finite[np.argsort(-losses[finite], kind="stable")][:count]
    return [Example(int(row), float(losses[row])) for row in worst]


def loss_by_position(losses: NDArray[Any], *, ranges: int = 16) -> list[Position]:
    """Return the mean loss along sequences [n, length] (NaN is padding), in even ranges."""
    length = losses.shape[1]
    edges = np.unique(np.linspace(0, length, min(ranges, length) + 1).astype(int)).tolist()
    found = []
    for start, end in pairwise(edges):
        part = losses[:, start:end]
        present = np.isfinite(part)
        if present.any():
            found.append(Position(start, end, float(part[present].mean())))
    return found


def calibration(confidences: NDArray[Any], correct: NDArray[Any], *, bins: int = BINS) -> list[Bin]:
    """Compare how sure a model was with how often it was right, bin by bin.

    Args:
        confidences: [n] probabilities of what the model chose, from 0 to 1.
        correct: [n] whether that was right.
        bins: how many of equal width; empty ones are left out.

    Raises:
        ValueError: a confidence is no probability.
    """
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError("confidences must lie between 0 and 1")
    place = np.minimum((confidences * bins).astype(int), bins - 1)
    return [
        Bin(
            number / bins,
            (number + 1) / bins,
            int(rows.sum()),
            float(confidences[rows].mean()),
            float(correct[rows].mean()),
        )
        for number in range(bins)
        if (rows := place == number).any()
    ]


def expected_calibration_error(
    confidences: NDArray[Any], correct: NDArray[Any], *, bins: int = BINS
) -> float:
    """Return the mean gap between confidence and correctness, weighted by examples; 0 is best."""
    found = calibration(confidences, correct, bins=bins)
    gaps = [one.examples * abs(one.confidence - one.correct) for one in found]
    return float(sum(gaps) / max(1, sum(one.examples for one in found)))
