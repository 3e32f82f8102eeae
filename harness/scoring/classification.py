"""Metrics of two classes from scores, exact and fair to ties.

What this does not protect against: scores that are good for another reason than a good model.
That no container with agent code holds the targets is the dealing's work, not this module's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def auc(targets: NDArray[Any], scores: NDArray[Any]) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative.

    A tie counts one half, so scores that are all equal are worth exactly 0.5. The wins are
    counted in whole numbers; the only rounding is that of the last division.

    Args:
        targets: [n] of 0 and 1.
        scores: [n] finite numbers, higher for what is likelier a 1; only their order counts.

    Raises:
        ValueError: there is one class only, the shapes differ, or a score is not finite.
    """
    if targets.shape != scores.shape or targets.ndim != 1:
        raise ValueError(f"targets {targets.shape} and scores {scores.shape} must be two vectors")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    positive = targets == 1
    positives, negatives = int(positive.sum()), int((targets == 0).sum())
    if not positives or not negatives or positives + negatives != len(targets):
        raise ValueError("targets must be 0 and 1, and both must occur")
    return doubled_wins(positive, scores) / (2 * positives * negatives)


def doubled_wins(positive: NDArray[np.bool_], scores: NDArray[Any]) -> int:
    """Count, over all pairs of a positive and a negative, 2 for a win and 1 for a tie."""
    _, place = np.unique(scores, return_inverse=True)
    ups = np.bincount(place[positive], minlength=place.max() + 1)
    downs = np.bincount(place[~positive], minlength=place.max() + 1)
    below = np.cumsum(downs) - downs
    # Python's own numbers: a sum of products may leave 64 bits when both classes are large.
    return sum(
        int(up) * (2 * int(under) + int(beside))
        for up, under, beside in zip(ups, below, downs, strict=True)
    )
