"""A CSV or Parquet file as columns of text, in the dialect that was declared or is found.

Everything is text here, and nothing is evaluated. A complaint names the line as a person sees it
who opens the file. What had to be found is kept as values that a declaration can hold.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import shlex
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.declared import records
from harness.declared.records import BadTableError
from harness.declared.schema import TableData
from harness.raw import library

MOST_BYTES = 4 * 1024**3
SAMPLE_BYTES = 1024**2
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How a file begins that says its encoding itself."""
NO_TABLES = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive: save the sheet as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
    (b"SQLite format 3", "a database: export the rows as CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself: git lfs pull"),
    (b"BZh", "packed with bzip2: unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "packed with xz: unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (b"ARROW1", "Arrow or Feather: write it as Parquet"),
    (b"\x89HDF", "HDF5: write the rows as CSV or Parquet"),
    (b"\x93NUMPY", "an array of numpy: --blank declares arrays"),
    (b"\x80\x04", "a pickle: write the rows as CSV or Parquet"),
    (b"\x80\x05", "a pickle: write the rows as CSV or Parquet"),
    (b"$FL2", "SPSS: write the rows as CSV or Parquet"),
    (b"<stata", "Stata: write the rows as CSV or Parquet"),
    (b"@relation", "ARFF of Weka: write the names of its attributes as line 1, then its rows"),
    (b"@RELATION", "ARFF of Weka: write the names of its attributes as line 1, then its rows"),
    *(
        (start, "a page or XML: what was downloaded may say why")
        for start in (b"<!", b"<?", b"<html", b"<HTML", b"<table")
    ),
    *(
        (start, "JSON: write its rows as CSV")
        for start in (b'{"', b"{\n", b"{\r", b'{ "', b"[{", b"[[", b"[\n", b"[\r", b'["')
    ),
)
"""How a file begins that is something else, and what."""
SCRIPTS = ["cp1250", "cp1251", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr"]
"""Encodings that are told apart where a text is no UTF-8; Western European is what is left."""
WESTERN = "cp1252"
MOST_COLUMNS, MOST_DAMAGED = 2000, 10


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Rows of a file as text, spaces around each value removed.

    Everything is found and compared in these; a file that is written has the spaces again.
    """

    names: tuple[str, ...]
    columns: tuple[Sequence[str], ...]
    lines: Sequence[int]
    """[n] where each row begins in the file, counted from 1."""
    dialect: TableData
    """The declaration, with delimiter, encoding and header as they were found."""
    notes: tuple[str, ...] = ()
    """What was done to read it that a person should know."""
    unnamed: tuple[str, ...] = ()
    """Columns that have no name in the header."""
    arrow: Any = None
    """The rows of a Parquet file with their own types."""
    around: tuple[str, str, str] = ("", "", "")
    """Lines that are no rows: above header and rows, between the two, and below."""
    written: tuple[Sequence[str], ...] = ()
    """The columns with the spaces around their values, where the file's rows are to be written."""
    header: tuple[str, ...] = ()
    """The names so, two that are one among them."""
    origin: Sequence[int] = ()
    """[n] in which of several files each row is, where there are several."""

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Sequence[str]:
        """Return a column's values.

        Raises:
            BadTableError: there is none of that name.
        """
        if name not in self.names:
            shown = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
            known = {re.sub(r"[\W_]", "", one.casefold()): one for one in self.names}
            # As pandas calls what has no name in the header.
            known |= {f"unnamed{int(one.partition('_')[2]) - 1}": one for one in self.unnamed}
            close = get_close_matches(re.sub(r"[\W_]", "", name.casefold()), known, n=1)
            meant = f"did you mean {known[close[0]]!r}?" if close else f"the file has {shown}"
            raise BadTableError(f"there is no column {name!r}; {meant}")
        return self.columns[self.names.index(name)]

    def take(self, rows: NDArray[np.int64]) -> Cells:
        """Return some of the rows, in the order asked for."""
        columns = tuple([column[row] for row in rows] for column in self.columns)
        lines = [self.lines[row] for row in rows]
        written = tuple([column[row] for row in rows] for column in self.written)
        arrow = None if self.arrow is None else self.arrow.take(rows)
        origin = [self.origin[row] for row in rows] if self.origin else ()
        return replace(
            self, columns=columns, written=written, lines=lines, arrow=arrow, origin=origin
        )

    def without(self, names: Sequence[str]) -> Cells:
        kept = [place for place, name in enumerate(self.names) if name not in names]
        return replace(
            self,
            names=tuple(self.names[place] for place in kept),
            unnamed=tuple(name for name in self.unnamed if name not in names),
            columns=tuple(self.columns[place] for place in kept),
            written=tuple(self.written[place] for place in kept if self.written),
            header=tuple(self.header[place] for place in kept if self.header),
            arrow=None if self.arrow is None else self.arrow.select(kept),
        )

    def with_column(self, name: str, values: NDArray[np.int64]) -> Cells:
        """Return the rows with other values in a column."""
        place, columns, arrow = self.names.index(name), list(self.columns), self.arrow
        columns[place] = [str(value) for value in values]
        written = (*self.written[:place], columns[place], *self.written[place + 1 :])
        if arrow is not None:
            arrow = arrow.set_column(place, name, [values])
        return replace(
            self, columns=tuple(columns), written=written if self.written else (), arrow=arrow
        )

    def content(self) -> bytes:
        """Return the rows as a file in the format and dialect that they came in."""
        if self.arrow is not None:
            parquet: Any = library("pyarrow.parquet", NO_PARQUET)
            packed = io.BytesIO()
            parquet.write_table(self.arrow, packed)
            return packed.getvalue()
        stream = io.StringIO()
        delimiter = self.dialect.delimiter or ","
        # Without quotes the end of a line in a value would be one, and no value at the end none.
        columns = self.written or self.columns
        odd = any("\r" in one or (not one and delimiter == " ") for each in columns for one in each)
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n",
                            quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL)  # fmt: skip
        if self.dialect.header:
            # As pandas calls such a column in the whole file, whatever stands before it here.
            writer.writerow(
                f"Unnamed: {int(name.partition('_')[2]) - 1}" if name in self.unnamed else written
                for name, written in zip(self.names, self.header or self.names, strict=True)
            )
        writer.writerows(zip(*columns, strict=True))
        content = stream.getvalue().encode(self.dialect.encoding or "utf-8")
        return gzip.compress(content, mtime=0) if self.dialect.table.endswith(".gz") else content


