"""A folder of files by class, images say, as a source of rows: a folder inside it is a class.

Names are drawn, so that neither a name nor an order tells a class; what is inside of a file is as
it came.

What this does not protect against: what a file says of itself, a camera or a place for each class.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.arrays import from_npy, npy
from harness.declared import schema, targets
from harness.declared.schema import Declaration, FolderData
from harness.declared.tables import pack_texts, unpack_texts
from harness.declared.targets import Target
from harness.raw import BadRawDataError

ENDINGS, FILES = "endings.json", "files"
"""Below a predictor's inputs; names there follow the order in which they are asked."""


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """Files [n] and the class of each."""

    declaration: Declaration
    data: FolderData
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    """[n] drawn."""
    origin: NDArray[np.int64]
    """[n] in which of several folders each file is."""

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def target(self) -> Target:
        score = self.declaration.score
        values = np.array([path.parent.name for path in self.paths])
        return targets.of_array(values, kind=score.kind, positive=score.positive)

    def times(self) -> None:
        return None

    def groups(self) -> None:
        return None

    def signatures(self) -> list[bytes]:
        return [hashlib.sha256(path.read_bytes()).hexdigest().encode() for path in self.paths]

    def training(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        return {
            f"{self.data.folder}/{self.paths[row].parent.name}/{self.names[row]}": self.paths[
                row
            ].read_bytes()
            for row in rows
        }

    def sealed(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        """Return the files as one run of bytes, and their endings."""
        packed = pack_texts([[self.paths[row].read_bytes()] for row in rows], 1)
        endings = json.dumps([self.paths[row].suffix.lower() for row in rows]).encode()
        return {ENDINGS: endings, **{f"{name}.npy": npy(array) for name, array in packed.items()}}


def read_source(raw: Path | None, declaration: Declaration, seed: int) -> FolderSource:
    """Find the files.

    Raises:
        BadRawDataError: there is no folder of classes.
    """
    data = declaration.data
    if not isinstance(data, FolderData):
        raise TypeError("not a folder")
    if declaration.split.by not in ("random", "files"):
        raise BadRawDataError("split.by: files of a folder are split at random, or by folders")
    sets = schema.sets_of_files(declaration)
    each = [_in(raw, name, alone=len(sets) == 1) for [name] in sets]
    paths = tuple(path for found in each for path in found)
    origin = np.repeat(np.arange(len(each)), [len(found) for found in each])
    if len({path.parent.name for path in paths}) < 2:
        raise BadRawDataError(f"{data.folder} must hold a folder of files for each class")
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = random.permutation(len(paths))
    names = tuple(
        f"{number:06d}{path.suffix.lower()}" for number, path in zip(drawn, paths, strict=True)
    )
    return FolderSource(declaration=declaration, data=data, paths=paths, names=names, origin=origin)


def _in(raw: Path | None, name: str, *, alone: bool) -> list[Path]:
    """Return the files below a folder's folders; of the only one, the raw files may be it."""
    if raw is None or not ((raw / name).is_dir() or alone):
        raise BadRawDataError(f"there is no folder {name} among the raw files")
    root = raw / name if (raw / name).is_dir() else raw
    return [
        path
        for path in sorted(root.glob("*/*"))
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
    ]


def asked(load: Callable[[str], bytes], order: NDArray[np.int64]) -> Mapping[str, bytes]:
    """Return the files of an evaluated part, named by their place in this order."""
    endings = json.loads(load(ENDINGS))
    rows = unpack_texts(*(from_npy(load(f"{name}.npy")) for name in ("texts", "text_lengths")))
    return {f"{FILES}/{place:06d}{endings[row]}": rows[row][0] for place, row in enumerate(order)}
