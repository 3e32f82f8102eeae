"""Pairs as a source of rows: queries and documents, of which two predictors see one side each.

Neither predictor has the other's rows, and each has its own in an order drawn for the trial, so
nothing pairs them but what a model understood. Each answers with an embedding of every row; the
scorer ranks all documents for each query by the cosine.

What this does not protect against: pairs that give themselves away by something beside the content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.arrays import from_npy, npy
from harness.declared import metrics, rankings, schema
from harness.declared.arrays import stacked
from harness.declared.schema import Declaration, PairsData
from harness.declared.targets import Target
from harness.raw import BadRawDataError
from harness.scoring.dealing import draw_ids, draw_order, load_sealed, put_back
from harness.scoring.outputs import (
    Code,
    Expected,
    InvalidOutputsError,
    Layout,
    read_array,
    read_embeddings,
)
from harness.scoring.protocol import Dealt
from harness.sealing import read_sealed

SIDES = ("queries", "documents")
PAIRS = "pairs.npy"
MAX_WIDTH = 4096
EQUAL_DIGITS = 9
"""Cosines that agree so far are equal: products of equal vectors may differ with their place."""


@dataclass(frozen=True, kw_only=True)
class PairsSource:
    """Queries [n, ...] and documents [n, ...], as they were in their files."""

    declaration: Declaration
    data: PairsData
    queries: NDArray[Any]
    documents: NDArray[Any]
    origin: NDArray[np.int64]
    """[n] in which of several sets of files each pair is."""

    def __len__(self) -> int:
        return len(self.queries)

    @cached_property
    def target(self) -> Target:
        """Return, for each pair, which query and which document it is, [n, 2]."""
        sides = [_codes(self.queries), _codes(self.documents)]
        return Target(kind=metrics.RANKING, why="pairs", values=np.stack(sides, axis=1))

    def times(self) -> None:
        return None

    def groups(self) -> None:
        return None

    def signatures(self) -> list[bytes]:
        """Return [n] names, equal for pairs that share a query or a document, at any remove."""
        label = np.arange(len(self))
        while True:
            before = label.copy()
            for side in self.target.values.T:
                least = np.full(int(side.max()) + 1, len(self))
                np.minimum.at(least, side, label)
                label = least[side]
            if (label == before).all():
                return [str(one).encode() for one in label]

    def training(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        return {
            self.data.queries: npy(self.queries[rows]),
            self.data.documents: npy(self.documents[rows]),
        }

    def sealed(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        return self.training(rows)


def read_source(raw: Path | None, declaration: Declaration) -> PairsSource:
    """Read the declared arrays.

    Raises:
        BadRawDataError: one is missing, is no plain array, or they do not fit each other.
    """
    data = declaration.data
    if not isinstance(data, PairsData):
        raise TypeError("not pairs")
    if declaration.split.by not in ("random", "files"):
        raise BadRawDataError("split.by: pairs are split at random, or by files")
    queries, documents, origin = stacked(raw, schema.sets_of_files(declaration))
    if min(queries.ndim, documents.ndim) < 2:
        raise BadRawDataError(f"{data.queries} and {data.documents} must be [n, ...]")
    return PairsSource(
        declaration=declaration, data=data, queries=queries, documents=documents, origin=origin
    )


def deal(sealed: Path, folder: str, declaration: Declaration) -> Dealt:
    """Give each predictor its side, in an order and under ids drawn now."""
    data = declaration.data
    assert isinstance(data, PairsData)  # noqa: S101 - only pairs are dealt here
    about = json.loads(read_sealed(sealed, f"{folder}/about.json"))
    pairs = load_sealed(sealed, f"{folder}/scored.npy")
    inputs: dict[str, NDArray[Any] | bytes] = {}
    orders, ids = {}, {}
    for side, name in zip(SIDES, (data.queries, data.documents), strict=True):
        orders[side], ids[side] = draw_order(len(pairs)), draw_ids(len(pairs))
        rows = from_npy(read_sealed(sealed, f"{folder}/{name}"))[orders[side]]
        said = {**about, "side": side, "array": name}
        inputs |= {f"{side}/{name}": rows, f"{side}/ids.npy": ids[side],
                   f"{side}/about.json": json.dumps(said).encode()}  # fmt: skip
    return Dealt(
        inputs=inputs,
        measure=partial(measure, pairs=pairs, orders=orders, ids=ids, declaration=declaration),
    )


def measure(
    outputs: Path,
    *,
    pairs: NDArray[np.int64],
    orders: Mapping[str, NDArray[np.int64]],
    ids: Mapping[str, NDArray[np.int64]],
    declaration: Declaration,
) -> dict[str, float]:
    """Return the metric of two predictors' embeddings, its standard error, and those beside it.

    Raises:
        InvalidOutputsError: an array is not as asked for, or is for other rows.
    """
    found = []
    for side in SIDES:
        name, layout = f"{side}/ids.npy", Layout(dtype="<i8", shape=ids[side].shape)
        if not np.array_equal(read_array(outputs, name, layout), ids[side]):
            raise InvalidOutputsError(Code.WRONG_IDS, name)
        name, expected = f"{side}/predictions.npy", Expected(rows=len(pairs), max_width=MAX_WIDTH)
        found.append(put_back(read_embeddings(outputs, name, expected), orders[side]))
    if found[0].shape != found[1].shape:
        raise InvalidOutputsError(Code.WRONG_SHAPE, f"{SIDES[1]}/predictions.npy")
    metric, also = metrics.chosen(metrics.RANKING, declaration.score)
    return metrics.of_lists(lists(pairs, *map(_unit, found)), metric, also)


def lists(
    pairs: NDArray[np.int64], queries: NDArray[np.float64], documents: NDArray[np.float64]
) -> Iterator[rankings.List]:
    """Yield for each query which documents are its own, and how near each is."""
    for (query, document), row in zip(pairs, queries, strict=True):
        relevant = (pairs[:, 0] == query) | (pairs[:, 1] == document)
        yield relevant.astype(np.float64), np.round(documents @ row, EQUAL_DIGITS)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact / np.where(lengths > 0, lengths, 1))


def _codes(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Return [n] numbers, equal for equal rows."""
    plain = np.ascontiguousarray(rows).reshape(len(rows), -1)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in plain]
    return np.unique(digests, return_inverse=True)[1].astype(np.int64)