def read(content: bytes, data: TableData, *, keep_blank: bool = False) -> Cells:
    """Read a file's bytes; rows that hold nothing are left out unless they are to be kept.

    Raises:
        BadTableError: it is no table, or not in the declared dialect.
    """
    if content[:4] == PARQUET:
        return _bounded(_from_parquet(content, data))
    content = _unpacked(content)
    for start, what in NO_TABLES:
        if content.lstrip(b" \t\r\n\xef\xbb\xbf")[: len(start)] == start and not keep_blank:
            raise BadTableError(f"this is {what}")
    text, encoding = _decoded(content, data.encoding)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise BadTableError("the file is empty")
    first = ""
    if text[:4].lower() == "sep=" and not keep_blank:  # as spreadsheets write it
        first, _, text = text.partition("\n")
        data = replace(data, delimiter=data.delimiter or first.strip()[4:] or None)
        text = "\n" + text
    found = records.read(text, data, keep_blank=keep_blank)
    dialect = replace(data, delimiter=found.delimiter, encoding=encoding,
                      header=found.header is not None)  # fmt: skip
    header = found.header or [""] * len(found.rows[0])
    if data.given == "columns":  # nobody's code has the names; a person can type them
        header = [" ".join(name.split()) for name in header]
    names, notes = _names(header)
    columns = tuple(zip(*found.rows, strict=True))
    title, rows = found.as_written(text) if data.given == "file" else ([], [])
    around = ("", "", "")
    if data.given == "file" and not keep_blank:
        above, between, below = found.around(text)
        around = (first.rstrip("\r") + above, between, below if below.strip() else "")
    return _bounded(Cells(
        names=names, columns=columns, lines=found.lines, dialect=dialect,
        notes=(*found.notes, *notes),
        unnamed=tuple(name for name, written in zip(names, header, strict=True)
                      if found.header and not written),
        around=around,
        written=tuple(zip(*rows, strict=True)) if rows != found.rows else (),
        header=tuple(title),
    ))  # fmt: skip


def joined(files: Sequence[Cells], names: Sequence[str]) -> Cells:
    """Return the rows of several files below each other, in the dialect of the first.

    Raises:
        BadTableError: they have other columns.
    """
    first = files[0]
    if len(files) == 1:
        return first
    for one, name in zip(files, names, strict=True):
        if one.names != first.names or (one.arrow is None) != (first.arrow is None):
            odd = [*(set(one.names) ^ set(first.names)), "their order, or the format"][0]
            raise BadTableError(f"{name} has other columns than {names[0]}: {odd}")
    arrow: Any = None
    if first.arrow is not None:
        pyarrow: Any = library("pyarrow", NO_PARQUET)
        try:
            arrow = pyarrow.concat_tables(
                [one.arrow for one in files], promote_options="permissive"
            )
        except (TypeError, ValueError) as error:
            raise BadTableError(f"{', '.join(names)} have other types of values: {error}") from None
    return replace(
        first,
        columns=tuple([value for one in each for value in one]
                      for each in zip(*(one.columns for one in files), strict=True)),
        lines=[line for one in files for line in one.lines],
        written=tuple([value for one in each for value in one]
                      for each in zip(*(one.written or one.columns for one in files), strict=True)
                      if any(one.written for one in files)),
        notes=tuple(dict.fromkeys(note for one in files for note in one.notes)),
        arrow=arrow,
        origin=[place for place, one in enumerate(files) for _ in range(len(one))],
    )  # fmt: skip


def _bounded(cells: Cells) -> Cells:
    if len(cells.names) > MOST_COLUMNS:
        raise BadTableError(
            f"the table has {len(cells.names)} columns, and {MOST_COLUMNS} are the most: "
            "take out what no model needs"
        )
    return cells


