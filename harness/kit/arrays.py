"""Read and write `.npy` files: no pickle, and whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read(folder: Path, name: str) -> NDArray[Any]:
    """Return `folder/name.npy`.

    Raises:
        FileNotFoundError: there is none; the message lists what there is.
    """
    path = folder / f"{name}.npy"
    if not path.is_file():
        found = ", ".join(sorted(one.stem for one in folder.glob("*.npy"))) or "no arrays"
        raise FileNotFoundError(f"{path} does not exist; {folder} holds {found}")
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def write(folder: Path, name: str, array: NDArray[Any]) -> None:
    """Write `folder/name.npy` in C order; a reader sees the whole array or none."""
    temporary = folder / f".{name}.new"
    with temporary.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    os.replace(temporary, folder / f"{name}.npy")  # noqa: PTH105 - known for being atomic
