"""A table as a source of rows: what training gets, what is asked, and what must stay together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.arrays import from_npy, npy
from harness.declared import cells, columns, schema, targets
from harness.declared.cells import Cells
from harness.declared.columns import Column, Reading
from harness.declared.records import BadTableError
from harness.declared.schema import Declaration, TableData
from harness.declared.targets import Target
from harness.raw import required

ROWS = ("numbers", "words", "texts", "text_lengths")
NAMES = ("number_names", "word_names", "text_names")
NUMBERED = ("id", "index", "idx", "row", "rowid", "row_id", "nr", "no", "#")
"""What a column is called that numbers the rows."""
Given = Mapping[str, NDArray[Any] | bytes]


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """A file that was read, and what is to be done with its columns."""

    declaration: Declaration
    cells: Cells
    reading: Reading
    notes: tuple[str, ...]
    numbering: tuple[str, ...]
    """Columns that number the rows: no features either."""
    seed: int = 0
    """What replaces such numbers follows from it."""
    joined: Mapping[str, Cells] = field(default_factory=dict)
    """Other tables that refer to the id."""
    around: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """The lines of each file that are no rows; see `Cells.around`."""

    @property
    def data(self) -> TableData:
        return self.cells.dialect

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def target_names(self) -> tuple[str, ...]:
        return _names(self.data.target)

    @cached_property
    def target(self) -> Target:
        score = self.declaration.score
        values = [self.cells.column(name) for name in self.target_names]
        if len(values) > 1:
            return targets.of_columns(self.target_names, values, self.reading, kind=score.kind)
        if score.kind == "multi-label":
            return targets.of_labels(self.target_names[0], values[0])
        return targets.of_words(
            self.target_names[0], values[0], self.cells.lines, self.reading, kind=score.kind,
            positive=score.positive,
        )  # fmt: skip

    @cached_property
    def features(self) -> tuple[Column, ...]:
        """Return the columns that a model gets, understood."""
        split = self.declaration.split
        kept = self.cells.without([
            *self.target_names, *self.data.drop, *self.numbering,
            *([self.data.id] if self.data.id else []), *([split.column] if split.column else []),
        ])  # fmt: skip
        return tuple(
            columns.understand(name, values, kept.lines, self.reading)
            for name, values in zip(kept.names, kept.columns, strict=True)
        )

    def times(self) -> NDArray[np.float64] | None:
        """Return what orders the rows, [n], or nothing where they are in order."""
        return None if self.order is None else self.order.numbers

    @cached_property
    def order(self) -> Column | None:
        """Return the column that orders the rows, if one does.

        Raises:
            BadTableError: a value cannot be read.
        """
        name = self.declaration.split.column
        if self.declaration.split.by != "time" or name is None:
            return None
        try:
            return columns.times(name, self.cells.column(name), self.cells.lines, self.reading)
        except ValueError as error:
            raise BadTableError(str(error)) from None

    @property
    def origin(self) -> NDArray[np.int64]:
        """In which of several files each row is, [n]."""
        return np.array(self.cells.origin or [0] * len(self), dtype=np.int64)

    def groups(self) -> NDArray[np.int64] | None:
        split = self.declaration.split
        if not split.grouped or split.column is None:
            return None
        values = self.cells.column(split.column)
        for value, line in zip(values, self.cells.lines, strict=True):
            if self.reading.is_absent(value):
                raise BadTableError(
                    f"column {split.column!r}: line {line} belongs to no group: take the line out"
                )
        _, groups = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
        return groups.astype(np.int64)

    def signatures(self) -> list[bytes]:
        """Return [n] digests, equal for rows that look the same to a model."""
        coded = np.stack([column.codes() for column in self.features], axis=1)
        return [
            hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest().encode() for row in coded
        ]

    def training(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        """Return the files of a training part, targets included."""
        if self.data.given == "file":
            return {self.data.table: self._file(rows).content(), **self._joined(rows)}
        return {**self._columns(rows), "targets.npy": npy(self.target.values[rows])}

    def sealed(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        """Return the files of an evaluated part, of which `asked` deals some."""
        if self.data.given == "file":
            asked = self._file(rows).without(self.target_names)
            return {self.data.table: asked.content(), **self._joined(rows)}
        return self._columns(rows)

    def renumbered(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Return another number for each id, the same in every table; none tells a place."""
        return np.array([self._numbers[one] for one in ids], dtype=np.int64)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        ids = self.cells.column(self.data.id or "")
        drawn = np.random.Generator(np.random.PCG64([self.seed, len(ids)])).permutation(len(ids))
        return dict(zip(ids, drawn.tolist(), strict=True))

    def _joined(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        """Return what other tables hold of some rows, in a drawn order."""
        name, files = self.data.id or "", {}
        for file, table in self.joined.items():
            here = {self.cells.column(name)[row] for row in rows}
            own = [row for row, one in enumerate(table.column(name)) if one in here]
            random = np.random.Generator(np.random.PCG64([self.seed, len(own)]))
            taken = table.take(random.permutation(np.array(own, dtype=np.int64)))
            files[file] = taken.with_column(name, self.renumbered(taken.column(name))).content()
        return files

    def _file(self, rows: NDArray[np.int64]) -> Cells:
        """Return rows as they came; what no model gets is gone, and an id is another one."""
        taken = self.cells.take(rows).without(self.data.drop)
        random = np.random.Generator(np.random.PCG64([self.seed, *rows[:2].tolist(), len(rows)]))
        if self.joined and self.data.id:
            ids = self.renumbered(taken.column(self.data.id))
            taken = taken.with_column(self.data.id, ids)
        unjoined = [self.data.id] if self.data.id and not self.joined else []
        for name in (*self.numbering, *unjoined):
            taken = taken.with_column(name, random.integers(0, 2**53, len(rows)))
        return taken

    def _columns(self, rows: NDArray[np.int64]) -> dict[str, bytes]:
        known = [one for one in self.features if one.numbers is not None]
        texts = [one for one in self.features if one.kind == "text"]
        words = [one for one in self.features if one.numbers is None and one.kind != "text"]
        encoded = [[one.words[row].encode() for row in rows] for one in words]
        arrays: dict[str, NDArray[Any]] = {
            "numbers": _stack([one.numbers[rows] for one in known if one.numbers is not None],
                              len(rows), "<f8"),
            "words": _stack([np.array(values, dtype=np.bytes_) for values in encoded],
                            len(rows), "S1"),
            "number_names": np.array([one.name for one in known], dtype=np.str_),
            "word_names": np.array([one.name for one in words], dtype=np.str_),
            "text_names": np.array([one.name for one in texts], dtype=np.str_),
            **pack_texts([[one.words[row].encode() for one in texts] for row in rows], len(texts)),
        }  # fmt: skip
        return {f"{name}.npy": npy(array) for name, array in arrays.items()}


def read_source(raw: Path | None, declaration: Declaration, seed: int) -> TableSource:
    """Read the declared file.

    Raises:
        BadRawDataError: it is not there, or does not fit its declaration.
    """
    data = declaration.data
    if not isinstance(data, TableData):
        raise TypeError("not a table")
    files = [name for [name] in schema.sets_of_files(declaration)]
    each = [cells.read(required(raw, one).read_bytes(), data) for one in files]
    found = cells.joined(each, files)
    target_names = _names(data.target)
    split = declaration.split
    for name in (*target_names, *data.drop, data.id, split.column):
        if name is not None:
            found.column(name)
    _check_roles([*target_names, *data.drop, data.id, split.column])
    if data.given == "columns":
        found = _without_blank(found)
    unnamed = _of_unnamed(found.unnamed)
    reading = columns.reading_of(
        found.without(data.drop).columns, found.dialect.delimiter or "",
        decimal=data.decimal, dates=data.dates, missing=data.missing,
    )  # fmt: skip
    found, notes = _with_targets(found, target_names, reading)
    if data.id is not None:
        _check_unique(data.id, found)
    numbering = _numbering(found, (*target_names, *data.drop, data.id, split.column))
    dialect = replace(found.dialect, decimal=reading.decimal)
    joined = {name: _other(raw, name, data) for name in data.joined}
    source = TableSource(
        declaration=declaration, cells=replace(found, dialect=dialect), reading=reading,
        notes=(*found.notes, *unnamed, *notes), numbering=numbering, seed=seed, joined=joined,
        around={name: one.around for name, one in zip(files, each, strict=True)},
    )  # fmt: skip
    if not any(column.distinct + (column.missing > 0) > 1 for column in source.features):
        raise BadTableError(
            "no column is left to predict from: they are empty, constant, or number rows"
        )
    return source


def _other(raw: Path | None, name: str, data: TableData) -> Cells:
    """Return another table, which must refer to the id of this one.

    What no model gets of the table, no model gets of another one: its targets above all, since
    predictors are given these tables whole.
    """
    if data.id is None or data.given != "file":
        raise BadTableError("data.joined needs id, the column by which tables are joined")
    own = replace(data, table=name, delimiter=None, encoding=None, header=None, dates=None)
    found = cells.read(required(raw, name).read_bytes(), own)
    found.column(data.id)
    return found.without((*_names(data.target), *data.drop))


def asked(data: TableData, load: Callable[[str], bytes], order: NDArray[np.int64]) -> Given:
    """Return what a predictor is given of an evaluated part, in this order."""
    if data.given == "file":
        rows = cells.read(load(data.table), data, keep_blank=True)
        if len(rows) != len(order):
            raise BadTableError(
                f"{data.table} was written in {len(order)} rows, and has {len(rows)}"
            )
        others = {name: load(name) for name in data.joined}
        return {data.table: rows.take(order).content(), **others}
    arrays = {name: from_npy(load(f"{name}.npy")) for name in (*ROWS, *NAMES)}
    texts = unpack_texts(arrays["texts"], arrays["text_lengths"])
    arrays |= {name: arrays[name][order] for name in ("numbers", "words")}
    arrays |= pack_texts([texts[row] for row in order], len(arrays["text_names"]))
    return {f"{name}.npy": array for name, array in arrays.items()}


def pack_texts(rows: Sequence[Sequence[bytes]], width: int) -> dict[str, NDArray[Any]]:
    """Return long texts as one run of bytes, and each one's length [n, width]."""
    joined = b"".join(text for row in rows for text in row)
    lengths = [[len(text) for text in row] for row in rows]
    return {
        "texts": np.frombuffer(joined, dtype=np.uint8),
        "text_lengths": np.array(lengths, dtype=np.int64).reshape(len(rows), width),
    }


def unpack_texts(joined: NDArray[np.uint8], lengths: NDArray[np.int64]) -> list[list[bytes]]:
    ends = np.cumsum(lengths).reshape(lengths.shape)
    content = joined.tobytes()
    return [
        [content[end - length : end] for end, length in zip(row, lengths[place], strict=True)]
        for place, row in enumerate(ends)
    ]


def _names(target: str | tuple[str, ...]) -> tuple[str, ...]:
    return (target,) if isinstance(target, str) else target


def _without_blank(found: Cells) -> Cells:
    """Leave out columns with neither a name nor a value, as spreadsheets have them at the end."""
    blank = [name for name, values in zip(found.names, found.columns, strict=True)
             if name in found.unnamed and not any(values)]  # fmt: skip
    return found.without(blank)


def _of_unnamed(names: Sequence[str]) -> list[str]:
    """Say what columns are called that have no name in the header."""
    if len(names) == 1:
        place = names[0].partition("_")[2]
        return [f"column {place} of the header has no name: it is called {names[0]}"]
    if not names:
        return []
    return [f"{len(names)} columns of the header have no name: they are called {names[0]} to "
            f"{names[-1]}"]  # fmt: skip


def _with_targets(found: Cells, names: Sequence[str], reading: Reading) -> tuple[Cells, list[str]]:
    """Leave out rows whose target is absent, if that was asked for."""
    values = [found.column(name) for name in names]
    absent = [reading.absent_targets(one) for one in values]
    gone = [any(row) for row in zip(*absent, strict=True)]
    if not any(gone):
        return found, []
    row, count = gone.index(True), sum(gone)
    first, shown = found.lines[row], next(one[row] for one, away in zip(
        values, absent, strict=True) if away[row])  # fmt: skip
    if not found.dialect.drop_missing_target:
        raise BadTableError(
            f"the target {names[0]!r}: line {first} has no value"
            + (f" ({shown!r})" if shown else "")
            + (f", nor have {count - 1} others" if count > 1 else "")
            + ": --drop-missing-target leaves such rows out"
        )
    kept = found.take(np.flatnonzero(~np.array(gone)))
    if not len(kept):
        raise BadTableError(f"the target {names[0]!r} has no value in any row")
    return kept, [f"{count} rows without a target are left out, the first in line {first}"]


def _check_roles(names: Sequence[str | None]) -> None:
    for place, name in enumerate(names):
        if name is not None and name in names[:place]:
            raise BadTableError(f"column {name!r} is named twice: it can have one role only")


def _check_unique(name: str, found: Cells) -> None:
    first: dict[str, int] = {}
    for value, line in zip(found.column(name), found.lines, strict=True):
        if value in first:
            raise BadTableError(
                f"column {name!r}: line {line} repeats {value!r}, which line {first[value]} has; "
                f"if rows of one {name} belong together: --group {name} instead of --id {name}"
            )
        first[value] = line


def _numbering(found: Cells, named: Sequence[str | None]) -> tuple[str, ...]:
    """Name the columns that number the rows: by ones, or under a name that says so."""
    numbering = []
    for name, values in zip(found.names, found.columns, strict=True):
        if name in named or len(set(values)) != len(values):
            continue
        whole = all(value.isdigit() and len(value) < 16 for value in values)
        rising = whole and all(int(after) == int(before) + 1 for before, after in pairwise(values))
        unnamed = name in found.unnamed or name.startswith("Unnamed: ")  # an index, shuffled
        if rising or (whole and unnamed) or name.casefold().strip("_ ") in NUMBERED:
            numbering.append(name)
    return tuple(numbering)


def _stack(arrays: Sequence[NDArray[Any]], rows: int, dtype: str) -> NDArray[Any]:
    return np.stack(arrays, axis=1) if arrays else np.empty((rows, 0), dtype)
