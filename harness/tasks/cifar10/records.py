"""Read the official binary version of CIFAR-10: a label byte, then 3,072 bytes of one photograph.

A file that is not that is refused by name; nothing is guessed and nothing skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.raw import BadRawDataError

SIDE, CHANNELS, CLASSES = 32, 3, 10
PIXEL_BYTES = CHANNELS * SIDE * SIDE
RECORD_BYTES = 1 + PIXEL_BYTES
FOLDER = "cifar-10-batches-bin"
TRAINING, TEST = "data_batch_*.bin", "test_batch.bin"


class BadBatchError(BadRawDataError):
    """A batch is missing or is not in the official format; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """Labelled photographs, row belonging to row."""

    images: NDArray[np.uint8]
    """[n, 32, 32, 3], red, green, blue."""
    labels: NDArray[np.int64]
    """[n], 0 to 9."""

    def take(self, rows: NDArray[np.int64]) -> Photographs:
        return Photographs(images=self.images[rows], labels=self.labels[rows])


def read_training(raw: Path) -> Photographs:
    """Return every training batch in `raw`, in the order of their names.

    Raises:
        BadBatchError: there is none, or one is not in the official format.
    """
    paths = sorted(_folder(raw).glob(TRAINING))
    if not paths:
        raise BadBatchError(f"there is no {FOLDER}/{TRAINING} among the raw files")
    batches = [_read(path) for path in paths]
    return Photographs(
        images=np.concatenate([batch.images for batch in batches]),
        labels=np.concatenate([batch.labels for batch in batches]),
    )


def read_test(raw: Path) -> Photographs:
    """Return the test batch in `raw`; raise `BadBatchError` as above."""
    return _read(_folder(raw) / TEST)


def _folder(raw: Path) -> Path:
    """Return where the batches are: in the archive's own folder, or right here."""
    return raw / FOLDER if (raw / FOLDER).is_dir() else raw


def _read(path: Path) -> Photographs:
    if not path.is_file():
        raise BadBatchError(f"there is no {FOLDER}/{path.name} among the raw files")
    content = np.fromfile(path, dtype=np.uint8)
    if not len(content) or len(content) % RECORD_BYTES:
        raise BadBatchError(
            f"{path.name}: {len(content)} bytes are not whole records of {RECORD_BYTES}"
        )
    records = content.reshape(-1, RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if (wrong := np.flatnonzero(labels >= CLASSES)).size:
        first = int(wrong[0])
        raise BadBatchError(f"{path.name}: record {first} has the label {labels[first]}, not 0..9")
    planes = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
    return Photographs(images=planes.transpose(0, 2, 3, 1).copy(), labels=labels)
