"""Divide the 303 rows of UCI Heart Disease (Cleveland): a locked fifth, and five folds.

Everything is stratified by the target and drawn from the prepare seed. Each fold is a split of
its own: `public/fold<k>` holds the other four with their targets, `sealed/holdout/fold<k>` itself.
The split `full` trains on all five and is asked about the locked fifth.

Every row outside the locked fifth is evaluated in one fold, so none is a training row in all of
them, and there is no `analysis/` here: 303 rows are too few to set some aside.

What this does not protect against: whoever has the public file has every row's target.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.raw import required
from harness.sealing import Built
from harness.tasks.tabular import files
from harness.tasks.tabular.table import BadTableError, Table

FILE = "processed.cleveland.data"
NAMES = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal"),
)
"""Columns of the file, which has no header; a fourteenth, `num`, is 0 or a degree of disease."""
MISSING = "?"
FOLDS = 5
LOCKED_SHARE = 0.2
FULL = "full"


def build(seed: int, raw: Path | None) -> Built:
    """Return every file of the data set, from the official file in `raw`.

    Raises:
        BadRawDataError: there is no such file, or it is not what UCI publishes.
    """
    return divide(seed, read_rows(required(raw, FILE).read_bytes()))


def divide(seed: int, table: Table) -> Built:
    """Return every file of a table, divided by the seed."""
    bits = np.random.Generator(np.random.PCG64(seed))
    locked, rest = _locked(bits, table.targets)
    kept = table.take(rest)
    fold = draw_folds(bits, kept.targets)
    public = files.rows_and_targets(FULL, kept)
    sealed = files.rows_and_targets(f"locked/{FULL}", table.take(locked))
    for number in range(FOLDS):
        split = f"fold{number}"
        public.update(files.rows_and_targets(split, kept.take(np.flatnonzero(fold != number))))
        held_out = kept.take(np.flatnonzero(fold == number))
        sealed.update(files.rows_and_targets(f"holdout/{split}", held_out))
    return Built(public=public, sealed=sealed)


def read_rows(content: bytes) -> Table:
    """Parse the official file; the target is whether `num` is above 0.

    Raises:
        BadTableError: a line does not have fourteen numbers, `?` where one is missing.
    """
    lines = csv.reader(io.StringIO(content.decode("ascii", errors="replace")))
    rows = [_parse(values, lines.line_num) for values in lines if values]
    if len({row[-1] > 0 for row in rows}) < 2:
        raise BadTableError(f"{FILE} must have rows with the disease and rows without")
    values = np.array(rows, dtype=np.float64)
    return Table(
        numbers=values[:, :-1],
        number_names=NAMES,
        words=np.empty((len(rows), 0), dtype="S1"),
        word_names=(),
        targets=(values[:, -1] > 0).astype(np.uint8),
    )


def _parse(values: list[str], line: int) -> list[float]:
    try:
        row = [np.nan if value.strip() == MISSING else float(value) for value in values]
    except ValueError as error:
        raise BadTableError(f"{FILE}, line {line}: {error}") from None
    if len(row) != len(NAMES) + 1 or not np.isfinite(row[-1]):
        raise BadTableError(f"{FILE}, line {line}: not {len(NAMES)} measurements and a target")
    return row


def _locked(
    bits: np.random.Generator, targets: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the locked rows and the others, both in the file's order."""
    chosen = np.zeros(len(targets), dtype=bool)
    for rows in _shuffled_classes(bits, targets):
        chosen[rows[: round(LOCKED_SHARE * len(rows))]] = True
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def draw_folds(bits: np.random.Generator, targets: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return each row's fold, [n]; every fold gets its share of each class, give or take one."""
    fold = np.empty(len(targets), dtype=np.int64)
    dealt = 0  # going on where the other class ended keeps the folds' sizes even
    for rows in _shuffled_classes(bits, targets):
        fold[rows] = (dealt + np.arange(len(rows))) % FOLDS
        dealt += len(rows)
    return fold


def _shuffled_classes(
    bits: np.random.Generator, targets: NDArray[np.uint8]
) -> list[NDArray[np.int64]]:
    return [bits.permutation(np.flatnonzero(targets == one)) for one in (0, 1)]
