"""Cut tiny Shakespeare by position: to train on, to decide by, to splice from, to audit by.

What this does not protect against: a model or an agent that knows the text. It is public, and
plays run through it, so neighbouring parts share names; only position keeps the parts apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.arrays import npy
from harness.raw import BadRawDataError
from harness.sealing import Built

RAW = "tinyshakespeare.txt"
SPLIT = "train"


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bytes at the end of the text, in this order; what comes before is for training."""

    holdout: int = 100_000
    donor: int = 50_000
    """Never scored: probes of looking ahead go on with it."""
    locked: int = 100_000


def build(_seed: int, raw: Path | None, sizes: Sizes | None = None) -> Built:
    """Return public `train/text.npy`, and sealed `text.npy` and `donor.npy` of both parts.

    All are uint8, one value a byte of the file. The seed changes nothing: position decides.

    Raises:
        BadRawDataError: there is no raw folder, or its text leaves nothing to train on.
    """
    if raw is None:
        raise BadRawDataError(f"shakespeare is prepared from {RAW}")
    sizes = sizes or Sizes()
    text = np.frombuffer((raw / RAW).read_bytes(), dtype=np.uint8)
    sealed = sizes.holdout + sizes.donor + sizes.locked
    if len(text) <= sealed:
        raise BadRawDataError(f"{RAW} has {len(text)} bytes; more than {sealed} are needed")
    ends = np.cumsum([len(text) - sealed, sizes.holdout, sizes.donor])
    train, holdout, donor, locked = np.split(text, ends)
    return Built(
        public={f"{SPLIT}/text.npy": npy(train)},
        sealed={
            f"{part}/{SPLIT}/{name}.npy": npy(array)
            for part, scored in (("holdout", holdout), ("locked", locked))
            for name, array in (("text", scored), ("donor", donor))
        },
    )
