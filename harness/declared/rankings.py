"""How well rows are ordered, list by list: a query's candidates, some of them relevant.

Each metric is the mean over lists; a list without a relevant row says nothing and is left out.
`ndcg` and average precision are scikit-learn's. Where scores tie, what is not relevant comes first.

What this does not protect against: lists so short that every order of them is good.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.raw import library

Array = NDArray[Any]
List = tuple[Array, Array]
"""How relevant each row of a list is, 0 and more, and its score."""
OURS = "harness.declared.rankings"


def means(
    lists: Iterable[List], metrics: Mapping[str, tuple[str, int | None]]
) -> dict[str, tuple[float, float | None]]:
    """Return each metric's mean over lists and its standard error; NaN where no list counts.

    Args:
        lists: relevance and scores, [rows] each.
        metrics: name → its function, and how many places count, where not all do.
    """
    found: dict[str, list[float]] = {name: [] for name in metrics}
    for relevance, scores in lists:
        if len(relevance) > 1 and (relevance > 0).any():
            for name, (function, most) in metrics.items():
                found[name].append(_of_list(function, most, relevance, scores))
    return {name: _mean(values) for name, values in found.items()}


def by_group(relevance: Array, scores: Array, groups: NDArray[np.int64]) -> Iterable[List]:
    """Yield the list of each group."""
    order = np.argsort(groups, kind="stable")
    cuts = np.flatnonzero(np.diff(groups[order])) + 1
    for rows in np.split(order, cuts):
        yield relevance[rows], scores[rows]


def _of_list(function: str, most: int | None, relevance: Array, scores: Array) -> float:
    if function == "ndcg_score":
        return float(_known().ndcg_score(relevance[None], scores[None], k=most))
    relevant = relevance > 0
    if function == "average_precision_score":
        return float(_known().average_precision_score(relevant, scores))
    # What is not relevant and has the same score is in front.
    others = np.sort(-scores[~relevant])
    own = np.sort(-scores[relevant])
    places = 1 + np.searchsorted(others, own, side="right") + np.arange(len(own))
    if function == "first_rank":
        return float(places[0])
    if function == "reciprocal_rank":
        return 1 / float(places[0])
    return float((places <= (most or 1)).mean())


def _known() -> Any:
    return library("sklearn.metrics", "this image holds no scikit-learn")


def _mean(values: Sequence[float]) -> tuple[float, float | None]:
    if not values:
        return math.nan, None
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
    return float(np.mean(values)), error
