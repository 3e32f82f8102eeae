"""Deal windows of bytes to be served; every token is one byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.scoring.dealing import load_sealed
from harness.scoring.served import Served, cut

POSITIONS = 128
"""Bytes that the model is given at most; one more is predicted."""
VOCABULARY = 256


def deal(sealed: Path, part: str, split: str) -> Served:
    """Return the part's windows.

    Raises:
        SealedDataDamagedError: the sealed part is not what its manifest says.
    """
    text, donor = (load_sealed(sealed, f"{part}/{split}/{name}.npy") for name in ("text", "donor"))
    return Served(
        windows=cut(text, positions=POSITIONS),
        donor=donor.astype(np.int32),
        token_bytes=np.ones(VOCABULARY, dtype=np.int64),
    )
