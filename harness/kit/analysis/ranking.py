"""How well scores order two classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def auc(targets: NDArray[Any], scores: NDArray[Any]) -> float:
    """Return the area under the ROC curve, ties counting one half; NaN with one class only.

    Args:
        targets: [n] of 0 and 1.
        scores: [n] finite numbers, higher for what is likelier a 1.
    """
    positive = np.asarray(targets) == 1
    _, place = np.unique(scores, return_inverse=True)
    ups = np.bincount(place[positive], minlength=len(scores)).astype(np.float64)
    downs = np.bincount(place[~positive], minlength=len(scores)).astype(np.float64)
    pairs = ups.sum() * downs.sum()
    return float(ups @ (np.cumsum(downs) - downs / 2) / pairs) if pairs else float("nan")
