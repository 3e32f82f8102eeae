"""A metric over samples of the rows: what tells a gain from the luck of these rows.

The samples are the same for every program and every trial: two programs are compared on each of
them, so that what is hard about a row is hard for both, and only what they differ in is left. A
person sees the spread of that; an agent never does, since each sample is one more look at the rows.

What this does not protect against: rows that depend on each other and are in no common group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from harness.scoring.dealing import put_back

DRAWS = 200
MOST_DRAWN = 4_000_000
"""Rows of all samples together: many rows need fewer samples."""
MOST_CALLS = 20_000
"""Measures of all samples together, of about a millisecond each: a scorer has its time, too."""
FEWEST = 50
DIGITS = 9

Rows = NDArray[np.int64]


def over_rows(
    compute: Callable[[Rows], float], order: Rows, groups: Rows | None = None, *, calls: int = 1
) -> list[float]:
    """Return a metric over the samples; NaN where it is not defined.

    Args:
        compute: the metric of some rows, by their places as they were dealt.
        order: [n] the row of the sealed part that was dealt at each place.
        groups: [n] of each place; what is in one group is drawn together.
        calls: how many measures the metric is made of; none is drawn of what is made of too many.
    """
    dealt_at = put_back(np.arange(len(order)), order)
    by_row = None if groups is None else groups[dealt_at]
    return [compute(dealt_at[rows]) for rows in _samples(len(order), by_row, calls)]


def _samples(count: int, groups: Rows | None, calls: int) -> Iterator[Rows]:
    """Yield rows of the sealed part, drawn with replacement, one row or one group at a time."""
    random = np.random.Generator(np.random.PCG64(count))
    units = [np.array([row]) for row in range(count)] if groups is None else _members(groups)
    draws = min(max(FEWEST, min(DRAWS, MOST_DRAWN // max(1, count))), MOST_CALLS // calls)
    for _ in range(draws if draws >= FEWEST else 0):
        drawn = random.integers(0, len(units), len(units))
        yield drawn if groups is None else np.concatenate([units[one] for one in drawn])


def _members(groups: Rows) -> list[Rows]:
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def written(value: float) -> float | None:
    """Return a sample as the document holds it."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
