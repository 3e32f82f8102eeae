"""Two half-moons: two numbers in, a class out. The rows come from raw/points.csv."""

from __future__ import annotations

import hashlib
import io
import secrets
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.scoring.outputs import Expected, read_embeddings
from harness.scoring.protocol import Dealt
from harness.sealing import Built, read_sealed

RAW = Path(__file__).with_name("raw") / "points.csv"
SPLIT = "train"
SHARES = {"train": 0.5, "holdout": 0.25, "locked": 0.25}
OUTPUT = "points/classes.npy"


def build(seed: int, _raw: Path | None) -> Built:
    """Deal the rows to the parts by a draw; targets of `holdout` and `locked` are sealed."""
    rows = np.loadtxt(RAW, delimiter=",", dtype=np.float32)
    ranks = [hashlib.sha256(f"{seed}/{row}".encode()).digest() for row in range(len(rows))]
    order = sorted(range(len(rows)), key=ranks.__getitem__)
    public: dict[str, bytes] = {}
    sealed: dict[str, bytes] = {}
    start = 0.0
    for part, share in SHARES.items():
        chosen = rows[order[round(start * len(rows)) : round((start + share) * len(rows))]]
        files = public if part == "train" else sealed
        folder = SPLIT if part == "train" else f"{part}/{SPLIT}"
        files[f"{folder}/points.npy"] = _npy(chosen[:, :2])
        files[f"{folder}/labels.npy"] = _npy(chosen[:, 2])
        start += share
    return Built(public=public, sealed=sealed)


def deal(sealed: Path, part: str, split: str) -> Dealt:
    """Give the predictor the points alone, in an order that is drawn now and kept here."""
    points, labels = (_load(sealed, f"{part}/{split}/{name}.npy") for name in ("points", "labels"))
    order = list(range(len(points)))
    secrets.SystemRandom().shuffle(order)
    inputs = {"points/points.npy": points[order]}
    return Dealt(inputs=inputs, measure=partial(measure, labels=labels[order]))


def measure(outputs: Path, *, labels: NDArray[np.float32]) -> dict[str, float]:
    """Return the share of points on the right side of zero."""
    said = read_embeddings(outputs, OUTPUT, Expected(rows=len(labels), max_width=1))[:, 0]
    return {"accuracy": float(np.mean((said > 0) == (labels > 0)))}


def _npy(array: NDArray[np.float32]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def _load(sealed: Path, name: str) -> NDArray[np.float32]:
    array: NDArray[np.float32] = np.load(io.BytesIO(read_sealed(sealed, name)), allow_pickle=False)
    return array
