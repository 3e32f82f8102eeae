"""How far a metric would move on other rows: its standard error, the rows being what varies.

A scorer's document may carry `<metric>_se`. A person sees it beside the locked part's score; an
agent never does, for it is one more number about the holdout.

What this does not protect against: rows that depend on each other, and training, which would come
out differently with another seed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def with_error(name: str, value: float, error: float | None) -> dict[str, float]:
    """Return the metric, with its standard error where there is one."""
    known = error is not None and math.isfinite(error)
    return {name: value, f"{name}_se": float(error or 0.0)} if known else {name: value}


def of_mean(values: NDArray[np.floating]) -> float | None:
    """Return the standard error of the mean; absent for fewer than two values."""
    count = len(values)
    return float(np.std(values, ddof=1)) / math.sqrt(count) if count > 1 else None


def of_share(hits: int, count: int) -> float | None:
    """Return that of a share; two hits and two misses are added, as nothing is certain from none.

    (Agresti and Coull, 1998.)
    """
    if not count:
        return None
    share = (hits + 2) / (count + 4)
    return math.sqrt(share * (1 - share) / (count + 4))


def of_auc(targets: NDArray[np.integer], scores: NDArray[np.floating]) -> float | None:
    """Return that of the area under the ROC curve (DeLong and others, 1988).

    Args:
        targets: [n] of 0 and 1.
        scores: [n] finite numbers; a tie counts one half.
    """
    ups, downs = np.sort(scores[targets == 1]), np.sort(scores[targets == 0])
    if len(ups) < 2 or len(downs) < 2:
        return None
    won = _below(downs, ups)
    lost = 1 - _below(ups, downs)
    return math.sqrt(float(won.var(ddof=1)) / len(ups) + float(lost.var(ddof=1)) / len(downs))


def _below(others: NDArray[np.floating], values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return for each value the share of sorted others below it, ties counted one half."""
    sides = [np.searchsorted(others, values, side) for side in ("left", "right")]
    share: NDArray[np.float64] = (sides[0] + sides[1]) / (2 * len(others))
    return share