# -- bytes to text ----------------------------------------------------------------------------


def _unpacked(content: bytes) -> bytes:
    if content[:2] != GZIP:
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            unpacked = packed.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadTableError(f"the file is no whole gzip file: {error}") from None
    if len(unpacked) > MOST_BYTES:
        raise BadTableError(f"the file holds more than {MOST_BYTES // 1024**3} GiB when unpacked")
    return unpacked


def _decoded(content: bytes, declared: str | None) -> tuple[str, str]:
    encoding = declared or _encoding(content)
    try:
        return content.decode(encoding), encoding
    except LookupError:
        raise BadTableError(f"there is no encoding {encoding!r}: --encoding utf-8, say") from None
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content[:start].count(b"\n") + 1
        raise BadTableError(
            f"line {line} is not {encoding}: --encoding says which one it is"
        ) from None


def _encoding(content: bytes) -> str:
    """Find a text's encoding: as it says itself, UTF-8 if it can be, else as its letters look."""
    for mark, name in MARKS.items():
        if content.startswith(mark):
            return name
    pairs = content[: SAMPLE_BYTES // 2 * 2]
    zeros = [pairs[place::2].count(0) / max(1, len(pairs) // 2) for place in (0, 1)]
    if max(zeros) > 0.4 > 0.1 > min(zeros):
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        damaged = content.decode(errors="replace")
        bad, letters = damaged.count("\ufffd"), sum(letter > "\x7f" for letter in damaged)
        if letters > MOST_DAMAGED * bad:
            line = content[: error.start].count(b"\n") + 1
            raise BadTableError(
                f"line {line} is not UTF-8, and the rest is, with {letters - bad} letters beyond "
                "ASCII: correct it, or --encoding latin-1 reads all of the file otherwise"
            ) from None
        return _other_encoding(content, error.start)
    return "utf-8"


def _other_encoding(content: bytes, start: int) -> str:
    try:
        from charset_normalizer import from_bytes
    except ImportError:
        raise BadTableError(
            "the file is not UTF-8: write data.encoding into the declaration"
        ) from None
    sample = content[max(0, start - SAMPLE_BYTES // 2) : start + SAMPLE_BYTES // 2]
    best = from_bytes(sample, cp_isolation=[*SCRIPTS, WESTERN]).best()
    if best is None or best.encoding == "cp1250":
        # The two share most letters; Western European is the more common by far.
        western = sample.decode(WESTERN, errors="ignore")
        odd = [letter for letter in western if ord(letter) > 127 and not letter.isalnum()]
        return "cp1250" if best is not None and len(odd) > len(western) / 100 else WESTERN
    return str(best.encoding)


# -- names of columns ------------------------------------------------------------------------


def _names(header: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Name columns that have no name by their place, and tell apart those that share one."""
    names: list[str] = []
    notes = []
    for place, written in enumerate(header, start=1):
        name = written or f"column_{place}"
        if name in names:
            count = next(n for n in range(2, len(header) + 2) if f"{name}_{n}" not in names)
            notes.append(
                f"two columns are called {name!r}: column {place} is called {name}_{count}"
            )
            name = f"{name}_{count}"
        names.append(name)
    return tuple(names), notes


# -- Parquet ----------------------------------------------------------------------------------

NO_VALUES = ("list", "large_list", "struct", "map", "binary", "large_binary", "fixed_size")
NO_PARQUET = (
    "reading Parquet needs pyarrow, which is not here: write the table as CSV, or install pyarrow"
)


def _from_parquet(content: bytes, data: TableData) -> Cells:
    parquet: Any = library("pyarrow.parquet", NO_PARQUET)
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (OSError, ValueError) as error:  # what pyarrow raises derives from one of them
        raise BadTableError(f"the file is no whole Parquet file: {error}") from None
    names, notes = _names(table.column_names)
    table, rows = table.rename_columns(list(names)), table.num_rows
    columns = [
        [""] * rows if name in data.drop else _values(name, table.column(name)) for name in names
    ]
    if not rows or not columns:
        raise BadTableError("the file has no rows")
    dialect = replace(data, delimiter=None, encoding=None, header=True)
    return Cells(
        names=names, columns=tuple(columns), lines=range(1, rows + 1), dialect=dialect,
        notes=tuple(notes), arrow=table,
    )  # fmt: skip


def _values(name: str, column: Any) -> list[str]:
    """Return a column's values as text, to the microsecond where they are moments."""
    pyarrow: Any = library("pyarrow", NO_PARQUET)
    kind = column.type
    if str(kind).startswith(NO_VALUES):
        raise BadTableError(
            f"column {name!r} holds {kind}, not one value a row: --drop {shlex.quote(name)}"
        )
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    elif pyarrow.types.is_duration(kind):  # in seconds
        nanoseconds = column.cast(pyarrow.duration("ns")).cast(pyarrow.int64())
        return ["" if one is None else repr(one / 1e9) for one in nanoseconds.to_pylist()]
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value).strip()
