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

    @property
    def max_bytes(self) -> int:
        return 12 + HEADER_BYTES + 4 * self.rows * self.max_width


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
    content = _read_plain(root, output, max_bytes=12 + HEADER_BYTES + layout.data_bytes)
    start, shape = _parse_header(content, output, layout.dtype)
    if shape != layout.shape:
        raise InvalidOutputsError(Code.WRONG_SHAPE, output)
    if len(content) - start != layout.data_bytes:
        raise InvalidOutputsError(Code.WRONG_SIZE, output)
    array = np.frombuffer(content, dtype=layout.dtype, offset=start).reshape(shape)
    if not np.isfinite(array).all():
        raise InvalidOutputsError(Code.NOT_FINITE, output)
    return array


def read_embeddings(root: Path, output: str, expected: Expected) -> NDArray[np.float32]:
    """Return `root/output` as float32 [rows, width], every value finite.

    Args:
        root: the outputs folder, a mount that agent code could not replace.
        output: `folder/name.npy`; one folder deep.
        expected: shape and, through it, the size that may be read at all.

    Raises:
        InvalidOutputsError: it is not exactly such an array.
    """
    content = _read_plain(root, output, max_bytes=expected.max_bytes)
    start, shape = _parse_header(content, output, "<f4")
    if len(shape) != 2 or shape[0] != expected.rows or not 1 <= shape[1] <= expected.max_width:
        raise InvalidOutputsError(Code.WRONG_SHAPE, output)
    if len(content) - start != 4 * shape[0] * shape[1]:
        raise InvalidOutputsError(Code.WRONG_SIZE, output)
    array = np.frombuffer(content, dtype="<f4", offset=start).reshape(shape)
    if not np.isfinite(array).all():
        raise InvalidOutputsError(Code.NOT_FINITE, output)
    return array


def _read_plain(root: Path, output: str, *, max_bytes: int) -> bytes:
    descriptor = _open_plain(root, output)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise InvalidOutputsError(Code.NOT_REGULAR, output)
        if status.st_size > max_bytes:
            raise InvalidOutputsError(Code.TOO_LARGE, output)
        content = _read_exactly(descriptor, status.st_size, output)
    finally:
        os.close(descriptor)
    return content


def _open_plain(root: Path, output: str) -> int:
    folder_name, _, name = output.rpartition("/")
    try:
        folder = os.open(root / folder_name, _FOLDER)
        try:
            return os.open(name, _PLAIN, dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise InvalidOutputsError(_open_failure(error), output) from None


def _open_failure(error: OSError) -> Code:
    if error.errno == errno.ENOENT:
        return Code.MISSING
    return Code.NOT_REGULAR if error.errno in _NOT_A_FILE else Code.UNREADABLE


def _read_exactly(descriptor: int, size: int, output: str) -> bytes:
    """Read `size` bytes and make sure that nothing follows them."""
    try:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            content = stream.read(size + 1)
    except OSError:
        raise InvalidOutputsError(Code.UNREADABLE, output) from None
    if len(content) != size:
        raise InvalidOutputsError(Code.WRONG_SIZE, output)
    return content


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
    return start, _parse_shape(header[3], output)


def _parse_shape(text: bytes, output: str) -> tuple[int, ...]:
    lengths = [length.strip() for length in text.removesuffix(b",").split(b",")]
    if not all(length.isdigit() and len(length) <= 10 for length in lengths):
        raise InvalidOutputsError(Code.WRONG_SHAPE, output)
    return tuple(int(length) for length in lengths)
