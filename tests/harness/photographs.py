"""Write CIFAR-10 batches in the official binary format, with photographs that are easy to tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.tasks.cifar10.records import CHANNELS, CLASSES, FOLDER, PIXEL_BYTES, SIDE


def write(raw: Path, sizes: dict[str, int] | None = None) -> None:
    """Write `name.bin` of as many records each; a class is a colour and a bright corner."""
    if sizes is None:
        sizes = {"data_batch_1": 60, "data_batch_2": 40, "test_batch": 30}
    (raw / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, count in sizes.items():
        (raw / FOLDER / f"{name}.bin").write_bytes(batch(count, seed=len(name) + count))


def batch(count: int, *, seed: int) -> bytes:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    planes = random.integers(0, 120, (count, CHANNELS, SIDE, SIDE))
    for row, label in enumerate(labels):
        planes[row, label % CHANNELS] += 60
        down, across = (label // CHANNELS // 2) * 16, (label // CHANNELS % 2) * 16
        planes[row, :, down : down + 16, across : across + 16] += 75
    records = np.empty((count, 1 + PIXEL_BYTES), dtype=np.uint8)
    records[:, 0], records[:, 1:] = labels, planes.reshape(count, PIXEL_BYTES)
    return records.tobytes()
