"""Where a model of two classes is wrong: by how sure it was, by segment, and by feature.

A row is wrong where its target is not on its side of the threshold.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import (
    FEWEST_VALUES,
    Columns,
    as_text,
    filled_with_mean,
    is_missing,
    is_numeric,
)
from .ranking import auc

BANDS = 10
SMALLEST_SEGMENT = 30
MOST_VALUES = 50


class Band(NamedTuple):
    """Rows whose predictions lie between two values."""

    low: float
    high: float
    rows: int
    positives: float
    wrong: float


class Segment(NamedTuple):
    """Rows that share one value of a column."""

    column: str
    value: str
    rows: int
    positives: float
    wrong: float
    auc: float
    """Within the segment; NaN where it has one class only."""


class Feature(NamedTuple):
    """How a feature differs between wrong and right rows."""

    feature: str
    shift: float
    """Mean over wrong rows minus mean over right rows, in standard deviations."""


def error_by_band(
    targets: NDArray[Any], predictions: NDArray[Any], *, threshold: float = 0.5
) -> list[Band]:
    """Divide the rows into ten bands of equal size by prediction, lowest first."""
    wrong = is_wrong(targets, predictions, threshold)
    order = np.argsort(predictions, kind="stable")
    return [
        Band(
            float(predictions[rows[0]]),
            float(predictions[rows[-1]]),
            len(rows),
            float(targets[rows].mean()),
            float(wrong[rows].mean()),
        )
        for rows in np.array_split(order, BANDS)
        if len(rows)
    ]


def error_by_segment(
    columns: Columns, targets: NDArray[Any], predictions: NDArray[Any], *, threshold: float = 0.5
) -> list[Segment]:
    """Return the segments of at least 30 rows by share of wrong rows, worst first.

    A column is a segmentation if it is text, or holds at most 50 different numbers.
    """
    wrong = is_wrong(targets, predictions, threshold)
    found = []
    for name, column in columns.items():
        segments = column if is_numeric(column) else as_text(column)
        values = np.unique(segments[~is_missing(column)])
        if len(values) > MOST_VALUES and is_numeric(column):
            continue
        for value in values:
            rows = segments == value
            if (count := int(rows.sum())) >= SMALLEST_SEGMENT:
                area = auc(targets[rows], predictions[rows])
                shares = float(targets[rows].mean()), float(wrong[rows].mean())
                found.append(Segment(name, str(value), count, *shares, area))
    return sorted(found, key=lambda segment: -segment.wrong)


def error_by_feature(
    columns: Columns, targets: NDArray[Any], predictions: NDArray[Any], *, threshold: float = 0.5
) -> list[Feature]:
    """Rank numeric features by how far wrong rows lie from right ones, furthest first."""
    wrong = is_wrong(targets, predictions, threshold)
    if wrong.all() or not wrong.any():
        return []
    found = []
    for name, column in columns.items():
        if not is_numeric(column) or (~is_missing(column)).sum() < FEWEST_VALUES:
            continue
        values = filled_with_mean(column)
        if np.ptp(values) > 0:
            shift = (values[wrong].mean() - values[~wrong].mean()) / values.std()
            found.append(Feature(name, float(shift)))
    return sorted(found, key=lambda feature: -abs(feature.shift))


def is_wrong(
    targets: NDArray[Any], predictions: NDArray[Any], threshold: float
) -> NDArray[np.bool_]:
    """Say of each row whether its prediction is on the other side of the threshold."""
    wrong: NDArray[np.bool_] = (predictions >= threshold) != (targets == 1)
    return wrong
