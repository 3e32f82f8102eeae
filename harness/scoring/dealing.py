"""What every deal of rows needs: sealed arrays, an order and ids nobody can guess, the way back."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.arrays import from_npy
from harness.sealing import read_sealed

Order = NDArray[np.int64]
ID_BITS = 62
Kind = TypeVar("Kind", bound=np.generic)


def load_sealed(sealed: Path, name: str) -> NDArray[Any]:
    """Return a sealed `.npy` file's array.

    Raises:
        SealedDataDamagedError: it is not what the manifest says.
    """
    return from_npy(read_sealed(sealed, name))


def draw_order(rows: int) -> Order:
    """Return a permutation from the operating system's randomness: no seed, nothing to guess."""
    order = list(range(rows))
    secrets.SystemRandom().shuffle(order)
    return np.array(order, dtype=np.int64)


def draw_ids(rows: int) -> NDArray[np.int64]:
    """Return different numbers from the operating system's randomness, in no order."""
    return np.array(secrets.SystemRandom().sample(range(2**ID_BITS), rows), dtype=np.int64)


def put_back(answers: NDArray[Kind], order: Order) -> NDArray[Kind]:
    """Return the rows that answer `rows[order]`, in the order of `rows`."""
    aligned = np.empty_like(answers)
    aligned[order] = answers
    return aligned
