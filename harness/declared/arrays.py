"""Two arrays as a source of rows: any inputs of numbers, and a target for each."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.arrays import from_npy, npy
from harness.declared import schema, targets
from harness.declared.schema import ArraysData, Declaration
from harness.declared.targets import Target
from harness.raw import BadRawDataError, required

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
KINDS = "biufSU"
"""Of arrays: numbers and words; whatever else would have to be unpickled."""


@dataclass(frozen=True, kw_only=True)
class ArraysSource:
    """Inputs [n, ...] and targets [n] or [n, k], as they were in their files."""

    declaration: Declaration
    data: ArraysData
    inputs: NDArray[Any]
    written: NDArray[Any]
    """The targets as they are in their file."""
    beside: NDArray[Any] | None
    """[n] what groups the rows or orders them."""
    origin: NDArray[np.int64]
    """[n] in which of several sets of files each row is."""

    def __len__(self) -> int:
        return len(self.inputs)

    @cached_property
    def target(self) -> Target:
        score = self.declaration.score
        return targets.of_array(self.written, kind=score.kind, positive=score.positive)

    def times(self) -> NDArray[np.float64] | None:
        if self.declaration.split.by != "time" or self.beside is None:
            return None
        if self.beside.dtype.kind not in "biuf" or not np.isfinite(self.beside).all():
            raise BadRawDataError(f"{self.declaration.split.column} must hold finite numbers")
        return self.beside.astype(np.float64)

    def groups(self) -> NDArray[np.int64] | None:
        if not self.declaration.split.grouped or self.beside is None:
            return None
        return np.unique(self.beside, return_inverse=True)[1].astype(np.int64)

    def signatures(self) -> list[bytes]:
        rows = np.ascontiguousarray(self.inputs).reshape(len(self), -1)
        return [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest().encode() for row in rows]

    def training(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        return {
            given(self.data.inputs): npy(self.inputs[rows]),
            given(self.data.targets): npy(self.written[rows]),
        }

    def sealed(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        return {given(self.data.inputs): npy(self.inputs[rows])}


def read_source(raw: Path | None, declaration: Declaration) -> ArraysSource:
    """Read the declared arrays.

    Raises:
        BadRawDataError: one is missing, is no plain array, or they do not fit each other.
    """
    data, column = declaration.data, declaration.split.column
    if not isinstance(data, ArraysData):
        raise TypeError("not arrays")
    inputs, written, origin = stacked(raw, schema.sets_of_files(declaration))
    if column is not None and not column.endswith(".npy"):
        raise BadRawDataError(f"split.column: {column!r} must be a .npy file with a value per row")
    beside = _array(raw, column) if column is not None else None
    if inputs.ndim < 2 or written.ndim not in (1, 2):
        raise BadRawDataError(
            f"{data.inputs} must be [n, ...] and {data.targets} [n] or [n, k]: their shapes are "
            f"{inputs.shape} and {written.shape}"
        )
    if beside is not None and beside.shape != (len(inputs),):
        raise BadRawDataError(f"{column} must have the shape ({len(inputs)},), not {beside.shape}")
    return ArraysSource(
        declaration=declaration, data=data, inputs=inputs, written=written, beside=beside,
        origin=origin,
    )  # fmt: skip


def asked(
    data: ArraysData, load: Callable[[str], bytes], order: NDArray[np.int64]
) -> Mapping[str, NDArray[Any]]:
    """Return what a predictor is given of an evaluated part, in this order."""
    return {given(data.inputs): from_npy(load(given(data.inputs)))[order]}


def given(name: str) -> str:
    """Return what a raw file is called in containers: `train-images-idx3-ubyte.gz.npy`."""
    return name if name.endswith(".npy") else f"{name}.npy"


def stacked(
    raw: Path | None, sets: Sequence[tuple[str, ...]]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Return two arrays with as many rows, each of the sets below each other, and of which it is.

    Raises:
        BadRawDataError: they do not fit each other.
    """
    pairs = []
    for names in sets:
        left, right = (_array(raw, name) for name in names)
        if len(left) != len(right):
            raise BadRawDataError(
                f"{names[1]} must have one row for each row of {names[0]}: their shapes are "
                f"{right.shape} and {left.shape}"
            )
        pairs.append((left, right))
    origin = np.repeat(np.arange(len(pairs)), [len(left) for left, _ in pairs])
    try:
        left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    except (ValueError, TypeError) as error:
        raise BadRawDataError(f"the files of split.asked have other shapes: {error}") from None
    return left, right, origin.astype(np.int64)


def _array(raw: Path | None, name: str) -> NDArray[Any]:
    path = required(raw, name)
    try:
        idx = not name.endswith(".npy")
        array: NDArray[Any] = _from_idx(path) if idx else np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, BadRawDataError):
            raise
        raise BadRawDataError(f"{name} is no plain array: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in KINDS or array.ndim == 0:
        raise BadRawDataError(f"{name} must hold rows of numbers or words")
    return array


def _from_idx(path: Path) -> NDArray[Any]:
    """Return an idx file's array: two zeros, a type, how many axes, their lengths, the numbers."""
    opener: Any = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not head[3]:
            raise ValueError("it does not begin as idx files do")
        shape = np.frombuffer(file.read(4 * head[3]), ">u4").tolist()
        dtype = np.dtype(IDX_TYPES[head[2]])
        size = math.prod(shape) * dtype.itemsize
        content = file.read(size + 1)
    if len(content) != size:
        raise ValueError(f"its head says {size} bytes of numbers, and it has others")
    found = np.frombuffer(content, dtype).reshape(shape)
    return found.astype(dtype.newbyteorder("="))
