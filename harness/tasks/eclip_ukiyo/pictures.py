"""Read prints and make them small squares. A missing or broken image is an error, not a blank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.tasks.eclip_ukiyo.odvg import BadPrintsError

SIDE = 64


def read(folder: Path, filenames: Sequence[str]) -> NDArray[np.uint8]:
    """Return the images as uint8 [n, 64, 64, 3], each stretched to a square.

    Raises:
        BadPrintsError: a file is missing or cannot be read to its end; the message names it.
    """
    images = np.empty((len(filenames), SIDE, SIDE, 3), dtype=np.uint8)
    for row, name in enumerate(filenames):
        images[row] = _read(folder, name)
    return images


def _read(folder: Path, name: str) -> NDArray[np.uint8]:
    from PIL import Image  # scorers do without it

    try:
        with Image.open(folder / name) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # a large JPEG is not decoded in full
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    except FileNotFoundError:
        raise BadPrintsError(f"there is no {folder.name}/{name} among the raw files") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadPrintsError(f"{folder.name}/{name}: not a readable image: {error}") from error
    return np.asarray(small)
