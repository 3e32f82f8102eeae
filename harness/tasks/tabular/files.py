"""How tables lie on disk: a few plain arrays in a folder, read by kit and scorer alike.

| array | dtype and shape | |
|---|---|---|
| `numbers` | float64 [n, k] | NaN where a value is missing |
| `words` | bytes [n, c] | UTF-8; empty where a value is missing |
| `number_names`, `word_names` | text [k], [c] | |
| `targets` | uint8 [n] | 0 or 1; never among a predictor's inputs |
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.arrays import npy
from harness.tasks.tabular.table import Table

ROWS = ("numbers", "words", "number_names", "word_names")
TARGETS = "targets"


def rows_and_targets(folder: str, table: Table) -> dict[str, bytes]:
    """Return path → bytes of a table below `folder`."""
    arrays = {
        "numbers": table.numbers,
        "words": table.words,
        "number_names": _names(table.number_names),
        "word_names": _names(table.word_names),
        TARGETS: table.targets,
    }
    return {f"{folder}/{name}.npy": npy(array) for name, array in arrays.items()}


def _names(names: tuple[str, ...]) -> NDArray[np.str_]:
    return np.array(names, dtype=np.str_)
