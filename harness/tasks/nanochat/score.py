"""Deal windows of tokens to be served; the scorer counts the bytes of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.scoring.dealing import load_sealed
from harness.scoring.served import Served

NAMES = ("windows", "donor", "token_bytes")


def deal(sealed: Path, part: str, split: str) -> Served:
    """Return the part's windows.

    Raises:
        SealedDataDamagedError: the sealed part is not what its manifest says.
    """
    windows, donor, token_bytes = (
        load_sealed(sealed, f"{part}/{split}/{name}.npy") for name in NAMES
    )
    return Served(
        windows=windows.astype(np.int32),
        donor=donor.astype(np.int32),
        token_bytes=token_bytes.astype(np.int64),
    )
