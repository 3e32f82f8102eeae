"""What the scorer will read: plain arrays with the shape and dtype that `program.md` asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from . import arrays

FOLDER = Path("/outputs")


def save(name: str, array: NDArray[Any]) -> None:
    """Write `/outputs/<name>.npy`, row i answering input row i."""
    arrays.write(FOLDER, name, array)
