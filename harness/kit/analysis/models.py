"""What a model rests on: what it says of itself, and what it loses without a feature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ranking import auc

REPEATS = 3


class Importance(NamedTuple):
    """One feature's share of what a model rests on."""

    feature: str
    importance: float


def feature_importance(model: object, names: Sequence[str]) -> list[Importance]:
    """Return what a model says its features are worth, as shares of 1, most first.

    LightGBM boosters are asked for gain, scikit-learn's models and wrappers for
    `feature_importances_`, linear ones for the size of `coef_`.

    Raises:
        TypeError: the model says nothing of its features; try `permutation_importance`.
        ValueError: it has another number of features than there are names.
    """
    values = _importances(model)
    if values.shape != (len(names),):
        raise ValueError(f"the model has {values.shape} importances and there are {len(names)}")
    total = values.sum() or 1.0
    return _ranked(names, values / total)


def permutation_importance(
    predict: Callable[[NDArray[Any]], NDArray[Any]],
    matrix: NDArray[Any],
    targets: NDArray[Any],
    names: Sequence[str],
) -> list[Importance]:
    """Return how much AUC is lost when a feature's values change rows, most first.

    Args:
        predict: matrix [n, k] → scores [n].
        matrix: [n, k], rows that the model was not trained on.
        targets: [n] of 0 and 1.
        names: the k features.
    """
    bits = np.random.Generator(np.random.PCG64(0))  # the same answer to the same question
    whole = auc(targets, predict(matrix))
    losses = np.zeros(len(names))
    for feature in range(len(names)):
        for _ in range(REPEATS):
            shuffled = matrix.copy()
            shuffled[:, feature] = bits.permutation(shuffled[:, feature])
            losses[feature] += (whole - auc(targets, predict(shuffled))) / REPEATS
    return _ranked(names, losses)


def _importances(model: Any) -> NDArray[np.float64]:
    if callable(of_booster := getattr(model, "feature_importance", None)):
        return np.asarray(of_booster("gain"), dtype=np.float64)
    if (of_trees := getattr(model, "feature_importances_", None)) is not None:
        return np.asarray(of_trees, dtype=np.float64)
    if (of_line := getattr(model, "coef_", None)) is not None:
        sizes: NDArray[np.float64] = np.abs(np.atleast_2d(of_line)).mean(axis=0)
        return sizes
    raise TypeError(f"{type(model).__name__} does not say what its features are worth")


def _ranked(names: Sequence[str], values: NDArray[np.float64]) -> list[Importance]:
    found = [Importance(name, float(value)) for name, value in zip(names, values, strict=True)]
    return sorted(found, key=lambda one: -one.importance)
