"""What a predictor is asked about: inputs without targets, in an order drawn for this trial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import arrays

FOLDER = Path("/inputs")


def load(name: str) -> NDArray[Any]:
    """Return the array `/inputs/<name>.npy`; only predictors have it."""
    return arrays.read(FOLDER, name)


def has(name: str) -> bool:
    """Return whether there is an array of this name."""
    return (FOLDER / f"{name}.npy").is_file()
