"""Rows of a task's data that lie in a workspace template or in packages, in whatever format.

Looked for are whole rows: as text with any of the usual marks between values, in notebooks and in
tables of HTML, in packed files, and as the bytes of arrays.

What this does not protect against: rows that were written otherwise on purpose.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.declared.cells import NO_PARQUET, Cells
from harness.declared.numbers import number
from harness.declared.tables import TableSource
from harness.raw import library

FEWEST_ROWS, LONG_ROW = 3, 40
"""So many different rows, or one of so many characters, are no coincidence."""
FEWEST_VALUES, FEWEST_BYTES = 2, 16
MOST_PIECES, PIECE_BYTES = 500, 200
MOST_BYTES = 512 * 1024**2
COPIED, TELLING = 0.1, 8
"""A share of all rows, and letters of one, from which on other data of a package are these."""
MOST_VALUES = 1000
"""Of a row of an array that is looked for as text too."""
PACKED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ", lzma.decompress),
    (b"\x78", zlib.decompress),
)
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
"""What unpacking raises where a file is damaged, or packed in a way that we do not know."""
_MARKS = (",", ";", "\t", "|", " ")
_CUTS = tuple(map(re.compile, (",", ";", r"\t", r"\|", r"\s+", r"\s{2,}")))
_HTML_ROW = re.compile(r"<tr.*?</tr>", re.DOTALL | re.IGNORECASE)
_HTML_CELL = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL | re.IGNORECASE)
Row = tuple[str, ...]


def search(
    looked: Sequence[Lines | Pieces], folder: Path, *, packages: bool = False
) -> dict[str, int]:
    """Return the files below a folder that hold rows of the data, and how many.

    Args:
        looked: the ways of looking.
        folder: a workspace, or what packages bring along.
        packages: whether it is the latter, where a few rows are a coincidence.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.stat().st_size > MOST_BYTES:
            continue
        contents = list(_contents(path.read_bytes()))
        for one in looked:
            rows = {row for content in contents for row in one.rows_in(content)}
            if one.are_a_copy(rows) if packages else one.are_no_coincidence(rows):
                found[path.relative_to(folder).as_posix()] = len(rows)
    return found


def _contents(content: bytes) -> Iterator[bytes]:
    """Yield a file's bytes, and what is packed in them."""
    yield content
    for start, unpack in PACKED:
        if content.startswith(start):
            with suppress(*DAMAGED):
                yield unpack(content)
    with suppress(zipfile.BadZipFile):
        packed = zipfile.ZipFile(io.BytesIO(content))
        for member in packed.infolist():
            if member.file_size <= MOST_BYTES and not member.flag_bits & 1:
                with suppress(*DAMAGED):
                    yield packed.read(member)


class Lines:
    """Looks for rows of values in text, of a width each."""

    def __init__(self) -> None:
        self._rows: dict[int, set[Row]] = {}

    @classmethod
    def of_table(cls, source: TableSource) -> Lines:
        """Return rows: all columns that hold anything, those without ids, without the target."""
        numbering = [*source.numbering, *([source.data.id] if source.data.id else [])]
        return cls.of_cells(source.cells, (), numbering, [*numbering, *source.target_names])

    @classmethod
    def of_cells(cls, cells: Cells, *without: Sequence[str]) -> Lines:
        """Return rows without the columns that hold nothing, and without some others each."""
        looked = cls()
        blank = [name for name, values in zip(cells.names, cells.columns, strict=True)
                 if not any(values)]  # fmt: skip
        for gone in without or ((),):
            kept = cells.without((*gone, *blank))
            if len(kept.names) >= FEWEST_VALUES:
                rows = {tuple(map(_normal, row)) for row in zip(*kept.columns, strict=True)}
                looked._rows.setdefault(len(kept.names), set()).update(rows)
        return looked

    @classmethod
    def of_array(cls, inputs: NDArray[Any]) -> Lines:
        """Return single rows of an array of numbers, flat, as a table of text has them."""
        looked, flat = cls(), np.ascontiguousarray(inputs).reshape(len(inputs), -1)
        if flat.dtype.kind in "iuf" and FEWEST_VALUES < flat.shape[1] <= MOST_VALUES:
            rows = (tuple(map(repr, row)) for row in flat[_some(flat)].astype(float).tolist())
            looked._rows[flat.shape[1]] = {row for row in rows if len(set(row)) > 1}
        return looked

    def are_no_coincidence(self, rows: set[object]) -> bool:
        lengths = [len("".join(row)) for row in rows if isinstance(row, tuple)]
        return len(rows) >= FEWEST_ROWS or max(lengths, default=0) >= LONG_ROW

    def are_a_copy(self, rows: set[object]) -> bool:
        telling = [row for row in rows if isinstance(row, tuple)
                   and sum(len(value.removesuffix(".0")) for value in row) >= TELLING]  # fmt: skip
        most = max((len(self._rows[len(row)]) for row in telling), default=0)
        return len(telling) >= max(FEWEST_ROWS, COPIED * most)

    def rows_in(self, content: bytes) -> set[object]:
        found: set[object] = set()
        narrowest = min(self._rows, default=0)
        for values in _lines_of_values(content):
            if len(values) < narrowest:
                continue
            normal = tuple(map(_normal, values))
            found |= next((rows for rows in self._rows_among(normal) if rows), set())
        return found

    def _rows_among(self, values: Row) -> Iterator[set[Row]]:
        """Yield what rows stand side by side in a line, in the widest form first."""
        for width in sorted(self._rows, reverse=True):
            rows, starts = self._rows[width], range(len(values) - width + 1)
            yield {row for at in starts if (row := values[at : at + width]) in rows}


