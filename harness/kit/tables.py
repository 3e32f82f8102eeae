"""Rows of a table: what training has, what a predictor is asked, and how it answers.

The counts below explain a mistake early. They are no limit: clock and memory are, from outside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import data, inputs, outputs


class TooManyError(ValueError):
    """More features or trees than the task is meant for; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What a model may see of some rows."""

    numbers: NDArray[np.float64]
    """[n, k]; NaN where a value is missing."""
    number_names: tuple[str, ...]
    words: NDArray[np.str_]
    """[n, c]; empty where a value is missing."""
    word_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return name → the column [n], numbers first: what a `DataFrame` is made of."""
        numbers = dict(zip(self.number_names, self.numbers.T, strict=True))
        return {**numbers, **dict(zip(self.word_names, self.words.T, strict=True))}

    def take(self, rows: Any) -> Rows:
        """Return some of the rows: a slice, a mask or row numbers."""
        return replace(self, numbers=self.numbers[rows], words=self.words[rows])


def training() -> tuple[Rows, NDArray[np.int64]]:
    """Return this split's training rows and their targets [n] of 0 and 1; in time order, if any."""
    return _rows(data), data.load("targets").astype(np.int64)


def asked() -> tuple[Rows, NDArray[np.int64]]:
    """Return the rows to predict and their ids [n], drawn for this trial and in no order."""
    return _rows(inputs), inputs.load("ids")


def answer(ids: NDArray[np.int64], predictions: NDArray[Any]) -> None:
    """Write one number per row that was asked, higher for what is likelier a 1.

    Args:
        ids: [n], as `asked` returned them: every row, once, in that order.
        predictions: [n] or [n, 1]; only their order counts.

    Raises:
        ValueError: there is not one finite prediction per id.
    """
    values = np.asarray(predictions, dtype=np.float64)
    if values.shape == (len(ids), 1):
        values = values[:, 0]  # as many libraries return them
    if values.shape != ids.shape:
        raise ValueError(f"{ids.shape} rows were asked and {values.shape} are predicted")
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} predictions are not finite numbers")
    outputs.save("ids", ids)
    outputs.save("predictions", values)


def check_features(count: int, most: int) -> None:
    """Raise `TooManyError` where a matrix has more features than the task is meant for."""
    if count > most:
        raise TooManyError(
            f"{count} features, and {most} are the most: drop what is mostly empty or correlated, "
            "keep what univariate AUC or importance puts first"
        )


def check_trees(model: object, most: int) -> None:
    """Raise `TooManyError` where a boosted or bagged model has more trees than it is meant to."""
    count = count_trees(model)
    if count is not None and count > most:
        raise TooManyError(
            f"{count} trees, and {most} are the most: raise the learning rate, or stop earlier"
        )


def count_trees(model: object) -> int | None:
    """Return how many trees a LightGBM, XGBoost or scikit-learn model holds, if it can be told."""
    for name in ("booster_", "_Booster"):  # the wrappers that look like scikit-learn
        model = getattr(model, name, model)
    for name in ("num_trees", "num_boosted_rounds"):
        count = getattr(model, name, None)
        if callable(count):
            return int(count())
    trees = getattr(model, "estimators_", None)
    return None if trees is None else int(np.size(trees))


def _rows(source: Any) -> Rows:
    words = source.load("words")
    return Rows(
        numbers=source.load("numbers"),
        number_names=tuple(source.load("number_names").tolist()),
        words=np.strings.decode(words, "utf-8") if words.size else words.astype(np.str_),
        word_names=tuple(source.load("word_names").tolist()),
    )
