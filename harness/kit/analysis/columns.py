"""What single columns say: of the target, of each other, and how often they say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ranking import auc

Columns = Mapping[str, NDArray[Any]]
"""Name → [n] numbers (NaN is missing), or text or objects (empty, None and NaN are missing)."""
FEWEST_VALUES = 50
MOST_COLUMNS = 200


class ColumnAuc(NamedTuple):
    """One column's AUC by itself, turned so that it is at least 0.5."""

    column: str
    auc: float
    rising: bool
    """Whether higher values go with the target 1."""
    values: int


class Pair(NamedTuple):
    """Two columns and their Pearson correlation."""

    one: str
    other: str
    correlation: float


class NullRate(NamedTuple):
    """The share of a column's rows that have no value."""

    column: str
    share: float


def univariate_auc(columns: Columns, targets: NDArray[Any]) -> list[ColumnAuc]:
    """Rank numeric columns by their AUC alone, best first; fewer than 50 values are too few."""
    found = []
    for name, column in columns.items():
        present = ~is_missing(column)
        if not is_numeric(column) or present.sum() < FEWEST_VALUES:
            continue
        area = auc(targets[present], column[present])
        if np.isfinite(area):
            turned = max(area, 1 - area)
            found.append(ColumnAuc(name, turned, area >= 0.5, int(present.sum())))
    return sorted(found, key=lambda one: -one.auc)


def correlated_pairs(columns: Columns, *, at_least: float = 0.95) -> list[Pair]:
    """Return the pairs of numeric columns that say nearly the same, most alike first.

    Of more than 200 columns those with the largest variance are looked at. Missing values are
    taken for the column's mean.
    """
    numeric = {name: column for name, column in columns.items() if is_numeric(column)}
    filled = {name: filled_with_mean(column) for name, column in numeric.items()}
    varying = sorted((name for name in filled if np.ptp(filled[name]) > 0), key=lambda name: (
        -filled[name].var()
    ))[:MOST_COLUMNS]  # fmt: skip
    if len(varying) < 2:
        return []
    correlation = np.corrcoef([filled[name] for name in varying])
    rows, others = np.nonzero(np.triu(np.abs(correlation) >= at_least, k=1))
    pairs = [
        Pair(varying[row], varying[other], float(correlation[row, other]))
        for row, other in zip(rows, others, strict=True)
    ]
    return sorted(pairs, key=lambda pair: -abs(pair.correlation))


def null_rates(columns: Columns, *, above: float = 0.0) -> list[NullRate]:
    """Return the columns of which more than a share is missing, emptiest first."""
    rates = [NullRate(name, float(is_missing(column).mean())) for name, column in columns.items()]
    return sorted((rate for rate in rates if rate.share > above), key=lambda rate: -rate.share)


def is_numeric(column: NDArray[Any]) -> bool:
    """Whether a column holds numbers; what a `DataFrame` keeps as objects is text."""
    return column.dtype.kind in "biuf"


def is_missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each value whether it is absent."""
    missing: NDArray[np.bool_]
    missing = ~np.isfinite(column) if is_numeric(column) else as_text(column) == ""
    return missing


def as_text(column: NDArray[Any]) -> NDArray[np.str_]:
    """Return a column of text or objects as text, empty where a value is missing."""
    return np.array(["" if one is None or one != one else str(one) for one in column])


def filled_with_mean(column: NDArray[Any]) -> NDArray[np.float64]:
    """Return a numeric column with its mean where a value is missing; zeros where all are."""
    values = column.astype(np.float64)
    missing = is_missing(values)
    values[missing] = values[~missing].mean() if not missing.all() else 0.0
    return values
