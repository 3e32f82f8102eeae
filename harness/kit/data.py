"""The training part of this trial's split, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import arrays

FOLDER = Path("/data")


def load(name: str) -> NDArray[Any]:
    """Return the array `/data/<name>.npy`; only trainers have it."""
    return arrays.read(FOLDER, name)


def has(name: str) -> bool:
    """Return whether there is an array of this name."""
    return (FOLDER / f"{name}.npy").is_file()
