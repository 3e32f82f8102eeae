"""Divide Ukiyo-eVG: three folds of the pool that evaluate each other, and the locked test prints.

Split `fold<k>` trains on the other two folds and is scored on fold k. Split `full` trains on the
whole pool and is scored on the locked prints. Folds are drawn from the prepare seed.

Boxes and phrases are for training only; evaluation holds images and captions, row belonging to
row. Every split has a vocabulary of its own, from its own training captions.

What this does not protect against: whoever has the public set has every pair; and the same design
printed twice, under two filenames, may lie in two folds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.arrays import npy
from harness.sealing import Built
from harness.tasks.eclip_ukiyo import odvg, pictures, words
from harness.tasks.eclip_ukiyo.odvg import Annotations, BadPrintsError, Print

FOLDS = 3
FULL = "full"
MAX_REGIONS = 8
CAPTION_TOKENS, PHRASE_TOKENS = 64, 16


@dataclass(frozen=True, kw_only=True)
class Prints:
    """Prints with their pictures, row belonging to row."""

    annotated: Sequence[Print]
    images: NDArray[np.uint8]

    def take(self, rows: NDArray[np.int64]) -> Prints:
        return Prints(annotated=[self.annotated[row] for row in rows], images=self.images[rows])


def build(seed: int, raw: Path | None = None) -> Built:
    """Return every file of the data set, from a folder of Ukiyo-eVG.

    Public, per split: images uint8 [n, 64, 64, 3], captions uint16 [n, 64], phrases
    uint16 [n, 8, 16], boxes float32 [n, 8, 4] (x0, y0, x1, y1 as shares of width and height; all
    zero, as is its phrase, where there is no such region), and the vocabulary.
    `counts.json` says how many lines were read, used and left out.

    Raises:
        BadPrintsError: a file or an image is missing, or is not what the official set holds.
    """
    if raw is None:
        raise BadPrintsError("eclip-ukiyo is made from a folder of Ukiyo-eVG, and none was given")
    root = odvg.find_root(raw)
    locked = odvg.read(root, odvg.LOCKED)
    taken = [one.filename for one in locked.prints]
    pool = odvg.read(root, odvg.POOL, taken=taken)
    _require_some(pool, locked)
    counts = {"pool": pool.counts, "locked": locked.counts}
    public = {"counts.json": (json.dumps(counts, indent=1) + "\n").encode()}
    sealed: dict[str, bytes] = {}
    for split, part, train, asked in _splits(seed, _load(root, pool), _load(root, locked)):
        vocabulary = words.learn(one.caption for one in train.annotated)
        public |= _training(split, train, vocabulary)
        sealed |= _pairs(f"{part}/{split}", asked, vocabulary)
    return Built(public=public, sealed=sealed)


def _require_some(pool: Annotations, locked: Annotations) -> None:
    if len(pool.prints) < 2 * FOLDS or len(locked.prints) < 2:
        raise BadPrintsError(
            f"too few usable prints: {len(pool.prints)} to train on ({pool.counts}), "
            f"{len(locked.prints)} to lock ({locked.counts})"
        )


def _load(root: Path, found: Annotations) -> Prints:
    filenames = [one.filename for one in found.prints]
    return Prints(annotated=found.prints, images=pictures.read(root / "images", filenames))


def _splits(seed: int, pool: Prints, locked: Prints) -> Iterator[tuple[str, str, Prints, Prints]]:
    """Yield each split's name, the part that scores it, what it trains on, what it is asked."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(pool.annotated))
    fold = np.empty(len(order), dtype=np.int64)
    fold[order] = np.arange(len(order)) % FOLDS
    for number in range(FOLDS):
        train, asked = (np.flatnonzero(rows) for rows in (fold != number, fold == number))
        yield f"fold{number}", "holdout", pool.take(train), pool.take(asked)
    yield FULL, "locked", pool, locked


def _training(split: str, prints: Prints, vocabulary: words.Vocabulary) -> dict[str, bytes]:
    rows = len(prints.annotated)
    phrases = np.zeros((rows, MAX_REGIONS, PHRASE_TOKENS), dtype=np.uint16)
    boxes = np.zeros((rows, MAX_REGIONS, 4), dtype=np.float32)
    for row, one in enumerate(prints.annotated):
        regions = one.regions[:MAX_REGIONS]
        said = [region.phrase for region in regions]
        phrases[row, : len(said)] = words.tokens(said, vocabulary, length=PHRASE_TOKENS)
        boxes[row, : len(said)] = [region.box for region in regions]
    return {
        **_pairs(split, prints, vocabulary),
        f"{split}/phrases.npy": npy(phrases),
        f"{split}/boxes.npy": npy(boxes),
        f"{split}/vocabulary.npy": npy(np.array(vocabulary)),
    }


def _pairs(folder: str, prints: Prints, vocabulary: words.Vocabulary) -> dict[str, bytes]:
    said = [one.caption for one in prints.annotated]
    captions = words.tokens(said, vocabulary, length=CAPTION_TOKENS)
    return {
        f"{folder}/images.npy": npy(prints.images),
        f"{folder}/captions.npy": npy(captions),
    }
