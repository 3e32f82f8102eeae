"""Build the whole data set from one seed: prints, captions, and the boxes of what phrases name.

The arrays depend on the seed alone. The picture for people also depends on Pillow's version.

What this does not protect against: a seed that somebody knows. The source is public, so the seed
is the answer key; it is drawn by `prepare` and lies in the sealed manifest only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.arrays import npy
from harness.sealing import Built
from harness.tasks.eclip import scenes
from harness.tasks.eclip.draws import Draws
from harness.tasks.eclip.prints import box, paint
from harness.tasks.eclip.scenes import MAX_OBJECTS, Thing

Arrays = Mapping[str, NDArray[np.uint8]]
SPLIT = "train"
"""The only split."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many prints each part has."""

    train: int = 2_000
    holdout: int = 1_000
    locked: int = 1_000


def build(seed: int, _raw: Path | None = None, *, sizes: Sizes | None = None) -> Built:
    """Return every file of the data set.

    Public: `train/` with images uint8 [n, 40, 40, 3], captions uint8 [n, 24], phrases
    uint8 [n, 3, 7], boxes uint8 [n, 3, 4] (x0, y0, x1, y1 in pixels, ends excluded; all zero, as
    is its phrase, where there is no third object), the vocabulary, and a picture for people.
    Sealed: `holdout/train/` and `locked/train/` with images and captions, row belonging to row.
    """
    from harness.tasks.eclip.picture import draw_samples  # needs Pillow, which scorers do without

    drawn = _draw_parts(seed, asdict(sizes or Sizes()))
    train = _train_arrays(drawn["train"])
    public = {f"{SPLIT}/{name}.npy": npy(array) for name, array in train.items()}
    public[f"{SPLIT}/vocabulary.npy"] = npy(np.array(scenes.VOCABULARY))
    sealed = {
        f"{part}/{SPLIT}/{name}.npy": npy(array)
        for part in ("holdout", "locked")
        for name, array in _pairs(drawn[part]).items()
    }
    return Built(public={**public, "samples.png": draw_samples(train)}, sealed=sealed)


@dataclass(frozen=True, kw_only=True)
class _Print:
    scene: tuple[Thing, ...]
    image: NDArray[np.uint8]


def _draw_parts(seed: int, sizes: Mapping[str, int]) -> dict[str, list[_Print]]:
    """Draw every part; no caption occurs twice anywhere."""
    captions: set[tuple[str, ...]] = set()
    drawn: dict[str, list[_Print]] = {part: [] for part in sizes}
    for part, size in sizes.items():
        for number in range(size):
            for attempt in count():
                draws = Draws(f"eclip/{seed}/{part}/{number}/{attempt}")
                scene = scenes.draw_scene(draws)
                caption = tuple(sorted(" ".join(thing.phrase) for thing in scene))
                if caption not in captions:
                    break
            captions.add(caption)
            drawn[part].append(_Print(scene=scene, image=paint(scene, draws)))
    return drawn


def _pairs(prints: list[_Print]) -> Arrays:
    captions = [scenes.tokens(scenes.caption(one.scene), scenes.CAPTION_TOKENS) for one in prints]
    return {
        "images": np.stack([one.image for one in prints]),
        "captions": np.array(captions, dtype=np.uint8),
    }


def _train_arrays(prints: list[_Print]) -> Arrays:
    phrases = np.zeros((len(prints), MAX_OBJECTS, scenes.PHRASE_TOKENS), dtype=np.uint8)
    boxes = np.zeros((len(prints), MAX_OBJECTS, 4), dtype=np.uint8)
    for row, one in enumerate(prints):
        for number, thing in enumerate(one.scene):
            phrases[row, number] = scenes.tokens(thing.phrase, scenes.PHRASE_TOKENS)
            boxes[row, number] = box(thing)
    return {**_pairs(prints), "phrases": phrases, "boxes": boxes}
