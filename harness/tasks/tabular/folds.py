"""Divide a CSV file whose rows have no order: five stratified folds and a locked fifth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.raw import required
from harness.sealing import Built
from harness.tasks.heart.prepare import FOLDS, divide
from harness.tasks.tabular.table import BadTableError, Description, read_table

FEWEST_OF_A_CLASS = 4 * FOLDS
"""So that every fold, and the locked fifth, holds a few of each class."""


def build(seed: int, raw: Path | None, description: Description) -> Built:
    """Return every file of a cross-validated task; who is in which fold is drawn from the seed.

    Raises:
        BadRawDataError: there is no such file, or it does not fit its description.
    """
    table = read_table(required(raw, description.file).read_bytes(), description)
    rarest = int(np.bincount(table.targets, minlength=2).min())
    if rarest < FEWEST_OF_A_CLASS:
        raise BadTableError(
            f"the target {description.target!r} has {rarest} rows of one class, and "
            f"{FEWEST_OF_A_CLASS} are the fewest that five folds and a locked part can do with"
        )
    return divide(seed, table)
