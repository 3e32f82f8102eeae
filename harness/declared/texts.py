"""A text as a served language model's data: cut by position, every token one byte.

From its end backwards: the locked part, a part of which nothing is scored, from which probes of
looking ahead go on, and the holdout. What is before them is for training.

What this does not protect against: a text that repeats itself, or that is public.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.declared.schema import Declaration, TextData
from harness.raw import BadRawDataError, required
from harness.scoring.dealing import load_sealed
from harness.scoring.served import Served, cut
from harness.sealing import Built

METRIC = "val_bpb"
SPLIT, TEXT, DONOR = "train", "text.npy", "donor.npy"
VOCABULARY = 256
FEWEST_WINDOWS = 20
DONOR_SHARE = 0.5
"""Of the holdout's size."""
Parts = dict[str, Any]


def divide(raw: Path | None, declaration: Declaration) -> Parts:
    """Return the bytes of each part: train, holdout, donor and locked.

    Raises:
        BadRawDataError: the text is missing or too short, or the split is no cut by position.
    """
    data, split = declaration.data, declaration.split
    if not isinstance(data, TextData):
        raise TypeError("not a text")
    if split.by != "order" or split.holdout is None:
        raise BadRawDataError("split: a text is cut by position: {by: order, holdout: 0.1}")
    if declaration.score.metric not in (None, METRIC) or declaration.score.also:
        raise BadRawDataError(f"score: the metric of a text is {METRIC}, bits per byte, alone")
    text = np.frombuffer(required(raw, data.text).read_bytes(), dtype=np.uint8)
    size = {
        "holdout": int(split.holdout * len(text)),
        "donor": int(DONOR_SHARE * split.holdout * len(text)),
        "locked": int(split.share * len(text)),
    }
    fewest = FEWEST_WINDOWS * (data.positions + 1)
    if min(size.values()) < fewest or sum(size.values()) >= len(text):
        raise BadRawDataError(
            f"{data.text} has {len(text)} bytes, its smallest sealed part {min(size.values())}: "
            f"{fewest} are the fewest, and something must be left to train on"
        )
    ends = np.cumsum([len(text) - sum(size.values()), size["holdout"], size["donor"]])
    return dict(zip(("train", "holdout", "donor", "locked"), np.split(text, ends), strict=True))


def build(raw: Path | None, declaration: Declaration) -> Built:
    """Return public `train/` with the text that it came as, and the sealed parts as arrays."""
    from harness.arrays import npy

    found, data = divide(raw, declaration), declaration.data
    assert isinstance(data, TextData)  # noqa: S101 - `divide` checked it
    return Built(
        public={f"{SPLIT}/{data.text}": found["train"].tobytes()},
        sealed={
            f"{part}/{SPLIT}/{name}": npy(found[key])
            for part in ("holdout", "locked")
            for name, key in ((TEXT, part), (DONOR, "donor"))
        },
    )


def deal(sealed: Path, part: str, split: str, declaration: Declaration) -> Served:
    """Return the windows of an evaluated part."""
    data = declaration.data
    assert isinstance(data, TextData)  # noqa: S101 - only a text is dealt here
    text, donor = (load_sealed(sealed, f"{part}/{split}/{name}") for name in (TEXT, DONOR))
    return Served(
        windows=cut(text, positions=data.positions),
        donor=donor.astype(np.int32),
        token_bytes=np.ones(VOCABULARY, dtype=np.int64),
    )


def understand(raw: Path | None, declaration: Declaration) -> dict[str, Any]:
    """Return what is shown of a text."""
    found, data = divide(raw, declaration), declaration.data
    assert isinstance(data, TextData)  # noqa: S101 - `divide` checked it
    sizes = {part: len(found[part]) for part in ("holdout", "locked")}
    return {
        "rows": sum(len(part) for part in found.values()),
        "kind": "text", "why": f"bytes, asked in windows of {data.positions}",
        "classes": {}, "positive": None, "metric": METRIC, "function": "bits per byte",
        "predict": [],
        "direction": "minimize", "measures": "the mean surprise of a byte, in bits",
        "reads": "a distribution over 256 bytes at every position, normalised by the scorer",
        "also": [], "spread": None, "splits": [SPLIT], "audit_splits": [SPLIT], "shared": False,
        "analysis": False,
        "parts": {f"{part}/{SPLIT}": [len(found["train"]), size] for part, size in sizes.items()},
        "ask": declaration.ask, "warnings": [],
    }  # fmt: skip