def _lines_of_values(content: bytes) -> Iterator[list[str]]:
    if content[:4] == b"PAR1":
        parquet = library("pyarrow.parquet", NO_PARQUET)
        try:
            table = parquet.read_table(io.BytesIO(content))
        except (OSError, ValueError):  # it only begins like one
            return
        columns = [[str(value) for value in column.to_pylist()] for column in table.columns]
        yield from map(list, zip(*columns, strict=True))
        return
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace")
    else:
        text = content.decode("utf-8", errors="replace")
    if text.lstrip().startswith("{") and '"cells"' in text:
        with suppress(ValueError, RecursionError):
            text = "\n".join(_strings(json.loads(text)))
    for line in text.splitlines():
        for cut in _CUTS:
            if len(values := cut.split(line)) >= FEWEST_VALUES:
                yield [value.strip(" \"'[](){}") for value in values]
    if '"' in text:
        yield from _quoted(text)
    for row in _HTML_ROW.findall(text):
        yield [cell.strip() for cell in _HTML_CELL.findall(row)]


def _quoted(text: str) -> Iterator[list[str]]:
    """Yield rows with values in quotation marks, which may hold what cuts the others."""
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    for mark in _MARKS:
        with suppress(csv.Error):
            for row in csv.reader(
                io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True
            ):
                if len(row) >= FEWEST_VALUES:
                    yield row


def _strings(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, list):
        if all(isinstance(each, str) for each in document):
            yield "".join(document)  # a notebook keeps a text as its lines
        else:
            for each in document:
                yield from _strings(each)
    elif isinstance(document, dict):
        for each in document.values():
            yield from _strings(each)


def _some(rows: Sequence[object] | NDArray[Any]) -> NDArray[np.int64]:
    """Return places of rows, of all where they are not too many."""
    return np.linspace(0, len(rows) - 1, min(len(rows), MOST_PIECES)).astype(np.int64)


@lru_cache(100_000)
def _normal(value: str) -> str:
    value = value.strip()
    found = number(value, ".")
    return value.casefold() if found is None else repr(found)


class Pieces:
    """Looks for runs of bytes, each a row, a file or a stretch of a text."""

    def __init__(self, pieces: set[bytes]) -> None:
        self._pieces = pieces

    @classmethod
    def of_array(cls, inputs: NDArray[Any]) -> Pieces:
        """Return single rows of an array, as it is and as other types hold it."""
        flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
        chosen = _some(flat)
        kinds = {flat.dtype}
        if flat.dtype.kind not in "SU":
            kinds |= {np.dtype("<f4"), np.dtype("<f8")}
        pieces = set()
        for kind in kinds:
            with np.errstate(over="ignore"):
                rows = flat[chosen].astype(kind)
            for row in rows:
                if row.nbytes >= FEWEST_BYTES and len(np.unique(row)) > 1:
                    pieces.add(row.tobytes())
        return cls(pieces)

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> Pieces:
        """Return the ends of files, where they are least alike."""
        chosen = _some(paths)
        contents = [paths[place].read_bytes() for place in chosen]
        return cls({content[-PIECE_BYTES:] for content in contents if len(content) >= PIECE_BYTES})

    @classmethod
    def of_text(cls, text: bytes) -> Pieces:
        starts = np.linspace(0, max(0, len(text) - PIECE_BYTES), MOST_PIECES).astype(int)
        return cls({text[start : start + PIECE_BYTES] for start in starts})

    def are_no_coincidence(self, rows: set[object]) -> bool:
        return bool(rows)

    def are_a_copy(self, rows: set[object]) -> bool:
        return len(rows) >= max(FEWEST_ROWS, COPIED * len(self._pieces))

    def rows_in(self, content: bytes) -> set[object]:
        found: set[object] = {piece for piece in self._pieces if piece in content}
        return found
