"""Read arrays that agent code wrote, believing nothing about them.

A file is opened without following links or blocking, must be a plain file of one name whose size
fits the bound before a byte is read, and must spell its header exactly as `numpy.save` does.
Nothing is evaluated and nothing is unpickled.

What this does not protect against: a writer that is still alive. The scorer reads only after the
host has confirmed that every container which could write here is gone.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PREFIX = re.compile(rb"\x93NUMPY(?:\x01\x00(..)|\x02\x00(....))", re.DOTALL)
_HEADER = re.compile(
    rb"\{'descr': '([ -&(-~]{1,16})', 'fortran_order': (False|True), "
    rb"'shape': \(([0-9, ]{0,64})\), \} *\n"
)
_NOT_A_FILE = {errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.ENODEV, errno.ENOTDIR}


class Code(StrEnum):
    """Everything a refused output can be called: a closed list, so that it carries no message."""

    MISSING = "missing"
    NOT_REGULAR = "not-regular"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"
    WRONG_SIZE = "wrong-size"
    BAD_HEADER = "bad-header"
    WRONG_DTYPE = "wrong-dtype"
    WRONG_SHAPE = "wrong-shape"
    NOT_FINITE = "not-finite"
    WRONG_IDS = "wrong-ids"
    WRONG_ANSWERS = "wrong-answers"
    NEGATIVE = "negative"
    OUTSIDE = "outside"
    OVERLAPPING = "overlapping"
    DISCONNECTED = "disconnected"
    TOO_SLOW = "too-slow"
    LOOKS_AHEAD = "looks-ahead"
    INCONSISTENT = "inconsistent"


class InvalidOutputsError(Exception):
    """An output is refused; `code` says why and `output` which, relative to `/outputs`."""

    def __init__(self, code: Code, output: str) -> None:
        super().__init__(f"{output}: {code}")
        self.code = code
        self.output = output


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A float32 array of `rows` rows whose width lies between 1 and `max_width`."""

    rows: int
    max_width: int


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Exactly this little-endian dtype (`<f4`, `<f8`, `<i8`) and this shape."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def data_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)


def read_array(root: Path, output: str, layout: Layout) -> NDArray[Any]:
    """Return `root/output` as an array of exactly this layout, every value finite.

    Args:
        root: the outputs folder, a mount that agent code could not replace.
        output: `name.npy`, or `folder/name.npy` one folder deep.
        layout: dtype and shape, which also bound what may be read at all.

    Raises:
        InvalidOutputsError: it is not exactly such an array.
    """
    most = HEADER_BYTES + layout.data_bytes
    return _read(root, output, layout.dtype, most, lambda shape: shape == layout.shape)


def read_embeddings(root: Path, output: str, expected: Expected) -> NDArray[np.float32]:
    """Return `root/output` as float32 [rows, width], every value finite.

    Args:
        root: the outputs folder, a mount that agent code could not replace.
        output: `folder/name.npy`; one folder deep.
        expected: shape and, through it, the size that may be read at all.

    Raises:
        InvalidOutputsError: it is not exactly such an array.
    """
    rows, widest = expected.rows, expected.max_width
    most = HEADER_BYTES + 4 * rows * widest

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and shape[0] == rows and 1 <= shape[1] <= widest

    return _read(root, output, "<f4", most, fits)


def _read(
    root: Path, output: str, dtype: str, most: int, fits: Callable[[tuple[int, ...]], bool]
) -> NDArray[Any]:
    content = _read_plain(root, output, max_bytes=12 + most)
    start, shape = _parse_header(content, output, dtype)
    if not fits(shape):
        raise InvalidOutputsError(Code.WRONG_SHAPE, output)
    if len(content) - start != math.prod(shape) * np.dtype(dtype).itemsize:
        raise InvalidOutputsError(Code.WRONG_SIZE, output)
    array = np.frombuffer(content, dtype=dtype, offset=start).reshape(shape)
    if not np.isfinite(array).all():
        raise InvalidOutputsError(Code.NOT_FINITE, output)
    return array


def _read_plain(root: Path, output: str, *, max_bytes: int) -> bytes:
    folder_name, _, name = output.rpartition("/")
    try:
        folder = os.open(root / folder_name, _FOLDER)
        try:
            descriptor = os.open(name, _PLAIN, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise InvalidOutputsError(_open_failure(error), output) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise InvalidOutputsError(Code.NOT_REGULAR, output)
        if status.st_size > max_bytes:
            raise InvalidOutputsError(Code.TOO_LARGE, output)
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            content = stream.read(status.st_size + 1)  # nothing may follow
    except OSError:
        raise InvalidOutputsError(Code.UNREADABLE, output) from None
    finally:
        os.close(descriptor)
    if len(content) != status.st_size:
        raise InvalidOutputsError(Code.WRONG_SIZE, output)
    return content


def _open_failure(error: OSError) -> Code:
    if error.errno == errno.ENOENT:
        return Code.MISSING
    return Code.NOT_REGULAR if error.errno in _NOT_A_FILE else Code.UNREADABLE


def _parse_header(content: bytes, output: str, dtype: str) -> tuple[int, tuple[int, ...]]:
    """Return where the data starts and the shape of an array of this dtype in C order."""
    prefix = _PREFIX.match(content)
    if prefix is None:
        raise InvalidOutputsError(Code.BAD_HEADER, output)
    length = int.from_bytes(prefix[1] or prefix[2], "little")
    start = prefix.end() + length
    header = _HEADER.fullmatch(content, prefix.end(), start) if length <= HEADER_BYTES else None
    if header is None or start > len(content):
        raise InvalidOutputsError(Code.BAD_HEADER, output)
    if header[1] != dtype.encode():
        raise InvalidOutputsError(Code.WRONG_DTYPE, output)
    if header[2] != b"False":
        raise InvalidOutputsError(Code.BAD_HEADER, output)
    lengths = [length.strip() for length in header[3].removesuffix(b",").split(b",")]
    if not all(length.isdigit() and len(length) <= 10 for length in lengths):
        raise InvalidOutputsError(Code.WRONG_SHAPE, output)
    return start, tuple(int(length) for length in lengths)
