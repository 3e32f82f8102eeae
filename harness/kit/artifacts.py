"""What training leaves for its own predictors: weights, in any format, under a quota."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/artifacts")


def path(name: str) -> Path:
    """Return the path of an artifact: written by `train`, read by `predict`."""
    return FOLDER / name
