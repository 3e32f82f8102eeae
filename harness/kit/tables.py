"""Rows of a table: what training has, what a predictor is asked, and how it answers.

The counts below explain a mistake early. They are no limit: clock and memory are, from outside.
"""

from __future__ import annotations

import json
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
    texts: NDArray[np.object_]
    """[n, t] longer ones; empty where a value is missing."""
    text_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return name → the column [n], numbers first: what a `DataFrame` is made of."""
        numbers = dict(zip(self.number_names, self.numbers.T, strict=True))
        words = dict(zip(self.word_names, self.words.T, strict=True))
        return {**numbers, **words, **dict(zip(self.text_names, self.texts.T, strict=True))}

    def take(self, rows: Any) -> Rows:
        """Return some of the rows: a slice, a mask or row numbers."""
        return replace(
            self, numbers=self.numbers[rows], words=self.words[rows], texts=self.texts[rows]
        )


def training() -> tuple[Rows, NDArray[Any]]:
    """Return this split's training rows and their targets, rows in time order, if any.

    Targets are [n] of 0 and 1, or classes numbered from 0; or float64 amounts; or [n, labels].
    """
    targets = data.load("targets")
    return _rows(data), targets if targets.dtype.kind == "f" else targets.astype(np.int64)


def asked() -> tuple[Rows, NDArray[np.int64]]:
    """Return the rows to predict and their ids [n], drawn for this trial and in no order."""
    return _rows(inputs), inputs.load("ids")


def answer(ids: NDArray[np.int64], predictions: NDArray[Any]) -> None:
    """Write what is predicted of the rows that were asked.

    Args:
        ids: [n], as `asked` returned them: every row, once, in that order.
        predictions: [n] or [n, 1], higher for what is likelier a 1, or amounts; or [n, classes].

    Raises:
        ValueError: there is not one finite prediction per id, or not as many as there are classes.
    """
    values = np.asarray(predictions, dtype=np.float64)
    if values.shape == (len(ids), 1):
        values = values[:, 0]  # as many libraries return them
    width = _width()
    if values.shape != ((len(ids),) if width == 1 else (len(ids), width)):
        raise ValueError(f"{ids.shape} rows were asked and {values.shape} are predicted")
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} predictions are not finite numbers")
    outputs.save("ids", ids)
    outputs.save("predictions", values)


def _width() -> int:
    """Return how many numbers each row is answered with."""
    path = inputs.FOLDER / "about.json"
    if not path.is_file():
        return 1
    about = json.loads(path.read_text())
    return len(about["classes"]) if about["kind"] == "multi-class" else int(about["width"])


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
        **_texts(source),
    )


def _texts(source: Any) -> dict[str, Any]:
    """Return long texts, which lie as one run of bytes; few tables have any."""
    if not source.has("texts"):
        return {"texts": np.empty((len(source.load("numbers")), 0), dtype=object)}
    lengths = source.load("text_lengths")
    ends, content = np.cumsum(lengths).reshape(lengths.shape), source.load("texts").tobytes()
    texts = np.empty(lengths.shape, dtype=object)
    for place, end in np.ndenumerate(ends):
        texts[place] = content[end - lengths[place] : end].decode()
    return {"texts": texts, "text_names": tuple(source.load("text_names").tolist())}
